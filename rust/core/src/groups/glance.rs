//! What the sketches of rows tell of the groups: a first look at all of them, a second at some.

use std::sync::{Mutex, PoisonError};

use crate::grouping::{GroupSketches, Grouping};
use crate::groups::GroupSearch;
use crate::nibbles::BLOCK;
use crate::parallel::in_parts;
use crate::row_sketches::{LEVELS, RowSketches, SketchQuery, Variance};

/// Standard deviations of an estimate by which a group may be better than it looks.
///
/// One group in thirty thousand is better than that. Only those count that would come in as the last
/// of the wanted ones: the others have further to fall.
const DEVIATIONS: f64 = 4.0;

/// Stands for no place.
const NOBODY: usize = usize::MAX;

/// Estimated meanings of all groups.
pub struct Glance<'a> {
    rows: &'a RowSketches,
    groups: &'a GroupSketches,
    grouping: &'a Grouping,
    wanted: &'a GroupSearch<'a>,
    queries: Vec<SketchQuery>,
    /// Per query what is known of all rows.
    seen: Vec<Seen>,
    /// Per query and slot the estimated cosine of the row at position 0, by both levels.
    summaries: Vec<Vec<f32>>,
    /// Per query and slot the highest estimated cosine of its passages.
    best: Vec<Vec<f32>>,
    /// Per query and slot that was looked at closer the place of that passage.
    tops: Vec<Vec<usize>>,
    /// Per level the largest of the queries.
    variances: [Variance; LEVELS],
}

/// Per block of rows their estimates, as far as they were looked at, and what the first level's signs
/// tell alone.
struct Seen {
    estimates: Vec<[f32; BLOCK]>,
    signs: Vec<[u16; BLOCK]>,
}

impl<'a> Glance<'a> {
    /// Look at every row.
    pub fn new(rows: &'a RowSketches, grouping: &'a Grouping, wanted: &'a GroupSearch<'a>) -> Self {
        let queries = 0..wanted.queries.rows();
        let queries: Vec<_> = queries
            .map(|at| rows.query(wanted.queries.row(at)))
            .collect();
        let groups = grouping.sketches(rows);
        let summaries = queries.iter().map(|query| groups.firsts.estimates(query));
        let variances = |level| queries.iter().map(move |query| query.variance(level));
        let mut glance = Self {
            rows,
            groups,
            grouping,
            wanted,
            seen: Vec::new(),
            summaries: summaries.collect(),
            best: Vec::new(),
            tops: vec![vec![NOBODY; grouping.len()]; queries.len()],
            variances: [0, 1]
                .map(|level| variances(level).fold(Variance::default(), Variance::most)),
            queries,
        };
        glance.look_at_rows();
        glance.pool_passages();
        glance
    }

    /// What the first level tells of all rows.
    fn look_at_rows(&mut self) {
        let count = self.grouping.rows().div_ceil(BLOCK);
        let seen = |_| Seen {
            estimates: vec![[0.0; BLOCK]; count],
            signs: vec![[0; BLOCK]; count],
        };
        self.seen = (0..self.queries.len()).map(seen).collect();
        let blocks = self.seen.iter_mut().map(|seen| {
            let both = seen.estimates.iter_mut().zip(&mut seen.signs);
            both.map(Mutex::new).collect::<Vec<_>>()
        });
        let blocks: Vec<_> = blocks.collect();
        in_parts(count, self.queries.len(), |pieces| {
            for block in pieces.flatten() {
                for (query, blocks) in self.queries.iter().zip(&blocks) {
                    let mut both = blocks[block].lock().unwrap_or_else(PoisonError::into_inner);
                    let (estimates, signs) = &mut *both;
                    **signs = self.rows.look(query, block, estimates);
                }
            }
        });
    }

    /// Pool what the first level tells of the passages of each slot.
    fn pool_passages(&mut self) {
        for seen in &self.seen {
            let estimates = seen.estimates.as_flattened();
            let highest = |slot| {
                let runs = self.grouping.runs(slot).iter();
                let passages = runs.flat_map(|run| &estimates[run.clone()]);
                passages.copied().fold(f32::NEG_INFINITY, larger)
            };
            self.best.push(self.grouping.slots().map(highest).collect());
        }
    }

    /// The meanings of all slots, as the first look tells them.
    pub fn meanings(&self) -> Vec<f64> {
        let pooling = self.wanted.pooling();
        let each = |at: usize| -> Vec<f64> {
            let slots = self.summaries[at].iter().zip(&self.best[at]);
            let slots = slots.zip(self.grouping.have_summaries());
            slots
                .map(|((first, best), has_summary)| {
                    pooling.pooled(has_summary.then_some(*first), larger(*best, *first))
                })
                .collect()
        };
        let mut meanings = each(0);
        let parts = (1..self.queries.len()).map(each).reduce(|mut best, part| {
            for (best, part) in best.iter_mut().zip(part) {
                *best = best.max(part);
            }
            best
        });
        for (meaning, best) in meanings.iter_mut().zip(parts.unwrap_or_default()) {
            *meaning = pooling.with_part(*meaning, best);
        }
        meanings
    }

