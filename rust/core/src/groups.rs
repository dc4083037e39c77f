//! The best groups of rows: a skill's passages, of which the first is its summary.
//!
//! An id is `group << 16 | position`. A group's cosine with a query is pooled from the cosine `s` of
//! its row at position 0 and the highest of its rows, `m`: `s + passage_share * (m - s)`, or `m` if
//! there is no such row. Its *meaning* is what the first query gets, moved by `part_share` towards
//! the best of what the other queries get; its *score* is its meaning and a prior of its own.
//!
//! What is returned is scored in float32 from the rows themselves. Which groups are scored, sketches
//! tell ([`crate::row_sketches`]). A search
//!
//! 1. estimates the cosine of every row by the first level, and of those at position 0 by both;
//! 2. scores the likeliest groups, which gives floors that others must reach;
//! 3. estimates the rows of groups that may reach them by both levels;
//! 4. scores the rows at position 0 of groups that still may, and then of these groups' other rows
//!    those that may be the nearest.
//!
//! A group "may" reach a floor if its estimate is less than four standard deviations below it. How
//! far an estimate deviates is known row by row, so of the groups that are just among the wanted ones,
//! one in thirty thousand is missed, and of the others fewer. Narrow rows and few groups are scored
//! without a look at sketches, and nothing is missed.

mod descent;
mod floors;
mod glance;
mod judging;
mod pooling;

use crate::error::{Error, Result};
use crate::groups::descent::{Descent, descend, reads_sketches};
use crate::groups::floors::best_first;
use crate::groups::pooling::Pooling;
use crate::matrix::Matrix;
use crate::row_sketches::RowSketches;
use crate::rowset::RowSet;

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub struct GroupSearch<'a> {
    /// At least one: the whole request, then its parts.
    pub queries: Matrix<'a>,
    /// Per group what is added to its meaning; minus infinity if it may not be returned. Groups that
    /// have none are passed over.
    pub prior: &'a [f64],
    /// Per group a number: of equal groups the one with the lower number comes first.
    pub keys: &'a [i64],
    /// Groups wanted by score, at least 1.
    pub k: usize,
    /// Groups wanted by meaning alone, at least 1.
    pub near: usize,
    /// Share of the best row's lead over the first that counts.
    pub passage_share: f64,
    /// Share of the meaning that the best part decides, if there are parts.
    pub part_share: f64,
}

/// The best groups by score and by meaning.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FoundGroups {
    /// Their numbers, each once.
    pub groups: Vec<i64>,
    /// Their meanings.
    pub meanings: Vec<f64>,
    /// Their meanings with their priors.
    pub scores: Vec<f64>,
    /// Per group the id of the row with the highest cosine with any query, the lowest of these.
    pub rows: Vec<i64>,
    /// Per group its rank by meaning among all, from 1; beyond the first `near` an estimate.
    pub ranks: Vec<i64>,
    /// Places in the arrays above, by score, best first.
    pub by_score: Vec<i64>,
    /// Places in the arrays above, by meaning, best first.
    pub by_meaning: Vec<i64>,
}

/// A group whose rows have been scored.
#[derive(Clone, Copy, Debug)]
struct Judged {
    slot: u32,
    group: i64,
    key: i64,
    meaning: f64,
    score: f64,
    row: i64,
}

