//! How groups stand by the words of a request: pooled, joined with a base, and ranked.

use crate::error::{Error, Result};
use crate::postings::same_length;
use crate::sparse::TEXTS_MAX;

/// What the words of a request and of its parts give to rows.
#[derive(Clone, Copy, Debug)]
pub struct RowSums<'a> {
    /// For each row the sums of all texts side by side: of the whole request, then of its parts.
    pub sums: &'a [f64],
    /// How many texts there are.
    pub texts: usize,
}

/// Those of each row, where the number of texts is known to the compiler.
type Rows<'a, const T: usize> = &'a [[f64; T]];

/// Call a function of rows with the sums of as many texts as there are.
macro_rules! with_rows {
    ($found:expr, $function:ident($($argument:expr),*)) => {
        match $found.texts {
            0 => $function::<1>(&[], $($argument),*),
            1 => $function::<1>($found.sums.as_chunks().0, $($argument),*),
            2 => $function::<2>($found.sums.as_chunks().0, $($argument),*),
            3 => $function::<3>($found.sums.as_chunks().0, $($argument),*),
            4 => $function::<4>($found.sums.as_chunks().0, $($argument),*),
            _ => $function::<TEXTS_MAX>($found.sums.as_chunks().0, $($argument),*),
        }
    };
}

impl RowSums<'_> {
    /// What the whole request gives to rows; where it has parts, also `part_share` times what the
    /// best of them gives, as far as the whole gives as much. A row below 0 has no words.
    ///
    /// # Errors
    ///
    /// [`Error::Range`] for a row beyond the sums.
    pub fn pooled(&self, rows: &[i64], part_share: f64) -> Result<Vec<f64>> {
        with_rows!(self, pooled(rows, part_share))
    }

    /// Weigh the pooled words of groups, and add their bases.
    ///
    /// The row of a group is its place among the sums. One pass over the groups.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] if there are not as many bases as rows; [`Error::Range`] for a row beyond
    /// the sums.
    ///
    /// ```
    /// # use openviking_core::lexical::RowSums;
    /// let found = RowSums { sums: &[8.0, 4.0, 2.0, 4.0], texts: 2 };
    /// assert_eq!(found.prior(&[1, -1, 0], &[0.5, 0.5, 0.0], 0.25, 0.5)?, [1.75, 0.5, 4.5]);
    /// # Ok::<(), openviking_core::Error>(())
    /// ```
    pub fn prior(
        &self,
        rows: &[i64],
        base: &[f64],
        part_share: f64,
        weight: f64,
    ) -> Result<Vec<f64>> {
        same_length("base", rows.len(), base.len())?;
        let mut prior = self.pooled(rows, part_share)?;
        for (words, base) in prior.iter_mut().zip(base) {
            *words = base + weight * *words;
        }
        Ok(prior)
    }

    /// The rank of each of the `wanted` groups by what the whole request gives, from 1; none for a
    /// group to which it gives nothing.
    ///
    /// Before a group come those that get more, and of equal ones those with a lower key. One pass
    /// over the groups.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] if there are not as many keys as rows; [`Error::Range`] for a group beyond
    /// these, or a row beyond the sums.
    ///
    /// ```
    /// # use openviking_core::lexical::RowSums;
    /// let found = RowSums { sums: &[0.5, 2.0, 0.0], texts: 1 };
    /// let ranks = found.ranks(&[0, 1, 0, 2], &[7, 8, 3, 1], &[0, 2, 1, 3])?;
    /// assert_eq!(ranks, [Some(3), Some(2), Some(1), None]);
    /// # Ok::<(), openviking_core::Error>(())
    /// ```
    pub fn ranks(&self, rows: &[i64], keys: &[i64], wanted: &[i64]) -> Result<Vec<Option<usize>>> {
        same_length("keys", rows.len(), keys.len())?;
        with_rows!(self, ranks(rows, keys, wanted))
    }
}

/// The sums of a row; none for one below 0.
fn of<const T: usize>(sums: Rows<'_, T>, row: i64) -> Result<Option<&[f64; T]>> {
    match usize::try_from(row) {
        Ok(at) => sums.get(at).ok_or(beyond(row)).map(Some),
        Err(_) => Ok(None),
    }
}

fn pooled<const T: usize>(sums: Rows<'_, T>, rows: &[i64], part_share: f64) -> Result<Vec<f64>> {
    let mut pooled = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(sums) = of(sums, *row)? else {
            pooled.push(0.0);
            continue;
        };
        let best = sums[1..].iter().copied().reduce(f64::max);
        let whole = sums[0];
        pooled.push(whole + best.map_or(0.0, |best| part_share * best.min(whole)));
    }
    Ok(pooled)
}

