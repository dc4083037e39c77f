//! `openviking._native`: conversion between `NumPy` and the core, nothing else.
//!
//! Arguments are borrowed, results are handed over, and the GIL is released while the core works.
//! A caller must not write to an argument from another thread meanwhile.
#![deny(unsafe_code)]

mod arrays;
mod errors;
mod groups;
mod mapped;
mod rowfile;
mod rowset;
mod shared;
mod sparse;

/// The custom operators of ONNX Runtime; named here so that their entry point is exported.
pub use openviking_ops as ops;

use numpy::{PyArray1, PyArray2};
use openviking_core::{Kernels, normalize as core_normalize, search as core_search};
use openviking_core::{mask::RowMask, plan_batches as core_plan_batches};
use pyo3::prelude::*;

use crate::errors::raised;

/// Scale each row to unit length; a zero row stays zero.
#[pyfunction]
#[pyo3(signature = (rows, /))]
fn normalize<'py>(
    py: Python<'py>,
    rows: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyArray2<f32>>> {
    let rows = arrays::rows("rows", rows)?;
    let matrix = arrays::matrix("rows", &rows)?;
    let unit = py
        .detach(|| core_normalize(matrix, Kernels::best()))
        .map_err(|error| raised(py, &error))?;
    Ok(arrays::array2(py, matrix.rows(), matrix.dim(), unit))
}

/// Split texts of the given lengths into batches of similar length.
#[pyfunction]
#[pyo3(signature = (lengths, /, *, tokens_max, rows_max))]
fn plan_batches<'py>(
    py: Python<'py>,
    lengths: &Bound<'py, PyAny>,
    tokens_max: &Bound<'py, PyAny>,
    rows_max: &Bound<'py, PyAny>,
) -> PyResult<Vec<Bound<'py, PyArray1<i64>>>> {
    let lengths = arrays::integers("lengths", lengths)?;
    let tokens_max = arrays::count("tokens_max", tokens_max)? as u64;
    let rows_max = arrays::count("rows_max", rows_max)? as u64;
    let lengths = lengths.as_slice()?;
    let batches = py
        .detach(|| core_plan_batches(lengths, tokens_max, rows_max))
        .map_err(|error| raised(py, &error))?;
    Ok(batches
        .into_iter()
        .map(|rows| PyArray1::from_vec(py, rows))
        .collect())
}

/// Find the k rows most similar to each query.
#[pyfunction]
#[pyo3(signature = (queries, rows, k, /, *, allow = None))]
fn search<'py>(
    py: Python<'py>,
    queries: &Bound<'py, PyAny>,
    rows: &Bound<'py, PyAny>,
    k: &Bound<'py, PyAny>,
    allow: Option<&Bound<'py, PyAny>>,
) -> PyResult<arrays::Hits<'py>> {
    let queries = arrays::rows("queries", queries)?;
    let rows = arrays::rows("rows", rows)?;
    let k = arrays::count("k", k)?;
    let allow = allow
        .map(|allow| arrays::bools("allow", allow))
        .transpose()?;
    let mask = match &allow {
        Some(allow) => Some(RowMask::from_bools(allow.as_slice()?)),
        None => None,
    };
    let queries = arrays::matrix("queries", &queries)?;
    let rows = arrays::matrix("rows", &rows)?;
    let found = py
        .detach(|| core_search(queries, rows, k, mask.as_ref(), Kernels::best()))
        .map_err(|error| raised(py, &error))?;
    Ok(arrays::hits(py, queries.rows(), found))
}

/// The instruction set of the kernels in use: avx512, avx2, neon or scalar.
#[pyfunction]
fn cpu_level() -> String {
    Kernels::best().level().to_string()
}

/// The module.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add(
        "__all__",
        [
            "MappedRows",
            "Matches",
            "Postings",
            "RowSet",
            "Signs",
            "Word",
            "cpu_level",
            "encode",
            "normalize",
            "plan_batches",
            "search",
        ],
    )?;
    module.add_function(wrap_pyfunction!(cpu_level, module)?)?;
    module.add_function(wrap_pyfunction!(mapped::encode, module)?)?;
    module.add_function(wrap_pyfunction!(normalize, module)?)?;
    module.add_function(wrap_pyfunction!(plan_batches, module)?)?;
    module.add_function(wrap_pyfunction!(search, module)?)?;
    module.add_class::<mapped::MappedRows>()?;
    module.add_class::<mapped::Signs>()?;
    module.add_class::<sparse::Matches>()?;
    module.add_class::<sparse::Postings>()?;
    module.add_class::<sparse::Word>()?;
    module.add_class::<rowset::RowSet>()
}
