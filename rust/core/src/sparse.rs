//! Words of many texts: which rows hold a word, what it gives to each, and how the rows then stand.
//!
//! *Postings* are two or three lists side by side: the rows that hold the first word, ascending,
//! then those of the second. A range of them is one word's.

use crate::error::{Error, Result};

/// Find the ranges of words by their hashes; an empty one for a word that is not there.
///
/// `hashes` are ascending, and the postings of the one at `i` are `starts[i]..starts[i + 1]`. One
/// binary search per word.
///
/// # Errors
///
/// [`Error::Length`] if there is not one start more than hashes.
///
/// ```
/// # use openviking_core::sparse::ranges;
/// assert_eq!(ranges(&[-3, 8], &[0, 2, 5], &[8, 7])?, [[2, 5], [0, 0]]);
/// # Ok::<(), openviking_core::Error>(())
/// ```
pub fn ranges(hashes: &[i64], starts: &[i64], wanted: &[i64]) -> Result<Vec<[i64; 2]>> {
    same_length("starts", hashes.len() + 1, starts.len())?;
    let range = |hash| match hashes.binary_search(hash) {
        Ok(at) => [starts[at], starts[at + 1]],
        Err(_) => [0, 0],
    };
    Ok(wanted.iter().map(range).collect())
}

/// Add up, for each of `count` rows, `share * gain` over the words that it holds.
///
/// The products are float32, the sums float64 and in the order of the words: rows with the same
/// shares get the same sums. Rows outside `0..count` are passed over. One pass over the postings.
///
/// # Errors
///
/// [`Error::Length`] if there are not as many shares as rows or gains as ranges; [`Error::Range`].
///
/// ```
/// # use openviking_core::sparse::sums;
/// let found = sums(&[0, 2, 2], &[0.5, 0.25, 1.0], &[[0, 2], [2, 3]], &[2.0, 3.0], 4)?;
/// assert_eq!(found, [1.0, 0.0, 3.5, 0.0]);
/// # Ok::<(), openviking_core::Error>(())
/// ```
pub fn sums(
    rows: &[i32],
    shares: &[f32],
    ranges: &[[i64; 2]],
    gains: &[f32],
    count: usize,
) -> Result<Vec<f64>> {
    same_length("shares", rows.len(), shares.len())?;
    same_length("gains", ranges.len(), gains.len())?;
    let mut sums = vec![0.0; count];
    for (range, gain) in ranges.iter().zip(gains) {
        let (rows, shares) = (slice(rows, *range)?, slice(shares, *range)?);
        for (row, share) in rows.iter().zip(shares) {
            let sum = usize::try_from(*row).ok().and_then(|row| sums.get_mut(row));
            if let Some(sum) = sum {
                *sum += f64::from(share * gain);
            }
        }
    }
    Ok(sums)
}

/// Look up the bits of each word in each of the `wanted` rows, 0 where it does not stand.
///
/// The answer has a line of `wanted.len()` for each range. One binary search per number.
///
/// # Errors
///
/// [`Error::Length`] if there are not as many bits as rows; [`Error::Range`].
///
/// ```
/// # use openviking_core::sparse::bits;
/// let found = bits(&[0, 2, 2], &[1, 4, 2], &[[0, 2], [2, 3]], &[2, -1, 0])?;
/// assert_eq!(found, [4, 0, 1, 2, 0, 0]);
/// # Ok::<(), openviking_core::Error>(())
/// ```
pub fn bits(rows: &[i32], bits: &[u8], ranges: &[[i64; 2]], wanted: &[i64]) -> Result<Vec<u8>> {
    same_length("bits", rows.len(), bits.len())?;
    let mut found = Vec::with_capacity(ranges.len() * wanted.len());
    for range in ranges {
        let (rows, bits) = (slice(rows, *range)?, slice(bits, *range)?);
        found.extend(wanted.iter().map(|wanted| {
            rows.binary_search_by_key(wanted, |row| i64::from(*row))
                .map_or(0, |at| bits[at])
        }));
    }
    Ok(found)
}

/// Count, for each of the `wanted` places, how many scores come before its own: the higher ones, and
/// of equal ones those with a lower key.
///
/// One pass over all scores for each place.
///
/// # Errors
///
/// [`Error::Length`] if there are not as many keys as scores; [`Error::Range`] for a place beyond
/// them.
///
/// ```
/// # use openviking_core::sparse::before;
/// let found = before(&[0.5, 2.0, 0.5, 0.0], &[7, 8, 3, 1], &[0, 2, 1])?;
/// assert_eq!(found, [2, 1, 0]);
/// # Ok::<(), openviking_core::Error>(())
/// ```
pub fn before(scores: &[f64], keys: &[i64], wanted: &[i64]) -> Result<Vec<i64>> {
    same_length("keys", scores.len(), keys.len())?;
    let count = |place: &i64| {
        let (start, end) = (*place, place.saturating_add(1));
        let score = slice(scores, [start, end])?[0];
        let key = slice(keys, [start, end])?[0];
        let is_before = |(other, own): (&f64, &i64)| {
            if *own < key {
                *other >= score
            } else {
                *other > score
            }
        };
        Ok(scores
            .iter()
            .zip(keys)
            .map(|pair| i64::from(is_before(pair)))
            .sum())
    };
    wanted.iter().map(count).collect()
}