    /// What the meanings of all slots may be above such estimates.
    pub fn margins(&self) -> Vec<f64> {
        let [one, both] = self.variances;
        let firsts = self.groups.first_residues.iter();
        let residues = firsts.zip(&self.groups.passage_residues);
        let slots = residues.zip(self.grouping.have_summaries());
        let variances = slots.map(|((first, passage), has_summary)| {
            let (first, passage) = (both.of(*first, 1), one.of(*passage, 0));
            if *has_summary {
                // A summary that is the nearest row itself is all that errs.
                self.pooled_variance(first, passage).max(first)
            } else {
                passage
            }
        });
        variances.map(margin).collect()
    }

    /// Look at the passages of a slot with both levels, once; the meaning that these tell.
    pub fn look_closer(&mut self, slot: u32) -> f64 {
        for (at, (query, seen)) in self.queries.iter().zip(&mut self.seen).enumerate() {
            let estimates = seen.estimates.as_flattened_mut();
            let signs = seen.signs.as_flattened();
            let mut best = (f32::NEG_INFINITY, NOBODY);
            for run in self.grouping.runs(slot) {
                let (estimates, signs) = (&mut estimates[run.clone()], &signs[run.clone()]);
                self.rows.look_closer(query, run.clone(), estimates, signs);
                for (estimate, place) in estimates.iter().zip(run.clone()) {
                    if *estimate > best.0 {
                        best = (*estimate, place);
                    }
                }
            }
            (self.best[at][slot as usize], self.tops[at][slot as usize]) = best;
        }
        self.meaning(slot, |at| self.summaries[at][slot as usize])
    }

    /// The meaning of a slot that was looked at closer and whose first row has the cosines `firsts`.
    pub fn meaning_with(&self, slot: u32, firsts: &[f32]) -> f64 {
        self.meaning(slot, |at| firsts[at])
    }

    /// Append the passages of a slot that was looked at closer which look nearest to the queries.
    pub fn nearest_into(&self, slot: u32, rows: &mut Vec<u32>) {
        let begin = rows.len();
        for tops in &self.tops {
            let top = tops[slot as usize];
            if let (false, Ok(place)) = (top == NOBODY, u32::try_from(top))
                && !rows[begin..].contains(&place)
            {
                rows.push(place);
            }
        }
    }

    /// Append the other passages of such a slot that may be nearer to a query than what is `known`.
    pub fn nearer_into(
        &self,
        slot: u32,
        known: &(impl Iterator<Item = f32> + Clone),
        rows: &mut Vec<u32>,
    ) {
        let is_top = |place| self.tops.iter().any(|tops| tops[slot as usize] == place);
        for place in self.grouping.passages(slot) {
            let at = *place as usize;
            let mut queries = known.clone().zip(&self.seen);
            let margin = margin(self.variances[1].of(self.rows.residue(at), 1));
            let may_lead = |(known, seen): (f32, &Seen)| {
                f64::from(seen.estimates.as_flattened()[at]) + margin >= f64::from(known)
            };
            if queries.any(may_lead) && !is_top(at) {
                rows.push(*place);
            }
        }
    }

    /// What the meaning of a slot that was looked at closer may be above its estimate; nothing adds to
    /// that if its first row's cosines are known.
    pub fn margin(&self, slot: u32, knows_first: bool) -> f64 {
        let at = slot as usize;
        let variance = |residue| self.variances[1].of(residue, 1);
        let passage = variance(self.groups.passage_residues[at]);
        if !self.grouping.has_summary(slot) {
            return margin(passage);
        }
        if knows_first {
            return margin(self.pooled_variance(0.0, passage));
        }
        let first = variance(self.groups.first_residues[at]);
        let mut firsts = self.summaries.iter().zip(&self.best);
        let leads = firsts.any(|(firsts, best)| firsts[at] >= best[at]);
        let pooled = self.pooled_variance(first, passage);
        margin(if leads { pooled.max(first) } else { pooled })
    }

    /// The variance of what a first row and a passage make together.
    fn pooled_variance(&self, first: f32, passage: f32) -> f32 {
        #[expect(clippy::cast_possible_truncation, reason = "0 to 1")]
        let share = self.wanted.passage_share as f32;
        first * (1.0 - share).powi(2) + passage * share.powi(2)
    }

    /// The estimated meaning of a slot whose first row has these cosines.
    fn meaning(&self, slot: u32, first: impl Fn(usize) -> f32) -> f64 {
        let pooling = self.wanted.pooling();
        let has_summary = self.grouping.has_summary(slot);
        pooling.meaning(self.best.iter().enumerate().map(|(at, best)| {
            let (first, best) = (first(at), best[slot as usize]);
            pooling.pooled(has_summary.then_some(first), larger(best, first))
        }))
    }
}

/// By how much something may be higher than its estimate, whose variance this is.
fn margin(variance: f32) -> f64 {
    DEVIATIONS * f64::from(variance.sqrt())
}

/// The larger of two numbers, neither of which is NaN: in one instruction.
fn larger(one: f32, other: f32) -> f32 {
    if one > other { one } else { other }
}
