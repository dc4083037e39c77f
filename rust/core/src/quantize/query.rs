//! The codes of a query, and the bound of its scores.

use std::ops::Range;

use super::{CODE_MAX, ROUNDOFF, rounded_up, step_of};
use crate::limits::UNIT_TOLERANCE;
use crate::simd::{Bound, Kernels, LANES, Line, Planes};

/// Largest number of a query's codes: its high plane must stay within int8.
const QUERY_CODE_MAX: i32 = 127 * 128;
/// A query in codes, with what its bound needs.
#[derive(Clone, Debug)]
pub struct QueryCodes {
    high: Vec<Line>,
    low: Vec<Line>,
    sum: i32,
    norm: f64,
    residual: f64,
    bound: Bound,
}

impl QueryCodes {
    /// Quantise a finite query.
    #[must_use]
    pub fn new(query: &[f32], kernels: Kernels) -> Self {
        let limit = query_code_max(query.len());
        let mut rounded = vec![0; query.len().next_multiple_of(LANES)];
        let step = step_of(kernels.max_abs(query), f64::from(limit));
        let squares = kernels.round_into(query, step, limit, &mut rounded[..query.len()]);
        let (blocks, _) = rounded.as_chunks::<LANES>();
        let high_part = |code: i16| (code + 64) >> 7;
        let (norm, residual) = (kernels.sum_squares(query).sqrt(), squares.sqrt());
        Self {
            high: blocks.iter().map(|block| plane(block, high_part)).collect(),
            low: blocks
                .iter()
                .map(|block| plane(block, |c| c - 128 * high_part(c)))
                .collect(),
            sum: rounded.iter().map(|code| i32::from(*code)).sum(),
            norm,
            residual,
            bound: bound(query.len(), step, norm, residual),
        }
    }

    /// Length of the query.
    pub(crate) fn norm(&self) -> f64 {
        self.norm
    }

    /// Length of what its codes leave out.
    pub(crate) fn residual(&self) -> f64 {
        self.residual
    }

    /// Sum of the codes of some lines.
    pub(crate) fn sum_of(&self, lines: Range<usize>) -> i32 {
        let of_line = |line: &Line| -> i32 {
            line.0
                .iter()
                .map(|byte| i32::from(byte.cast_signed()))
                .sum()
        };
        let sum = |plane: &[Line]| plane[lines.clone()].iter().map(of_line).sum::<i32>();
        128 * sum(&self.high) + sum(&self.low)
    }

    /// The planes of some lines alone, whose codes have this sum.
    pub(crate) fn part(&self, lines: Range<usize>, sum: i32) -> Planes<'_> {
        Planes {
            high: &self.high[lines.clone()],
            low: &self.low[lines],
            sum,
        }
    }

    /// The planes for the kernel.
    #[must_use]
    pub fn planes(&self) -> Planes<'_> {
        Planes {
            high: &self.high,
            low: &self.low,
            sum: self.sum,
        }
    }

    /// The proved bound of this query's scores; see the module's text.
    #[must_use]
    pub fn bound(&self) -> Bound {
        self.bound
    }
}

/// Largest query code at which `127 * code * dim` stays below 2^31.
fn query_code_max(dim: usize) -> i16 {
    let products = i32::from(CODE_MAX).saturating_mul(i32::try_from(dim).unwrap_or(i32::MAX));
    i16::try_from((i32::MAX / products.max(1)).clamp(1, QUERY_CODE_MAX)).unwrap_or(i16::MAX)
}

/// Margins for a query of length `query_norm` whose quantisation residual has length `residual`.
fn bound(dim: usize, step: f32, query_norm: f64, residual: f64) -> Bound {
    let row_norm = 1.0 + UNIT_TOLERANCE;
    // Five float32 roundings make the estimate and its bounds; no estimate exceeds twice the norms,
    // because a row's residual is at most sqrt(DIM_MAX) / 254 = 0.51 of its length.
    let estimate_rounding = 16.0 * ROUNDOFF * (query_norm + residual);
    let slack = residual * row_norm + score_rounding(dim, query_norm) + estimate_rounding;
    Bound {
        step,
        // The factor makes up for the roundings of the margin itself; 1e-30 for those of denormals.
        residual_factor: rounded_up((query_norm + residual) * (1.0 + 1e-6)),
        slack: rounded_up(slack * (1.0 + 1e-6) + 1e-30),
    }
}

/// How far the float32 score of a query of this length and any row is from their true product.
pub(crate) fn score_rounding(dim: usize, query_norm: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "at most DIM_MAX / 64")]
    let terms = (dim.div_ceil(LANES) + 8) as f64;
    terms * 1.01 * ROUNDOFF * query_norm * (1.0 + UNIT_TOLERANCE)
}

fn plane(block: &[i16; LANES], part: impl Fn(i16) -> i16) -> Line {
    #[expect(clippy::cast_possible_truncation, reason = "each part fits in int8")]
    Line(block.map(|code| (part(code) as i8).cast_unsigned()))
}