fn slice<T>(values: &[T], [start, end]: [i64; 2]) -> Result<&[T]> {
    usize::try_from(start)
        .ok()
        .zip(usize::try_from(end).ok())
        .and_then(|(start, end)| values.get(start..end))
        .ok_or(Error::Range { start, end })
}

fn same_length(argument: &'static str, expected: usize, found: usize) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(Error::Length {
        argument,
        expected,
        found,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Postings of random words: ranges, rows ascending within each, shares and bits.
    fn postings() -> impl Strategy<Value = (Vec<[i64; 2]>, Vec<i32>, Vec<f32>, Vec<u8>)> {
        let word = prop::collection::btree_map(0..40_i32, (0.0_f32..1.0, 1_u8..32), 0..20);
        prop::collection::vec(word, 0..8).prop_map(|words| {
            let (mut ranges, mut rows, mut shares, mut bits) = (vec![], vec![], vec![], vec![]);
            for word in words {
                let start = i64::try_from(rows.len()).unwrap_or(0);
                for (row, (share, bit)) in word {
                    rows.push(row);
                    shares.push(share);
                    bits.push(bit);
                }
                ranges.push([start, i64::try_from(rows.len()).unwrap_or(0)]);
            }
            (ranges, rows, shares, bits)
        })
    }

    proptest! {
        #[test]
        fn every_row_gets_the_sum_of_its_words((ranges, rows, shares, marks) in postings()) {
            let gains: Vec<f32> = (0_u8..).map(f32::from).take(ranges.len()).collect();
            let found = sums(&rows, &shares, &ranges, &gains, 30)?;
            let all: Vec<i64> = (-1..41).collect();
            let known = bits(&rows, &marks, &ranges, &all)?;
            for (at, row) in all.iter().enumerate() {
                let mut expected = 0.0;
                for (word, ([start, end], gain)) in ranges.iter().zip(&gains).enumerate() {
                    let at_word = (*start..*end)
                        .filter_map(|place| usize::try_from(place).ok())
                        .find(|place| i64::from(rows[*place]) == *row);
                    if let Some(place) = at_word {
                        expected += f64::from(shares[place] * gain);
                    }
                    let bit = at_word.map_or(0, |place| marks[place]);
                    prop_assert_eq!(known[word * all.len() + at], bit);
                }
                if let Some(sum) = usize::try_from(*row).ok().and_then(|row| found.get(row)) {
                    prop_assert_eq!(sum.to_bits(), expected.to_bits());
                }
            }
        }

        #[test]
        fn a_place_is_the_number_of_what_comes_before(scores in prop::collection::vec(0..4_u8, 1..30)) {
            let keys: Vec<i64> = (0..).map(|at: i64| at * 7 % 31).take(scores.len()).collect();
            let scores: Vec<f64> = scores.into_iter().map(f64::from).collect();
            let mut order: Vec<usize> = (0..scores.len()).collect();
            order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(keys[*a].cmp(&keys[*b])));
            let wanted: Vec<i64> = order.iter().filter_map(|at| i64::try_from(*at).ok()).collect();
            let expected: Vec<i64> = (0..).take(order.len()).collect();
            prop_assert_eq!(before(&scores, &keys, &wanted)?, expected);
        }

        #[test]
        fn a_hash_has_its_own_range_or_none(hashes in prop::collection::btree_set(-50..50_i64, 0..20)) {
            let hashes: Vec<i64> = hashes.into_iter().collect();
            let starts: Vec<i64> = (0_i64..).step_by(3).take(hashes.len() + 1).collect();
            let wanted: Vec<i64> = (-51..51).collect();
            for (hash, range) in wanted.iter().zip(ranges(&hashes, &starts, &wanted)?) {
                let at = hashes.iter().position(|known| known == hash);
                prop_assert_eq!(range, at.map_or([0, 0], |at| [starts[at], starts[at + 1]]));
            }
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let range = Error::Range { start: 1, end: 3 };
        assert_eq!(
            sums(&[0, 1], &[0.5, 0.5], &[[1, 3]], &[1.0], 2),
            Err(range.clone())
        );
        assert_eq!(bits(&[0, 1], &[1, 1], &[[1, 3]], &[0]), Err(range));
        let backwards = Error::Range { start: 1, end: 0 };
        assert_eq!(
            sums(&[0, 1], &[0.5, 0.5], &[[1, 0]], &[1.0], 2),
            Err(backwards)
        );
        let negative = Error::Range { start: -1, end: 0 };
        assert_eq!(bits(&[0, 1], &[1, 1], &[[-1, 0]], &[0]), Err(negative));
        assert!(sums(&[0, 1], &[0.5], &[], &[], 2).is_err());
        assert!(sums(&[0], &[0.5], &[[0, 1]], &[], 2).is_err());
        assert!(bits(&[0, 1], &[1], &[], &[]).is_err());
        assert!(ranges(&[1], &[0], &[1]).is_err());
        assert!(before(&[1.0], &[], &[]).is_err());
        assert_eq!(
            before(&[1.0], &[1], &[1]),
            Err(Error::Range { start: 1, end: 2 })
        );
    }
}
