//! Codes along [`Axes`], in two levels, and the bounds that make a search over them exact.
//!
//! A row `x` is stored as int8 codes of `p = H x`, `H` being the axes: `p = s * c + e`. The first
//! level knows [`HEAD`] numbers of `c`, the last one all [`KEPT`]. With `h = H q`, and `|x'|`, `|q'|`
//! the lengths of what lies outside of the level's axes,
//!
//! `|q . x - s * (h . c)| <= |q'| * |x'| + |h| * |e|` and, for axes that are not quite orthonormal,
//! `+ d / (1 - d) * |h| * |p|`, because `q . x = q' . x' + h' (H H')^-1 p`.
//!
//! `|x'|^2 <= |x|^2 - |p|^2 / (1 + d)`, for `q'` likewise. A row keeps `|x'| + LEAN * |e|` of each
//! level, and a query multiplies it by the larger of `|q'|` and `|h| / LEAN`. A search then
//!
//! 1. estimates every row at the first level and scores the best of them in float32: the k-th of
//!    these scores is a floor;
//! 2. looks at the last level of each row whose upper bound reaches the floor;
//! 3. scores in float32 those whose upper bound still reaches it, most promising first.

use std::ops::Range;
use std::sync::Arc;

use crate::axes::{Axes, HEAD, KEPT};
use crate::limits::UNIT_TOLERANCE;
use crate::pages;
use crate::quantize::{
    CODE_MAX, QueryCodes, ROUNDOFF, biased, rounded_up, score_rounding, step_of,
};
use crate::simd::{Bound, Kernels, LANES, Line, Planes};

/// How many levels there are.
const LEVELS: usize = 2;
/// How many numbers each level knows.
const KNOWN: [usize; LEVELS] = [HEAD, KEPT];
/// Lines that each level adds to a row.
const LINES: [usize; LEVELS] = [HEAD / LANES, (KEPT - HEAD) / LANES];

/// How many times a residual of the codes counts, per level: about `|h| / |q'|` of real queries.
const LEAN: [f64; LEVELS] = [2.5, 3.5];

/// The codes of many rows along common axes.
#[derive(Clone, Debug)]
pub struct AxisCodes {
    axes: Arc<Axes>,
    /// Per level and row.
    lines: [Vec<Line>; LEVELS],
    steps: Vec<f32>,
    /// Per level and row.
    residuals: [Vec<f32>; LEVELS],
}

impl AxisCodes {
    /// No rows yet.
    #[must_use]
    pub fn new(axes: Arc<Axes>) -> Self {
        Self {
            axes,
            lines: [const { Vec::new() }; LEVELS],
            steps: Vec::new(),
            residuals: [const { Vec::new() }; LEVELS],
        }
    }

