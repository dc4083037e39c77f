//! Rows that wait to go into a set.

use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::quantize::Codes;
use crate::simd::Kernels;

/// Rows that have passed every check and are quantised, ready to go into a [`crate::RowSet`] at once.
#[derive(Debug)]
pub struct Staged {
    pub(crate) dim: usize,
    pub(crate) ids: Vec<i64>,
    pub(crate) rows: Vec<f32>,
    pub(crate) codes: Codes,
}

impl Staged {
    /// Take rows of `dim` numbers for `ids`; does all work that needs no set, so that a caller can
    /// do it before taking a lock.
    ///
    /// # Errors
    /// [`Error::Dim`], [`Error::Length`], [`Error::NotFinite`], [`Error::NotUnit`],
    /// [`Error::DuplicateId`].
    pub fn new(ids: Vec<i64>, rows: Vec<f32>, dim: usize, kernels: Kernels) -> Result<Self> {
        Matrix::new("vectors", &rows, ids.len(), dim)?.check_unit("vectors", kernels)?;
        let mut sorted = ids.clone();
        sorted.sort_unstable();
        if let Some(pair) = sorted.array_windows().find(|[a, b]| a == b) {
            return Err(Error::DuplicateId { id: pair[0] });
        }
        let codes = Codes::of(&rows, dim, kernels);
        Ok(Self {
            dim,
            ids,
            rows,
            codes,
        })
    }
}
