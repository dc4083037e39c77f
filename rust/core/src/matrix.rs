//! A borrowed row-major view of float32 rows, and the checks that rows must pass where they enter.

use crate::error::{Error, Result};
pub use crate::limits::{DIM_MAX, UNIT_TOLERANCE};
use crate::simd::Kernels;

/// `rows` x `dim` float32 numbers, one row after the other.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    dim: usize,
}

impl<'a> Matrix<'a> {
    /// View `data` as `rows` rows of `dim` numbers; `argument` names it in errors.
    ///
    /// ```
    /// let matrix = openviking_core::Matrix::new("rows", &[1.0, 0.0, 0.0, 1.0], 2, 2)?;
    /// assert_eq!(matrix.row(1), [0.0, 1.0]);
    /// # Ok::<(), openviking_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Dim`] if `dim` is 0 or above [`DIM_MAX`]; [`Error::Length`] if `data` does not hold
    /// exactly `rows * dim` numbers.
    pub fn new(argument: &'static str, data: &'a [f32], rows: usize, dim: usize) -> Result<Self> {
        if dim == 0 || dim > DIM_MAX {
            return Err(Error::Dim {
                argument,
                found: dim,
            });
        }
        if rows.checked_mul(dim) != Some(data.len()) {
            let expected = rows.saturating_mul(dim);
            return Err(Error::Length {
                argument,
                expected,
                found: data.len(),
            });
        }
        Ok(Self { data, rows, dim })
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns, at least 1.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// All numbers, row after row.
    #[must_use]
    pub fn data(&self) -> &'a [f32] {
        self.data
    }

    /// Row `row`.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn row(&self, row: usize) -> &'a [f32] {
        &self.data[row * self.dim..(row + 1) * self.dim]
    }

    /// Check that every row is finite and has length 1 or 0, within [`UNIT_TOLERANCE`].
    ///
    /// One pass. A row of length below the tolerance counts as zero only if it is exactly zero.
    ///
    /// # Errors
    /// [`Error::NotFinite`] or [`Error::NotUnit`], naming the first such row.
    pub fn check_unit(&self, argument: &'static str, kernels: Kernels) -> Result<()> {
        for (row, numbers) in self.data.chunks_exact(self.dim).enumerate() {
            let length = kernels.sum_squares(numbers).sqrt();
            if !length.is_finite() {
                return Err(Error::not_finite(argument, row, numbers));
            }
            if length != 0.0 && (length - 1.0).abs() > UNIT_TOLERANCE {
                return Err(Error::NotUnit {
                    argument,
                    row,
                    length,
                });
            }
        }
        Ok(())
    }
}
