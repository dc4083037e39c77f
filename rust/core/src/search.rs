//! Cosine top-k: dot products of unit rows, exact in float32.
//!
//! Two scans give the same hits, bit for bit: over the float32 rows, or over int8 codes with
//! rescoring of what the bound of [`crate::quantize`] leaves. Large sets are cut into parts, one per
//! core; because either scan is exact, the parts do not show in the result.

pub use crate::corpus::{Corpus, ReadRows, Rows};
use crate::error::{Error, Result};
use crate::funnel::AxisCodes;
use crate::mask::RowMask;
use crate::matrix::Matrix;
use crate::scan::Pass;
use crate::simd::Kernels;

/// Queries that share one pass over the rows; bounds the memory of a call with many queries.
const QUERIES_PER_PASS: usize = 32;

/// The hits of `queries` x `k`, best first; equal scores are ordered by lower key.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Hits per query.
    pub k: usize,
    /// Row numbers or ids, `k` per query.
    pub keys: Vec<i64>,
    /// Cosines in -1..=1, `k` per query.
    pub scores: Vec<f32>,
}

/// Find the `k` rows of `rows` most similar to each query; `min(k, allowed rows)` come back.
///
/// One pass over the rows for each 32 queries; float32 dot products, on several threads for large
/// sets.
///
/// ```
/// use openviking_core::{Kernels, Matrix, search};
/// let rows = Matrix::new("rows", &[1.0, 0.0, 0.6, 0.8], 2, 2)?;
/// let query = Matrix::new("queries", &[0.0, 1.0], 1, 2)?;
/// let found = search(query, rows, 1, None, Kernels::best())?;
/// assert_eq!((found.keys, found.scores), (vec![1], vec![0.8]));
/// # Ok::<(), openviking_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Width`], [`Error::Zero`] for `k` = 0, [`Error::Length`] for a mask of another length,
/// [`Error::NotFinite`] or [`Error::NotUnit`] for queries or rows that are not unit rows. Rows are
/// judged by their scores only, so a wrong length that shows in no score goes unnoticed.
pub fn search(
    queries: Matrix<'_>,
    rows: Matrix<'_>,
    k: usize,
    allow: Option<&RowMask>,
    kernels: Kernels,
) -> Result<Found> {
    search_corpus(
        queries,
        Corpus {
            rows: rows.into(),
            keys: None,
            codes: None,
        },
        k,
        allow,
        kernels,
    )
}

/// [`search`] over a corpus with keys and codes of its own.
///
/// # Errors
/// As [`search`].
pub fn search_corpus(
    queries: Matrix<'_>,
    corpus: Corpus<'_>,
    k: usize,
    allow: Option<&RowMask>,
    kernels: Kernels,
) -> Result<Found> {
    search_along(queries, corpus, None, k, allow, kernels)
}

/// [`search_corpus`] by way of codes along axes, if there are any.
pub(crate) fn search_along(
    queries: Matrix<'_>,
    corpus: Corpus<'_>,
    axis_codes: Option<&AxisCodes>,
    k: usize,
    allow: Option<&RowMask>,
    kernels: Kernels,
) -> Result<Found> {
    let (rows, dim) = (corpus.rows.rows(), corpus.rows.dim());
    if queries.dim() != dim {
        return Err(Error::Width {
            argument: "queries",
            expected: dim,
            found: queries.dim(),
        });
    }
    if k == 0 {
        return Err(Error::Zero { argument: "k" });
    }
    if let Some(mask) = allow.filter(|mask| mask.rows() != rows) {
        return Err(Error::Length {
            argument: "allow",
            expected: rows,
            found: mask.rows(),
        });
    }
    queries.check_unit("queries", kernels)?;

    let allowed = allow.map_or(rows, RowMask::count);
    let k = k.min(allowed);
    let count = k * queries.rows();
    let mut found = Found {
        k,
        keys: Vec::with_capacity(count),
        scores: Vec::with_capacity(count),
    };
    if k == 0 {
        return Ok(found);
    }
    for start in (0..queries.rows()).step_by(QUERIES_PER_PASS) {
        let end = queries.rows().min(start + QUERIES_PER_PASS);
        let pass = Pass {
            queries: (start..end).map(|query| queries.row(query)).collect(),
            corpus,
            axis_codes,
            k,
            allow,
            allowed,
            kernels,
        };
        for best in pass.run()? {
            for hit in best.into_best_first() {
                found.keys.push(hit.key);
                found.scores.push(hit.score);
            }
        }
    }
    Ok(found)
}
