//! How vectors are split along a subspace and turned.

use crate::matrix::Matrix;
use crate::rotation::Rotation;
use crate::row_sketches::{BITS, DIRECTIONS, LEVELS};
use crate::simd::Kernels;
use crate::subspace::{self, products_into};

/// Rows that the subspace is fitted to at most.
const SAMPLE_ROWS: usize = 2_048;

/// How vectors are split and turned, the same for all rows of a set and the queries.
#[derive(Debug)]
pub struct Frame {
    pub dim: usize,
    /// [`DIRECTIONS`] x `dim`, orthonormal.
    basis: Vec<f32>,
    rotation: Rotation,
    pub fitted_rows: usize,
    pub kernels: Kernels,
}

impl Frame {
    pub fn fit(rows: &[f32], dim: usize, kernels: Kernels) -> Self {
        let sample = subspace::sample(rows, dim, SAMPLE_ROWS);
        let basis = Matrix::new("rows", &sample, sample.len() / dim, dim)
            .ok()
            .and_then(|sample| subspace::fit(sample, DIRECTIONS, kernels))
            .or_else(|| subspace::any(DIRECTIONS, dim, kernels));
        Self {
            dim,
            // Without one, all of a row is rest.
            basis: turned_within(
                &basis.unwrap_or_else(|| vec![0.0; DIRECTIONS * dim]),
                dim,
                kernels,
            ),
            rotation: Rotation::new(dim.next_power_of_two().max(LEVELS * BITS), kernels),
            fitted_rows: rows.len() / dim,
            kernels,
        }
    }

    /// Split up to four vectors together, which read the basis once.
    pub fn split(&self, vectors: &[f32], splits: &mut [Split; 4]) {
        let count = vectors.len() / self.dim;
        let mut shares = [0.0; 4 * DIRECTIONS];
        let shares = &mut shares[..count * DIRECTIONS];
        products_into(vectors, &self.basis, self.dim, shares, self.kernels);
        let vectors = vectors.chunks_exact(self.dim);
        let shares = shares.as_chunks::<DIRECTIONS>().0;
        for ((vector, shares), split) in vectors.zip(shares).zip(splits) {
            split.within = *shares;
            let mut rest = vector.to_vec();
            self.kernels.take_away(&self.basis, shares, &mut rest);
            split.rest = summed(&rest, |number| number * number);
            self.rotation.turn_into(&rest, &mut split.turned);
        }
    }

    /// `d^2` of a level and those before it.
    #[expect(clippy::cast_precision_loss, reason = "at most 16,384")]
    pub fn variance(&self, level: usize) -> f32 {
        let (width, known) = (self.rotation.width() as f32, ((level + 1) * BITS) as f32);
        // `A` is the mean of the size of so many normal numbers.
        let squared = known / width * known * std::f32::consts::FRAC_2_PI;
        (known / squared - 1.0) / (width - 1.0)
    }
}

/// A vector that has been split.
pub struct Split {
    pub within: [f32; DIRECTIONS],
    /// The rest, turned.
    pub turned: Vec<f32>,
    /// Its squared length.
    pub rest: f32,
}

impl Default for Split {
    fn default() -> Self {
        Self {
            within: [0.0; DIRECTIONS],
            turned: Vec::new(),
            rest: 0.0,
        }
    }
}

/// The basis of the same subspace, turned at random within it, so that no row has more to say along
/// one direction than along others.
fn turned_within(basis: &[f32], dim: usize, kernels: Kernels) -> Vec<f32> {
    let rotation = Rotation::new(DIRECTIONS, kernels);
    let mut turned = Vec::new();
    let mut result = vec![0.0; basis.len()];
    for at in 0..dim {
        let column: Vec<_> = basis[at..].iter().step_by(dim).copied().collect();
        rotation.turn_into(&column, &mut turned);
        for (number, turned) in result[at..].iter_mut().step_by(dim).zip(&turned) {
            *number = *turned;
        }
    }
    result
}

/// The sum of what `term` makes of numbers, in sixteen lanes.
pub fn summed(numbers: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0; 16];
    for numbers in numbers.chunks(16) {
        for (lane, number) in lanes.iter_mut().zip(numbers) {
            *lane += term(*number);
        }
    }
    lanes.iter().sum()
}
