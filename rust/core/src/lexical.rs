//! How groups stand by the words of a request: pooled, joined with a prior, and ranked.

use crate::error::{Error, Result};
use crate::sparse::{same_length, slice};

/// What words give to groups; a number for each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pooled {
    /// What the whole request gives.
    pub whole: Vec<f64>,
    /// This, and a share of what the best part of the request gives.
    pub words: Vec<f64>,
    /// These, weighed, and the base of the group.
    pub prior: Vec<f64>,
}

/// How words are pooled.
#[derive(Clone, Copy, Debug)]
pub struct Shares {
    /// Share of the best part that is added to the whole.
    pub part: f64,
    /// Weight of the words in the prior.
    pub weight: f64,
}

/// Pool what the words of a request give to groups.
///
/// `sums` are lines of `count`: of the whole request, then of its parts. The row of a group is its
/// place in a line; a group whose row is below 0 has no words. Where there are parts, `words` are
/// `whole + part * min(best part, whole)`. One pass over the groups.
///
/// # Errors
///
/// [`Error::Length`] if `sums` has no whole lines, or there are not as many bases as rows;
/// [`Error::Range`] for a row beyond a line.
///
/// ```
/// # use openviking_core::lexical::{Shares, pool};
/// let shares = Shares { part: 0.25, weight: 0.5 };
/// let found = pool(&[8.0, 2.0, 4.0, 4.0], 2, &[1, -1, 0], &[0.5, 0.5, 0.0], shares)?;
/// assert_eq!(found.whole, [2.0, 0.0, 8.0]);
/// assert_eq!(found.words, [2.5, 0.0, 9.0]);
/// assert_eq!(found.prior, [1.75, 0.5, 4.5]);
/// # Ok::<(), openviking_core::Error>(())
/// ```
pub fn pool(
    sums: &[f64],
    count: usize,
    rows: &[i64],
    base: &[f64],
    shares: Shares,
) -> Result<Pooled> {
    let lines = sums.len().checked_div(count).unwrap_or(0);
    same_length("sums", lines * count, sums.len())?;
    same_length("base", rows.len(), base.len())?;
    let mut found = Pooled {
        whole: Vec::with_capacity(rows.len()),
        words: Vec::with_capacity(rows.len()),
        prior: Vec::with_capacity(rows.len()),
    };
    for (row, base) in rows.iter().zip(base) {
        let (whole, words) = match usize::try_from(*row) {
            Ok(at) if at < count && lines > 0 => {
                let whole = sums[at];
                let parts = (1..lines).map(|line| sums[line * count + at]);
                let best = parts.reduce(f64::max);
                let added = best.map_or(0.0, |best| shares.part * best.min(whole));
                (whole, whole + added)
            }
            Ok(_) => {
                let (start, end) = (*row, row.saturating_add(1));
                return Err(Error::Range { start, end });
            }
            Err(_) => (0.0, 0.0),
        };
        found.whole.push(whole);
        found.words.push(words);
        found.prior.push(base + shares.weight * words);
    }
    Ok(found)
}

/// The rank of each of the `wanted` places by its score, from 1; none for a score of 0 or less.
///
/// Before a score come the higher ones, and of equal ones those with a lower key. One pass over all
/// scores, and one for each place over those that are as high as the lowest score wanted.
///
/// # Errors
///
/// [`Error::Length`] if there are not as many keys as scores; [`Error::Range`] for a place beyond
/// them.
///
/// ```
/// # use openviking_core::lexical::ranks;
/// let found = ranks(&[0.5, 2.0, 0.5, 0.0], &[7, 8, 3, 1], &[0, 2, 1, 3])?;
/// assert_eq!(found, [Some(3), Some(2), Some(1), None]);
/// # Ok::<(), openviking_core::Error>(())
/// ```
pub fn ranks(scores: &[f64], keys: &[i64], wanted: &[i64]) -> Result<Vec<Option<usize>>> {
    same_length("keys", scores.len(), keys.len())?;
    let own = |place: &i64| {
        let range = [*place, place.saturating_add(1)];
        Ok((slice(scores, range)?[0], slice(keys, range)?[0]))
    };
    let wanted: Vec<(f64, i64)> = wanted.iter().map(own).collect::<Result<_>>()?;
    let positive = wanted
        .iter()
        .map(|(score, _)| *score)
        .filter(|score| *score > 0.0);
    let floor = positive.fold(f64::INFINITY, f64::min);
    let rivals: Vec<(f64, i64)> = scores
        .iter()
        .copied()
        .zip(keys.iter().copied())
        .filter(|(score, _)| *score >= floor)
        .collect();
    let rank = |(score, key): &(f64, i64)| {
        let before =
            |other: &&(f64, i64)| other.0 > *score || (other.0 >= *score && other.1 < *key);
        (*score > 0.0).then(|| 1 + rivals.iter().filter(before).count())
    };
    Ok(wanted.iter().map(rank).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHARES: Shares = Shares {
        part: 0.2,
        weight: 0.01,
    };

    proptest! {
        #[test]
        fn a_rank_is_one_more_than_what_comes_before(scores in prop::collection::vec(0..4_u8, 1..30)) {
            let keys: Vec<i64> = (0..).map(|at: i64| at * 7 % 31).take(scores.len()).collect();
            let scores: Vec<f64> = scores.into_iter().map(f64::from).collect();
            let mut order: Vec<usize> = (0..scores.len()).collect();
            order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(keys[*a].cmp(&keys[*b])));
            let wanted: Vec<i64> = order.iter().filter_map(|at| i64::try_from(*at).ok()).collect();
            let expected: Vec<Option<usize>> = order
                .iter()
                .zip(1..)
                .map(|(at, rank)| (scores[*at] > 0.0).then_some(rank))
                .collect();
            prop_assert_eq!(ranks(&scores, &keys, &wanted)?, expected);
        }

        #[test]
        fn words_are_the_whole_and_a_share_of_the_best_part(
            sums in prop::collection::vec(0.0..30.0_f64, 12),
            lines in 1..4_usize,
        ) {
            let count = 12 / lines;
            let rows: Vec<i64> = (-1..).take(count + 1).collect();
            let found = pool(&sums, count, &rows, &vec![0.5; count + 1], SHARES)?;
            prop_assert_eq!((found.whole[0], found.words[0], found.prior[0]), (0.0, 0.0, 0.5));
            for at in 0..count {
                let whole = sums[at];
                let best = (1..lines).map(|line| sums[line * count + at]).fold(0.0, f64::max);
                let words = whole + SHARES.part * best.min(whole);
                prop_assert_eq!(found.whole[at + 1].to_bits(), whole.to_bits());
                prop_assert_eq!(found.words[at + 1].to_bits(), words.to_bits());
                let prior = 0.5 + SHARES.weight * words;
                prop_assert_eq!(found.prior[at + 1].to_bits(), prior.to_bits());
            }
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        assert!(pool(&[1.0; 5], 2, &[0], &[0.0], SHARES).is_err());
        assert!(pool(&[1.0; 4], 2, &[0], &[], SHARES).is_err());
        let beyond = Err(Error::Range { start: 2, end: 3 });
        assert_eq!(pool(&[1.0; 4], 2, &[2], &[0.0], SHARES), beyond);
        let nothing = pool(&[], 0, &[0], &[0.0], SHARES);
        assert_eq!(nothing, Err(Error::Range { start: 0, end: 1 }));
        assert!(ranks(&[1.0], &[], &[]).is_err());
        let beyond = Err(Error::Range { start: 1, end: 2 });
        assert_eq!(ranks(&[1.0], &[1], &[1]), beyond);
    }
}
