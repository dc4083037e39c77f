//! The directions in which rows differ most: what a scan looks at first.
//!
//! Embeddings of texts lie near a subspace: of those of real skills, a third of the directions hold
//! 93 % of the squared length. [`Axes`] are an orthonormal basis of such a subspace, the most telling
//! first, found by subspace iteration on a sample. Any basis serves: what lies outside of it is
//! bounded, row by row, so how well it fits decides how fast a search is and never what it finds.
//!
//! The basis is `H` with `|H H' - I| <= d` ([`Axes::defect`]), its numbers whole multiples of a power
//! of two, so that products with it are exact integers.

use crate::matrix::Matrix;
use crate::quantize::{QueryCodes, biased};
use crate::simd::{Kernels, LANES, Line};

/// Directions that are kept.
pub const KEPT: usize = 384;
/// The first of them, which a search reads of every row.
pub const HEAD: usize = 256;
/// Narrower rows are scanned in full as quickly.
pub const DIM_MIN: usize = 2 * HEAD;

/// Rows that the axes are fitted to at most.
pub(crate) const SAMPLE_ROWS: usize = 6_144;
/// Rows whose columns are multiplied at a time: 1.5 MB of 768 columns.
const SLAB_ROWS: usize = 512;
/// Multiplications with the sample's moments: after four, more of them gain nothing.
const ITERATIONS: usize = 4;
/// A basis further from orthonormal is not used.
const DEFECT_MAX: f64 = 0.01;
/// Largest whole number of the basis: its high byte must not leave int8.
const WHOLE_MAX: f32 = 32_511.0;

/// An orthonormal basis of the subspace that rows lie near to.
#[derive(Clone, Debug, PartialEq)]
pub struct Axes {
    dim: usize,
    /// [`KEPT`] x `dim` numbers, each `step` times what the planes hold.
    numbers: Vec<f32>,
    high: Vec<Line>,
    low: Vec<Line>,
    step: f32,
    defect: f64,
}

impl Axes {
    /// Fit axes to rows of unit length; `None` if they are too narrow or too few, or hold no such
    /// subspace.
    ///
    /// Some 4 G multiply-adds for [`SAMPLE_ROWS`] rows of 768 columns.
    #[must_use]
    pub fn fit(sample: Matrix<'_>, kernels: Kernels) -> Option<Self> {
        let dim = sample.dim();
        if dim < DIM_MIN || sample.rows() < KEPT {
            return None;
        }
        let moments = moments(sample, kernels);
        let mut basis = scattered(KEPT * dim);
        for _ in 0..ITERATIONS {
            basis = products(&basis, &moments, dim, kernels);
            for _ in 0..2 {
                orthonormalize(&mut basis, dim, kernels)?;
            }
        }
        Self::rounded(&basis, dim, kernels).filter(|axes| axes.defect <= DEFECT_MAX)
    }

    fn rounded(basis: &[f32], dim: usize, kernels: Kernels) -> Option<Self> {
        // A power of two, so that a whole number times it is a float32 without rounding.
        let step = (kernels.max_abs(basis) / WHOLE_MAX).log2().ceil().exp2();
        if !(step.is_normal() && step < 1.0) {
            return None;
        }
        let mut numbers = Vec::with_capacity(basis.len());
        let (mut high, mut low) = (Vec::new(), Vec::new());
        let mut planes = [[0_i16; LANES]; 2];
        for row in basis.chunks_exact(dim) {
            for block in row.chunks(LANES) {
                planes = planes.map(|_| [0; LANES]);
                for (place, x) in block.iter().enumerate() {
                    #[expect(clippy::cast_possible_truncation, reason = "at most WHOLE_MAX")]
                    let whole = (x / step).round() as i16;
                    let upper = (whole + 128) >> 8;
                    numbers.push(f32::from(whole) * step);
                    planes[0][place] = upper;
                    planes[1][place] = whole - 256 * upper;
                }
                high.push(biased(&planes[0]));
                low.push(biased(&planes[1]));
            }
        }
        let defect = defect(&numbers, dim, kernels);
        Some(Self {
            dim,
            numbers,
            high,
            low,
            step,
            defect,
        })
    }

    /// Columns of the rows that these are axes of.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// How far the basis is from orthonormal, in the spectral norm, rounded up.
    #[must_use]
    pub fn defect(&self) -> f64 {
        self.defect
    }

    /// The products of a query's codes with each axis, rounded once to float32.
    ///
    /// One pass over two bytes per number of the basis.
    #[must_use]
    pub fn project(&self, query: &QueryCodes, kernels: Kernels) -> Vec<f32> {
        let mut high = [0; KEPT];
        let mut low = [0; KEPT];
        kernels.code_dots_into(query.planes(), &self.high, &mut high);
        kernels.code_dots_into(query.planes(), &self.low, &mut low);
        let step = f64::from(query.bound().step) * f64::from(self.step);
        high.iter()
            .zip(low)
            .map(|(high, low)| {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "the rounding that is meant"
                )]
                let rounded = (step * (256.0 * f64::from(*high) + f64::from(low))) as f32;
                rounded
            })
            .collect()
    }

    /// The float32 products of up to four rows with each axis.
    pub(crate) fn products_of(&self, rows: &[f32], out: &mut [[f32; KEPT]; 4], kernels: Kernels) {
        let out = &mut out.as_flattened_mut()[..rows.len() / self.dim * KEPT];
        products_into(rows, &self.numbers, self.dim, out, kernels);
    }
}

