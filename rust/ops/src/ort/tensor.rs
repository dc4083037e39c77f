//! Tensors of ONNX Runtime as slices, checked for type and shape.

use std::ffi::{c_int, c_void};
use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, Ordering};

use ort_sys::{
    ONNXTensorElementDataType as Code, OrtApi, OrtKernelContext, OrtKernelInfo,
    OrtTensorTypeAndShapeInfo, OrtValue,
};

use super::{OpError, check};
use crate::parallel::Team;

/// A Rust type that is an element type of ONNX.
pub trait Element: Copy + 'static {
    /// The code of the type.
    const CODE: Code;
}

impl Element for f32 {
    const CODE: Code = Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
}
impl Element for i8 {
    const CODE: Code = Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8;
}
impl Element for i32 {
    const CODE: Code = Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32;
}
impl Element for i64 {
    const CODE: Code = Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64;
}

/// A weight of the model: memory that ONNX Runtime has mapped for as long as the session lives.
pub struct Constant<T> {
    start: *const T,
    len: usize,
    shape: Vec<usize>,
}

// SAFETY: the memory is read only for as long as the value lives.
unsafe impl<T: Sync> Sync for Constant<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Send for Constant<T> {}

impl<T> Constant<T> {
    /// The elements in C order.
    #[must_use]
    pub fn get(&self) -> &[T] {
        // SAFETY: `read` checked type and length, and the session outlives its kernels, which are
        // the only owners of constants.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }

    /// Length of each dimension.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }
}

/// What a kernel may ask when the session is made.
pub struct KernelInfo<'a> {
    pub(super) api: &'static OrtApi,
    pub(super) info: *const OrtKernelInfo,
    pub(super) alive: PhantomData<&'a OrtKernelInfo>,
}

impl KernelInfo<'_> {
    /// Input number `index`, which must be an initializer with `T` elements and `rank` dimensions.
    ///
    /// # Errors
    /// If it is something else; the message calls it `name`.
    pub fn constant<T: Element>(
        &self,
        index: usize,
        name: &str,
        rank: usize,
    ) -> Result<Constant<T>, OpError> {
        let (mut is_constant, mut value): (c_int, *const OrtValue) = (0, null());
        let get = self.api.KernelInfoGetConstantInput_tensor;
        // SAFETY: `info` is live for `'a`; the places written to are ours.
        check(self.api, unsafe {
            get(self.info, index, &raw mut is_constant, &raw mut value)
        })?;
        if is_constant == 0 || value.is_null() {
            return Err(OpError::invalid(format!("{name} must be an initializer")));
        }
        // SAFETY: the value was just given to us and belongs to the session.
        let (start, shape) = unsafe { read::<T>(self.api, value, name) }?;
        if shape.len() != rank {
            let found = format!("{name}: expected {rank} dimensions, got shape {shape:?}");
            return Err(OpError::invalid(found));
        }
        Ok(Constant {
            start,
            len: shape.iter().product(),
            shape,
        })
    }
}

/// What a kernel may ask while it computes.
pub struct KernelContext<'a> {
    pub(super) api: &'static OrtApi,
    pub(super) context: *mut OrtKernelContext,
    pub(super) is_output_taken: bool,
    pub(super) alive: PhantomData<&'a mut OrtKernelContext>,
}

impl<'a> KernelContext<'a> {
    /// Input number `index` and its shape.
    ///
    /// # Errors
    /// If it has other elements than `T`.
    pub fn input<T: Element>(
        &self,
        index: usize,
        name: &str,
    ) -> Result<(&'a [T], Vec<usize>), OpError> {
        let mut value: *const OrtValue = null();
        // SAFETY: the context is live for `'a`; the place written to is ours.
        let status =
            unsafe { (self.api.KernelContext_GetInput)(self.context, index, &raw mut value) };
        check(self.api, status)?;
        if value.is_null() {
            return Err(OpError::invalid(format!("{name} is missing")));
        }
        // SAFETY: the value was just given to us and lives as long as the context.
        let (start, shape) = unsafe { read::<T>(self.api, value, name) }?;
        let len = shape.iter().product();
        if len == 0 {
            return Ok((&[], shape));
        }
        // SAFETY: `start` is a tensor of `len` elements of `T`; nobody writes inputs.
        Ok((unsafe { std::slice::from_raw_parts(start, len) }, shape))
    }

