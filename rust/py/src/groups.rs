//! A search for groups of rows: `NumPy` arguments in, seven lists out.

use numpy::PyReadonlyArray;
use numpy::ndarray::Ix1;
use openviking_core::FoundGroups;
use pyo3::prelude::*;

use crate::arrays;

/// Borrow `value` as a (g,) float64 array.
pub fn priors<'py>(value: &Bound<'py, PyAny>) -> PyResult<PyReadonlyArray<'py, f64, Ix1>> {
    arrays::numbers("prior", "a contiguous (g,) float64 array", value)
}

/// Groups, meanings, scores, rows, ranks; places by score, places by meaning: lists, for they are short.
pub type Lists = (
    Vec<i64>,
    Vec<f64>,
    Vec<f64>,
    Vec<i64>,
    Vec<i64>,
    Vec<i64>,
    Vec<i64>,
);

/// Hand what was found to Python.
pub fn lists(found: FoundGroups) -> Lists {
    (
        found.groups,
        found.meanings,
        found.scores,
        found.rows,
        found.ranks,
        found.by_score,
        found.by_meaning,
    )
}