/// The second moments of the columns, `dim` x `dim`, up to a factor.
///
/// Slab by slab of the sample, so that the columns of one stay in the cache, and one half only: the
/// other is the same.
fn moments(sample: Matrix<'_>, kernels: Kernels) -> Vec<f32> {
    let dim = sample.dim();
    let mut sums = vec![0.0; dim * dim];
    let mut fours = vec![0.0; 4 * dim];
    for rows in sample.data().chunks(SLAB_ROWS * dim) {
        let count = rows.len() / dim;
        let columns = transposed(rows, dim);
        for (at, left) in columns.chunks(4 * count).enumerate() {
            let first = 4 * at;
            let out = &mut fours[..left.len() / count * (dim - first)];
            products_into(left, &columns[first * count..], count, out, kernels);
            let sums = sums[first * dim..].chunks_exact_mut(dim);
            for (sums, products) in sums.zip(out.chunks_exact(dim - first)) {
                for (sum, product) in sums[first..].iter_mut().zip(products) {
                    *sum += product;
                }
            }
        }
    }
    for row in 1..dim {
        for column in 0..row {
            sums[row * dim + column] = sums[column * dim + row];
        }
    }
    sums
}

fn transposed(rows: &[f32], dim: usize) -> Vec<f32> {
    let count = rows.len() / dim;
    let mut columns = vec![0.0; rows.len()];
    for (row, numbers) in rows.chunks_exact(dim).enumerate() {
        for (column, x) in numbers.iter().enumerate() {
            columns[column * count + row] = *x;
        }
    }
    columns
}

/// The products of each row of `a` with each row of `b`, both of `width` numbers.
fn products(a: &[f32], b: &[f32], width: usize, kernels: Kernels) -> Vec<f32> {
    let mut out = vec![0.0; a.len() / width * (b.len() / width)];
    products_into(a, b, width, &mut out, kernels);
    out
}

/// [`products`] into `out`, four rows of `a` at a time.
fn products_into(a: &[f32], b: &[f32], width: usize, out: &mut [f32], kernels: Kernels) {
    let count = b.len() / width;
    for (rows, out) in a.chunks(4 * width).zip(out.chunks_mut(4 * count)) {
        let mut rows = rows.chunks_exact(width);
        let mut lines = out.chunks_exact_mut(count);
        if rows.len() == 4 {
            let four = std::array::from_fn(|_| rows.next().unwrap_or_default());
            let lines = std::array::from_fn(|_| lines.next().unwrap_or_default());
            kernels.dots4_into(four, b, lines);
        } else {
            for (row, line) in rows.zip(lines) {
                kernels.dots_into(row, b, line);
            }
        }
    }
}

/// Numbers of either sign without a pattern, the same each time.
fn scattered(count: usize) -> Vec<f32> {
    let mut state = 1_u32;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f32::from((state >> 16) as u16) / 32_768.0 - 1.0
        })
        .collect()
}

/// Make the rows orthonormal, the first ones changed least; `None` if one depends on the others.
fn orthonormalize(basis: &mut [f32], dim: usize, kernels: Kernels) -> Option<()> {
    let mut shares = vec![0.0; basis.len() / dim];
    for at in 0..basis.len() / dim {
        let (before, rest) = basis.split_at_mut(at * dim);
        let row = &mut rest[..dim];
        kernels.dots_into(row, before, &mut shares[..at]);
        for (other, share) in before.chunks_exact(dim).zip(&shares) {
            for (x, y) in row.iter_mut().zip(other) {
                *x -= share * y;
            }
        }
        let length = kernels.sum_squares(row).sqrt();
        if !(length.is_finite() && length > 1e-20) {
            return None;
        }
        let unscaled = row.to_vec();
        kernels.scale_into(&unscaled, 1.0 / length, row);
    }
    Some(())
}

/// The Frobenius norm of `H H' - I`, rounding included.
fn defect(numbers: &[f32], dim: usize, kernels: Kernels) -> f64 {
    let count = numbers.len() / dim;
    let gram = products(numbers, numbers, dim, kernels);
    let squares: f64 = gram
        .iter()
        .enumerate()
        .map(|(at, x)| f64::from(*x) - f64::from(u8::from(at % (count + 1) == 0)))
        .map(|x| x * x)
        .sum();
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let (count, terms) = (count as f64, (dim.div_ceil(LANES) + 8) as f64);
    // Each product of two axes of length about one is off by at most terms * 2^-24 of it.
    squares.sqrt() + count * 1.1 * terms / 16_777_216.0
}
