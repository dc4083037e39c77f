//! One search for groups: from the signs of all rows down to the float32 rows of a few.

use crate::groups::floors::{Floors, largest};
use crate::groups::glance::Glance;
use crate::groups::judging::Judging;
use crate::groups::{GroupSearch, Judged};
use crate::rowset::RowSet;

/// Narrower rows are scored as quickly as their signs are read.
const SIGNS_FROM_DIM: usize = 512;

/// So many groups are scored as quickly as the signs of others are read.
const JUDGED_GROUPS: usize = 100;

/// Whether signs are looked at to find the best of so many groups of rows with `dim` columns.
pub fn reads_signs(dim: usize, groups: usize) -> bool {
    dim >= SIGNS_FROM_DIM && groups > JUDGED_GROUPS
}

/// The groups that are among the best by score or by meaning, and some others.
pub fn best_groups(set: &RowSet, wanted: &GroupSearch<'_>) -> Vec<Judged> {
    let grouping = set.grouping();
    let judging = Judging {
        set,
        grouping,
        wanted,
    };
    let (mut alive, mut priors) = (Vec::new(), Vec::new());
    for (slot, group) in (0_u32..).zip(grouping.groups()) {
        if let Some(prior) = wanted.prior_of(*group) {
            alive.push(slot);
            priors.push(prior);
        }
    }
    let (k, near) = (wanted.k, wanted.near);
    let few = k.saturating_add(near).saturating_mul(2);
    if alive.len() <= few || !reads_signs(set.dim(), alive.len()) {
        return judging.judge(&alive);
    }
    let mut glance = Glance::new(set.signs(), grouping, wanted, &alive, set.kernels);
    let highest: Vec<_> = alive
        .iter()
        .map(|slot| glance.highest(*slot, false))
        .collect();
    // Some more than are wanted, for signs do not tell their order exactly.
    let places = likely(&highest, &priors, k + k / 2, near + near / 2);
    let slots: Vec<_> = places.iter().map(|at| alive[*at]).collect();
    for slot in &slots {
        glance.look_closer(*slot);
    }
    let mut judged = judging.judge_by(&glance, &slots, |_, _| true);
    let floors = Floors::of(&judged, wanted);
    let mut open = Vec::new();
    let slots_and_more = alive.iter().zip(&priors).zip(highest).enumerate();
    for (at, ((slot, prior), highest)) in slots_and_more {
        if floors.admit(highest, *prior) && places.binary_search(&at).is_err() {
            glance.look_closer(*slot);
            if floors.admit(glance.highest(*slot, true), *prior) {
                open.push(*slot);
            }
        }
    }
    judged.extend(judging.judge_by(&glance, &open, |slot, firsts| {
        let prior = wanted.prior_of(grouping.group(slot)).unwrap_or(0.0);
        floors.admit(glance.highest_with(slot, firsts), prior)
    }));
    judged
}

/// The places of the first `k` by meaning and prior and of the first `near` by meaning, ascending.
fn likely(meanings: &[f64], priors: &[f64], k: usize, near: usize) -> Vec<usize> {
    let both = meanings.iter().zip(priors);
    let scores: Vec<_> = both.map(|(meaning, prior)| meaning + prior).collect();
    let mut places = largest(&scores, k);
    places.extend(largest(meanings, near));
    places.sort_unstable();
    places.dedup();
    places
}
