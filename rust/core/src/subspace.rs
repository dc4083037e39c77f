//! The subspace that rows lie nearest to, by subspace iteration.

use crate::matrix::Matrix;
use crate::simd::Kernels;

/// Rows whose columns are multiplied at a time: 1.5 MB of 768 columns.
const SLAB_ROWS: usize = 512;
/// Multiplications with the sample's moments: after four, more of them gain nothing.
const ITERATIONS: usize = 4;

/// A subspace is fitted anew when there are so many times the rows that it was fitted to: the first
/// rows may speak of other things than all, and a fit takes a fifth of a second at most.
pub const REFIT_GROWTH: usize = 2;

/// A copy of some of `rows` of `dim` columns, at equal distances, `most` of them at most.
pub fn sample(rows: &[f32], dim: usize, most: usize) -> Vec<f32> {
    let stride = (rows.len() / dim).div_ceil(most).max(1);
    let sampled = rows.chunks_exact(dim).step_by(stride);
    sampled.flatten().copied().collect()
}

/// An orthonormal basis, `count` x `dim`, of the subspace in which rows differ most, the most telling
/// direction first; `None` if there are not so many directions.
///
/// Some `rows * dim^2 / 2` multiply-adds for the moments and `4 * count * dim^2` for the rest.
pub fn fit(sample: Matrix<'_>, count: usize, kernels: Kernels) -> Option<Vec<f32>> {
    let dim = sample.dim();
    if sample.rows() < count || dim < count {
        return None;
    }
    let moments = moments(sample, kernels);
    let mut basis = scattered(count * dim);
    for _ in 0..ITERATIONS {
        basis = products(&basis, &moments, dim, kernels);
        for _ in 0..2 {
            orthonormalize(&mut basis, dim, kernels)?;
        }
    }
    Some(basis)
}

/// Some orthonormal basis, `count` x `dim`, that knows of no rows.
pub fn any(count: usize, dim: usize, kernels: Kernels) -> Option<Vec<f32>> {
    let mut basis = scattered(count * dim);
    orthonormalize(&mut basis, dim, kernels)?;
    Some(basis)
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
pub fn products(a: &[f32], b: &[f32], width: usize, kernels: Kernels) -> Vec<f32> {
    let mut out = vec![0.0; a.len() / width * (b.len() / width)];
    products_into(a, b, width, &mut out, kernels);
    out
}

/// [`products`] into `out`, four rows of `a` at a time.
pub fn products_into(a: &[f32], b: &[f32], width: usize, out: &mut [f32], kernels: Kernels) {
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
        kernels.take_away(before, &shares[..at], row);
        let length = kernels.sum_squares(row).sqrt();
        if !(length.is_finite() && length > 1e-20) {
            return None;
        }
        let unscaled = row.to_vec();
        kernels.scale_into(&unscaled, 1.0 / length, row);
    }
    Some(())
}