    /// The only output, float32 in this shape; to be asked for once.
    ///
    /// # Errors
    /// If ONNX Runtime cannot allocate it, or somebody already holds it.
    pub fn output(&mut self, shape: [usize; 2]) -> Result<&'a mut [f32], OpError> {
        if std::mem::replace(&mut self.is_output_taken, true) {
            return Err(OpError::failed("the output was asked for twice"));
        }
        let sizes = shape.map(|size| i64::try_from(size).unwrap_or(i64::MAX));
        let mut value: *mut OrtValue = null_mut();
        let get = self.api.KernelContext_GetOutput;
        // SAFETY: the context is live for `'a`; the shape is read, the place written to is ours.
        check(self.api, unsafe {
            get(self.context, 0, sizes.as_ptr(), sizes.len(), &raw mut value)
        })?;
        let len = shape[0] * shape[1];
        if len == 0 {
            return Ok(&mut []);
        }
        let mut data: *mut c_void = null_mut();
        // SAFETY: the value was just given to us.
        check(self.api, unsafe {
            (self.api.GetTensorMutableData)(value, &raw mut data)
        })?;
        // SAFETY: the tensor has this shape and type (the operator declares float32), and it is
        // handed out once.
        Ok(unsafe { std::slice::from_raw_parts_mut(data.cast::<f32>(), len) })
    }
}

/// Data and shape of a tensor with `T` elements.
///
/// # Safety
/// `value` is a live value of the C API.
unsafe fn read<T: Element>(
    api: &OrtApi,
    value: *const OrtValue,
    name: &str,
) -> Result<(*const T, Vec<usize>), OpError> {
    let mut info: *mut OrtTensorTypeAndShapeInfo = null_mut();
    // SAFETY: the value is live; the place written to is ours.
    check(api, unsafe {
        (api.GetTensorTypeAndShape)(value, &raw mut info)
    })?;
    let info = ShapeInfo { api, info };
    let code = info.element()?;
    if code as i32 != T::CODE as i32 {
        return Err(OpError::invalid(format!(
            "{name}: expected {:?}, got {code:?}",
            T::CODE
        )));
    }
    let shape = info.shape()?;
    let mut data: *mut c_void = null_mut();
    // SAFETY: the value is live and only read, although this call's type says otherwise.
    check(api, unsafe {
        (api.GetTensorMutableData)(value.cast_mut(), &raw mut data)
    })?;
    if !data.cast::<T>().is_aligned() {
        return Err(OpError::invalid(format!(
            "{name}: its memory is not aligned"
        )));
    }
    Ok((data.cast::<T>(), shape))
}

/// The type and shape of a value, released when dropped.
struct ShapeInfo<'a> {
    api: &'a OrtApi,
    info: *mut OrtTensorTypeAndShapeInfo,
}

impl ShapeInfo<'_> {
    fn element(&self) -> Result<Code, OpError> {
        let mut code = Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
        // SAFETY: the info is live; the place written to is ours. The code is one of those that the
        // operators declare: ONNX Runtime refuses a graph with others before it makes a kernel.
        let status = unsafe { (self.api.GetTensorElementType)(self.info, &raw mut code) };
        check(self.api, status).map(|()| code)
    }

    fn shape(&self) -> Result<Vec<usize>, OpError> {
        let mut rank = 0;
        // SAFETY: the info is live; the place written to is ours.
        check(self.api, unsafe {
            (self.api.GetDimensionsCount)(self.info, &raw mut rank)
        })?;
        let mut sizes = vec![0_i64; rank];
        // SAFETY: as above, and `sizes` has `rank` places.
        let status = unsafe { (self.api.GetDimensions)(self.info, sizes.as_mut_ptr(), rank) };
        check(self.api, status)?;
        let sizes = sizes
            .into_iter()
            .map(usize::try_from)
            .collect::<Result<_, _>>();
        sizes.map_err(|_| OpError::invalid("a tensor has an unknown dimension"))
    }
}

impl Drop for ShapeInfo<'_> {
    fn drop(&mut self) {
        // SAFETY: the info was given to us and is not used again.
        unsafe { (self.api.ReleaseTensorTypeAndShapeInfo)(self.info) }
    }
}

/// The session's own threads.
impl Team for KernelContext<'_> {
    fn call(&self, members: usize, body: &(dyn Fn(usize) + Sync)) {
        let call = Call {
            body,
            panicked: AtomicBool::new(false),
        };
        let data = (&raw const call).cast_mut().cast::<c_void>();
        let parallel = self.api.KernelContext_ParallelFor;
        // SAFETY: the context is live; the call returns after all bodies have, so `call` is alive
        // in each. Batch count 0 lets the pool choose: one batch for each of its threads.
        let status = unsafe { parallel(self.context, call_member, members, 0, data) };
        let outcome = check(self.api, status);
        assert!(
            outcome.is_ok(),
            "the thread pool of ONNX Runtime failed: {outcome:?}"
        );
        assert!(
            !call.panicked.load(Ordering::Acquire),
            "a member of the team panicked"
        );
    }
}

struct Call<'a> {
    body: &'a (dyn Fn(usize) + Sync),
    panicked: AtomicBool,
}

unsafe extern "C" fn call_member(data: *mut c_void, member: usize) {
    // SAFETY: `data` is the `Call` of `Team::call`, which waits for us.
    let call = unsafe { &*data.cast_const().cast::<Call<'_>>() };
    let body = AssertUnwindSafe(|| (call.body)(member));
    if std::panic::catch_unwind(body).is_err() {
        call.panicked.store(true, Ordering::Release);
    }
}
