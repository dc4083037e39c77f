//! Words of many texts: which rows hold a word, and what is known of it there.

use std::ops::Range;

use crate::error::{Error, Result};

/// Lists side by side: the rows that hold the first word, then those of the second; beside each row
/// the word's share of it, and the fields it stands in, as bits. A word is known by its hash.
#[derive(Clone, Debug)]
pub struct Postings {
    hashes: Vec<i64>,
    starts: Vec<usize>,
    rows: Vec<i32>,
    shares: Vec<f32>,
    bits: Vec<u8>,
}

impl Postings {
    /// Take over the lists of words whose `hashes` are ascending.
    ///
    /// The postings of the word at `i` are `starts[i]..starts[i + 1]`, their rows ascending.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] if lists that go together differ in length; [`Error::Range`] for starts
    /// that descend or lie beyond the rows.
    ///
    /// ```
    /// # use openviking_core::postings::Postings;
    /// let (rows, shares) = (vec![0, 2, 2], vec![0.5, 0.25, 1.0]);
    /// let postings = Postings::new(vec![-3, 8], &[0, 2, 3], rows, shares, vec![1, 4, 2])?;
    /// assert_eq!((postings.find(-3), postings.find(7)), (0..2, 0..0));
    /// # Ok::<(), openviking_core::Error>(())
    /// ```
    pub fn new(
        hashes: Vec<i64>,
        starts: &[i64],
        rows: Vec<i32>,
        shares: Vec<f32>,
        bits: Vec<u8>,
    ) -> Result<Self> {
        same_length("starts", hashes.len() + 1, starts.len())?;
        same_length("shares", rows.len(), shares.len())?;
        same_length("bits", rows.len(), bits.len())?;
        for ends in starts.windows(2) {
            slice(&rows, [ends[0], ends[1]])?;
        }
        Ok(Self {
            hashes,
            starts: starts
                .iter()
                .filter_map(|at| usize::try_from(*at).ok())
                .collect(),
            rows,
            shares,
            bits,
        })
    }

    /// Where the postings of a word are; an empty range for one that is not there.
    ///
    /// One binary search.
    #[must_use]
    pub fn find(&self, hash: i64) -> Range<usize> {
        match self.hashes.binary_search(&hash) {
            Ok(at) => self.starts[at]..self.starts[at + 1],
            Err(_) => 0..0,
        }
    }

    /// Ascending.
    #[must_use]
    pub fn hashes(&self) -> &[i64] {
        &self.hashes
    }

    /// Where the postings of each word begin, then where the last ones end.
    #[must_use]
    pub fn starts(&self) -> &[usize] {
        &self.starts
    }

    /// Ascending for each word.
    #[must_use]
    pub fn rows(&self) -> &[i32] {
        &self.rows
    }

    /// What a word is worth in each row.
    #[must_use]
    pub fn shares(&self) -> &[f32] {
        &self.shares
    }

    /// The fields of each row that the word stands in.
    #[must_use]
    pub fn bits(&self) -> &[u8] {
        &self.bits
    }
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

    proptest! {
        #[test]
        fn a_hash_has_its_own_range_or_none(hashes in prop::collection::btree_set(-50..50_i64, 0..20)) {
            let hashes: Vec<i64> = hashes.into_iter().collect();
            let starts: Vec<i64> = (0..).step_by(3).take(hashes.len() + 1).collect();
            let count = 3 * hashes.len();
            let postings =
                Postings::new(hashes.clone(), &starts, vec![0; count], vec![0.5; count], vec![1; count])?;
            for hash in -51..51 {
                let at = hashes.iter().position(|known| *known == hash);
                prop_assert_eq!(postings.find(hash), at.map_or(0..0, |at| 3 * at..3 * at + 3));
            }
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let made = |starts: &[i64], shares: usize, bits: usize| {
            Postings::new(
                vec![1],
                starts,
                vec![0, 1],
                vec![0.5; shares],
                vec![1; bits],
            )
        };
        assert!(made(&[0, 2], 2, 2).is_ok());
        for (starts, shares, bits) in [(&[0][..], 2, 2), (&[0, 2], 1, 2), (&[0, 2], 2, 3)] {
            assert!(matches!(
                made(starts, shares, bits),
                Err(Error::Length { .. })
            ));
        }
        for starts in [[0, 3], [2, 1], [-1, 1]] {
            assert!(matches!(made(&starts, 2, 2), Err(Error::Range { .. })));
        }
    }
}
