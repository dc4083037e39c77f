//! Where the words of a request stand among those of many texts, and how many texts have each.

use crate::error::Result;
use crate::sparse::{same_length, slice};

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
/// # use openviking_core::lookup::ranges;
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

/// Count in each range the rows that are not dead; those beyond `is_dead` are not.
///
/// # Errors
///
/// [`Error::Range`].
///
/// ```
/// # use openviking_core::lookup::living;
/// assert_eq!(living(&[0, 1, 4], &[[0, 3], [0, 0]], &[true, false])?, [2, 0]);
/// # Ok::<(), openviking_core::Error>(())
/// ```
pub fn living(rows: &[i32], ranges: &[[i64; 2]], is_dead: &[bool]) -> Result<Vec<usize>> {
    let lives = |row: &&i32| {
        let row = usize::try_from(**row).unwrap_or(usize::MAX);
        !is_dead.get(row).is_some_and(|is_dead| *is_dead)
    };
    let count = |range: &[i64; 2]| {
        let rows = slice(rows, *range)?;
        // Most lexicons have no dead rows, and a common word has thousands.
        Ok(if is_dead.is_empty() {
            rows.len()
        } else {
            rows.iter().filter(lives).count()
        })
    };
    ranges.iter().map(count).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::error::Error;

    proptest! {
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

        #[test]
        fn only_rows_that_are_not_dead_are_counted(words in prop::collection::vec(prop::collection::btree_set(0..40_i32, 0..20), 0..8)) {
            let is_dead: Vec<bool> = (0..30).map(|row| row % 3 == 0).collect();
            let rows: Vec<i32> = words.iter().flatten().copied().collect();
            let mut end = 0;
            let ranges: Vec<[i64; 2]> = words
                .iter()
                .map(|word| {
                    let start = end;
                    end += i64::try_from(word.len()).unwrap_or(0);
                    [start, end]
                })
                .collect();
            let all: Vec<usize> = words.iter().map(BTreeSet::len).collect();
            let alive = |word: &BTreeSet<i32>| word.iter().filter(|row| **row >= 30 || **row % 3 != 0).count();
            let alive: Vec<usize> = words.iter().map(alive).collect();
            prop_assert_eq!(living(&rows, &ranges, &[])?, all);
            prop_assert_eq!(living(&rows, &ranges, &is_dead)?, alive);
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        assert!(ranges(&[1], &[0], &[1]).is_err());
        let beyond = Err(Error::Range { start: 1, end: 3 });
        assert_eq!(living(&[0, 1], &[[1, 3]], &[]), beyond);
    }
}
