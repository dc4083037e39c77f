//! The border to ONNX Runtime's C API: statuses, tensors, operators. All raw pointers end here.

mod custom_op;
mod file_rows;
mod tensor;

pub use custom_op::{Op, table};
pub use file_rows::FileRows;
pub use tensor::{Constant, Element, KernelContext, KernelInfo};

use std::ffi::CString;

use ort_sys::{OrtApi, OrtApiBase, OrtErrorCode, OrtStatus, OrtStatusPtr};

/// The version of the C API that is asked for; every onnxruntime from 1.17 on has it.
pub const API_VERSION: u32 = 17;

/// Why an operator cannot do what it is asked for.
#[derive(Debug)]
pub struct OpError {
    code: OrtErrorCode,
    message: String,
}

impl OpError {
    /// The input is wrong; `message` says what was expected and what came.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self {
            code: OrtErrorCode::ORT_INVALID_ARGUMENT,
            message: message.into(),
        }
    }

    /// Something that should work did not.
    pub fn failed(message: impl Into<String>) -> Self {
        Self {
            code: OrtErrorCode::ORT_FAIL,
            message: message.into(),
        }
    }

    /// The same as a status, to be released by ONNX Runtime.
    pub(crate) fn into_status(self, api: &OrtApi) -> OrtStatusPtr {
        let message = CString::new(self.message.replace('\0', " ")).unwrap_or_default();
        // SAFETY: the text is zero-terminated and copied by the call.
        unsafe { (api.CreateStatus)(self.code, message.as_ptr()) }
    }
}

/// Turns a status of the C API into a result, releasing it.
pub(crate) fn check(api: &OrtApi, status: OrtStatusPtr) -> Result<(), OpError> {
    if status.0.is_null() {
        return Ok(());
    }
    // SAFETY: the status is not null.
    let text = unsafe { (api.GetErrorMessage)(status.0) };
    // SAFETY: the text is zero-terminated and lives as long as the status.
    let text = unsafe { std::ffi::CStr::from_ptr(text) };
    let error = OpError::failed(text.to_string_lossy());
    // SAFETY: the status came from a call that gave it to us, and is not used again.
    unsafe { (api.ReleaseStatus)(status.0) };
    Err(error)
}

/// Runs `body`, so that neither an error nor a panic crosses the border.
pub(crate) fn guard(api: &OrtApi, body: impl FnOnce() -> Result<(), OpError>) -> OrtStatusPtr {
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
    match outcome {
        Ok(Ok(())) => OrtStatusPtr(std::ptr::null_mut()),
        Ok(Err(error)) => error.into_status(api),
        Err(_) => OpError::failed("openviking: a kernel panicked; this is a bug").into_status(api),
    }
}

/// The API behind `base`; `None` if this ONNX Runtime is older than [`API_VERSION`].
///
/// # Safety
/// `base` is null or points to a live `OrtApiBase`.
pub(crate) unsafe fn api(base: *const OrtApiBase) -> Option<&'static OrtApi> {
    // SAFETY: the caller's promise.
    let base = unsafe { base.as_ref() }?;
    // SAFETY: the function may be called with any version and answers null to those it lacks.
    let api = unsafe { (base.GetApi)(API_VERSION) };
    // SAFETY: the table is static data of the library that called us.
    unsafe { api.as_ref() }
}

/// A null status: success.
pub(crate) fn ok() -> *mut OrtStatus {
    std::ptr::null_mut()
}
