//! Codes along [`Axes`], in two levels, and the bounds that make a search over them exact.
//!
//! A row `x` is stored as int8 codes of `p = H x`, `H` being the axes: `p = s * c + e`. Level one
//! knows the first [`HEAD`] numbers of `c`, level two all of them. With `h = H q`, and `|x'|`, `|q'|`
//! the lengths of what lies outside of the level's axes,
//!
//! `|q . x - s * (h . c)| <= |q'| * |x'| + |h| * |e|` and, for axes that are not quite orthonormal,
//! `+ d / (1 - d) * |h| * |p|`, because `q . x = q' . x' + h' (H H')^-1 p`.
//!
//! `|x'|^2 <= |x|^2 - |p|^2 / (1 + d)`, for `q'` likewise. A row keeps `|x'| + LEAN * |e|` of each
//! level, and a query multiplies it by the larger of `|q'|` and `|h| / LEAN`. A search then
//!
//! 1. estimates every row at level one and scores the best of them in float32: the k-th of these
//!    scores is a floor;
//! 2. looks at level two of each row whose upper bound reaches the floor;
//! 3. scores in float32 those whose upper bound still reaches it, most promising first.

use std::sync::Arc;

use crate::axes::{Axes, HEAD, KEPT};
use crate::limits::UNIT_TOLERANCE;
use crate::pages;
use crate::quantize::{
    CODE_MAX, QueryCodes, ROUNDOFF, biased, rounded_up, score_rounding, step_of,
};
use crate::simd::{Bound, Kernels, LANES, Line, Planes};

const HEAD_LINES: usize = HEAD / LANES;
const REST_LINES: usize = (KEPT - HEAD) / LANES;

/// How many times a residual of the codes counts, per level: about `|h| / |q'|` of real queries.
const LEAN: [f64; 2] = [2.5, 3.5];

/// The codes of many rows along common axes.
#[derive(Clone, Debug)]
pub struct AxisCodes {
    axes: Arc<Axes>,
    head: Vec<Line>,
    rest: Vec<Line>,
    steps: Vec<f32>,
    /// Per level and row.
    residuals: [Vec<f32>; 2],
}

