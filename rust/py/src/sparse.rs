//! The core's postings and requests as Python classes.
//!
//! These take microseconds, and the GIL is kept: to give it away and wait for it would take longer.
//! What there is of each word of a request or of each hit, a few numbers, comes and goes in lists.
#![expect(
    clippy::needless_pass_by_value,
    reason = "PyO3 makes a list into a vector, which is the function's own"
)]

use numpy::{PyArray1, PyArray2};
use openviking_core::lexical::RowSums;
use openviking_core::postings;
use openviking_core::request::{self, Lexicon, Request};
use openviking_core::sparse;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::arrays;
use crate::errors::raised;

const ROWS: &str = "a contiguous (n,) int32 array";
const SHARES: &str = "a contiguous (n,) float32 array";
const BITS: &str = "a contiguous (n,) uint8 array";
const BASE: &str = "a contiguous (g,) float64 array";

/// Which rows hold a word, and what is known of it there.
#[pyclass(frozen, module = "openviking._native")]
pub struct Postings {
    core: postings::Postings,
}

#[pymethods]
impl Postings {
    #[new]
    #[pyo3(signature = (hashes, starts, rows, shares, bits))]
    fn new(
        py: Python<'_>,
        hashes: &Bound<'_, PyAny>,
        starts: &Bound<'_, PyAny>,
        rows: &Bound<'_, PyAny>,
        shares: &Bound<'_, PyAny>,
        bits: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let core = postings::Postings::new(
            arrays::integers("hashes", hashes)?.as_slice()?.to_vec(),
            arrays::integers("starts", starts)?.as_slice()?,
            arrays::numbers("rows", ROWS, rows)?.as_slice()?.to_vec(),
            arrays::numbers("shares", SHARES, shares)?
                .as_slice()?
                .to_vec(),
            arrays::numbers("bits", BITS, bits)?.as_slice()?.to_vec(),
        );
        let core = core.map_err(|error| raised(py, &error))?;
        Ok(Self { core })
    }

    /// The hash of each posting's word.
    fn hashes<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        let ends = self.core.starts().windows(2);
        let words = self.core.hashes().iter().zip(ends);
        let all = words.flat_map(|(hash, ends)| std::iter::repeat_n(*hash, ends[1] - ends[0]));
        PyArray1::from_vec(py, all.collect())
    }

    /// The row of each posting.
    fn rows<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i32>> {
        PyArray1::from_slice(py, self.core.rows())
    }

    /// The share of each posting.
    fn shares<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f32>> {
        PyArray1::from_slice(py, self.core.shares())
    }

    /// The bits of each posting.
    fn bits<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u8>> {
        PyArray1::from_slice(py, self.core.bits())
    }

    fn __len__(&self) -> usize {
        self.core.rows().len()
    }
}

/// A word of a text.
#[pyclass(frozen, module = "openviking._native")]
pub struct Word {
    text: Py<PyString>,
    stem: String,
    beginning: u64,
    hash: i64,
    is_content: bool,
}

#[pymethods]
impl Word {
    #[new]
    #[pyo3(signature = (text, stem, hash, *, is_content))]
    fn new(text: Py<PyString>, stem: String, hash: i64, is_content: bool) -> Self {
        Self {
            text,
            beginning: request::beginning(&stem),
            stem,
            hash,
            is_content,
        }
    }

    /// As it stands there.
    #[getter]
    fn text(&self, py: Python<'_>) -> Py<PyString> {
        self.text.clone_ref(py)
    }

    /// What stands for it and for its other forms.
    #[getter]
    fn stem(&self) -> &str {
        &self.stem
    }
}

impl Word {
    fn core(&self) -> request::Word<'_> {
        request::Word {
            stem: &self.stem,
            beginning: self.beginning,
            hash: self.hash,
            is_content: self.is_content,
        }
    }
}

/// What the words of a request and of its parts give to rows.
#[pyclass(frozen, module = "openviking._native")]
pub struct Matches {
    parts: Vec<Py<Postings>>,
    request: Request,
    /// Of each stem, the word that is told.
    words: Vec<Py<PyString>>,
    rows: usize,
    sums: Vec<f64>,
}

/// Pooled words of a group, its rank, and the bits and words that stand in its row.
type Reasons<'py> = (f64, Option<usize>, u8, Bound<'py, PyTuple>);

