//! The one error type of this crate; it carries numbers, and its text names argument and remedy.

use std::fmt;

/// `Result` of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an argument was refused. Nothing has changed when one of these comes back.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// A buffer, or the number of rows, does not have the length that another argument demands.
    Length {
        /// Name of the argument.
        argument: &'static str,
        /// Elements or rows that were needed.
        expected: usize,
        /// Elements or rows that came.
        found: usize,
    },
    /// The rows are not as wide as the rows they are compared with.
    Width {
        /// Name of the argument.
        argument: &'static str,
        /// Columns that were needed.
        expected: usize,
        /// Columns that came.
        found: usize,
    },
    /// The number of columns is 0 or above [`crate::limits::DIM_MAX`].
    Dim {
        /// Name of the argument.
        argument: &'static str,
        /// Columns that came.
        found: usize,
    },
    /// Codes do not begin at a multiple of 64 bytes.
    Alignment {
        /// Name of the argument.
        argument: &'static str,
    },
    /// A range of rows ends before it begins, or beyond the last row.
    Range {
        /// First row of the range.
        start: i64,
        /// The row behind its last.
        end: i64,
    },
    /// A row holds NaN or an infinity.
    NotFinite {
        /// Name of the argument.
        argument: &'static str,
        /// Row of the first such element.
        row: usize,
        /// Column of the first such element.
        column: usize,
    },
    /// A row is neither of unit length nor zero.
    NotUnit {
        /// Name of the argument.
        argument: &'static str,
        /// The row.
        row: usize,
        /// Its Euclidean length.
        length: f64,
    },
    /// A count that must be at least 1 is 0.
    Zero {
        /// Name of the argument.
        argument: &'static str,
    },
    /// A text length is negative.
    NegativeLength {
        /// Position in `lengths`.
        row: usize,
        /// The value.
        found: i64,
    },
    /// An id is given twice in one call.
    DuplicateId {
        /// The id.
        id: i64,
    },
    /// An id that was to be added is already there.
    KnownId {
        /// The id.
        id: i64,
    },
    /// An id that was asked for is not there.
    UnknownId {
        /// The id.
        id: i64,
    },
    /// Rows that lie elsewhere could not be read.
    Unreadable {
        /// The first of them.
        row: usize,
        /// The system's number for the reason, if it gave one.
        code: Option<i32>,
    },
    /// What is added to a group's meaning is NaN or plus infinity.
    Prior {
        /// The group.
        group: usize,
        /// What came.
        found: f64,
    },
    /// A share is not within 0..=1.
    Share {
        /// Name of the argument.
        argument: &'static str,
        /// What came.
        found: f64,
    },
    /// The set would hold more rows than a row number can count.
    TooManyRows {
        /// Rows that would be needed.
        rows: usize,
    },
}

impl Error {
    /// Say which of the `numbers` of `row` is not finite.
    pub(crate) fn not_finite(argument: &'static str, row: usize, numbers: &[f32]) -> Self {
        let column = numbers.iter().position(|x| !x.is_finite()).unwrap_or(0);
        Self::NotFinite {
            argument,
            row,
            column,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Length {
                argument,
                expected,
                found,
            } => {
                write!(f, "{argument}: expected length {expected}, got {found}")
            }
            Self::Width {
                argument,
                expected,
                found,
            } => {
                write!(f, "{argument}: expected {expected} columns, got {found}")
            }
            Self::Dim { argument, found } => {
                let dim_max = crate::limits::DIM_MAX;
                write!(
                    f,
                    "{argument}: expected 1 to {dim_max} columns, got {found}"
                )
            }
            Self::Alignment { argument } => {
                write!(f, "{argument}: expected memory aligned to 64 bytes")
            }
            Self::Range { start, end } => {
                write!(f, "ranges: expected rows of the set, got {start}..{end}")
            }
            Self::NotFinite {
                argument,
                row,
                column,
            } => write!(
                f,
                "{argument}: expected finite numbers, got NaN or infinity at row {row}, column \
                 {column}"
            ),
            Self::NotUnit {
                argument,
                row,
                length,
            } => write!(
                f,
                "{argument}: expected rows of length 1 or 0, got length {length} at row {row}; \
                 normalize them first"
            ),
            Self::Zero { argument } => write!(f, "{argument}: expected at least 1, got 0"),
            Self::NegativeLength { row, found } => {
                write!(
                    f,
                    "lengths: expected 0 or more, got {found} at position {row}"
                )
            }
            Self::DuplicateId { id } => write!(f, "ids: {id} is given twice in one call"),
            Self::KnownId { id } => {
                write!(
                    f,
                    "ids: {id} is already in the index; use replace to overwrite it"
                )
            }
            Self::UnknownId { id } => write!(f, "ids: {id} is not in the index"),
            Self::Unreadable { row, code } => match code {
                Some(code) => write!(f, "rows: row {row} cannot be read, system error {code}"),
                None => write!(
                    f,
                    "rows: row {row} cannot be read, the file ends before it does"
                ),
            },
            Self::Prior { group, found } => write!(
                f,
                "prior: expected finite numbers or minus infinity, got {found} for group {group}"
            ),
            Self::Share { argument, found } => {
                write!(f, "{argument}: expected a share from 0 to 1, got {found}")
            }
            Self::TooManyRows { rows } => {
                write!(f, "rows: expected at most {} in all, got {rows}", u32::MAX)
            }
        }
    }
}

impl std::error::Error for Error {}
