//! Giving a row set the codes along axes that make its searches faster: when, and in which steps.

use crate::axes::{DIM_MIN, HEAD, SAMPLE_ROWS};
use crate::funnel::AxisCodes;
use crate::row_codes::RowCodes;
use crate::rowset::RowSet;
use crate::subspace::{self, REFIT_GROWTH};

/// Rows from which axes are worth fitting: fewer are scanned in the time that projecting a query takes.
const AXES_FROM_ROWS: usize = 3_072;
/// Mean squared residual above which axes exclude too little.
const RESIDUAL_MAX: f64 = 0.2;

impl RowSet {
    /// A copy of the rows that axes should be fitted to; `None` while that would not pay.
    ///
    /// Fitting takes long and needs no set: fit [`crate::axes::Axes`] to the sample, code the rows
    /// along them with [`RowSet::code_along`], slice by slice, and hand the codes to
    /// [`RowSet::adopt`].
    #[must_use]
    pub fn sample(&self) -> Option<Vec<f32>> {
        let is_wanted = self.is_unarranged();
        is_wanted.then(|| subspace::sample(&self.rows, self.dim, SAMPLE_ROWS))
    }

    /// Whether axes should be fitted.
    #[must_use]
    pub fn is_unarranged(&self) -> bool {
        let wanted = AXES_FROM_ROWS.max(self.fitted_rows.saturating_mul(REFIT_GROWTH));
        self.dim >= DIM_MIN && self.len() >= wanted
    }

    /// Counts the changes of the set.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Bytes of codes that a search reads of every row.
    #[must_use]
    pub fn scanned_bytes(&self) -> usize {
        match &self.codes {
            RowCodes::Plain(codes) => codes.view().row_bytes(),
            RowCodes::Along(_) => HEAD,
        }
    }

    /// Append the codes of the next rows, at most `count`, to `codes`; false if there are no more.
    ///
    /// # Panics
    /// If `codes` are not along axes of this set's width.
    pub fn code_along(&self, codes: &mut AxisCodes, count: usize) -> bool {
        assert_eq!(codes.axes().dim(), self.dim, "axes of the set's width");
        let start = codes.len();
        if start == 0 {
            codes.reserve(self.len());
        }
        let end = self.len().min(start + count);
        codes.extend(
            &self.rows[start.min(end) * self.dim..end * self.dim],
            self.kernels,
        );
        end < self.len()
    }

    /// Search by way of `codes` from now on, which [`RowSet::code_along`] made of every row.
    ///
    /// False, and nothing has changed, if the set is not as it was after `changes` changes. Codes
    /// that would not make searches faster are dropped, and asked for again when the set has grown.
    pub fn adopt(&mut self, codes: AxisCodes, changes: u64) -> bool {
        if changes != self.changes || codes.len() != self.len() {
            return false;
        }
        self.fitted_rows = self.len();
        if codes.mean_square_residual() <= RESIDUAL_MAX {
            self.codes = RowCodes::Along(codes);
        }
        true
    }

    /// Note that no axes fit the rows as they are.
    pub fn decline(&mut self) {
        self.fitted_rows = self.len();
    }
}
