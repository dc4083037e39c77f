//! One search for groups: from the first rows of all down to the float32 rows of a few.

use crate::funnel::LEVELS;
use crate::grouping::Grouping;
use crate::groups::bounds::{Bounds, Interval, Packed, decisive};
use crate::groups::floors::{Floors, largest};
use crate::groups::pass::Pass;
use crate::groups::{GroupSearch, Judged};
use crate::mask::BLOCK;
use crate::parallel::in_parts;
use crate::rowset::RowSet;
use crate::survivors::ROWS_AHEAD;

/// Below this many rows their codes cost as much as they save.
const CODES_FROM_ROWS: usize = 128;

/// A search in progress.
pub struct Descent<'a> {
    set: &'a RowSet,
    wanted: &'a GroupSearch<'a>,
    grouping: &'a Grouping,
    bounds: Bounds<'a>,
    /// Per slot its prior; none if it may not be returned.
    priors: Vec<Option<f64>>,
}

impl<'a> Descent<'a> {
    pub fn new(set: &'a RowSet, wanted: &'a GroupSearch<'a>) -> Self {
        let grouping = set.grouping();
        let levels = set.levels();
        let slots = 0..u32::try_from(grouping.len()).unwrap_or(u32::MAX);
        Self {
            set,
            wanted,
            grouping,
            bounds: Bounds {
                levels,
                queries: Vec::new(),
                kernels: set.kernels,
            },
            priors: slots
                .map(|slot| wanted.prior_of(grouping.group(slot)))
                .collect(),
        }
    }

    /// Every group that is among the best by score or by meaning, and some others.
    pub fn run(mut self) -> Vec<Judged> {
        let alive: Vec<_> = (0_u32..)
            .zip(&self.priors)
            .filter_map(|(slot, prior)| prior.is_some().then_some(slot))
            .collect();
        let asked = self.wanted.k.saturating_add(self.wanted.near);
        if self.set.len() < CODES_FROM_ROWS {
            return self.judge(&alive, None);
        }
        let queries = (0..self.wanted.queries.rows()).map(|at| self.wanted.queries.row(at));
        self.bounds.queries = queries
            .map(|query| self.bounds.levels.query(query, self.set.kernels))
            .collect();
        if asked > alive.len() / 2 {
            return self.judge(&alive, None);
        }
        let firsts = self.first_rows();
        let likely = self.likely(&alive, &firsts);
        let mut judged = self.judge(&likely, None);
        let floors = Floors::of(&judged, self.wanted);
        let thresholds = self.thresholds(&alive, &firsts, &likely, floors);
        let pass = Pass::new(&self.bounds, self.grouping, &thresholds);
        let open = pass.open_slots(self.set.len());
        judged.extend(self.judge(&open, Some(floors)));
        judged
    }

    fn queries(&self) -> usize {
        self.wanted.queries.rows()
    }

    /// The intervals of the first row of each slot.
    fn first_rows(&self) -> Vec<Interval> {
        let (firsts, queries) = (self.grouping.firsts(), self.queries());
        let blocks = firsts.len().div_ceil(BLOCK);
        // All levels are read here, several times what a usual scan reads of a row.
        let parts = in_parts(blocks, queries * LEVELS, |pieces| {
            let mut parts = Vec::with_capacity(blocks);
            for block in pieces.flatten() {
                let range = block * BLOCK..firsts.len().min((block + 1) * BLOCK);
                let mut intervals = Vec::with_capacity(range.len() * queries);
                let start = range.start * queries;
                self.bounds.of_packed(firsts, range, &mut intervals);
                parts.push((start, intervals));
            }
            parts
        });
        let mut all = vec![Interval::ANY; firsts.len() * queries];
        for (start, intervals) in parts.into_iter().flatten() {
            all[start..start + intervals.len()].copy_from_slice(&intervals);
        }
        all
    }

