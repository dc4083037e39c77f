//! Which rows a search may return, one bit per row.

use crate::error::{Error, Result};

/// Rows per word, and per block of a scan: a scan looks at one word per block.
pub const BLOCK: usize = 64;

/// A set of row numbers: the blocks that hold any, each with its bits.
///
/// A short list of rows costs a short scan, however many rows there are.
#[derive(Clone, Debug)]
pub struct RowMask {
    words: Vec<(usize, u64)>,
    rows: usize,
}

impl RowMask {
    /// The rows whose element is true.
    #[must_use]
    pub fn from_bools(allow: &[bool]) -> Self {
        let word = |bools: &[bool]| {
            bools
                .iter()
                .rev()
                .fold(0, |word, is_allowed| word << 1 | u64::from(*is_allowed))
        };
        Self::from_words(allow.chunks(BLOCK).map(word), allow.len())
    }

    /// The given ones of `rows` rows; any order, repeats allowed.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn from_rows(mut chosen: Vec<u32>, rows: usize) -> Self {
        assert!(
            chosen.iter().all(|row| (*row as usize) < rows),
            "row numbers below {rows}"
        );
        // Sorting a few rows is cheaper than clearing a bit for each of many.
        if chosen.len() < rows / BLOCK {
            chosen.sort_unstable();
            let mut words: Vec<(usize, u64)> = Vec::new();
            for row in chosen {
                let (block, bit) = place(row);
                match words.last_mut().filter(|last| last.0 == block) {
                    Some(last) => last.1 |= bit,
                    None => words.push((block, bit)),
                }
            }
            return Self { words, rows };
        }
        let mut words = vec![0; rows.div_ceil(BLOCK)];
        for row in chosen {
            let (block, bit) = place(row);
            words[block] |= bit;
        }
        Self::from_words(words.into_iter(), rows)
    }

    /// The rows of `ranges`, each a first row and the one behind its last, whose bit in `words` is
    /// set; ranges may overlap and come in any order. Bits beyond the last row are passed over.
    ///
    /// # Errors
    /// [`Error::Range`]; [`Error::Length`] if `words` does not hold a bit for each of `rows` rows.
    pub fn from_ranges(ranges: &[[i64; 2]], words: &[u64], rows: usize) -> Result<Self> {
        let (expected, found) = (rows.div_ceil(BLOCK), words.len());
        if expected != found {
            return Err(Error::Length {
                argument: "alive",
                expected,
                found,
            });
        }
        let mut sorted = Vec::with_capacity(ranges.len());
        for &[start, end] in ranges {
            match (usize::try_from(start), usize::try_from(end)) {
                (Ok(first), Ok(last)) if first <= last && last <= rows => {
                    sorted.push(first..last);
                }
                _ => return Err(Error::Range { start, end }),
            }
        }
        sorted.sort_unstable_by_key(|range| range.start);
        let mut chosen: Vec<(usize, u64)> = Vec::new();
        for range in sorted {
            let blocks = range.start / BLOCK..range.end.div_ceil(BLOCK);
            for (block, word) in blocks.clone().zip(&words[blocks.start.min(blocks.end)..]) {
                let first = range.start.saturating_sub(block * BLOCK);
                let behind = (range.end - block * BLOCK).min(BLOCK);
                let word = word & u64::MAX << first & u64::MAX >> (BLOCK - behind);
                match chosen.last_mut() {
                    Some(last) if last.0 == block => last.1 |= word,
                    Some(last) if last.0 > block => add(&mut chosen, block, word),
                    _ if word != 0 => chosen.push((block, word)),
                    _ => {}
                }
            }
        }
        Ok(Self {
            words: chosen,
            rows,
        })
    }

    fn from_words(words: impl Iterator<Item = u64>, rows: usize) -> Self {
        Self {
            words: words.enumerate().filter(|(_, word)| *word != 0).collect(),
            rows,
        }
    }

    /// How many rows the mask speaks of.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many rows are in it.
    #[must_use]
    pub fn count(&self) -> usize {
        self.words
            .iter()
            .map(|(_, word)| word.count_ones() as usize)
            .sum()
    }

    /// The blocks that hold any row, ascending, with their bits.
    pub(crate) fn words(&self) -> &[(usize, u64)] {
        &self.words
    }
}

/// Put bits of an overlapping range where they belong.
fn add(words: &mut Vec<(usize, u64)>, block: usize, word: u64) {
    match words.binary_search_by_key(&block, |(block, _)| *block) {
        Ok(place) => words[place].1 |= word,
        Err(place) if word != 0 => words.insert(place, (block, word)),
        Err(_) => {}
    }
}

fn place(row: u32) -> (usize, u64) {
    let row = row as usize;
    (row / BLOCK, 1 << (row % BLOCK))
}

/// The positions of the set bits, lowest first.
pub(crate) fn bits(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (word != 0).then(|| word.trailing_zeros() as usize);
        word &= word.wrapping_sub(1);
        bit
    })
}
