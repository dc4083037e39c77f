//! What a scan goes over.

use std::ops::Range;

use crate::error::Result;
use crate::matrix::Matrix;
use crate::quantize::CodesView;
use crate::simd::Kernels;
use crate::topk::Hit;

/// Rows that lie elsewhere and are read when a search needs them; the caller says how.
pub trait ReadRows: Sync {
    /// Fill `numbers` with whole rows, from row `first` on.
    ///
    /// # Errors
    /// [`crate::Error::Unreadable`].
    fn read_into(&self, first: usize, numbers: &mut [f32]) -> Result<()>;
}

/// The float32 rows of a corpus.
#[derive(Clone, Copy)]
pub enum Rows<'a> {
    /// In memory.
    Here(Matrix<'a>),
    /// Elsewhere.
    Elsewhere {
        /// Reads them.
        source: &'a dyn ReadRows,
        /// How many there are.
        rows: usize,
        /// Their columns, 1 to [`crate::limits::DIM_MAX`].
        dim: usize,
    },
}

impl<'a> From<Matrix<'a>> for Rows<'a> {
    fn from(rows: Matrix<'a>) -> Self {
        Self::Here(rows)
    }
}

impl Rows<'_> {
    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        match self {
            Self::Here(matrix) => matrix.rows(),
            Self::Elsewhere { rows, .. } => *rows,
        }
    }

    /// Number of columns.
    #[must_use]
    pub fn dim(&self) -> usize {
        match self {
            Self::Here(matrix) => matrix.dim(),
            Self::Elsewhere { dim, .. } => *dim,
        }
    }

    /// The numbers of some rows, one row after the other: where they lie, or read into `buffer`.
    pub(crate) fn numbers<'b>(
        &'b self,
        rows: Range<usize>,
        buffer: &'b mut Vec<f32>,
    ) -> Result<&'b [f32]> {
        match self {
            Self::Here(matrix) => {
                let dim = matrix.dim();
                Ok(&matrix.data()[rows.start * dim..rows.end * dim])
            }
            Self::Elsewhere { source, dim, .. } => {
                buffer.resize(rows.len() * dim, 0.0);
                source.read_into(rows.start, buffer)?;
                Ok(buffer)
            }
        }
    }

    /// Ask for a row's numbers ahead of their use, if they are in memory.
    pub(crate) fn prefetch(&self, row: usize, kernels: Kernels) {
        if let Self::Here(matrix) = self {
            kernels.prefetch(matrix.row(row));
        }
    }
}

/// What is searched: rows, with the keys that stand for them in the answer.
#[derive(Clone, Copy)]
pub struct Corpus<'a> {
    /// The float32 rows.
    pub rows: Rows<'a>,
    /// A key per row; `None` for row numbers.
    pub keys: Option<&'a [i64]>,
    /// The rows' codes, if the scan is to use them.
    pub codes: Option<CodesView<'a>>,
}

impl Corpus<'_> {
    /// A hit with this row's key; a cosine cannot leave -1..=1, whatever the rounding did.
    pub(crate) fn hit(&self, row: usize, score: f32) -> Hit {
        let number = i64::try_from(row).unwrap_or(i64::MAX);
        let key = self.keys.map_or(number, |keys| keys[row]);
        Hit {
            score: score.clamp(-1.0, 1.0),
            key,
        }
    }
}
