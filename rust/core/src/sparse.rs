//! Words of many texts: which rows hold a word, and what it gives to each.
//!
//! *Postings* are two or three lists side by side: the rows that hold the first word, ascending,
//! then those of the second. A range of them is one word's. A lexicon may keep its postings in
//! several parts, each with other rows.

use crate::error::{Error, Result};

/// One part of a lexicon, and where in it the words of a request stand.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a, T> {
    /// Ascending within each range.
    pub rows: &'a [i32],
    /// Beside each row, what is known of a word there: its share, or fields as bits.
    pub values: &'a [T],
    /// Of each word of the request.
    pub ranges: &'a [[i64; 2]],
}

impl<T> Part<'_, T> {
    fn check(&self, words: usize) -> Result<()> {
        same_length("values", self.rows.len(), self.values.len())?;
        same_length("ranges", words, self.ranges.len())
    }

    fn word(&self, word: usize) -> Result<(&[i32], &[T])> {
        let (start, end) = (to_i64(word), to_i64(word).saturating_add(1));
        let range = *self.ranges.get(word).ok_or(Error::Range { start, end })?;
        Ok((slice(self.rows, range)?, slice(self.values, range)?))
    }
}

/// Add up, for each text and each of `count` rows, `share * gain` over the words that the row holds.
///
/// `gains` has a list for each text with a number for each word, 0 for a word that the text does not
/// have; the answer has a line of `count` for each text. The products are float32, the sums float64
/// and in the order of the words: rows with the same shares get the same sums. Rows outside
/// `0..count` are passed over. One pass over the postings of a word for each text that has it.
///
/// # Errors
///
/// [`Error::Length`] if lists that go together differ in length; [`Error::Range`].
///
/// ```
/// # use openviking_core::sparse::{Part, sums};
/// let (rows, values) = (&[0, 2, 2], &[0.5, 0.25, 1.0]);
/// let part = Part { rows, values, ranges: &[[0, 2], [2, 3]] };
/// let found = sums(&[part], &[vec![2.0, 3.0], vec![0.0, 1.0]], 3)?;
/// assert_eq!(found, [1.0, 0.0, 3.5, 0.0, 0.0, 1.0]);
/// # Ok::<(), openviking_core::Error>(())
/// ```
pub fn sums(parts: &[Part<f32>], gains: &[Vec<f32>], count: usize) -> Result<Vec<f64>> {
    let words = gains.first().map_or(0, Vec::len);
    for gains in gains {
        same_length("gains", words, gains.len())?;
    }
    let mut sums = vec![0.0; gains.len() * count];
    for part in parts {
        part.check(words)?;
        for word in 0..words {
            let (rows, shares) = part.word(word)?;
            for (text, gains) in gains.iter().enumerate() {
                if gains[word] != 0.0 {
                    add(
                        rows,
                        shares,
                        gains[word],
                        &mut sums[text * count..][..count],
                    );
                }
            }
        }
    }
    Ok(sums)
}

fn add(rows: &[i32], shares: &[f32], gain: f32, sums: &mut [f64]) {
    for (row, share) in rows.iter().zip(shares) {
        let sum = usize::try_from(*row).ok().and_then(|row| sums.get_mut(row));
        if let Some(sum) = sum {
            *sum += f64::from(share * gain);
        }
    }
}

/// The words that stand in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Their bits, joined.
    pub bits: u8,
    /// Their numbers, in the order in which they were asked for.
    pub words: Vec<usize>,
}

/// Find which of some `words` of a request stand in each of the `wanted` rows.
///
/// Two binary searches per word and row at most.
///
/// # Errors
///
/// [`Error::Length`] if lists that go together differ in length; [`Error::Range`], also for a word
/// that the request does not have.
///
/// ```
/// # use openviking_core::sparse::{Part, standing};
/// let (rows, values) = (&[0, 2, 2], &[1, 4, 2]);
/// let part = Part { rows, values, ranges: &[[0, 2], [2, 3]] };
/// let found = standing(&[part], &[0, 1], &[2, -1])?;
/// assert_eq!((found[0].bits, found[0].words.as_slice()), (6, &[0, 1][..]));
/// assert_eq!(found[1].bits, 0);
/// # Ok::<(), openviking_core::Error>(())
/// ```
pub fn standing(parts: &[Part<u8>], words: &[usize], wanted: &[i64]) -> Result<Vec<Standing>> {
    let mut found = vec![Standing::default(); wanted.len()];
    for part in parts {
        part.check(part.ranges.len())?;
        for word in words {
            let (rows, bits) = part.word(*word)?;
            for (wanted, found) in wanted.iter().zip(&mut found) {
                let at = rows.binary_search_by_key(wanted, |row| i64::from(*row));
                if let Ok(at) = at {
                    found.bits |= bits[at];
                    found.words.push(*word);
                }
            }
        }
    }
    Ok(found)
}

