//! Rows under ids that can be added, replaced and removed: what an index is made of.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::error::{Error, Result};
use crate::grouping::Grouping;
use crate::mask::RowMask;
use crate::matrix::Matrix;
use crate::pages;
use crate::quantize::Codes;
use crate::row_codes::RowCodes;
use crate::row_sketches::RowSketches;
use crate::search::{Corpus, Found, search_along};
use crate::simd::Kernels;
use crate::staged::Staged;

/// Unit rows under unique ids; every change is made wholly or not at all.
///
/// Memory per row: 4 bytes per column for float32, one for its code, some 40 for the id, and 156 for
/// its sketch once groups have been searched for. A removed row's place is taken by the last row, so
/// nothing leaks; memory far above the need is given back.
///
/// A set that lies near a subspace can have codes along axes instead, [`crate::axes::KEPT`] bytes
/// per row: see [`RowSet::sample`].
#[derive(Debug)]
pub struct RowSet {
    pub(crate) dim: usize,
    pub(crate) rows: Vec<f32>,
    pub(crate) codes: RowCodes,
    pub(crate) changes: u64,
    pub(crate) fitted_rows: usize,
    pub(crate) ids: Vec<i64>,
    places: HashMap<i64, u32>,
    /// Made by the first search for groups after a change.
    grouping: OnceLock<Grouping>,
    /// Made by the first search for groups, and kept up to date from then on.
    sketches: OnceLock<RowSketches>,
    pub(crate) kernels: Kernels,
}

impl RowSet {
    /// An empty set of rows with `dim` columns.
    ///
    /// # Errors
    /// [`Error::Dim`].
    pub fn new(dim: usize, kernels: Kernels) -> Result<Self> {
        Matrix::new("dim", &[], 0, dim)?;
        Ok(Self {
            dim,
            rows: Vec::new(),
            codes: RowCodes::Plain(Codes::new(dim)),
            changes: 0,
            fitted_rows: 0,
            ids: Vec::new(),
            places: HashMap::new(),
            grouping: OnceLock::new(),
            sketches: OnceLock::new(),
            kernels,
        })
    }

    /// Number of columns.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Whether `id` has a row.
    #[must_use]
    pub fn contains(&self, id: i64) -> bool {
        self.places.contains_key(&id)
    }

    /// All ids, in no particular order.
    #[must_use]
    pub fn ids(&self) -> &[i64] {
        &self.ids
    }

    /// The row of `id`.
    #[must_use]
    pub fn row(&self, id: i64) -> Option<&[f32]> {
        let start = *self.places.get(&id)? as usize * self.dim;
        Some(&self.rows[start..start + self.dim])
    }

    /// Copy the rows of `ids`, one after the other.
    ///
    /// # Errors
    /// [`Error::UnknownId`].
    pub fn rows_of(&self, ids: &[i64]) -> Result<Vec<f32>> {
        let mut rows = Vec::with_capacity(ids.len() * self.dim);
        for &id in ids {
            rows.extend_from_slice(self.row(id).ok_or(Error::UnknownId { id })?);
        }
        Ok(rows)
    }

    /// Add rows under new ids.
    ///
    /// # Errors
    /// [`Error::KnownId`] if an id is already there, [`Error::Width`], [`Error::TooManyRows`].
    pub fn add(&mut self, staged: Staged) -> Result<()> {
        if let Some(&id) = staged.ids.iter().find(|id| self.contains(**id)) {
            return Err(Error::KnownId { id });
        }
        self.replace(staged)
    }

