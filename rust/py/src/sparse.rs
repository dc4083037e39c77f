//! The core's postings as functions of `NumPy` arrays.
//!
//! These take microseconds, and the GIL is kept: to give it away and wait for it would take longer.

use numpy::{PyArray1, PyArray2};
use openviking_core::sparse;
use pyo3::prelude::*;

use crate::arrays;
use crate::errors::raised;

const ROWS: &str = "a contiguous (n,) int32 array";

/// Find the ranges of words by their hashes.
#[pyfunction]
#[pyo3(signature = (hashes, starts, wanted, /))]
pub fn posting_ranges<'py>(
    py: Python<'py>,
    hashes: &Bound<'py, PyAny>,
    starts: &Bound<'py, PyAny>,
    wanted: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyArray2<i64>>> {
    let hashes = arrays::integers("hashes", hashes)?;
    let starts = arrays::integers("starts", starts)?;
    let wanted = arrays::integers("wanted", wanted)?;
    let found = sparse::ranges(hashes.as_slice()?, starts.as_slice()?, wanted.as_slice()?)
        .map_err(|error| raised(py, &error))?;
    Ok(arrays::array2(py, found.len(), 2, found.into_flattened()))
}

/// Add up share times gain for each row.
#[pyfunction]
#[pyo3(signature = (rows, shares, ranges, gains, count, /))]
pub fn posting_sums<'py>(
    py: Python<'py>,
    rows: &Bound<'py, PyAny>,
    shares: &Bound<'py, PyAny>,
    ranges: &Bound<'py, PyAny>,
    gains: &Bound<'py, PyAny>,
    count: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let rows = arrays::numbers::<i32>("rows", ROWS, rows)?;
    let shares = arrays::numbers::<f32>("shares", "a contiguous (n,) float32 array", shares)?;
    let gains = arrays::numbers::<f32>("gains", "a contiguous (n,) float32 array", gains)?;
    let ranges = arrays::ranges(ranges)?;
    let sums = sparse::sums(
        rows.as_slice()?,
        shares.as_slice()?,
        arrays::pairs(py, &ranges)?,
        gains.as_slice()?,
        arrays::count("count", count)?,
    )
    .map_err(|error| raised(py, &error))?;
    Ok(PyArray1::from_vec(py, sums))
}

/// Look up the bits of each word in each of the wanted rows.
#[pyfunction]
#[pyo3(signature = (rows, bits, ranges, wanted, /))]
pub fn posting_bits<'py>(
    py: Python<'py>,
    rows: &Bound<'py, PyAny>,
    bits: &Bound<'py, PyAny>,
    ranges: &Bound<'py, PyAny>,
    wanted: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyArray2<u8>>> {
    let rows = arrays::numbers::<i32>("rows", ROWS, rows)?;
    let bits = arrays::numbers::<u8>("bits", "a contiguous (n,) uint8 array", bits)?;
    let ranges = arrays::ranges(ranges)?;
    let wanted = arrays::integers("wanted", wanted)?;
    let (ranges, wanted) = (arrays::pairs(py, &ranges)?, wanted.as_slice()?);
    let found = sparse::bits(rows.as_slice()?, bits.as_slice()?, ranges, wanted)
        .map_err(|error| raised(py, &error))?;
    Ok(arrays::array2(py, ranges.len(), wanted.len(), found))
}

/// Count what comes before each of the wanted places.
#[pyfunction]
#[pyo3(signature = (scores, keys, wanted, /))]
pub fn count_before<'py>(
    py: Python<'py>,
    scores: &Bound<'py, PyAny>,
    keys: &Bound<'py, PyAny>,
    wanted: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let scores = arrays::numbers::<f64>("scores", "a contiguous (n,) float64 array", scores)?;
    let keys = arrays::integers("keys", keys)?;
    let wanted = arrays::integers("wanted", wanted)?;
    let found = sparse::before(scores.as_slice()?, keys.as_slice()?, wanted.as_slice()?)
        .map_err(|error| raised(py, &error))?;
    Ok(PyArray1::from_vec(py, found))
}
