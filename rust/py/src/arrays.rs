//! `NumPy` arrays in and out without copies; whatever does not fit is refused, never converted.

use numpy::ndarray::{Array2, Dimension, Ix1, Ix2};
use numpy::{
    Element, IntoPyArray, PyArray, PyArray2, PyArrayMethods, PyReadonlyArray, PyUntypedArray,
    PyUntypedArrayMethods,
};
use openviking_core::{Found, Matrix};
use pyo3::prelude::*;

use crate::errors::{input_error, raised, shape_error};

/// A borrowed (n, d) float32 array.
pub type Rows<'py> = PyReadonlyArray<'py, f32, Ix2>;

/// Scores and row numbers or ids, both (q, k).
pub type Hits<'py> = (Bound<'py, PyArray2<i64>>, Bound<'py, PyArray2<f32>>);

/// Borrow `value` as a C-ordered (n, d) float32 array.
pub fn rows<'py>(argument: &str, value: &Bound<'py, PyAny>) -> PyResult<Rows<'py>> {
    borrow::<f32, Ix2>(argument, "a C-ordered (n, d) float32 array", value)
}

/// Borrow `value` as an (n,) int64 array.
pub fn integers<'py>(
    argument: &str,
    value: &Bound<'py, PyAny>,
) -> PyResult<PyReadonlyArray<'py, i64, Ix1>> {
    borrow::<i64, Ix1>(argument, "a contiguous (n,) int64 array", value)
}

/// Borrow `value` as an (n,) bool array.
pub fn bools<'py>(
    argument: &str,
    value: &Bound<'py, PyAny>,
) -> PyResult<PyReadonlyArray<'py, bool, Ix1>> {
    borrow::<bool, Ix1>(argument, "a contiguous (n,) bool array", value)
}

/// Borrow `value` as an (n,) array of another kind of number.
pub fn numbers<'py, T: Element>(
    argument: &str,
    expected: &str,
    value: &Bound<'py, PyAny>,
) -> PyResult<PyReadonlyArray<'py, T, Ix1>> {
    borrow::<T, Ix1>(argument, expected, value)
}

/// Borrow `value` as a C-ordered (n, 2) int64 array.
pub fn ranges<'py>(value: &Bound<'py, PyAny>) -> PyResult<PyReadonlyArray<'py, i64, Ix2>> {
    borrow::<i64, Ix2>("ranges", "a C-ordered (n, 2) int64 array", value)
}

/// The rows of such an array.
pub fn pairs<'a>(
    py: Python<'_>,
    ranges: &'a PyReadonlyArray<'_, i64, Ix2>,
) -> PyResult<&'a [[i64; 2]]> {
    if ranges.as_array().ncols() != 2 {
        let found = ranges.as_array().ncols();
        let text = format!("ranges: expected 2 columns, got {found}");
        return Err(shape_error(py, "ranges", &text));
    }
    Ok(ranges.as_slice()?.as_chunks::<2>().0)
}

/// Borrow `value` as a C-ordered (n, words) uint64 array.
pub fn words2<'py>(
    argument: &str,
    value: &Bound<'py, PyAny>,
) -> PyResult<PyReadonlyArray<'py, u64, Ix2>> {
    borrow::<u64, Ix2>(argument, "a C-ordered (n, words) uint64 array", value)
}

/// Borrow `value` as a C-ordered (n, bytes) uint8 array.
pub fn bytes<'py>(
    argument: &str,
    value: &Bound<'py, PyAny>,
) -> PyResult<PyReadonlyArray<'py, u8, Ix2>> {
    borrow::<u8, Ix2>(argument, "a C-ordered (n, bytes) uint8 array", value)
}

fn borrow<'py, T: Element, D: Dimension>(
    argument: &str,
    expected: &str,
    value: &Bound<'py, PyAny>,
) -> PyResult<PyReadonlyArray<'py, T, D>> {
    let refuse = |found: &str| {
        let text = format!("{argument}: expected {expected}, got {found}");
        shape_error(value.py(), argument, &text)
    };
    let Ok(array) = value.cast::<PyUntypedArray>() else {
        return Err(refuse(&value.get_type().name()?.to_string()));
    };
    let Ok(typed) = value.cast::<PyArray<T, D>>() else {
        return Err(refuse(&format!(
            "shape {:?}, dtype {}",
            array.shape(),
            array.dtype().str()?
        )));
    };
    if !typed.is_c_contiguous() {
        return Err(refuse(
            "another memory order; np.ascontiguousarray makes a copy that fits",
        ));
    }
    if !typed.is_aligned() {
        return Err(refuse("misaligned memory; .copy() gives one that fits"));
    }
    typed
        .try_readonly()
        .map_err(|_| refuse("one that is being written to"))
}

/// View a borrowed array as the core's matrix.
pub fn matrix<'a>(argument: &'static str, rows: &'a Rows<'_>) -> PyResult<Matrix<'a>> {
    let (count, dim) = (rows.shape()[0], rows.shape()[1]);
    Matrix::new(argument, rows.as_slice()?, count, dim).map_err(|error| raised(rows.py(), &error))
}

/// A whole number of at least 0; the core says where 0 is too little.
pub fn count(argument: &str, value: &Bound<'_, PyAny>) -> PyResult<usize> {
    value.extract::<usize>().map_err(|_| {
        let shown = value
            .repr()
            .map_or_else(|_| "something else".to_owned(), |r| r.to_string());
        let text = format!("{argument}: expected a whole number from 1 to 2**63, got {shown}");
        input_error(value.py(), argument, &text)
    })
}

/// Hand a vector of `rows` x `columns` numbers to `NumPy`, which then owns its memory.
pub fn array2<T: Element>(
    py: Python<'_>,
    rows: usize,
    columns: usize,
    data: Vec<T>,
) -> Bound<'_, PyArray2<T>> {
    match Array2::from_shape_vec((rows, columns), data) {
        Ok(array) => array.into_pyarray(py),
        Err(_) => unreachable!("the core returns rectangular results"),
    }
}

/// Hand the hits of `queries` queries to `NumPy`.
pub fn hits(py: Python<'_>, queries: usize, found: Found) -> Hits<'_> {
    (
        array2(py, queries, found.k, found.keys),
        array2(py, queries, found.k, found.scores),
    )
}
