//! Scoring of groups from their rows in float32: of those rows alone that may decide.

use std::cmp::Ordering;

use crate::grouping::Grouping;
use crate::groups::glance::Glance;
use crate::groups::{GroupSearch, Judged};
use crate::rowset::RowSet;
use crate::survivors::ROWS_AHEAD;

/// What groups are scored from.
#[derive(Clone, Copy)]
pub struct Judging<'a> {
    pub set: &'a RowSet,
    pub grouping: &'a Grouping,
    pub wanted: &'a GroupSearch<'a>,
}

/// A group of which some rows have been scored.
struct Opened {
    slot: u32,
    /// Per query the cosine of the first row, and the highest of all.
    cosines: Vec<(f32, f32)>,
    /// The highest of these, and the lowest id that has it.
    nearest: (f32, i64),
}

impl Judging<'_> {
    /// Score all rows of some slots.
    pub fn judge(self, slots: &[u32]) -> Vec<Judged> {
        let mut opened = self.opened(slots, |_, _| true);
        self.score(&mut opened, |one, rows| {
            rows.extend(&self.grouping.places(one.slot)[1..]);
        });
        self.pooled(&opened)
    }

    /// Score some slots that were looked at closer, those that are admitted with the cosines of
    /// their first rows: of their passages the one that looks nearest, and then those that may be
    /// nearer.
    pub fn judge_by(
        self,
        glance: &Glance<'_>,
        slots: &[u32],
        admits: impl Fn(u32, &[f32]) -> bool,
    ) -> Vec<Judged> {
        let mut opened = self.opened(slots, admits);
        self.score(&mut opened, |one, rows| glance.nearest_into(one.slot, rows));
        self.score(&mut opened, |one, rows| {
            let known = one.cosines.iter().map(|(_, best)| *best);
            glance.nearer_into(one.slot, &known, rows);
        });
        self.pooled(&opened)
    }

    fn opened(self, slots: &[u32], admits: impl Fn(u32, &[f32]) -> bool) -> Vec<Opened> {
        let first = |slot: &u32| self.grouping.places(*slot)[0];
        let places: Vec<_> = slots.iter().map(first).collect();
        let scores = self.scores(&places);
        let firsts = scores.chunks_exact(self.wanted.queries.rows());
        let admitted = slots.iter().zip(firsts).zip(places);
        admitted
            .filter(|((slot, firsts), _)| admits(**slot, firsts))
            .map(|((slot, firsts), place)| Opened {
                slot: *slot,
                cosines: firsts.iter().map(|first| (*first, *first)).collect(),
                nearest: (highest(firsts), self.set.ids[place as usize]),
            })
            .collect()
    }

    /// Score the rows that `choose` appends for each group.
    fn score(self, opened: &mut [Opened], choose: impl Fn(&Opened, &mut Vec<u32>)) {
        let mut rows = Vec::new();
        let mut ends = Vec::with_capacity(opened.len());
        for one in &*opened {
            choose(one, &mut rows);
            ends.push(rows.len());
        }
        let scores = self.scores(&rows);
        let mut with_scores = rows
            .iter()
            .zip(scores.chunks_exact(self.wanted.queries.rows()));
        let mut begin = 0;
        for (one, end) in opened.iter_mut().zip(ends) {
            for (place, scores) in with_scores.by_ref().take(end - begin) {
                for ((_, best), score) in one.cosines.iter_mut().zip(scores) {
                    *best = best.max(*score);
                }
                let (score, id) = (highest(scores), self.set.ids[*place as usize]);
                let is_nearer = match score.partial_cmp(&one.nearest.0) {
                    Some(Ordering::Equal) => id < one.nearest.1,
                    order => order == Some(Ordering::Greater),
                };
                if is_nearer {
                    one.nearest = (score, id);
                }
            }
            begin = end;
        }
    }

    /// The clamped cosines of rows, per row and query.
    fn scores(self, rows: &[u32]) -> Vec<f32> {
        let (kernels, queries) = (self.set.kernels, self.wanted.queries);
        let row = |place: u32| {
            let start = place as usize * self.set.dim;
            &self.set.rows[start..start + self.set.dim]
        };
        for place in rows.iter().take(ROWS_AHEAD) {
            kernels.prefetch(row(*place));
        }
        let mut scores = Vec::with_capacity(rows.len() * queries.rows());
        for (at, place) in rows.iter().enumerate() {
            if let Some(later) = rows.get(at + ROWS_AHEAD) {
                kernels.prefetch(row(*later));
            }
            let numbers = row(*place);
            let score = |query| kernels.dot(queries.row(query), numbers).clamp(-1.0, 1.0);
            scores.extend((0..queries.rows()).map(score));
        }
        scores
    }

    fn pooled(self, opened: &[Opened]) -> Vec<Judged> {
        let pooling = self.wanted.pooling();
        let judged = |one: &Opened| {
            let has_summary = self.grouping.has_summary(one.slot);
            let cosines = one.cosines.iter();
            let pooled =
                cosines.map(|(first, best)| pooling.pooled(has_summary.then_some(*first), *best));
            let meaning = pooling.meaning(pooled);
            let group = self.grouping.group(one.slot);
            let key = usize::try_from(group).map_or(i64::MAX, |group| self.wanted.keys[group]);
            Judged {
                slot: one.slot,
                group,
                key,
                meaning,
                score: meaning + self.wanted.prior_of(group).unwrap_or(0.0),
                row: one.nearest.1,
            }
        };
        opened.iter().map(judged).collect()
    }
}

fn highest(scores: &[f32]) -> f32 {
    scores.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}
