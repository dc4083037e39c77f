//! Bounds of rows' cosines from their codes.

use crate::levels::{LevelQuery, Levels};
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
    pub fn of_rows(&self, rows: &[u32]) -> Vec<Interval> {
        let mut intervals = vec![Interval::ANY; rows.len() * self.queries.len()];
        let mut lines = Vec::new();
        let mut dots = [0; TOGETHER];
        let last = self.levels.count() - 1;
        let (steps, residuals) = (self.levels.steps(), self.levels.residuals(last));
        let out = intervals.chunks_mut(TOGETHER * self.queries.len());
        for (rows, intervals) in rows.chunks(TOGETHER).zip(out) {
            self.gather(rows, &mut lines);
            for (at, query) in self.queries.iter().enumerate() {
                let dots = &mut dots[..rows.len()];
                self.kernels
                    .code_dots_into(query.all_planes(), &lines, dots);
                let bound = query.bound(last);
                for ((row, dot), intervals) in rows
                    .iter()
                    .zip(&*dots)
                    .zip(intervals.chunks_mut(self.queries.len()))
                {
                    let row = *row as usize;
                    let (estimate, margin) = bound.of(*dot, steps[row], residuals[row]);
                    intervals[at] = Interval {
                        lower: (estimate - margin).clamp(-1.0, 1.0),
                        upper: (estimate + margin).clamp(-1.0, 1.0),
                    };
                }
            }
        }
        intervals
    }

    /// Put all lines of some rows side by side, as one product of all levels wants them.
    fn gather(&self, rows: &[u32], lines: &mut Vec<Line>) {
        lines.clear();
        for row in rows {
            let row = *row as usize;
            for level in 0..self.levels.count() {
                lines.extend_from_slice(self.levels.lines(level, row, row + 1));
            }
        }
    }
}
