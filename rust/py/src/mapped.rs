//! Search over arrays that lie in mapped files, and the codes that are written into them.

use std::path::PathBuf;

use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1};
use openviking_core::coarse::{self, List};
use openviking_core::mask::RowMask;
use openviking_core::quantize::{Codes, CodesView};
use openviking_core::search::{Corpus, Rows, search_corpus};
use openviking_core::{Error, Kernels, Matrix};
use pyo3::prelude::*;

use crate::arrays;
use crate::errors::raised;
use crate::rowfile::RowFile;

/// Codes, steps and residuals, one row or element for each vector.
type Encoded<'py> = (
    Bound<'py, PyArray2<u8>>,
    Bound<'py, PyArray1<f32>>,
    Bound<'py, PyArray1<f32>>,
);

/// The int8 codes of unit rows, and what makes a search over them exact.
#[pyfunction]
#[pyo3(signature = (rows, /))]
pub fn encode<'py>(py: Python<'py>, rows: &Bound<'py, PyAny>) -> PyResult<Encoded<'py>> {
    let rows = arrays::rows("rows", rows)?;
    let matrix = arrays::matrix("rows", &rows)?;
    let codes = py
        .detach(|| {
            matrix.check_unit("rows", Kernels::best())?;
            Ok(Codes::of(matrix.data(), matrix.dim(), Kernels::best()))
        })
        .map_err(|error| raised(py, &error))?;
    let view = codes.view();
    let bytes = py.detach(|| view.bytes().collect());
    Ok((
        arrays::array2(py, matrix.rows(), view.row_bytes(), bytes),
        PyArray1::from_slice(py, view.steps()),
        PyArray1::from_slice(py, view.residuals()),
    ))
}

/// Unit rows under ids: the rows in a file, their codes in arrays borrowed for as long as this lives.
#[pyclass(frozen, module = "openviking._native")]
pub struct MappedRows {
    rows: RowFile,
    ids: Py<PyArray1<i64>>,
    codes: Py<PyArray2<u8>>,
    steps: Py<PyArray1<f32>>,
    residuals: Py<PyArray1<f32>>,
}

#[pymethods]
impl MappedRows {
    #[new]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        dim: &Bound<'_, PyAny>,
        ids: &Bound<'_, PyAny>,
        codes: &Bound<'_, PyAny>,
        steps: &Bound<'_, PyAny>,
        residuals: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let dim = arrays::count("dim", dim)?;
        Matrix::new("rows", &[], 0, dim).map_err(|error| raised(py, &error))?;
        let rows = RowFile::open(path, dim)?;
        let ids = arrays::integers("ids", ids)?;
        let codes = arrays::bytes("codes", codes)?;
        let steps = floats("steps", steps)?;
        let residuals = floats("residuals", residuals)?;
        let (bytes, lengths) = (
            codes.as_slice()?,
            (steps.as_slice()?, residuals.as_slice()?),
        );
        CodesView::new(bytes, lengths.0, lengths.1, dim).map_err(|error| raised(py, &error))?;
        for (argument, found) in [("ids", ids.as_slice()?.len()), ("steps", lengths.0.len())] {
            if found != rows.rows() {
                let expected = rows.rows();
                let error = Error::Length {
                    argument,
                    expected,
                    found,
                };
                return Err(raised(py, &error));
            }
        }
        Ok(Self {
            rows,
            ids: ids.as_unbound().clone_ref(py),
            codes: codes.as_unbound().clone_ref(py),
            steps: steps.as_unbound().clone_ref(py),
            residuals: residuals.as_unbound().clone_ref(py),
        })
    }

    /// Find the k rows most similar to each query among the rows of some ranges.
    #[pyo3(signature = (queries, k, /, *, ranges, alive))]
    fn search<'py>(
        &self,
        py: Python<'py>,
        queries: &Bound<'py, PyAny>,
        k: &Bound<'py, PyAny>,
        ranges: &Bound<'py, PyAny>,
        alive: &Bound<'py, PyAny>,
    ) -> PyResult<arrays::Hits<'py>> {
        let queries = arrays::rows("queries", queries)?;
        let k = arrays::count("k", k)?;
        let ranges = arrays::ranges(ranges)?;
        let pairs = arrays::pairs(py, &ranges)?;
        let alive = arrays::numbers::<u64>("alive", "a contiguous (n,) uint64 array", alive)?;
        let words = alive.as_slice()?;
        let ids = self.ids.bind(py).readonly();
        let codes = self.codes.bind(py).readonly();
        let steps = self.steps.bind(py).readonly();
        let residuals = self.residuals.bind(py).readonly();
        let queries = arrays::matrix("queries", &queries)?;
        let (rows, dim) = (self.rows.rows(), self.rows.dim());
        let (ids, bytes) = (ids.as_slice()?, codes.as_slice()?);
        let (steps, residuals) = (steps.as_slice()?, residuals.as_slice()?);
        let found = py
            .detach(|| {
                let codes = CodesView::new(bytes, steps, residuals, dim)?;
                let mask = RowMask::from_ranges(pairs, words, rows)?;
                let corpus = Corpus {
                    rows: Rows::Elsewhere {
                        source: &self.rows,
                        rows,
                        dim,
                    },
                    keys: Some(ids),
                    codes: Some(codes),
                };
                search_corpus(queries, corpus, k, Some(&mask), Kernels::best())
            })
            .map_err(|error| raised(py, &error))?;
        Ok(arrays::hits(py, queries.rows(), found))
    }

    /// Copy some rows.
    #[pyo3(signature = (rows, /))]
    fn rows<'py>(
        &self,
        py: Python<'py>,
        rows: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let wanted = arrays::integers("rows", rows)?;
        let wanted = wanted.as_slice()?;
        let numbers = py
            .detach(|| self.rows.copies(wanted))
            .map_err(|error| raised(py, &error))?;
        Ok(arrays::array2(py, wanted.len(), self.rows.dim(), numbers))
    }
}