fn to_i64(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn slice<T>(values: &[T], [start, end]: [i64; 2]) -> Result<&[T]> {
    usize::try_from(start)
        .ok()
        .zip(usize::try_from(end).ok())
        .and_then(|(start, end)| values.get(start..end))
        .ok_or(Error::Range { start, end })
}

pub(crate) fn same_length(argument: &'static str, expected: usize, found: usize) -> Result<()> {
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
                let start = to_i64(rows.len());
                for (row, (share, bit)) in word {
                    rows.push(row);
                    shares.push(share);
                    bits.push(bit);
                }
                ranges.push([start, to_i64(rows.len())]);
            }
            (ranges, rows, shares, bits)
        })
    }

    proptest! {
        #[test]
        fn every_row_gets_the_sum_of_its_words((ranges, rows, shares, marks) in postings()) {
            let all: Vec<f32> = (0_u8..).map(f32::from).take(ranges.len()).collect();
            let odd: Vec<f32> = all.iter().map(|gain| gain % 2.0).collect();
            let words: Vec<usize> = (0..ranges.len()).collect();
            let wanted: Vec<i64> = (-1..41).collect();
            let part = Part { rows: &rows, values: &shares, ranges: &ranges };
            let found = sums(&[part], &[all.clone(), odd.clone()], 30)?;
            let known = standing(&[Part { rows: &rows, values: &marks, ranges: &ranges }], &words, &wanted)?;
            for (row, known) in wanted.iter().zip(known) {
                let (mut expected, mut held) = ([0.0; 2], Standing::default());
                for (word, [start, end]) in ranges.iter().enumerate() {
                    let place = (*start..*end)
                        .filter_map(|place| usize::try_from(place).ok())
                        .find(|place| i64::from(rows[*place]) == *row);
                    if let Some(place) = place {
                        expected[0] += f64::from(shares[place] * all[word]);
                        expected[1] += f64::from(shares[place] * odd[word]);
                        held.bits |= marks[place];
                        held.words.push(word);
                    }
                }
                prop_assert_eq!(known, held);
                if let Some(row) = usize::try_from(*row).ok().filter(|row| *row < 30) {
                    prop_assert_eq!(found[row].to_bits(), expected[0].to_bits());
                    prop_assert_eq!(found[30 + row].to_bits(), expected[1].to_bits());
                }
            }
        }

        #[test]
        fn rows_in_two_parts_are_those_of_one((ranges, rows, shares, marks) in postings()) {
            let gains = [vec![1.5; ranges.len()]];
            let words: Vec<usize> = (0..ranges.len()).collect();
            let wanted: Vec<i64> = (0..40).collect();
            // The rows of the second part are those from 20 on.
            let cut: Vec<i64> = ranges
                .iter()
                .map(|range| Ok(range[0] + to_i64(slice(&rows, *range)?.partition_point(|row| *row < 20))))
                .collect::<Result<_>>()?;
            let first: Vec<[i64; 2]> = ranges.iter().zip(&cut).map(|(range, cut)| [range[0], *cut]).collect();
            let second: Vec<[i64; 2]> = ranges.iter().zip(&cut).map(|(range, cut)| [*cut, range[1]]).collect();
            let part = |ranges| Part { rows: &rows, values: &shares, ranges };
            prop_assert_eq!(
                sums(&[part(&first), part(&second)], &gains, 40)?,
                sums(&[part(&ranges)], &gains, 40)?
            );
            let part = |ranges| Part { rows: &rows, values: &marks, ranges };
            prop_assert_eq!(
                standing(&[part(&first), part(&second)], &words, &wanted)?,
                standing(&[part(&ranges)], &words, &wanted)?
            );
        }

    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        fn part(ranges: &[[i64; 2]]) -> Part<'_, f32> {
            Part {
                rows: &[0, 1],
                values: &[0.5, 0.5],
                ranges,
            }
        }
        for range in [[1, 3], [1, 0], [-1, 0]] {
            let [start, end] = range;
            let refused = Err(Error::Range { start, end });
            assert_eq!(sums(&[part(&[range])], &[vec![1.0]], 2), refused);
        }
        let bits = Part {
            rows: &[0, 1],
            values: &[1, 1],
            ranges: &[[0, 2]],
        };
        assert_eq!(
            standing(&[bits], &[1], &[0]),
            Err(Error::Range { start: 1, end: 2 })
        );
        let shorter = Part {
            values: &[1],
            ..bits
        };
        assert!(standing(&[shorter], &[0], &[0]).is_err());
        assert!(sums(&[part(&[])], &[vec![1.0]], 2).is_err());
        assert!(sums(&[part(&[[0, 1]])], &[vec![1.0], vec![]], 2).is_err());
    }
}
