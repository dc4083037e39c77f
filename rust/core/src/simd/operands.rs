//! What the kernels take.

use super::LANES;

/// One cache line of int8 codes; rows of codes are padded to whole lines.
///
/// The alignment keeps each 64-byte load inside one line, which is what the speed of the scan rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Line(pub [u8; LANES]);

impl Line {
    /// View bytes as lines; `None` if they are not whole lines at a multiple of 64 bytes.
    #[must_use]
    pub fn slice_of(bytes: &[u8]) -> Option<&[Self]> {
        // SAFETY: a `Line` is 64 bytes of any value, without padding.
        let (before, lines, after) = unsafe { bytes.align_to::<Self>() };
        (before.is_empty() && after.is_empty()).then_some(lines)
    }
}

/// A query as two planes of signed bytes: number `j` is `128 * high[j] + low[j]`.
#[derive(Clone, Copy, Debug)]
pub struct Planes<'a> {
    /// High parts, in -127..=127.
    pub high: &'a [Line],
    /// Low parts, in -64..=63.
    pub low: &'a [Line],
    /// Sum of all numbers, wrapping.
    pub sum: i32,
}

/// What turns an integer dot product into an upper bound of the float32 score.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// Step of the query's codes.
    pub step: f32,
    /// Factor on the length of a row's quantisation residual.
    pub residual_factor: f32,
    /// What is added for every row.
    pub slack: f32,
}

impl Bound {
    /// Estimate and margin of one row: the float32 score lies within `estimate ± margin`.
    #[inline]
    #[must_use]
    pub fn of(self, dot: i32, step: f32, residual: f32) -> (f32, f32) {
        #[expect(clippy::cast_precision_loss, reason = "the slack covers this rounding")]
        let estimate = dot as f32 * (step * self.step);
        (estimate, residual * self.residual_factor + self.slack)
    }
}

/// What makes a number of a sum in whole steps.
#[derive(Clone, Copy, Debug)]
pub struct Affine {
    /// One step.
    pub step: f32,
    /// What no step at all is.
    pub offset: f32,
}

impl Affine {
    /// The number of such a sum.
    #[inline]
    #[must_use]
    pub fn of(self, sum: u16) -> f32 {
        f32::from(sum) * self.step + self.offset
    }
}
