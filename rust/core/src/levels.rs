//! Codes of either kind as levels, each of which knows more of a row than the one before.

use crate::funnel::{AxisCodes, AxisQuery, LEVELS};
use crate::mask::bits;
use crate::quantize::{CodesView, QueryCodes};
use crate::simd::{Bound, Kernels, Line, Planes};

/// With fewer bits set than these, a block's rows are looked at one by one.
pub const SPARSE_BITS: u32 = 16;

/// The codes of many rows.
#[derive(Clone, Copy)]
pub enum Levels<'a> {
    /// One level, which knows all numbers.
    Plain(CodesView<'a>),
    /// Three.
    Along(&'a AxisCodes),
}

/// A query in codes of the same kind.
pub enum LevelQuery {
    /// For whole rows.
    Plain(QueryCodes),
    /// Along axes.
    Along(AxisQuery),
}

impl<'a> Levels<'a> {
    /// How many levels there are.
    pub fn count(self) -> usize {
        match self {
            Self::Plain(_) => 1,
            Self::Along(_) => LEVELS,
        }
    }

    /// The step of each row.
    pub fn steps(self) -> &'a [f32] {
        match self {
            Self::Plain(codes) => codes.steps(),
            Self::Along(codes) => codes.steps(),
        }
    }

    /// What a level leaves out of each row.
    pub fn residuals(self, level: usize) -> &'a [f32] {
        match self {
            Self::Plain(codes) => codes.residuals(),
            Self::Along(codes) => codes.residuals(level),
        }
    }

    /// The lines of rows `start..end` that a level adds.
    pub fn lines(self, level: usize, start: usize, end: usize) -> &'a [Line] {
        match self {
            Self::Plain(codes) => codes.lines(start, end),
            Self::Along(codes) => codes.lines(level, start, end),
        }
    }

    /// Append all lines of some rows, those of one row side by side.
    pub fn pack_into(self, rows: &[u32], out: &mut Vec<Line>) {
        match self {
            Self::Plain(codes) => {
                for row in rows {
                    let row = *row as usize;
                    out.extend_from_slice(codes.lines(row, row + 1));
                }
            }
            Self::Along(codes) => {
                let parts: [_; LEVELS] = std::array::from_fn(|level| codes.parts(level));
                for row in rows {
                    // Parts of a length known here are copied without a call.
                    for parts in parts {
                        out.extend_from_slice(&parts[*row as usize]);
                    }
                }
            }
        }
    }

    /// A finite query in codes that fit these.
    pub fn query(self, query: &[f32], kernels: Kernels) -> LevelQuery {
        match self {
            Self::Plain(_) => LevelQuery::Plain(QueryCodes::new(query, kernels)),
            Self::Along(codes) => LevelQuery::Along(AxisQuery::new(query, codes.axes(), kernels)),
        }
    }
}

impl LevelQuery {
    /// What a level multiplies with the lines that it adds.
    pub fn planes(&self, level: usize) -> Planes<'_> {
        match self {
            Self::Plain(query) => query.planes(),
            Self::Along(query) => query.planes(level),
        }
    }

    /// What all levels together multiply with all lines of a row.
    pub fn all_planes(&self) -> Planes<'_> {
        match self {
            Self::Plain(query) => query.planes(),
            Self::Along(query) => query.all_planes(),
        }
    }

    /// The bound of a level.
    pub fn bound(&self, level: usize) -> Bound {
        match self {
            Self::Plain(query) => query.bound(),
            Self::Along(query) => query.bound(level),
        }
    }
}

/// The products of a query with a block's rows; where few bits are set in `word`, of these alone.
pub fn dots_into(
    planes: Planes<'_>,
    lines: &[Line],
    word: u64,
    dots: &mut [i32],
    kernels: Kernels,
) {
    if word.count_ones() >= SPARSE_BITS {
        return kernels.code_dots_into(planes, lines, dots);
    }
    let width = lines.len() / dots.len();
    for bit in bits(word) {
        let row = &lines[bit * width..(bit + 1) * width];
        kernels.code_dots_into(planes, row, &mut dots[bit..=bit]);
    }
}