    /// Insert rows, overwriting those whose id is already there.
    ///
    /// # Errors
    /// [`Error::Width`], [`Error::TooManyRows`].
    pub fn replace(&mut self, staged: Staged) -> Result<()> {
        if staged.dim != self.dim {
            let (expected, found) = (self.dim, staged.dim);
            return Err(Error::Width {
                argument: "vectors",
                expected,
                found,
            });
        }
        let new = staged.ids.iter().filter(|id| !self.contains(**id)).count();
        let rows = self.len() + new;
        if u32::try_from(rows).is_err() {
            return Err(Error::TooManyRows { rows });
        }
        self.note_change();
        if self.is_empty() {
            self.places = staged.ids.iter().copied().zip(0..).collect();
            self.codes = RowCodes::Plain(staged.codes);
            self.fitted_rows = 0;
            self.sketches.take();
            Staged {
                ids: self.ids,
                rows: self.rows,
                ..
            } = staged;
            return Ok(());
        }
        self.reserve(new);
        let Staged {
            ids, rows, codes, ..
        } = staged;
        let codes = self.codes.of_same_kind(&rows, codes, self.kernels);
        let mut sketches = self
            .sketches
            .get_mut()
            .map(|own| (own.of_same_kind(&rows), own));
        for (position, &id) in ids.iter().enumerate() {
            let row = &rows[position * self.dim..(position + 1) * self.dim];
            if let Some(&place) = self.places.get(&id) {
                let place = place as usize;
                self.rows[place * self.dim..(place + 1) * self.dim].copy_from_slice(row);
                self.codes.copy_from(place, &codes, position);
                if let Some((sketches, own)) = &mut sketches {
                    own.copy_from(place, sketches, position);
                }
            } else {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "checked for all rows above"
                )]
                self.places.insert(id, self.ids.len() as u32);
                self.ids.push(id);
                self.rows.extend_from_slice(row);
                self.codes.push_from(&codes, position);
                if let Some((sketches, own)) = &mut sketches {
                    own.push_from(sketches, position);
                }
            }
        }
        Ok(())
    }

    /// Remove the rows of `ids`; ids that have none are passed over. Returns how many went.
    pub fn remove(&mut self, ids: &[i64]) -> usize {
        let before = self.len();
        self.note_change();
        for id in ids {
            if let Some(place) = self.places.remove(id) {
                self.remove_place(place);
            }
        }
        let capacity = self.ids.capacity();
        if capacity > 1024 && self.len() < capacity / 4 {
            self.shrink_to(self.len() * 2);
        }
        before - self.len()
    }

    fn remove_place(&mut self, place: u32) {
        let row = place as usize;
        let last = self.len() - 1;
        self.rows.copy_within(last * self.dim.., row * self.dim);
        self.rows.truncate(last * self.dim);
        self.codes.swap_remove(row);
        if let Some(sketches) = self.sketches.get_mut() {
            sketches.swap_remove(row);
        }
        self.ids.swap_remove(row);
        if let Some(moved) = self.ids.get(row) {
            self.places.insert(*moved, place);
        }
    }

    fn note_change(&mut self) {
        self.changes += 1;
        self.grouping.take();
    }

    /// The rows by group, as they are now.
    pub(crate) fn grouping(&self) -> &Grouping {
        self.grouping.get_or_init(|| Grouping::new(&self.ids))
    }

    /// The sketches of all rows.
    pub(crate) fn sketches(&self) -> &RowSketches {
        self.sketches
            .get_or_init(|| RowSketches::of(&self.rows, self.dim, self.kernels))
    }

    /// The same, if they have been made.
    pub(crate) fn made_sketches(&self) -> Option<&RowSketches> {
        self.sketches.get()
    }

    pub(crate) fn replace_sketches(&mut self, sketches: RowSketches) {
        self.sketches = OnceLock::from(sketches);
        // Its groups' sketches are copies of the old ones.
        self.grouping.take();
    }

    /// Grow by half at least, so that appending one by one stays linear, or to what is needed.
    fn reserve(&mut self, new: usize) {
        if self.len() + new > self.ids.capacity() {
            let count = new.max(self.len() / 2);
            pages::reserve(&mut self.rows, count * self.dim);
            self.codes.reserve(count);
            if let Some(sketches) = self.sketches.get_mut() {
                sketches.reserve(count);
            }
            self.ids.reserve_exact(count);
        }
    }

    fn shrink_to(&mut self, count: usize) {
        self.rows.shrink_to(count * self.dim);
        self.codes.shrink_to(count);
        if let Some(sketches) = self.sketches.get_mut() {
            sketches.shrink_to(count);
        }
        self.ids.shrink_to(count);
        self.places.shrink_to(count);
    }

    /// Find the `k` rows most similar to each query, among the ids of `allow` if given.
    ///
    /// Exact in float32; equal scores are ordered by lower id, so the history of the set does not
    /// show. Ids of `allow` that have no row are passed over.
    ///
    /// # Errors
    /// [`Error::Width`], [`Error::Zero`], [`Error::NotFinite`], [`Error::NotUnit`].
    pub fn search(&self, queries: Matrix<'_>, k: usize, allow: Option<&[i64]>) -> Result<Found> {
        let mask = allow.map(|ids| self.mask(ids));
        let corpus = Corpus {
            rows: Matrix::new("rows", &self.rows, self.len(), self.dim)?.into(),
            keys: Some(&self.ids),
            codes: self.codes.plain().map(Codes::view),
        };
        let along = self.codes.along_axes();
        search_along(queries, corpus, along, k, mask.as_ref(), self.kernels)
    }

    fn mask(&self, ids: &[i64]) -> RowMask {
        let places = ids
            .iter()
            .filter_map(|id| self.places.get(id).copied())
            .collect();
        RowMask::from_rows(places, self.len())
    }
}