fn ranks<const T: usize>(
    sums: Rows<'_, T>,
    rows: &[i64],
    keys: &[i64],
    wanted: &[i64],
) -> Result<Vec<Option<usize>>> {
    let mut stands = Vec::with_capacity(wanted.len());
    for (place, group) in wanted.iter().enumerate() {
        let at = usize::try_from(*group).ok();
        let (row, key) = at
            .and_then(|at| rows.get(at).copied().zip(keys.get(at).copied()))
            .ok_or(beyond(*group))?;
        if let Some(sums) = of(sums, row)?.filter(|sums| sums[0] > 0.0) {
            stands.push((sums[0], key, place));
        }
    }
    stands.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
    // How many groups come before each of these, but not before the one ahead of it.
    let mut before = vec![0; stands.len() + 1];
    let floor = stands.last().map_or(f64::INFINITY, |last| last.0);
    for (row, key) in rows.iter().zip(keys) {
        let score = of(sums, *row)?.map_or(0.0, |sums| sums[0]);
        if score >= floor {
            let comes_before = |(wanted, other, _): &&(f64, i64, usize)| {
                score > *wanted || (score >= *wanted && key < other)
            };
            before[stands.len() - stands.iter().rev().take_while(comes_before).count()] += 1;
        }
    }
    let mut ranks = vec![None; wanted.len()];
    let mut rank = 1;
    for ((_, _, place), before) in stands.iter().zip(before) {
        rank += before;
        ranks[*place] = Some(rank);
    }
    Ok(ranks)
}

fn beyond(row: i64) -> Error {
    let (start, end) = (row, row.saturating_add(1));
    Error::Range { start, end }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_rank_is_one_more_than_what_comes_before(
            scores in prop::collection::vec(0..4_u8, 1..30),
            texts in 1..=TEXTS_MAX,
        ) {
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
            // The sums of parts, which do not count.
            let sums: Vec<f64> = scores
                .iter()
                .flat_map(|score| [*score, 9.0, 9.0, 9.0, 9.0].into_iter().take(texts))
                .collect();
            let rows: Vec<i64> = (0..).take(scores.len()).collect();
            let found = RowSums { sums: &sums, texts };
            prop_assert_eq!(found.ranks(&rows, &keys, &wanted)?, expected.clone());
            for (group, rank) in wanted.iter().zip(expected) {
                prop_assert_eq!(found.ranks(&rows, &keys, &[*group])?, [rank]);
            }
        }

        #[test]
        fn words_are_the_whole_and_a_share_of_the_best_part(
            sums in prop::collection::vec(0.0..30.0_f64, 60),
            texts in 1..=TEXTS_MAX,
        ) {
            let count = 60 / texts;
            let rows: Vec<i64> = (-1..).take(count + 1).collect();
            let found = RowSums { sums: &sums, texts };
            let pooled = found.pooled(&rows, 0.25)?;
            let prior = found.prior(&rows, &vec![0.5; count + 1], 0.25, 0.01)?;
            prop_assert_eq!((pooled[0], prior[0]), (0.0, 0.5));
            for (at, sums) in sums.chunks_exact(texts).enumerate() {
                let best = sums[1..].iter().copied().fold(0.0, f64::max);
                let words = sums[0] + 0.25 * best.min(sums[0]);
                prop_assert_eq!(pooled[at + 1].to_bits(), words.to_bits());
                prop_assert_eq!(prior[at + 1].to_bits(), (0.5 + 0.01 * words).to_bits());
            }
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let found = RowSums {
            sums: &[1.0; 4],
            texts: 2,
        };
        assert!(found.prior(&[0], &[], 0.0, 0.0).is_err());
        assert_eq!(
            found.pooled(&[2], 0.0),
            Err(Error::Range { start: 2, end: 3 })
        );
        assert!(found.ranks(&[0], &[], &[]).is_err());
        for wanted in [1, -1] {
            let (start, end) = (wanted, wanted + 1);
            assert_eq!(
                found.ranks(&[0], &[0], &[wanted]),
                Err(Error::Range { start, end })
            );
        }
        assert_eq!(
            found.ranks(&[2], &[0], &[]),
            Err(Error::Range { start: 2, end: 3 })
        );
        let nothing = RowSums {
            sums: &[],
            texts: 0,
        };
        assert_eq!(nothing.pooled(&[-1], 0.5), Ok(vec![0.0]));
    }
}
