//! The encoder kernels that ONNX Runtime calls as custom operators.
//!
//! The model stays an ONNX file; ONNX Runtime loads it, maps its weights and runs its nodes. The
//! nodes of the domain `ai.openviking` are computed here: int8 linear layers with a scale for every
//! row of activations, attention inside each text, normalisation, pooling. A text's vector depends
//! on that text alone, bit for bit, whatever batch, thread count or instruction set.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined loses its instruction set"
)]

pub mod kernels;
pub mod layer;
mod ops;
mod ort;
mod pages;
pub mod parallel;
pub mod scratch;
pub mod simd;

use ort_sys::{OrtApiBase, OrtSessionOptions, OrtStatus};

/// What `SessionOptions.register_custom_ops_library` looks for: adds the operators to `options`.
///
/// # Safety
/// Called by ONNX Runtime with its own live options and API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn RegisterCustomOps(
    options: *mut OrtSessionOptions,
    api: *const OrtApiBase,
) -> *mut OrtStatus {
    // SAFETY: the caller passes its own API base.
    let Some(api) = (unsafe { ort::api(api) }) else {
        // Without an API no status can be made; the session then reports the unknown domain.
        return ort::ok();
    };
    // SAFETY: the caller passes its own options.
    ort::guard(api, || unsafe { ops::register(api, options) }).0
}
