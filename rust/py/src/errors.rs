//! The one table from the core's errors to the classes of `openviking.errors`.

use openviking_core::Error;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};
use pyo3::{PyTypeInfo, import_exception};

import_exception!(openviking.errors, ConflictError);
import_exception!(openviking.errors, InputError);
import_exception!(openviking.errors, LimitError);
import_exception!(openviking.errors, NotFoundError);
import_exception!(openviking.errors, ShapeError);

/// The Python exception for an error of the core.
pub fn raised(py: Python<'_>, error: &Error) -> PyErr {
    let text = error.to_string();
    match *error {
        Error::Length { argument, .. }
        | Error::Width { argument, .. }
        | Error::Dim { argument, .. }
        | Error::Alignment { argument } => located::<ShapeError>(py, &text, argument, None),
        Error::NotFinite { argument, row, .. } => {
            located::<ShapeError>(py, &text, argument, Some(row))
        }
        Error::NotUnit { argument, row, .. } => {
            located::<InputError>(py, &text, argument, Some(row))
        }
        Error::Range { .. } => located::<InputError>(py, &text, "ranges", None),
        Error::Zero { argument } | Error::Share { argument, .. } => {
            located::<InputError>(py, &text, argument, None)
        }
        Error::NegativeLength { row, .. } => located::<InputError>(py, &text, "lengths", Some(row)),
        Error::DuplicateId { .. } | Error::KnownId { .. } => ConflictError::new_err(text),
        Error::UnknownId { .. } => NotFoundError::new_err(text),
        // The owner of the file knows its name and says it.
        Error::Unreadable { code, .. } => match code {
            Some(code) => PyOSError::new_err((code, text)),
            None => PyOSError::new_err(text),
        },
        Error::Prior { group, .. } => located::<InputError>(py, &text, "prior", Some(group)),
        Error::TooManyRows { .. } => located::<LimitError>(py, &text, "ids", None),
        _ => InputError::new_err(text),
    }
}

/// A `ShapeError` about `argument`.
pub fn shape_error(py: Python<'_>, argument: &str, text: &str) -> PyErr {
    located::<ShapeError>(py, text, argument, None)
}

/// An `InputError` about `argument`.
pub fn input_error(py: Python<'_>, argument: &str, text: &str) -> PyErr {
    located::<InputError>(py, text, argument, None)
}

/// An exception of an input class, with `loc` saying which argument and row it speaks of.
fn located<T: PyTypeInfo>(py: Python<'_>, text: &str, argument: &str, row: Option<usize>) -> PyErr {
    let build = || {
        let loc = match row {
            Some(row) => (argument, row).into_pyobject(py)?,
            None => PyTuple::new(py, [argument])?,
        };
        let keywords = PyDict::new(py);
        keywords.set_item("loc", loc)?;
        let class: Bound<'_, PyType> = py.get_type::<T>();
        class.call((text,), Some(&keywords))
    };
    match build() {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => error,
    }
}