/// One bit per number, in lists; both arrays are borrowed for as long as this lives.
#[pyclass(frozen, module = "openviking._native")]
pub struct Signs {
    words: Py<PyArray2<u64>>,
    factors: Py<PyArray1<f32>>,
    rotation: Py<PyArray2<f32>>,
}

#[pymethods]
impl Signs {
    #[new]
    fn new(
        py: Python<'_>,
        words: &Bound<'_, PyAny>,
        factors: &Bound<'_, PyAny>,
        rotation: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let rotation = arrays::rows("rotation", rotation)?;
        arrays::matrix("rotation", &rotation)?;
        let words = arrays::words2("words", words)?;
        let factors = floats("factors", factors)?;
        let (expected, found) = (factors.as_slice()?.len(), words.as_array().nrows());
        if expected != found {
            let argument = "words";
            let error = Error::Length {
                argument,
                expected,
                found,
            };
            return Err(raised(py, &error));
        }
        Ok(Self {
            words: words.as_unbound().clone_ref(py),
            factors: factors.as_unbound().clone_ref(py),
            rotation: rotation.as_unbound().clone_ref(py),
        })
    }

    /// The rows of some lists with the largest estimated product with a query.
    #[pyo3(signature = (query, count, /, *, ranges, bases, alive))]
    fn nearest<'py>(
        &self,
        py: Python<'py>,
        query: &Bound<'py, PyAny>,
        count: &Bound<'py, PyAny>,
        ranges: &Bound<'py, PyAny>,
        bases: &Bound<'py, PyAny>,
        alive: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyArray2<i64>>> {
        let query = arrays::rows("query", query)?;
        let query = arrays::matrix("query", &query)?;
        let rotation = self.rotation.bind(py).readonly();
        let rotation = arrays::matrix("rotation", &rotation)?;
        if (query.rows(), query.dim()) != (1, rotation.dim()) {
            let (expected, found) = (rotation.dim(), query.data().len());
            let argument = "query";
            let error = Error::Length {
                argument,
                expected,
                found,
            };
            return Err(raised(py, &error));
        }
        let count = arrays::count("count", count)?;
        let ranges = arrays::ranges(ranges)?;
        let bases = floats("bases", bases)?;
        let alive = arrays::numbers::<u64>("alive", "a contiguous (n,) uint64 array", alive)?;
        let words = self.words.bind(py).readonly();
        let factors = self.factors.bind(py).readonly();
        let (ranges, bases) = (arrays::pairs(py, &ranges)?, bases.as_slice()?);
        if ranges.len() != bases.len() {
            let error = Error::Length {
                argument: "bases",
                expected: ranges.len(),
                found: bases.len(),
            };
            return Err(raised(py, &error));
        }
        let alive = alive.as_slice()?;
        let (words, factors) = (words.as_slice()?, factors.as_slice()?);
        let found = py
            .detach(|| {
                let mut rotated = vec![0.0; rotation.rows()];
                Kernels::best().dots_into(query.data(), rotation.data(), &mut rotated);
                let signs = coarse::Signs::new(words, factors, rotated.len())?;
                let list = |(range, base): (&[i64; 2], &f32)| List {
                    range: *range,
                    base: *base,
                };
                let lists: Vec<_> = ranges.iter().zip(bases).map(list).collect();
                coarse::nearest(&rotated, signs, &lists, alive, count, Kernels::best())
            })
            .map_err(|error| raised(py, &error))?;
        let ranges = found
            .iter()
            .flat_map(|row| [i64::from(*row), i64::from(*row) + 1]);
        Ok(arrays::array2(py, found.len(), 2, ranges.collect()))
    }
}

fn floats<'py>(argument: &str, value: &Bound<'py, PyAny>) -> PyResult<PyReadonlyArray1<'py, f32>> {
    arrays::numbers(argument, "a contiguous (n,) float32 array", value)
}