impl AxisCodes {
    /// No rows yet.
    #[must_use]
    pub fn new(axes: Arc<Axes>) -> Self {
        Self {
            axes,
            head: Vec::new(),
            rest: Vec::new(),
            steps: Vec::new(),
            residuals: [Vec::new(), Vec::new()],
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
        let mut errors = [0.0; 2];
        for (error, range) in errors.iter_mut().zip([0..HEAD, HEAD..KEPT]) {
            *error = kernels.round_into(
                &products[range.clone()],
                step,
                CODE_MAX,
                &mut rounded[range],
            );
        }
        errors[1] += errors[0];
        let shorten = 1.0 + self.axes.defect();
        let inexact = product_rounding(self.axes.dim());
        for (level, known) in [HEAD, KEPT].into_iter().enumerate() {
            let inside = (kernels.sum_squares(&products[..known]).sqrt() - inexact).max(0.0);
            let outside = (squares * (1.0 + 1e-9) - inside * inside / shorten)
                .max(0.0)
                .sqrt();
            let residual = outside + LEAN[level] * errors[level].sqrt();
            self.residuals[level].push(rounded_up(residual * (1.0 + 1e-6)));
        }
        let (lines, _) = rounded.as_chunks::<LANES>();
        self.head.extend(lines[..HEAD_LINES].iter().map(biased));
        self.rest.extend(lines[HEAD_LINES..].iter().map(biased));
        self.steps.push(step);
    }

    /// The mean of the rows' squared residuals at level one.
    #[must_use]
    pub fn mean_square_residual(&self) -> f64 {
        let squares = self.residuals[0].iter().map(|x| f64::from(x * x));
        #[expect(clippy::cast_precision_loss, reason = "a count of rows")]
        let count = self.len().max(1) as f64;
        squares.sum::<f64>() / count
    }

    pub(crate) fn reserve(&mut self, count: usize) {
        pages::reserve(&mut self.head, count * HEAD_LINES);
        pages::reserve(&mut self.rest, count * REST_LINES);
        self.steps.reserve_exact(count);
        for residuals in &mut self.residuals {
            residuals.reserve_exact(count);
        }
    }

    pub(crate) fn push_from(&mut self, other: &Self, row: usize) {
        self.head.extend_from_slice(other.head_lines(row, row + 1));
        self.rest.extend_from_slice(other.rest_lines(row, row + 1));
        self.steps.push(other.steps[row]);
        for (residuals, others) in self.residuals.iter_mut().zip(&other.residuals) {
            residuals.push(others[row]);
        }
    }

    pub(crate) fn copy_from(&mut self, target: usize, other: &Self, row: usize) {
        self.head[target * HEAD_LINES..(target + 1) * HEAD_LINES]
            .copy_from_slice(other.head_lines(row, row + 1));
        self.rest[target * REST_LINES..(target + 1) * REST_LINES]
            .copy_from_slice(other.rest_lines(row, row + 1));
        self.steps[target] = other.steps[row];
        for (residuals, others) in self.residuals.iter_mut().zip(&other.residuals) {
            residuals[target] = others[row];
        }
    }

    /// Remove a row; the last one takes its place.
    pub(crate) fn swap_remove(&mut self, row: usize) {
        let last = self.len() - 1;
        for (lines, width) in [(&mut self.head, HEAD_LINES), (&mut self.rest, REST_LINES)] {
            lines.copy_within(last * width.., row * width);
            lines.truncate(last * width);
        }
        self.steps.swap_remove(row);
        for residuals in &mut self.residuals {
            residuals.swap_remove(row);
        }
    }

    pub(crate) fn shrink_to(&mut self, count: usize) {
        self.head.shrink_to(count * HEAD_LINES);
        self.rest.shrink_to(count * REST_LINES);
        self.steps.shrink_to(count);
        for residuals in &mut self.residuals {
            residuals.shrink_to(count);
        }
    }

    pub(crate) fn steps(&self) -> &[f32] {
        &self.steps
    }

    pub(crate) fn residuals(&self, level: usize) -> &[f32] {
        &self.residuals[level]
    }

    /// The lines of rows `start..end` that level one reads.
    pub(crate) fn head_lines(&self, start: usize, end: usize) -> &[Line] {
        &self.head[start * HEAD_LINES..end * HEAD_LINES]
    }

    /// The lines that level two adds.
    pub(crate) fn rest_lines(&self, start: usize, end: usize) -> &[Line] {
        &self.rest[start * REST_LINES..end * REST_LINES]
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
    sums: [i32; 2],
    bounds: [Bound; 2],
}

impl AxisQuery {
    /// Project a finite query.
    #[must_use]
    pub fn new(query: &[f32], axes: &Axes, kernels: Kernels) -> Self {
        let whole = QueryCodes::new(query, kernels);
        let products = axes.project(&whole, kernels);
        let codes = QueryCodes::new(&products, kernels);
        let sums =
            [0..HEAD_LINES, HEAD_LINES..HEAD_LINES + REST_LINES].map(|range| codes.sum_of(range));
        let bounds = [HEAD, KEPT].map(|known| kernels.sum_squares(&products[..known]).sqrt());
        let bounds = [0, 1].map(|level| bound(&whole, &codes, bounds[level], LEAN[level], axes));
        Self {
            codes,
            sums,
            bounds,
        }
    }

    /// What level one multiplies.
    pub(crate) fn head(&self) -> Planes<'_> {
        self.codes.part(0..HEAD_LINES, self.sums[0])
    }

    /// What level two adds.
    pub(crate) fn rest(&self) -> Planes<'_> {
        self.codes
            .part(HEAD_LINES..HEAD_LINES + REST_LINES, self.sums[1])
    }

    pub(crate) fn bound(&self, level: usize) -> Bound {
        self.bounds[level]
    }
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
