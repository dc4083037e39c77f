//! A search for groups of rows: `NumPy` arguments in, six arrays out.

use numpy::ndarray::Ix1;
use numpy::{PyArray1, PyReadonlyArray};
use openviking_core::FoundGroups;
use pyo3::prelude::*;

use crate::arrays;

/// Borrow `value` as a (g,) float64 array.
pub fn priors<'py>(value: &Bound<'py, PyAny>) -> PyResult<PyReadonlyArray<'py, f64, Ix1>> {
    arrays::numbers("prior", "a contiguous (g,) float64 array", value)
}

/// Groups, meanings, scores, rows, places by score, places by meaning; all (n,).
pub type Arrays<'py> = (
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray1<f64>>,
    Bound<'py, PyArray1<f64>>,
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray1<i64>>,
);

/// Hand what was found to `NumPy`.
pub fn arrays(py: Python<'_>, found: FoundGroups) -> Arrays<'_> {
    (
        PyArray1::from_vec(py, found.groups),
        PyArray1::from_vec(py, found.meanings),
        PyArray1::from_vec(py, found.scores),
        PyArray1::from_vec(py, found.rows),
        PyArray1::from_vec(py, found.by_score),
        PyArray1::from_vec(py, found.by_meaning),
    )
}
