//! L2 normalisation: `y = x / sqrt(sum(x * x))`, a zero row stays zero.

use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::simd::Kernels;

/// Write the rows of `rows`, scaled to unit length, into `out`.
///
/// The sum is taken in float64, where no square of a float32 over- or underflows, so denormal and
/// huge rows come out as exact as others: each number within 1 ULP of the true quotient.
/// Two passes over each row while it is in the first-level cache; no allocation.
///
/// # Errors
/// [`Error::Length`] if `out` is not as long as `rows`; [`Error::NotFinite`] for NaN or infinity,
/// after which `out` holds no meaningful rows.
pub fn normalize_into(rows: Matrix<'_>, out: &mut [f32], kernels: Kernels) -> Result<()> {
    let expected = rows.data().len();
    if out.len() != expected {
        return Err(Error::Length {
            argument: "out",
            expected,
            found: out.len(),
        });
    }
    for (row, scaled) in out.chunks_exact_mut(rows.dim()).enumerate() {
        let numbers = rows.row(row);
        let squares = kernels.sum_squares(numbers);
        if !squares.is_finite() {
            return Err(Error::not_finite("rows", row, numbers));
        }
        let factor = if squares == 0.0 {
            0.0
        } else {
            1.0 / squares.sqrt()
        };
        kernels.scale_into(numbers, factor, scaled);
    }
    Ok(())
}

/// Return the rows of `rows` scaled to unit length; see [`normalize_into`].
///
/// ```
/// use openviking_core::{Kernels, Matrix, normalize};
/// let unit = normalize(Matrix::new("rows", &[3.0, 4.0], 1, 2)?, Kernels::best())?;
/// assert_eq!(unit, [0.6, 0.8]);
/// # Ok::<(), openviking_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::NotFinite`] for NaN or infinity.
pub fn normalize(rows: Matrix<'_>, kernels: Kernels) -> Result<Vec<f32>> {
    let mut out = vec![0.0; rows.data().len()];
    normalize_into(rows, &mut out, kernels)?;
    Ok(out)
}
