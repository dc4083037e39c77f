//! Token vectors to one unit vector for each text.

use std::ffi::CStr;

use ort_sys::ONNXTensorElementDataType as Code;

use super::{TOKENS_MAX, offsets, token_vectors};
use crate::kernels::pool::PoolText;
use crate::ort::{Element, KernelContext, KernelInfo, Op, OpError};
use crate::scratch;
use crate::simd::Level;

/// `PoolNormalize(x [T, d], offsets [n + 1]) -> embeddings [n, d]`, each of unit length.
pub struct PoolNormalize;

impl Op for PoolNormalize {
    const NAME: &'static CStr = c"PoolNormalize";
    const INPUTS: &'static [Code] = &[f32::CODE, i64::CODE];

    fn new(_: &KernelInfo<'_>) -> Result<Self, OpError> {
        Ok(Self)
    }

    fn compute(&self, context: &mut KernelContext<'_>) -> Result<(), OpError> {
        let (_, shape) = context.input::<f32>(0, "x")?;
        let width = shape.last().copied().unwrap_or(0);
        let (x, tokens) = token_vectors(context, 0, width)?;
        let offsets = offsets(context, 1, tokens, TOKENS_MAX)?;
        // No layer follows.
        scratch::release_large();
        let out = context.output([offsets.len() - 1, width])?;
        for (text, out) in offsets.windows(2).zip(out.chunks_exact_mut(width.max(1))) {
            let rows = &x[text[0] * width..text[1] * width];
            Level::best().run(PoolText { rows, out });
            if !out.iter().all(|value| value.is_finite()) {
                return Err(OpError::failed(
                    "a vector is not finite: the weights are damaged",
                ));
            }
        }
        Ok(())
    }
}
