//! What a group must reach to be among the best, and which are the best.

use crate::groups::{GroupSearch, Judged};

/// Covers the roundings of a meaning that is computed in another way than by scoring: a dozen
/// operations on numbers of at most 2.
const ROUNDING: f64 = 1e-9;

/// The least score and meaning with which a group can still be among the best.
#[derive(Clone, Copy, Debug)]
pub struct Floors {
    score: f64,
    meaning: f64,
}

impl Floors {
    /// The floors that the judged groups set.
    pub fn of(judged: &[Judged], wanted: &GroupSearch<'_>) -> Self {
        Self {
            score: nth_best(judged.iter().map(|one| one.score), wanted.k),
            meaning: nth_best(judged.iter().map(|one| one.meaning), wanted.near),
        }
    }

    /// Whether a group of at most this meaning can be among the best.
    pub fn admit(self, meaning: f64, prior: f64) -> bool {
        let meaning = meaning + ROUNDING;
        // The sum is rounded as that of the true meaning is, so it cannot fall below it.
        meaning >= self.meaning || meaning + prior >= self.score
    }
}

/// The `n`-th largest number; minus infinity if there are fewer.
fn nth_best(numbers: impl Iterator<Item = f64>, n: usize) -> f64 {
    let mut numbers: Vec<_> = numbers.collect();
    if numbers.len() < n {
        return f64::NEG_INFINITY;
    }
    let (_, nth, _) = numbers.select_nth_unstable_by(n - 1, |a, b| b.total_cmp(a));
    *nth
}

/// The positions of the `count` largest numbers, in no particular order.
pub fn largest(numbers: impl Iterator<Item = f64>, count: usize) -> Vec<u32> {
    // A floor that rises lets few numbers past one comparison.
    let enough = 2 * count + 32;
    let mut best: Vec<(f64, u32)> = Vec::with_capacity(enough);
    let mut floor = f64::NEG_INFINITY;
    for (position, number) in (0_u32..).zip(numbers) {
        if number < floor {
            continue;
        }
        best.push((number, position));
        if best.len() == enough {
            floor = keep_largest(&mut best, count);
        }
    }
    keep_largest(&mut best, count);
    best.into_iter().map(|(_, position)| position).collect()
}

/// Keep the `count` largest, at least one; the least of them.
fn keep_largest(numbers: &mut Vec<(f64, u32)>, count: usize) -> f64 {
    if numbers.len() <= count {
        return f64::NEG_INFINITY;
    }
    numbers.select_nth_unstable_by(count - 1, |a, b| b.0.total_cmp(&a.0));
    numbers.truncate(count);
    numbers[count - 1].0
}

/// The positions of the `count` best by `value`, ties by key, best first.
pub fn best_first(judged: &[Judged], count: usize, value: impl Fn(&Judged) -> f64) -> Vec<usize> {
    // `+ 0.0` makes -0.0 and 0.0 one value before the total order would tell them apart.
    let rank = |at: usize| (value(&judged[at]) + 0.0, judged[at].key, judged[at].group);
    let mut positions: Vec<_> = (0..judged.len()).collect();
    positions.sort_unstable_by(|a, b| {
        let (a, b) = (rank(*a), rank(*b));
        b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2)))
    });
    positions.truncate(count);
    positions
}