impl GroupSearch<'_> {
    fn check(&self, set: &RowSet) -> Result<()> {
        let (found, expected) = (self.queries.dim(), set.dim());
        if found != expected {
            return Err(Error::Width {
                argument: "queries",
                expected,
                found,
            });
        }
        let counts = [
            ("queries", self.queries.rows()),
            ("k", self.k),
            ("near", self.near),
        ];
        if let Some((argument, _)) = counts.into_iter().find(|(_, count)| *count == 0) {
            return Err(Error::Zero { argument });
        }
        if self.keys.len() != self.prior.len() {
            return Err(Error::Length {
                argument: "keys",
                expected: self.prior.len(),
                found: self.keys.len(),
            });
        }
        let shares = [
            ("passage_share", self.passage_share),
            ("part_share", self.part_share),
        ];
        for (argument, found) in shares {
            if !(0.0..=1.0).contains(&found) {
                return Err(Error::Share { argument, found });
            }
        }
        let bad = |prior: &f64| prior.is_nan() || *prior == f64::INFINITY;
        if let Some(group) = self.prior.iter().position(bad) {
            let found = self.prior[group];
            return Err(Error::Prior { group, found });
        }
        self.queries.check_unit("queries", set.kernels)
    }

    fn pooling(&self) -> Pooling {
        Pooling {
            passage_share: self.passage_share,
            part_share: self.part_share,
        }
    }

    /// The prior of a group that may be returned.
    fn prior_of(&self, group: i64) -> Option<f64> {
        let prior = *self.prior.get(usize::try_from(group).ok()?)?;
        (prior != f64::NEG_INFINITY).then_some(prior)
    }

    /// Both lists of the judged groups, each group once.
    fn found(&self, descent: &Descent) -> FoundGroups {
        let judged = &descent.judged;
        let by_score = best_first(judged, self.k, |one| one.score);
        let by_meaning = best_first(judged, self.near, |one| one.meaning);
        let mut found = FoundGroups::default();
        let mut ranks = vec![None; judged.len()];
        for (rank, at) in (1..).zip(&by_meaning) {
            ranks[*at] = Some(rank);
        }
        let mut places: Vec<Option<i64>> = vec![None; judged.len()];
        let mut place_of = |at: usize| {
            *places[at].get_or_insert_with(|| {
                let one = judged[at];
                found.groups.push(one.group);
                found.meanings.push(one.meaning);
                found.scores.push(one.score);
                found.rows.push(one.row);
                let beyond = || self.near.max(descent.above(one.meaning)) + 1;
                found.ranks.push(signed(ranks[at].unwrap_or_else(beyond)));
                signed(found.groups.len() - 1)
            })
        };
        let by_score = by_score.into_iter().map(&mut place_of).collect();
        let by_meaning = by_meaning.into_iter().map(&mut place_of).collect();
        FoundGroups {
            by_score,
            by_meaning,
            ..found
        }
    }
}

fn signed(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl RowSet {
    /// Find the best groups of rows; see the text of [`crate::groups`].
    ///
    /// Groups without a row, and rows with an id below 0, are passed over. The first search of a set
    /// sketches every row (a tenth of a second to find the subspace, and then some 7 us each, on two
    /// threads), and the first after a change sorts the ids and copies the sketch of one row per group.
    ///
    /// # Errors
    /// [`Error::Width`], [`Error::Zero`], [`Error::Length`], [`Error::Share`], [`Error::Prior`],
    /// [`Error::NotFinite`], [`Error::NotUnit`].
    pub fn search_groups(&self, wanted: &GroupSearch<'_>) -> Result<FoundGroups> {
        wanted.check(self)?;
        Ok(wanted.found(&descend(self, wanted)))
    }

    /// Do now what the next [`RowSet::search_groups`] would do first.
    pub fn prepare_groups(&self) {
        let grouping = self.grouping();
        if reads_sketches(self.dim(), grouping.len()) {
            grouping.sketches(self.sketches());
        }
    }

    /// Sketches that fit the rows better than those there are; `None` unless the rows have become so
    /// many more that this is likely.
    #[must_use]
    pub fn refit(&self) -> Option<Refit> {
        let are_outgrown = self.made_sketches().is_some_and(RowSketches::are_outgrown);
        are_outgrown.then(|| Refit {
            sketches: RowSketches::of(&self.rows, self.dim, self.kernels),
            changes: self.changes,
        })
    }

    /// Use such sketches from now on; false, and nothing has changed, if the rows have.
    pub fn adopt_refit(&mut self, refit: Refit) -> bool {
        let is_current = refit.changes == self.changes;
        if is_current {
            self.replace_sketches(refit.sketches);
        }
        is_current
    }
}

/// Sketches of all rows of a set, and which of its states they belong to.
#[derive(Debug)]
pub struct Refit {
    sketches: RowSketches,
    changes: u64,
}
