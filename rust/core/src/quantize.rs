//! int8 codes of unit rows, and the bound that makes a scan over them exact.
//!
//! A row `x` is stored as `x = s * c + e` with codes `c` in -127..=127, step `s` and residual `e`;
//! a query as `q = t * d + r` with up to fifteen bits per number. Then
//!
//! `q . x = s * t * (d . c) + s * (r . c) + q . e`, and `d . c` is exact in int32, so
//!
//! `|q . x - s * t * (d . c)| <= |r| * (|x| + |e|) + |q| * |e|` by Cauchy-Schwarz.
//!
//! `|e|` is kept per row. With the rounding of the float32 dot product and of the estimate itself
//! added ([`QueryCodes::bound`]), a row whose upper bound is below the k-th best lower bound cannot
//! be among the k best by float32 score; all others are rescored.

mod query;

use crate::error::{Error, Result};
use crate::pages;
use crate::simd::{Kernels, LANES, Line};
pub use query::QueryCodes;
pub(crate) use query::score_rounding;

/// Largest code of a row.
pub(crate) const CODE_MAX: i16 = 127;
/// Unit roundoff of float32.
pub(crate) const ROUNDOFF: f64 = 1.0 / 16_777_216.0;

/// The int8 codes of many rows: a line-aligned byte per number, a step and a residual per row.
#[derive(Clone, Debug)]
pub struct Codes {
    width: usize,
    lines: Vec<Line>,
    steps: Vec<f32>,
    residuals: Vec<f32>,
}

impl Codes {
    /// No rows of `dim` columns.
    #[must_use]
    pub fn new(dim: usize) -> Self {
        let width = dim.div_ceil(LANES);
        Self {
            width,
            lines: Vec::new(),
            steps: Vec::new(),
            residuals: Vec::new(),
        }
    }

    /// The codes of `rows`, each `dim` numbers of length 1 or 0.
    #[must_use]
    pub fn of(rows: &[f32], dim: usize, kernels: Kernels) -> Self {
        let mut codes = Self::new(dim);
        let count = rows.len() / dim;
        codes.reserve(count);
        let mut rounded = vec![0; codes.width * LANES];
        for row in rows.chunks_exact(dim) {
            let step = step_of(kernels.max_abs(row), f64::from(CODE_MAX));
            let squares = kernels.round_into(row, step, CODE_MAX, &mut rounded[..dim]);
            codes
                .lines
                .extend(rounded.as_chunks::<LANES>().0.iter().map(biased));
            codes.steps.push(step);
            codes
                .residuals
                .push(rounded_up(squares.sqrt() * (1.0 + 1e-9)));
        }
        codes
    }

    /// All rows, borrowed.
    #[must_use]
    pub fn view(&self) -> CodesView<'_> {
        CodesView {
            width: self.width,
            lines: &self.lines,
            steps: &self.steps,
            residuals: &self.residuals,
        }
    }

    /// Make room for `count` further rows.
    pub(crate) fn reserve(&mut self, count: usize) {
        pages::reserve(&mut self.lines, count * self.width);
        self.steps.reserve_exact(count);
        self.residuals.reserve_exact(count);
    }

    /// Append row `row` of `other`.
    pub(crate) fn push_from(&mut self, other: &Self, row: usize) {
        self.lines
            .extend_from_slice(other.view().lines(row, row + 1));
        self.steps.push(other.steps[row]);
        self.residuals.push(other.residuals[row]);
    }

    /// Overwrite row `target` by row `row` of `other`.
    pub(crate) fn copy_from(&mut self, target: usize, other: &Self, row: usize) {
        let start = target * self.width;
        self.lines[start..start + self.width].copy_from_slice(other.view().lines(row, row + 1));
        self.steps[target] = other.steps[row];
        self.residuals[target] = other.residuals[row];
    }

    /// Remove a row; the last one takes its place.
    pub(crate) fn swap_remove(&mut self, row: usize) {
        let last = self.steps.len() - 1;
        self.lines
            .copy_within(last * self.width.., row * self.width);
        self.lines.truncate(last * self.width);
        self.steps.swap_remove(row);
        self.residuals.swap_remove(row);
    }

    /// Give back memory beyond `count` rows.
    pub(crate) fn shrink_to(&mut self, count: usize) {
        self.lines.shrink_to(count * self.width);
        self.steps.shrink_to(count);
        self.residuals.shrink_to(count);
    }
}

/// The codes of many rows that lie elsewhere: in a [`Codes`], or in a file that is mapped.
#[derive(Clone, Copy, Debug)]
pub struct CodesView<'a> {
    width: usize,
    lines: &'a [Line],
    steps: &'a [f32],
    residuals: &'a [f32],
}

impl<'a> CodesView<'a> {
    /// View what [`CodesView::bytes`], [`CodesView::steps`] and [`CodesView::residuals`] gave for
    /// rows of `dim` columns. The bound holds only for parts that were made together.
    ///
    /// # Errors
    /// [`Error::Length`] if the parts do not fit together; [`Error::Alignment`].
    pub fn new(
        bytes: &'a [u8],
        steps: &'a [f32],
        residuals: &'a [f32],
        dim: usize,
    ) -> Result<Self> {
        let width = dim.div_ceil(LANES);
        let lengths = [
            ("codes", steps.len() * width * LANES, bytes.len()),
            ("residuals", steps.len(), residuals.len()),
        ];
        for (argument, expected, found) in lengths {
            if expected != found {
                return Err(Error::Length {
                    argument,
                    expected,
                    found,
                });
            }
        }
        let lines = Line::slice_of(bytes).ok_or(Error::Alignment { argument: "codes" })?;
        Ok(Self {
            width,
            lines,
            steps,
            residuals,
        })
    }

    /// Bytes of one row's codes.
    #[must_use]
    pub fn row_bytes(&self) -> usize {
        self.width * LANES
    }

    /// The codes, row after row, as bytes to be kept.
    pub fn bytes(&self) -> impl Iterator<Item = u8> + 'a {
        self.lines.iter().flat_map(|line| line.0)
    }

    /// The step of each row.
    #[must_use]
    pub fn steps(&self) -> &'a [f32] {
        self.steps
    }

    /// The length of each row's residual, rounded up.
    #[must_use]
    pub fn residuals(&self) -> &'a [f32] {
        self.residuals
    }

    /// The lines of rows `start..end`.
    pub(crate) fn lines(&self, start: usize, end: usize) -> &'a [Line] {
        &self.lines[start * self.width..end * self.width]
    }
}

/// Distance of two neighbouring codes, rounded to float32 before anything is divided by it.
pub(crate) fn step_of(max_abs: f32, codes: f64) -> f32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the residual is measured from the result"
    )]
    {
        (f64::from(max_abs) / codes) as f32
    }
}

/// The next float32 that is not smaller.
pub(crate) fn rounded_up(x: f64) -> f32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the step up makes up for it"
    )]
    (x as f32).next_up()
}

/// Codes in -127..=127 as bytes 1..=255, which VNNI multiplies with signed bytes.
pub(crate) fn biased(block: &[i16; LANES]) -> Line {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "1 to 255"
    )]
    Line(block.map(|code| (code + 128) as u8))
}

#[cfg(test)]
mod tests;
