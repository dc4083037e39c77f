//! The core's row set behind a read-write lock: searches run together, changes run alone.

use std::sync::{Arc, RwLockReadGuard, RwLockWriteGuard};

use numpy::{PyArray1, PyArray2};
use openviking_core::{Error, GroupSearch, Kernels, RowSet as CoreRowSet, Staged, pages};
use pyo3::prelude::*;

use crate::arrays;
use crate::errors::raised;
use crate::groups;
use crate::shared::Shared;

/// Unit rows under int64 ids, safe to use from any thread.
///
/// The lock is only ever taken with the GIL released, so that neither waits for the other.
#[pyclass(frozen, module = "openviking._native")]
pub struct RowSet {
    dim: usize,
    shared: Arc<Shared>,
}

impl RowSet {
    fn read(&self) -> RwLockReadGuard<'_, CoreRowSet> {
        self.shared.read()
    }

    fn write(&self) -> RwLockWriteGuard<'_, CoreRowSet> {
        self.shared.write()
    }

    /// Have the set arranged for faster searches by a thread, if that is due.
    fn arrange_beside(&self) {
        if !self.shared.is_unarranged() {
            return;
        }
        let shared = Arc::clone(&self.shared);
        // Without a thread, searches stay as they are.
        let _ = std::thread::Builder::new()
            .name("openviking-axes".to_owned())
            .spawn(move || shared.arrange());
    }

    /// Check and quantise without the lock, then change the set with it.
    fn change(
        &self,
        py: Python<'_>,
        ids: &Bound<'_, PyAny>,
        vectors: &Bound<'_, PyAny>,
        apply: impl Send + FnOnce(&mut CoreRowSet, Staged) -> Result<(), Error>,
    ) -> PyResult<()> {
        let ids = arrays::integers("ids", ids)?;
        let vectors = arrays::rows("vectors", vectors)?;
        let vectors = arrays::matrix("vectors", &vectors)?;
        let ids = ids.as_slice()?;
        py.detach(|| {
            let (dim, found) = (self.dim, vectors.dim());
            if found != dim {
                return Err(Error::Width {
                    argument: "vectors",
                    expected: dim,
                    found,
                });
            }
            if ids.len() != vectors.rows() {
                let (expected, found) = (vectors.rows(), ids.len());
                return Err(Error::Length {
                    argument: "ids",
                    expected,
                    found,
                });
            }
            // Copied before they are checked: what is stored is what was judged.
            let rows = pages::copied(vectors.data());
            let staged = Staged::new(ids.to_vec(), rows, dim, Kernels::best())?;
            apply(&mut self.write(), staged)?;
            self.arrange_beside();
            Ok(())
        })
        .map_err(|error| raised(py, &error))
    }
}

#[pymethods]
impl RowSet {
    #[new]
    fn new(py: Python<'_>, dim: &Bound<'_, PyAny>) -> PyResult<Self> {
        let dim = arrays::count("dim", dim)?;
        let inner = CoreRowSet::new(dim, Kernels::best()).map_err(|error| raised(py, &error))?;
        Ok(Self {
            dim,
            shared: Arc::new(Shared::new(inner)),
        })
    }

    /// Number of columns.
    #[getter]
    fn dim(&self) -> usize {
        self.dim
    }

    /// Add rows under new ids.
    #[pyo3(signature = (ids, vectors, /))]
    fn add(
        &self,
        py: Python<'_>,
        ids: &Bound<'_, PyAny>,
        vectors: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        self.change(py, ids, vectors, CoreRowSet::add)
    }

    /// Insert rows, overwriting those whose id is already there.
    #[pyo3(signature = (ids, vectors, /))]
    fn replace(
        &self,
        py: Python<'_>,
        ids: &Bound<'_, PyAny>,
        vectors: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        self.change(py, ids, vectors, CoreRowSet::replace)
    }