#[pymethods]
impl Matches {
    #[new]
    #[pyo3(signature = (parts, texts, is_dead, dead, *, common, scale))]
    fn new(
        py: Python<'_>,
        parts: Vec<Py<Postings>>,
        texts: Vec<Vec<Py<Word>>>,
        is_dead: &Bound<'_, PyAny>,
        dead: usize,
        common: f64,
        scale: f64,
    ) -> PyResult<Self> {
        let is_dead = arrays::bools("is_dead", is_dead)?;
        let rows = is_dead.as_slice()?.len() + 1;
        let held = held(&parts);
        let lexicon = Lexicon {
            parts: &held,
            is_dead: is_dead.as_slice()?,
            dead,
            common,
            scale,
        };
        let request = request::telling(lexicon, &read(&texts));
        let sums = sparse::sums(&held, &request, rows).map_err(|error| raised(py, &error))?;
        let told =
            |stem: &request::Found| texts[stem.first.0][stem.first.1].get().text.clone_ref(py);
        let words = request.stems.iter().map(told).collect();
        Ok(Self {
            parts,
            request,
            words,
            rows,
            sums,
        })
    }

    /// How many words of the whole request counted.
    #[getter]
    fn word_count(&self) -> usize {
        self.request.own().count()
    }

    /// The words of the whole request that counted, each with the living rows that hold it.
    fn looked_up<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let found = PyDict::new(py);
        for own in self.request.own() {
            found.set_item(&self.words[own], self.request.stems[own].rows)?;
        }
        Ok(found)
    }

    /// The sums of each row, a column for each text.
    fn sums<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray2<f64>> {
        arrays::array2(py, self.rows, self.request.texts, self.sums.clone())
    }

    /// Weigh the pooled words of groups, and add their bases.
    #[pyo3(signature = (rows, base, /, *, part_share, weight))]
    fn prior<'py>(
        &self,
        py: Python<'py>,
        rows: &Bound<'py, PyAny>,
        base: &Bound<'py, PyAny>,
        part_share: f64,
        weight: f64,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let rows = arrays::integers("rows", rows)?;
        let base = arrays::numbers::<f64>("base", BASE, base)?;
        let (rows, base) = (rows.as_slice()?, base.as_slice()?);
        let prior = self.row_sums().prior(rows, base, part_share, weight);
        Ok(PyArray1::from_vec(
            py,
            prior.map_err(|error| raised(py, &error))?,
        ))
    }

    /// Pool the words of some rows.
    #[pyo3(signature = (rows, /, *, part_share))]
    fn pooled(&self, py: Python<'_>, rows: Vec<i64>, part_share: f64) -> PyResult<Vec<f64>> {
        let pooled = self.row_sums().pooled(&rows, part_share);
        pooled.map_err(|error| raised(py, &error))
    }

    /// Find the words of the whole request that stand in each of some rows.
    #[pyo3(signature = (rows, /))]
    fn standing<'py>(
        &self,
        py: Python<'py>,
        rows: Vec<i64>,
    ) -> PyResult<Vec<(u8, Bound<'py, PyTuple>)>> {
        let found = sparse::standing(&held(&self.parts), &self.request, &rows, self.rows);
        let told = |one: sparse::Standing| {
            let words = one.stems.iter().map(|stem| &self.words[*stem]);
            Ok((one.bits, PyTuple::new(py, words)?))
        };
        found.into_iter().map(told).collect()
    }

    /// Say of some groups what speaks for them.
    #[pyo3(signature = (groups, rows, keys, /, *, part_share))]
    fn reasons<'py>(
        &self,
        py: Python<'py>,
        groups: Vec<i64>,
        rows: &Bound<'py, PyAny>,
        keys: &Bound<'py, PyAny>,
        part_share: f64,
    ) -> PyResult<Vec<Reasons<'py>>> {
        let rows = arrays::integers("rows", rows)?;
        let keys = arrays::integers("keys", keys)?;
        let (rows, keys) = (rows.as_slice()?, keys.as_slice()?);
        let ranks = self.row_sums().ranks(rows, keys, &groups);
        let ranks = ranks.map_err(|error| raised(py, &error))?;
        // Each group has a row, or it would have no rank.
        let at = |group: &i64| usize::try_from(*group).map_or(-1, |at| rows[at]);
        let rows: Vec<i64> = groups.iter().map(at).collect();
        let words = self.pooled(py, rows.clone(), part_share)?;
        let found = words.into_iter().zip(ranks).zip(self.standing(py, rows)?);
        Ok(found
            .map(|((words, rank), (bits, standing))| (words, rank, bits, standing))
            .collect())
    }
}

impl Matches {
    fn row_sums(&self) -> RowSums<'_> {
        RowSums {
            sums: &self.sums,
            texts: self.request.texts,
        }
    }
}

fn held(parts: &[Py<Postings>]) -> Vec<&postings::Postings> {
    parts.iter().map(|part| &part.get().core).collect()
}

fn read(texts: &[Vec<Py<Word>>]) -> Vec<Vec<request::Word<'_>>> {
    texts
        .iter()
        .map(|words| words.iter().map(|word| word.get().core()).collect())
        .collect()
}