    /// What is known of the first row of a slot, per query.
    fn first_of<'b>(&self, firsts: &'b [Interval], slot: u32) -> &'b [Interval] {
        let start = slot as usize * self.queries();
        &firsts[start..start + self.queries()]
    }

    /// The slots that are most likely among the best, twice judged: by their first row, then by all.
    fn likely(&self, alive: &[u32], firsts: &[Interval]) -> Vec<u32> {
        let pooling = self.wanted.pooling();
        let meaning = |slot: &u32| {
            let first = self.first_of(firsts, *slot).iter();
            pooling.meaning(first.map(|one| f64::from(one.middle())))
        };
        let meanings: Vec<_> = alive.iter().map(meaning).collect();
        let (k, near) = (self.wanted.k, self.wanted.near);
        let likely = self.best_of(alive, &meanings, k + k / 2 + 8, near + near / 2 + 8);
        let meanings: Vec<_> = self
            .intervals_of(&likely)
            .zip(&likely)
            .map(|(intervals, slot)| self.meaning_of(*slot, &intervals, Interval::middle))
            .collect();
        self.best_of(&likely, &meanings, k, near)
    }

    /// The first `k` of some slots by score and the first `near` by meaning.
    fn best_of(&self, slots: &[u32], meanings: &[f64], k: usize, near: usize) -> Vec<u32> {
        let scores: Vec<_> = slots
            .iter()
            .zip(meanings)
            .map(|(slot, meaning)| meaning + self.priors[*slot as usize].unwrap_or(0.0))
            .collect();
        let mut best = largest(&scores, k);
        best.extend(largest(meanings, near));
        best.sort_unstable();
        best.dedup();
        best.into_iter().map(|at| slots[at]).collect()
    }

    /// For each slot the intervals of its rows, per row and query.
    fn intervals_of(&self, slots: &[u32]) -> impl Iterator<Item = Vec<Interval>> {
        let mut block = Packed::default();
        slots
            .iter()
            .map(move |slot| self.bounds.of_rows(self.grouping.places(*slot), &mut block))
    }

    /// The meaning of a slot if each cosine is what `pick` takes of its interval.
    fn meaning_of(
        &self,
        slot: u32,
        intervals: &[Interval],
        pick: impl Fn(Interval) -> f32 + Copy,
    ) -> f64 {
        let pooling = self.wanted.pooling();
        let of_query = |at: usize| intervals.iter().skip(at).step_by(self.queries()).copied();
        pooling.meaning((0..self.queries()).map(|at| {
            let best = of_query(at).map(pick).fold(f32::NEG_INFINITY, f32::max);
            let first = of_query(at).next().map(pick);
            pooling.pooled(first.filter(|_| self.grouping.has_summary(slot)), best)
        }))
    }

    /// Score the rows that decide the meanings of some slots, and pool; with `floors`, of those slots
    /// alone that may reach them.
    fn judge(&self, slots: &[u32], floors: Option<Floors>) -> Vec<Judged> {
        let mut rows: Vec<u32> = Vec::new();
        let mut ends = Vec::with_capacity(slots.len());
        if self.bounds.queries.is_empty() {
            for slot in slots {
                rows.extend(self.grouping.places(*slot));
                ends.push((*slot, rows.len()));
            }
        } else {
            let mut bounded: Vec<_> = slots
                .iter()
                .copied()
                .zip(self.intervals_of(slots))
                .collect();
            if let Some(floors) = floors {
                self.narrow(&mut bounded, floors);
            }
            for (slot, intervals) in &bounded {
                let decisive = decisive(self.grouping, *slot, intervals, self.queries());
                rows.extend(decisive);
                ends.push((*slot, rows.len()));
            }
        }
        let scores = self.scored(&rows);
        let mut begin = 0;
        ends.into_iter()
            .map(|(slot, end)| {
                let range = std::mem::replace(&mut begin, end)..end;
                let scores = &scores[range.start * self.queries()..range.end * self.queries()];
                self.judged(slot, &rows[range], scores)
            })
            .collect()
    }

    /// Score the first rows of some slots, and keep those slots that may still reach the floors.
    fn narrow(&self, bounded: &mut Vec<(u32, Vec<Interval>)>, floors: Floors) {
        let firsts: Vec<_> = bounded
            .iter()
            .map(|(slot, _)| self.grouping.places(*slot)[0])
            .collect();
        let scores = self.scored(&firsts);
        let queries = self.queries();
        for ((_, intervals), scores) in bounded.iter_mut().zip(scores.chunks_exact(queries)) {
            for (interval, score) in intervals.iter_mut().zip(scores) {
                *interval = Interval::exactly(*score);
            }
        }
        bounded.retain(|(slot, intervals)| {
            let highest = self.meaning_of(*slot, intervals, |one| one.upper);
            floors.admit(highest, self.priors[*slot as usize].unwrap_or(0.0))
        });
    }

    /// The clamped cosines of rows, per row and query.
    fn scored(&self, rows: &[u32]) -> Vec<f32> {
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

    fn judged(&self, slot: u32, rows: &[u32], scores: &[f32]) -> Judged {
        let queries = self.queries();
        let pooling = self.wanted.pooling();
        let of_query = |at: usize| scores.iter().skip(at).step_by(queries).copied();
        let meaning = pooling.meaning((0..queries).map(|at| {
            let best = of_query(at).fold(f32::NEG_INFINITY, f32::max);
            let first = of_query(at).next();
            pooling.pooled(first.filter(|_| self.grouping.has_summary(slot)), best)
        }));
        let (mut nearest, mut row) = (f32::NEG_INFINITY, i64::MAX);
        // Rows come in order of their ids, so the first of equals is the one with the lowest id.
        for (place, scores) in rows.iter().zip(scores.chunks_exact(queries)) {
            let best = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            if best > nearest {
                (nearest, row) = (best, self.set.ids[*place as usize]);
            }
        }
        let group = self.grouping.group(slot);
        let key = usize::try_from(group).map_or(i64::MAX, |group| self.wanted.keys[group]);
        Judged {
            group,
            key,
            meaning,
            score: meaning + self.priors[slot as usize].unwrap_or(0.0),
            row,
        }
    }

    /// Per query and slot the cosine that a row must have for its group to matter; behind each
    /// query's that of rows in no group.
    fn thresholds(
        &self,
        alive: &[u32],
        firsts: &[Interval],
        done: &[u32],
        floors: Floors,
    ) -> Vec<Vec<f32>> {
        let slots = self.grouping.len();
        let mut thresholds = vec![vec![f32::INFINITY; slots + 1]; self.queries()];
        let share = self.wanted.passage_share;
        for slot in alive {
            let firsts = self.first_of(firsts, *slot);
            let prior = self.priors[*slot as usize].unwrap_or(0.0);
            let has_summary = self.grouping.has_summary(*slot);
            for (first, thresholds) in firsts.iter().zip(&mut thresholds) {
                let first = has_summary.then_some(first.upper);
                thresholds[*slot as usize] = floors.row_threshold(prior, first, share);
            }
        }
        for thresholds in &mut thresholds {
            for slot in done {
                thresholds[*slot as usize] = f32::INFINITY;
            }
        }
        thresholds
    }
}
