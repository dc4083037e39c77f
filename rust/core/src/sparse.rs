//! Which rows hold the words of a request, and what these give to each row.

use crate::error::{Error, Result};
use crate::postings::Postings;
use crate::request::Request;

/// Texts of a request at most: the whole and its parts.
pub const TEXTS_MAX: usize = 5;

/// Rows to either side of an expected place that are looked at first: one line of the cache each.
const NEAR_ROWS: usize = 16;

/// Add up, for each of `count` rows and each text, `share * gain` over the words that the row holds.
///
/// The answer has for each row the sums of all texts side by side, so that a posting of any of them
/// touches one place. The products are float32, the sums float64 and in the order of the words: rows
/// with the same shares get the same sums. Rows outside `0..count` are passed over. One pass over
/// the postings of each word that counts.
///
/// # Errors
///
/// [`Error::Length`] if there are more texts than [`TEXTS_MAX`].
pub fn sums(parts: &[&Postings], request: &Request, count: usize) -> Result<Vec<f64>> {
    let add = match request.texts {
        0 => return Ok(Vec::new()),
        1 => add::<1>,
        2 => add::<2>,
        3 => add::<3>,
        4 => add::<4>,
        TEXTS_MAX => add::<TEXTS_MAX>,
        found => {
            let (argument, expected) = ("texts", TEXTS_MAX);
            return Err(Error::Length {
                argument,
                expected,
                found,
            });
        }
    };
    let mut sums = vec![0.0; request.texts * count];
    for (number, part) in parts.iter().enumerate() {
        add(part, number, request, &mut sums);
    }
    Ok(sums)
}

fn add<const T: usize>(part: &Postings, number: usize, request: &Request, sums: &mut [f64]) {
    let (sums, _) = sums.as_chunks_mut::<T>();
    let (gains, _) = request.gains.as_chunks::<T>();
    for (stem, gains) in request.stems.iter().zip(gains) {
        if gains.iter().all(|gain| *gain == 0.0) {
            continue;
        }
        let range = stem.ranges[number].clone();
        for (row, share) in part.rows()[range.clone()].iter().zip(&part.shares()[range]) {
            let sums = usize::try_from(*row).ok().and_then(|row| sums.get_mut(row));
            if let Some(sums) = sums {
                for (sum, gain) in sums.iter_mut().zip(gains) {
                    *sum += f64::from(share * gain);
                }
            }
        }
    }
}

/// The words that stand in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Their bits, joined.
    pub bits: u8,
    /// The numbers of their stems, ascending.
    pub stems: Vec<usize>,
}

/// Find which words of the whole request stand in each of the `wanted` rows.
///
/// There are `count` rows. One short search for each word, row and part.
#[must_use]
pub fn standing(
    parts: &[&Postings],
    request: &Request,
    wanted: &[i64],
    count: usize,
) -> Vec<Standing> {
    let mut found = vec![Standing::default(); wanted.len()];
    for own in request.own() {
        let ranges = &request.stems[own].ranges;
        for (part, range) in parts.iter().zip(ranges) {
            let (rows, bits) = (&part.rows()[range.clone()], &part.bits()[range.clone()]);
            for (wanted, found) in wanted.iter().zip(&mut found) {
                if let Some(at) = place(rows, *wanted, count) {
                    found.bits |= bits[at];
                    found.stems.push(own);
                }
            }
        }
    }
    found
}

