//! Which rows a search may return, one bit per row.

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