    /// Remove rows; returns how many there were.
    #[pyo3(signature = (ids, /))]
    fn remove(&self, py: Python<'_>, ids: &Bound<'_, PyAny>) -> PyResult<usize> {
        let ids = arrays::integers("ids", ids)?;
        let ids = ids.as_slice()?;
        Ok(py.detach(|| self.write().remove(ids)))
    }

    /// Copy the rows of ids that are there.
    #[pyo3(signature = (ids, /))]
    fn rows<'py>(
        &self,
        py: Python<'py>,
        ids: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let ids = arrays::integers("ids", ids)?;
        let ids = ids.as_slice()?;
        let rows = py
            .detach(|| self.read().rows_of(ids))
            .map_err(|error| raised(py, &error))?;
        Ok(arrays::array2(py, ids.len(), self.dim, rows))
    }

    /// Find the k rows most similar to each query.
    #[pyo3(signature = (queries, k, /, *, allow = None))]
    fn search<'py>(
        &self,
        py: Python<'py>,
        queries: &Bound<'py, PyAny>,
        k: &Bound<'py, PyAny>,
        allow: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<arrays::Hits<'py>> {
        let queries = arrays::rows("queries", queries)?;
        let k = arrays::count("k", k)?;
        let allow = allow
            .map(|allow| arrays::integers("allow", allow))
            .transpose()?;
        let allow = match &allow {
            Some(allow) => Some(allow.as_slice()?),
            None => None,
        };
        let queries = arrays::matrix("queries", &queries)?;
        let found = py
            .detach(|| self.read().search(queries, k, allow))
            .map_err(|error| raised(py, &error))?;
        Ok(arrays::hits(py, queries.rows(), found))
    }

    /// Find the best groups of rows.
    #[pyo3(signature = (queries, prior, keys, k, near, /, *, passage_share, part_share))]
    #[expect(
        clippy::too_many_arguments,
        reason = "one array or number each, as in the stub"
    )]
    fn search_groups(
        &self,
        py: Python<'_>,
        queries: &Bound<'_, PyAny>,
        prior: &Bound<'_, PyAny>,
        keys: &Bound<'_, PyAny>,
        k: &Bound<'_, PyAny>,
        near: &Bound<'_, PyAny>,
        passage_share: f64,
        part_share: f64,
    ) -> PyResult<groups::Lists> {
        let queries = arrays::rows("queries", queries)?;
        let (prior, keys) = (groups::priors(prior)?, arrays::integers("keys", keys)?);
        let wanted = GroupSearch {
            queries: arrays::matrix("queries", &queries)?,
            prior: prior.as_slice()?,
            keys: keys.as_slice()?,
            k: arrays::count("k", k)?,
            near: arrays::count("near", near)?,
            passage_share,
            part_share,
        };
        let found = py
            .detach(|| self.read().search_groups(&wanted))
            .map_err(|error| raised(py, &error))?;
        Ok(groups::lists(found))
    }

    /// Do now what the next search for groups would wait for.
    fn prepare_groups(&self, py: Python<'_>) {
        py.detach(|| {
            let refit = self.read().refit();
            if let Some(refit) = refit {
                self.write().adopt_refit(refit);
            }
            self.read().prepare_groups();
        });
    }

    /// Bytes of codes that a search reads of every row.
    #[getter]
    fn scanned_bytes(&self, py: Python<'_>) -> usize {
        py.detach(|| self.read().scanned_bytes())
    }

    /// All ids, ascending.
    fn ids<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        let ids = py.detach(|| {
            let mut ids = self.read().ids().to_vec();
            ids.sort_unstable();
            ids
        });
        PyArray1::from_vec(py, ids)
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        py.detach(|| self.read().len())
    }

    /// Whether the id has a row; anything but an int64 has none.
    fn __contains__(&self, py: Python<'_>, id: &Bound<'_, PyAny>) -> bool {
        id.extract::<i64>()
            .is_ok_and(|id| py.detach(|| self.read().contains(id)))
    }
}
