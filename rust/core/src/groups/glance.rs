//! What the signs of rows tell of the groups: a first look at all of them, a second at some.

use std::sync::{Mutex, PoisonError};

use crate::grouping::{Grouping, RUN_MAX};
use crate::groups::GroupSearch;
use crate::parallel::in_parts;
use crate::row_signs::{RowSigns, TurnedQuery};
use crate::sign_blocks::BLOCK;
use crate::simd::Kernels;

/// Standard deviations of an estimate by which a group may be better than it looks.
///
/// One group in thirty thousand is better than that. Only those count that would come in as the last
/// of the wanted ones: the others have further to fall.
const DEVIATIONS: f64 = 4.0;

/// Stands for no place.
const NOBODY: usize = usize::MAX;

/// Estimated meanings of all groups.
pub struct Glance<'a> {
    signs: &'a RowSigns,
    grouping: &'a Grouping,
    wanted: &'a GroupSearch<'a>,
    queries: Vec<TurnedQuery>,
    /// Per query and block of rows their products as far as the first level knows; the estimates of
    /// those that were looked at closer.
    products: Vec<Vec<[f32; BLOCK]>>,
    /// Per query and slot the estimated cosine of the row at position 0, by both levels.
    summaries: Vec<Vec<f32>>,
    /// Per query and slot the highest estimated cosine of its passages.
    best: Vec<Vec<f32>>,
    /// Per query and slot that was looked at closer the place of that passage.
    tops: Vec<Vec<usize>>,
    /// What a meaning may be above the estimate by one level, by both, and by both and the true
    /// cosine of the row at position 0: without such a row, with it.
    margins: [[f64; 2]; 3],
    /// What a cosine may be above its estimate by both levels.
    passage_margin: f32,
}

impl<'a> Glance<'a> {
    /// Look at every row, and keep what it tells of the slots `alive`.
    pub fn new(
        signs: &'a RowSigns,
        grouping: &'a Grouping,
        wanted: &'a GroupSearch<'a>,
        alive: &[u32],
        kernels: Kernels,
    ) -> Self {
        let queries = 0..wanted.queries.rows();
        let queries = queries.map(|at| signs.query(wanted.queries.row(at), kernels));
        let [one, both] = [0, 1].map(|level| DEVIATIONS * signs.deviation(level));
        let share = wanted.passage_share;
        let with = |summary: f64, passage: f64| (summary * (1.0 - share)).hypot(passage * share);
        let mut glance = Self {
            signs,
            grouping,
            wanted,
            queries: queries.collect(),
            products: Vec::new(),
            summaries: Vec::new(),
            best: Vec::new(),
            tops: vec![vec![NOBODY; grouping.len()]; wanted.queries.rows()],
            margins: [
                [one, with(both, one)],
                [both, with(both, both)],
                [both, with(0.0, both)],
            ],
            #[expect(clippy::cast_possible_truncation, reason = "a margin, not a bound")]
            passage_margin: both as f32,
        };
        let firsts = grouping.first_signs(signs);
        let queries = glance.queries.iter();
        glance.summaries = queries.map(|query| firsts.estimates(query)).collect();
        glance.look_at_rows();
        glance.pool_passages(alive);
        glance
    }

    /// What the first level knows of all rows.
    fn look_at_rows(&mut self) {
        let count = self.grouping.rows().div_ceil(BLOCK);
        self.products = vec![vec![[0.0; BLOCK]; count]; self.queries.len()];
        let blocks = self.products.iter_mut();
        let blocks = blocks.map(|blocks| blocks.iter_mut().map(Mutex::new).collect::<Vec<_>>());
        let blocks: Vec<_> = blocks.collect();
        in_parts(count, self.queries.len(), |pieces| {
            for block in pieces.flatten() {
                for (query, blocks) in self.queries.iter().zip(&blocks) {
                    let mut products = blocks[block].lock().unwrap_or_else(PoisonError::into_inner);
                    self.signs
                        .block_products_into(query, block, &mut **products);
                }
            }
        });
    }

    /// Pool what the first level knows of the passages of some slots.
    fn pool_passages(&mut self, slots: &[u32]) {
        let factors = self.signs.factors(0);
        for products in &self.products {
            let products = products.as_flattened();
            let mut best = vec![f32::NEG_INFINITY; self.grouping.len()];
            for slot in slots {
                let best = &mut best[*slot as usize];
                for run in self.grouping.runs(*slot) {
                    let rows = products[run.clone()].iter().zip(&factors[run.clone()]);
                    let estimates = rows.map(|(product, factor)| product * factor);
                    *best = estimates.fold(*best, larger);
                }
            }
            self.best.push(best);
        }
    }

    /// Look at the passages of a slot with both levels, once.
    pub fn look_closer(&mut self, slot: u32) {
        let factors = self.signs.factors(1);
        let mut more = [0.0; RUN_MAX];
        for (at, query) in self.queries.iter().enumerate() {
            let products = self.products[at].as_flattened_mut();
            let mut best = (f32::NEG_INFINITY, NOBODY);
            for run in self.grouping.runs(slot) {
                let more = &mut more[..run.len()];
                self.signs.products_into(query, run.start, more);
                let rows = products[run.clone()].iter_mut().zip(more);
                for ((product, more), place) in rows.zip(run.clone()) {
                    *product = (*product + *more) * factors[place];
                    if *product > best.0 {
                        best = (*product, place);
                    }
                }
            }
            (self.best[at][slot as usize], self.tops[at][slot as usize]) = best;
        }
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
            let mut queries = known.clone().enumerate();
            let estimate = |query: usize| self.products[query].as_flattened()[at];
            let highest = |query| estimate(query) + self.passage_margin;
            if queries.any(|(query, known)| highest(query) >= known) && !is_top(at) {
                rows.push(*place);
            }
        }
    }

    /// The highest meaning that a slot may have, as far as signs tell.
    pub fn highest(&self, slot: u32, is_closer: bool) -> f64 {
        let summary = |at: usize| self.summaries[at][slot as usize];
        let has_summary = self.grouping.has_summary(slot);
        self.meaning(slot, summary) + self.margins[usize::from(is_closer)][usize::from(has_summary)]
    }

    /// The same of a slot that was looked at closer and whose first row has the cosines `firsts`.
    pub fn highest_with(&self, slot: u32, firsts: &[f32]) -> f64 {
        let has_summary = self.grouping.has_summary(slot);
        self.meaning(slot, |at| firsts[at]) + self.margins[2][usize::from(has_summary)]
    }

    /// The estimated meaning of a slot whose first row, if it is at position 0, has these cosines.
    fn meaning(&self, slot: u32, first: impl Fn(usize) -> f32) -> f64 {
        let pooling = self.wanted.pooling();
        let has_summary = self.grouping.has_summary(slot);
        pooling.meaning(self.best.iter().enumerate().map(|(at, best)| {
            let (first, best) = (has_summary.then(|| first(at)), best[slot as usize]);
            pooling.pooled(first, first.map_or(best, |first| larger(best, first)))
        }))
    }
}

/// The larger of two numbers, neither of which is NaN: in one instruction.
fn larger(one: f32, other: f32) -> f32 {
    if one > other { one } else { other }
}
