//! Bounds of rows' cosines from their codes.

use std::ops::Range;

use crate::grouping::Grouping;
use crate::levels::{LevelQuery, Levels};
use crate::mask::BLOCK;
use crate::simd::{Kernels, Line};

/// Rows whose codes are put side by side.
const TOGETHER: usize = 16;

/// Where a clamped cosine lies.
#[derive(Clone, Copy, Debug)]
pub struct Interval {
    pub lower: f32,
    pub upper: f32,
}

impl Interval {
    /// Nothing is known.
    pub const ANY: Self = Self {
        lower: -1.0,
        upper: 1.0,
    };

    /// It is known.
    pub fn exactly(score: f32) -> Self {
        Self {
            lower: score,
            upper: score,
        }
    }

    pub fn middle(self) -> f32 {
        0.5 * (self.lower + self.upper)
    }
}

/// The codes of a set and of some queries.
pub struct Bounds<'a> {
    pub levels: Levels<'a>,
    pub queries: Vec<LevelQuery>,
    pub kernels: Kernels,
}

impl Bounds<'_> {
    /// What the last level knows of some rows: for each of them, an interval per query.
    ///
    /// `block` is room that calls share: it grows once.
    pub fn of_rows(&self, rows: &[u32], block: &mut Packed) -> Vec<Interval> {
        let mut intervals = Vec::with_capacity(rows.len() * self.queries.len());
        for rows in rows.chunks(TOGETHER) {
            block.clear();
            block.extend(self.levels, rows);
            self.of_packed(block, 0..rows.len(), &mut intervals);
        }
        intervals
    }

    /// Append the same of some packed rows, at most [`BLOCK`].
    pub fn of_packed(&self, rows: &Packed, range: Range<usize>, intervals: &mut Vec<Interval>) {
        let (queries, last) = (self.queries.len(), self.levels.count() - 1);
        let begin = intervals.len();
        intervals.resize(begin + range.len() * queries, Interval::ANY);
        let width = rows.lines.len() / rows.steps.len().max(1);
        let lines = &rows.lines[range.start * width..range.end * width];
        let (steps, residuals) = (&rows.steps[range.clone()], &rows.residuals[range.clone()]);
        let mut dots = [0; BLOCK];
        let dots = &mut dots[..range.len()];
        for (at, query) in self.queries.iter().enumerate() {
            self.kernels.code_dots_into(query.all_planes(), lines, dots);
            let bound = query.bound(last);
            let out = intervals[begin..].chunks_exact_mut(queries);
            for (((dot, step), residual), out) in dots.iter().zip(steps).zip(residuals).zip(out) {
                let (estimate, margin) = bound.of(*dot, *step, *residual);
                out[at] = Interval {
                    lower: (estimate - margin).clamp(-1.0, 1.0),
                    upper: (estimate + margin).clamp(-1.0, 1.0),
                };
            }
        }
    }
}

/// All lines of some rows side by side, as one product of all levels wants them.
#[derive(Debug, Default)]
pub struct Packed {
    lines: Vec<Line>,
    steps: Vec<f32>,
    residuals: Vec<f32>,
}

impl Packed {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    fn clear(&mut self) {
        self.lines.clear();
        self.steps.clear();
        self.residuals.clear();
    }

    /// Append some rows.
    pub fn extend(&mut self, levels: Levels<'_>, rows: &[u32]) {
        levels.pack_into(rows, &mut self.lines);
        let residuals = levels.residuals(levels.count() - 1);
        for row in rows {
            self.steps.push(levels.steps()[*row as usize]);
            self.residuals.push(residuals[*row as usize]);
        }
    }
}

/// The rows of a group that its meaning depends on: that at position 0, if it has one, and those that
/// may be the nearest to a query.
///
/// `intervals` are those of its rows, per row and query.
pub fn decisive(
    grouping: &Grouping,
    slot: u32,
    intervals: &[Interval],
    queries: usize,
) -> Vec<u32> {
    let mut lowest = vec![-1.0_f32; queries];
    for row in intervals.chunks_exact(queries) {
        for (lowest, one) in lowest.iter_mut().zip(row) {
            *lowest = lowest.max(one.lower);
        }
    }
    let may_be_nearest = |row: &[Interval]| {
        let mut both = row.iter().zip(&lowest);
        both.any(|(one, lowest)| one.upper >= *lowest)
    };
    grouping
        .places(slot)
        .iter()
        .zip(intervals.chunks_exact(queries))
        .enumerate()
        .filter(|(at, (_, row))| *at == 0 && grouping.has_summary(slot) || may_be_nearest(row))
        .map(|(_, (place, _))| *place)
        .collect()
}