/// Find `wanted` among ascending `rows` of `count`.
///
/// They are spread about evenly, so it is looked for where it would be if they were quite so, and
/// then in ever wider surroundings: that reads one or two lines of the cache, and halving reads six.
fn place(rows: &[i32], wanted: i64, count: usize) -> Option<usize> {
    let at = usize::try_from(wanted).ok()?.min(count) * rows.len() / count.max(1);
    let mut width = NEAR_ROWS;
    loop {
        let (start, end) = (
            at.saturating_sub(width),
            rows.len().min(at.saturating_add(width)),
        );
        let near = &rows[start.min(end)..end];
        let is_below = near.last().is_none_or(|last| i64::from(*last) < wanted) && end < rows.len();
        let is_above = near.first().is_none_or(|first| i64::from(*first) > wanted) && start > 0;
        if !is_below && !is_above {
            let found = near.binary_search_by_key(&wanted, |row| i64::from(*row));
            return found.ok().map(|found| start + found);
        }
        width *= 4;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::request::Found;

    const ROWS: usize = 1000;

    type Words = Vec<BTreeMap<i32, (f32, u8)>>;

    /// For each word, rows with its share and bits; some words crowd into few rows.
    fn words() -> impl Strategy<Value = Words> {
        let posting = (0.0_f32..1.0, 1_u8..32);
        let rows = prop_oneof![0..1100_i32, 300..340_i32];
        prop::collection::vec(prop::collection::btree_map(rows, posting, 0..90), 0..6)
    }

    /// The words in two parts of a lexicon, of the rows below a number and of the others.
    fn parts(words: &Words, cut: i32) -> Result<[Postings; 2]> {
        let part = |is_first: bool| {
            let (mut starts, mut rows, mut shares, mut bits) = (vec![0], vec![], vec![], vec![]);
            for word in words {
                for (row, (share, bit)) in word.iter().filter(|(row, _)| (**row < cut) == is_first)
                {
                    rows.push(*row);
                    shares.push(*share);
                    bits.push(*bit);
                }
                starts.extend(i64::try_from(rows.len()));
            }
            Postings::new(
                (0..).take(words.len()).collect(),
                &starts,
                rows,
                shares,
                bits,
            )
        };
        Ok([part(true)?, part(false)?])
    }

    fn request(parts: &[&Postings], words: usize, texts: usize) -> Request {
        let stem = |word| Found {
            first: (0, 0),
            rows: 1,
            ranges: parts.iter().map(|part| part.find(word)).collect(),
        };
        // A text has some of the words: others count for nothing in it.
        let gains = [0.0, 1.5, 0.7, 2.0, 0.0, 0.0, 0.3_f32];
        Request {
            texts,
            stems: (0..).take(words).map(stem).collect(),
            gains: gains.into_iter().cycle().take(words * texts).collect(),
        }
    }

    proptest! {
        #[test]
        fn every_row_gets_the_sums_of_its_words_and_knows_them(
            words in words(),
            texts in 1..=TEXTS_MAX,
            cut in 0..1100_i32,
        ) {
            let parts = parts(&words, cut)?;
            let parts = [&parts[0], &parts[1]];
            let request = request(&parts, words.len(), texts);
            let found = sums(&parts, &request, ROWS)?;
            let wanted: Vec<i64> = (-1..1100).collect();
            let known = standing(&parts, &request, &wanted, ROWS);
            for (row, known) in (-1..1100_i32).zip(known) {
                let (mut expected, mut held) = (vec![0.0; texts], Standing::default());
                for (stem, word) in words.iter().enumerate() {
                    let Some((share, bits)) = word.get(&row) else {
                        continue;
                    };
                    let gains = &request.gains[stem * texts..][..texts];
                    for (sum, gain) in expected.iter_mut().zip(gains) {
                        *sum += f64::from(share * gain);
                    }
                    if gains[0] != 0.0 {
                        held.bits |= bits;
                        held.stems.push(stem);
                    }
                }
                prop_assert_eq!(known, held);
                if let Some(row) = usize::try_from(row).ok().filter(|row| *row < ROWS) {
                    prop_assert_eq!(&found[row * texts..][..texts], expected);
                }
            }
        }
    }

    #[test]
    fn a_request_has_no_more_texts_than_lanes() {
        let (argument, expected, found) = ("texts", TEXTS_MAX, TEXTS_MAX + 1);
        let refused = sums(&[], &request(&[], 0, found), 3);
        assert_eq!(
            refused,
            Err(Error::Length {
                argument,
                expected,
                found
            })
        );
        assert_eq!(sums(&[], &request(&[], 0, 0), 3), Ok(vec![]));
    }
}
