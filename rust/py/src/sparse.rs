//! The core's postings as functions of `NumPy` arrays.
//!
//! These take microseconds, and the GIL is kept: to give it away and wait for it would take longer.
//! What there is of each word of a request or of each hit, a few numbers, comes and goes in lists.
#![expect(
    clippy::needless_pass_by_value,
    reason = "PyO3 makes a list into a vector, which is the function's own"
)]

use numpy::ndarray::{Ix1, Ix2};
use numpy::{Element, PyArray1, PyArray2, PyReadonlyArray};
use openviking_core::sparse::Part;
use openviking_core::{lexical, lookup, sparse};
use pyo3::prelude::*;

use crate::arrays;
use crate::errors::raised;

const ROWS: &str = "a contiguous (n,) int32 array";
const SHARES: &str = "a contiguous (n,) float32 array";
const BITS: &str = "a contiguous (n,) uint8 array";
const SUMS: &str = "a C-ordered (t, count) float64 array";
const NUMBERS: &str = "a contiguous (g,) float64 array";

/// Rows, values and ranges of one part of a lexicon.
type Given<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>, Bound<'py, PyAny>);

/// The same, borrowed.
struct Borrowed<'py, T: Element> {
    rows: PyReadonlyArray<'py, i32, Ix1>,
    values: PyReadonlyArray<'py, T, Ix1>,
    ranges: PyReadonlyArray<'py, i64, Ix2>,
}

impl<'py, T: Element> Borrowed<'py, T> {
    fn all(parts: &[Given<'py>], argument: &str, expected: &str) -> PyResult<Vec<Self>> {
        let borrow = |(rows, values, ranges): &Given<'py>| {
            Ok(Self {
                rows: arrays::numbers("rows", ROWS, rows)?,
                values: arrays::numbers(argument, expected, values)?,
                ranges: arrays::ranges(ranges)?,
            })
        };
        parts.iter().map(borrow).collect()
    }

    fn part(&self, py: Python<'_>) -> PyResult<Part<'_, T>> {
        Ok(Part {
            rows: self.rows.as_slice()?,
            values: self.values.as_slice()?,
            ranges: arrays::pairs(py, &self.ranges)?,
        })
    }
}

/// Find the ranges of words by their hashes, and count their rows.
#[pyfunction]
#[pyo3(signature = (hashes, starts, rows, is_dead, wanted, /))]
pub fn posting_ranges<'py>(
    py: Python<'py>,
    hashes: &Bound<'py, PyAny>,
    starts: &Bound<'py, PyAny>,
    rows: &Bound<'py, PyAny>,
    is_dead: &Bound<'py, PyAny>,
    wanted: Vec<i64>,
) -> PyResult<(Bound<'py, PyArray2<i64>>, Vec<usize>)> {
    let hashes = arrays::integers("hashes", hashes)?;
    let starts = arrays::integers("starts", starts)?;
    let rows = arrays::numbers::<i32>("rows", ROWS, rows)?;
    let is_dead = arrays::bools("is_dead", is_dead)?;
    let ranges = lookup::ranges(hashes.as_slice()?, starts.as_slice()?, &wanted)
        .map_err(|error| raised(py, &error))?;
    let counts = lookup::living(rows.as_slice()?, &ranges, is_dead.as_slice()?)
        .map_err(|error| raised(py, &error))?;
    let ranges = arrays::array2(py, ranges.len(), 2, ranges.into_flattened());
    Ok((ranges, counts))
}

/// Add up share times gain for each text and row.
#[pyfunction]
#[pyo3(signature = (parts, gains, count, /))]
pub fn posting_sums<'py>(
    py: Python<'py>,
    parts: Vec<Given<'py>>,
    gains: Vec<Vec<f32>>,
    count: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let count = arrays::count("count", count)?;
    let parts = Borrowed::<f32>::all(&parts, "shares", SHARES)?;
    let parts: Vec<Part<f32>> = parts
        .iter()
        .map(|part| part.part(py))
        .collect::<PyResult<_>>()?;
    let sums = sparse::sums(&parts, &gains, count).map_err(|error| raised(py, &error))?;
    Ok(arrays::array2(py, gains.len(), count, sums))
}

/// Find the words that stand in each of the wanted rows.
#[pyfunction]
#[pyo3(signature = (parts, words, wanted, /))]
pub fn posting_words<'py>(
    py: Python<'py>,
    parts: Vec<Given<'py>>,
    words: Vec<usize>,
    wanted: Vec<i64>,
) -> PyResult<Vec<(u8, Vec<usize>)>> {
    let parts = Borrowed::<u8>::all(&parts, "bits", BITS)?;
    let parts: Vec<Part<u8>> = parts
        .iter()
        .map(|part| part.part(py))
        .collect::<PyResult<_>>()?;
    let found = sparse::standing(&parts, &words, &wanted).map_err(|error| raised(py, &error))?;
    Ok(found.into_iter().map(|one| (one.bits, one.words)).collect())
}

/// Whole, words and prior; all (g,).
type Pooled<'py> = (
    Bound<'py, PyArray1<f64>>,
    Bound<'py, PyArray1<f64>>,
    Bound<'py, PyArray1<f64>>,
);

/// Pool what words give to groups.
#[pyfunction]
#[pyo3(signature = (sums, rows, base, /, *, part_share, weight))]
pub fn pool_words<'py>(
    py: Python<'py>,
    sums: &Bound<'py, PyAny>,
    rows: &Bound<'py, PyAny>,
    base: &Bound<'py, PyAny>,
    part_share: f64,
    weight: f64,
) -> PyResult<Pooled<'py>> {
    let sums = arrays::numbers2::<f64>("sums", SUMS, sums)?;
    let rows = arrays::integers("rows", rows)?;
    let base = arrays::numbers::<f64>("base", NUMBERS, base)?;
    let shares = lexical::Shares {
        part: part_share,
        weight,
    };
    let count = sums.as_array().ncols();
    let found = lexical::pool(
        sums.as_slice()?,
        count,
        rows.as_slice()?,
        base.as_slice()?,
        shares,
    )
    .map_err(|error| raised(py, &error))?;
    Ok((
        PyArray1::from_vec(py, found.whole),
        PyArray1::from_vec(py, found.words),
        PyArray1::from_vec(py, found.prior),
    ))
}

/// Rank each of the wanted places by its score.
#[pyfunction]
#[pyo3(signature = (scores, keys, wanted, /))]
pub fn rank_places<'py>(
    py: Python<'py>,
    scores: &Bound<'py, PyAny>,
    keys: &Bound<'py, PyAny>,
    wanted: Vec<i64>,
) -> PyResult<Vec<Option<usize>>> {
    let scores = arrays::numbers::<f64>("scores", NUMBERS, scores)?;
    let keys = arrays::integers("keys", keys)?;
    lexical::ranks(scores.as_slice()?, keys.as_slice()?, &wanted)
        .map_err(|error| raised(py, &error))
}
