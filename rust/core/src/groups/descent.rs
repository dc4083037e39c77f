//! One search for groups: from the sketches of all rows down to the float32 rows of a few.

use crate::groups::floors::{Floors, largest};
use crate::groups::glance::Glance;
use crate::groups::judging::Judging;
use crate::groups::{GroupSearch, Judged};
use crate::rowset::RowSet;

/// Narrower rows are scored as quickly as their sketches are read.
const SKETCHES_FROM_DIM: usize = 512;

/// So many groups are scored as quickly as the sketches of others are read.
const JUDGED_GROUPS: usize = 100;

/// Whether sketches are looked at to find the best of so many groups of rows with `dim` columns.
pub fn reads_sketches(dim: usize, groups: usize) -> bool {
    dim >= SKETCHES_FROM_DIM && groups > JUDGED_GROUPS
}

/// What a search has found out about the groups that may be returned.
pub struct Descent {
    /// Those that are among the best by score or by meaning, and some others.
    pub judged: Vec<Judged>,
    /// The estimated meanings of the rest; minus infinity stands for no group.
    pub others: Vec<f64>,
}

impl Descent {
    /// How many groups have a higher meaning, as far as is known.
    pub fn above(&self, meaning: f64) -> usize {
        let judged = self.judged.iter().filter(|one| one.meaning > meaning);
        let others = self.others.iter().filter(|other| **other > meaning);
        judged.count() + others.count()
    }
}

/// Judge the groups that are among the best.
pub fn descend(set: &RowSet, wanted: &GroupSearch<'_>) -> Descent {
    let grouping = set.grouping();
    let judging = Judging {
        set,
        grouping,
        wanted,
    };
    let prior = |group: &i64| wanted.prior_of(*group).unwrap_or(f64::NEG_INFINITY);
    let priors: Vec<_> = grouping.groups().iter().map(prior).collect();
    let is_alive = |prior: &f64| *prior > f64::NEG_INFINITY;
    let alive = priors.iter().filter(|prior| is_alive(prior)).count();
    let (k, near) = (wanted.k, wanted.near);
    let few = k.saturating_add(near).saturating_mul(2);
    if alive <= few || !reads_sketches(set.dim(), alive) {
        let slots = grouping.slots().zip(&priors);
        let alive: Vec<_> = slots
            .filter_map(|(slot, prior)| is_alive(prior).then_some(slot))
            .collect();
        return Descent {
            judged: judging.judge(&alive),
            others: Vec::new(),
        };
    }
    let mut glance = Glance::new(set.sketches(), grouping, wanted);
    let mut meanings = glance.meanings();
    for (meaning, prior) in meanings.iter_mut().zip(&priors) {
        if !is_alive(prior) {
            *meaning = f64::NEG_INFINITY;
        }
    }
    // Some more than are wanted, for sketches do not tell their order exactly.
    let slots = likely(&meanings, &priors, k + k / 2, near + near / 2);
    for slot in &slots {
        glance.look_closer(*slot);
        meanings[*slot as usize] = f64::NEG_INFINITY;
    }
    let mut judged = judging.judge_by(&glance, &slots, |_, _| true);
    let floors = Floors::of(&judged, wanted);
    let mut open = Vec::new();
    let slots = grouping.slots().zip(&mut meanings).zip(glance.margins());
    for (((slot, meaning), margin), prior) in slots.zip(&priors) {
        if floors.admit(*meaning + margin, *prior) {
            *meaning = glance.look_closer(slot);
            if floors.admit(*meaning + glance.margin(slot, false), *prior) {
                open.push(slot);
            }
        }
    }
    let more = judging.judge_by(&glance, &open, |slot, firsts| {
        let highest = glance.meaning_with(slot, firsts) + glance.margin(slot, true);
        floors.admit(highest, priors[slot as usize])
    });
    for one in &more {
        meanings[one.slot as usize] = f64::NEG_INFINITY;
    }
    judged.extend(more);
    Descent {
        judged,
        others: meanings,
    }
}

/// The slots of the first `k` by meaning and prior and of the first `near` by meaning, ascending.
fn likely(meanings: &[f64], priors: &[f64], k: usize, near: usize) -> Vec<u32> {
    let both = meanings.iter().zip(priors);
    let mut slots = largest(both.map(|(meaning, prior)| *meaning + prior), k);
    slots.extend(largest(meanings.iter().copied(), near));
    slots.sort_unstable();
    slots.dedup();
    slots
}
