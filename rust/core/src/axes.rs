//! The directions in which rows differ most: what a scan looks at first.
//!
//! Embeddings of texts lie near a subspace: of those of real skills, a third of the directions hold
//! 93 % of the squared length. [`Axes`] are an orthonormal basis of such a subspace, the most telling
//! first, found on a sample ([`crate::subspace`]). Any basis serves: what lies outside of it is
//! bounded, row by row, so how well it fits decides how fast a search is and never what it finds.
//!
//! The basis is `H` with `|H H' - I| <= d` ([`Axes::defect`]), its numbers whole multiples of a power
//! of two, so that products with it are exact integers.

use crate::matrix::Matrix;
use crate::quantize::{QueryCodes, biased};
use crate::simd::{Kernels, LANES, Line};
use crate::subspace::{self, products, products_into};

/// Directions that are kept.
pub const KEPT: usize = 384;
/// The first of them, which a search reads of every row.
pub const HEAD: usize = 256;
/// Narrower rows are scanned in full as quickly.
pub const DIM_MIN: usize = 2 * HEAD;

/// Rows that the axes are fitted to at most.
pub(crate) const SAMPLE_ROWS: usize = 6_144;
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
        if dim < DIM_MIN {
            return None;
        }
        let basis = subspace::fit(sample, KEPT, kernels)?;
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