    /// What the codes are along.
    #[must_use]
    pub fn axes(&self) -> &Arc<Axes> {
        &self.axes
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Append the codes of `rows`, each of the axes' width and of length 1 or 0.
    ///
    /// [`KEPT`] multiply-adds per number.
    pub fn extend(&mut self, rows: &[f32], kernels: Kernels) {
        let dim = self.axes.dim();
        let axes = Arc::clone(&self.axes);
        let mut products = [[0.0; KEPT]; 4];
        for rows in rows.chunks(4 * dim) {
            axes.products_of(rows, &mut products, kernels);
            for (row, products) in rows.chunks_exact(dim).zip(&products) {
                self.push(kernels.sum_squares(row), products, kernels);
            }
        }
    }

    fn push(&mut self, squares: f64, products: &[f32; KEPT], kernels: Kernels) {
        let step = step_of(kernels.max_abs(products), f64::from(CODE_MAX));
        let mut rounded = [0; KEPT];
        let shorten = 1.0 + self.axes.defect();
        let inexact = product_rounding(self.axes.dim());
        let mut error = 0.0;
        for (level, (known, lean)) in KNOWN.into_iter().zip(LEAN).enumerate() {
            let start = known - LINES[level] * LANES;
            let (part, rounded) = (&products[start..known], &mut rounded[start..known]);
            error += kernels.round_into(part, step, CODE_MAX, rounded);
            let inside = (kernels.sum_squares(&products[..known]).sqrt() - inexact).max(0.0);
            let outside = (squares * (1.0 + 1e-9) - inside * inside / shorten)
                .max(0.0)
                .sqrt();
            let residual = outside + lean * error.sqrt();
            self.residuals[level].push(rounded_up(residual * (1.0 + 1e-6)));
            self.lines[level].extend(rounded.as_chunks::<LANES>().0.iter().map(biased));
        }
        self.steps.push(step);
    }

    /// The mean of the rows' squared residuals at the first level.
    #[must_use]
    pub fn mean_square_residual(&self) -> f64 {
        let squares = self.residuals[0].iter().map(|x| f64::from(x * x));
        #[expect(clippy::cast_precision_loss, reason = "a count of rows")]
        let count = self.len().max(1) as f64;
        squares.sum::<f64>() / count
    }

    pub(crate) fn reserve(&mut self, count: usize) {
        self.steps.reserve_exact(count);
        for (level, width) in LINES.into_iter().enumerate() {
            pages::reserve(&mut self.lines[level], count * width);
            self.residuals[level].reserve_exact(count);
        }
    }

    pub(crate) fn push_from(&mut self, other: &Self, row: usize) {
        self.steps.push(other.steps[row]);
        for level in 0..LEVELS {
            self.lines[level].extend_from_slice(other.lines(level, row, row + 1));
            self.residuals[level].push(other.residuals[level][row]);
        }
    }

    pub(crate) fn copy_from(&mut self, target: usize, other: &Self, row: usize) {
        self.steps[target] = other.steps[row];
        for (level, width) in LINES.into_iter().enumerate() {
            self.lines[level][target * width..(target + 1) * width].copy_from_slice(other.lines(
                level,
                row,
                row + 1,
            ));
            self.residuals[level][target] = other.residuals[level][row];
        }
    }

    /// Remove a row; the last one takes its place.
    pub(crate) fn swap_remove(&mut self, row: usize) {
        let last = self.len() - 1;
        self.steps.swap_remove(row);
        for (level, width) in LINES.into_iter().enumerate() {
            self.lines[level].copy_within(last * width.., row * width);
            self.lines[level].truncate(last * width);
            self.residuals[level].swap_remove(row);
        }
    }

    pub(crate) fn shrink_to(&mut self, count: usize) {
        self.steps.shrink_to(count);
        for (level, width) in LINES.into_iter().enumerate() {
            self.lines[level].shrink_to(count * width);
            self.residuals[level].shrink_to(count);
        }
    }

    pub(crate) fn steps(&self) -> &[f32] {
        &self.steps
    }

    pub(crate) fn residuals(&self, level: usize) -> &[f32] {
        &self.residuals[level]
    }

    /// The lines of rows `start..end` that a level adds.
    pub(crate) fn lines(&self, level: usize, start: usize, end: usize) -> &[Line] {
        &self.lines[level][start * LINES[level]..end * LINES[level]]
    }
}

/// How far the float32 products of a row and all axes are from the true ones, as a length.
fn product_rounding(dim: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let (count, terms) = (KEPT as f64, (dim.div_ceil(LANES) + 8) as f64);
    count.sqrt() * terms * ROUNDOFF * 1.1
}

/// A query along the axes.
#[derive(Clone, Debug)]
pub struct AxisQuery {
    codes: QueryCodes,
    sums: [i32; LEVELS],
    bounds: [Bound; LEVELS],
}

impl AxisQuery {
    /// Project a finite query.
    #[must_use]
    pub fn new(query: &[f32], axes: &Axes, kernels: Kernels) -> Self {
        let whole = QueryCodes::new(query, kernels);
        let products = axes.project(&whole, kernels);
        let codes = QueryCodes::new(&products, kernels);
        let levels: [usize; LEVELS] = std::array::from_fn(|level| level);
        let sums = levels.map(|level| codes.sum_of(part_lines(level)));
        let bounds = levels.map(|level| {
            let inside = kernels.sum_squares(&products[..KNOWN[level]]).sqrt();
            bound(&whole, &codes, inside, LEAN[level], axes)
        });
        Self {
            codes,
            sums,
            bounds,
        }
    }

    /// What a level multiplies with the lines that it adds.
    pub(crate) fn planes(&self, level: usize) -> Planes<'_> {
        self.codes.part(part_lines(level), self.sums[level])
    }

    pub(crate) fn bound(&self, level: usize) -> Bound {
        self.bounds[level]
    }
}

fn part_lines(level: usize) -> Range<usize> {
    let end = KNOWN[level] / LANES;
    end - LINES[level]..end
}

/// The bound of a level whose products have length `inside`; see the module's text.
fn bound(whole: &QueryCodes, codes: &QueryCodes, inside: f64, lean: f64, axes: &Axes) -> Bound {
    let row_norm = 1.0 + UNIT_TOLERANCE;
    let (norm, defect) = (whole.norm(), axes.defect());
    let length = norm + whole.residual();
    // The products were rounded to float32, which 1e-6 covers.
    let outside = (length * length - inside * inside * (1.0 - 1e-6) / (1.0 + defect))
        .max(0.0)
        .sqrt();
    // The row's codes are at most its products, of length below 1.02, and half a step for each.
    let coded_norm = 1.1;
    let slack = whole.residual() * row_norm
        + 1.05 * defect / (1.0 - defect) * length
        + (codes.residual() + 1e-6 * inside) * coded_norm
        + inside * product_rounding(axes.dim())
        + score_rounding(axes.dim(), norm)
        + 16.0 * ROUNDOFF * (inside + codes.residual()) * coded_norm;
    Bound {
        step: codes.bound().step,
        residual_factor: rounded_up(outside.max(inside / lean) * (1.0 + 1e-6)),
        slack: rounded_up(slack * (1.0 + 1e-6) + 1e-30),
    }
}
