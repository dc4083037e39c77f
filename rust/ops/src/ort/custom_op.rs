//! A Rust type as a custom operator.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr::null;

use ort_sys::{
    ONNXTensorElementDataType as Code, OrtApi, OrtCustomOp, OrtCustomOpInputOutputCharacteristic,
    OrtKernelContext, OrtKernelInfo, OrtMemType, OrtStatusPtr,
};

use super::{API_VERSION, KernelContext, KernelInfo, OpError, guard};

/// An operator: made once for each node of the graph, then run from any thread.
pub trait Op: Sized + Send + Sync {
    /// Name of the operator in its domain.
    const NAME: &'static CStr;
    /// Element types of the inputs. There is one output, float32.
    const INPUTS: &'static [Code];

    /// Reads and checks the weights of one node.
    ///
    /// # Errors
    /// If they do not fit; the session is then refused.
    fn new(info: &KernelInfo<'_>) -> Result<Self, OpError>;

    /// Computes the output.
    ///
    /// # Errors
    /// If an input is wrong; the run is then refused.
    fn compute(&self, context: &mut KernelContext<'_>) -> Result<(), OpError>;
}

/// A made operator with the API it was made with.
struct Made<O> {
    api: &'static OrtApi,
    op: O,
}

/// The table of functions that ONNX Runtime calls for `O`.
#[must_use]
pub const fn table<O: Op>() -> OrtCustomOp {
    OrtCustomOp {
        version: API_VERSION,
        CreateKernel: None,
        GetName: Some(name::<O>),
        GetExecutionProviderType: Some(provider),
        GetInputType: Some(input_type::<O>),
        GetInputTypeCount: Some(input_count::<O>),
        GetOutputType: Some(output_type),
        GetOutputTypeCount: Some(output_count),
        KernelCompute: None,
        KernelDestroy: Some(destroy::<O>),
        GetInputCharacteristic: Some(required),
        GetOutputCharacteristic: Some(required),
        GetInputMemoryType: Some(memory),
        GetVariadicInputMinArity: Some(one),
        GetVariadicInputHomogeneity: Some(one),
        GetVariadicOutputMinArity: Some(one),
        GetVariadicOutputHomogeneity: Some(one),
        CreateKernelV2: Some(create::<O>),
        KernelComputeV2: Some(compute::<O>),
        InferOutputShapeFn: None,
        GetStartVersion: Some(one),
        GetEndVersion: Some(one),
    }
}

unsafe extern "system" fn name<O: Op>(_: *const OrtCustomOp) -> *const c_char {
    O::NAME.as_ptr()
}

/// Null: the operator belongs to the processor, not to an accelerator.
unsafe extern "system" fn provider(_: *const OrtCustomOp) -> *const c_char {
    null()
}

unsafe extern "system" fn input_type<O: Op>(_: *const OrtCustomOp, index: usize) -> Code {
    O::INPUTS
        .get(index)
        .copied()
        .unwrap_or(Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED)
}

unsafe extern "system" fn input_count<O: Op>(_: *const OrtCustomOp) -> usize {
    O::INPUTS.len()
}

unsafe extern "system" fn output_type(_: *const OrtCustomOp, _: usize) -> Code {
    Code::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT
}

unsafe extern "system" fn output_count(_: *const OrtCustomOp) -> usize {
    1
}

unsafe extern "system" fn required(
    _: *const OrtCustomOp,
    _: usize,
) -> OrtCustomOpInputOutputCharacteristic {
    OrtCustomOpInputOutputCharacteristic::INPUT_OUTPUT_REQUIRED
}

unsafe extern "system" fn memory(_: *const OrtCustomOp, _: usize) -> OrtMemType {
    OrtMemType::OrtMemTypeDefault
}

unsafe extern "system" fn one(_: *const OrtCustomOp) -> c_int {
    1
}

unsafe extern "system" fn create<O: Op>(
    _: *const OrtCustomOp,
    api: *const OrtApi,
    info: *const OrtKernelInfo,
    kernel: *mut *mut c_void,
) -> OrtStatusPtr {
    // SAFETY: ONNX Runtime passes its own static table.
    let api: &'static OrtApi = unsafe { &*api };
    guard(api, || {
        let op = O::new(&KernelInfo {
            api,
            info,
            alive: PhantomData,
        })?;
        let made = Box::into_raw(Box::new(Made { api, op }));
        // SAFETY: ONNX Runtime passes the place for the kernel, to be given back to `destroy`.
        unsafe { kernel.write(made.cast()) };
        Ok(())
    })
}

unsafe extern "system" fn compute<O: Op>(
    kernel: *mut c_void,
    context: *mut OrtKernelContext,
) -> OrtStatusPtr {
    // SAFETY: the pointer is that of `create`, and no kernel is run after `destroy`.
    let made = unsafe { &*kernel.cast_const().cast::<Made<O>>() };
    let api = made.api;
    guard(api, || {
        made.op.compute(&mut KernelContext {
            api,
            context,
            is_output_taken: false,
            alive: PhantomData,
        })
    })
}

unsafe extern "system" fn destroy<O: Op>(kernel: *mut c_void) {
    // SAFETY: the pointer is that of `create`, given back once.
    drop(unsafe { Box::from_raw(kernel.cast::<Made<O>>()) });
}
