//! Which rows a search may return, one bit per row.

/// Rows per word, and per block of a scan: a scan looks at one word per block.
pub const BLOCK: usize = 64;

/// A set of row numbers.
#[derive(Clone, Debug)]
pub struct RowMask {
    words: Vec<u64>,
    rows: usize,
}

impl RowMask {
    /// No row of `rows`.
    #[must_use]
    pub fn none(rows: usize) -> Self {
        Self {
            words: vec![0; rows.div_ceil(BLOCK)],
            rows,
        }
    }

    /// The rows whose element is true.
    #[must_use]
    pub fn from_bools(allow: &[bool]) -> Self {
        let mut mask = Self::none(allow.len());
        for (row, _) in allow
            .iter()
            .enumerate()
            .filter(|(_, is_allowed)| **is_allowed)
        {
            mask.insert(row);
        }
        mask
    }

    /// Add a row.
    ///
    /// # Panics
    /// If the mask is not made for that many rows.
    pub fn insert(&mut self, row: usize) {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        self.words[row / BLOCK] |= 1 << (row % BLOCK);
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
            .map(|word| word.count_ones() as usize)
            .sum()
    }

    /// The 64 bits of block `block`.
    pub(crate) fn word(&self, block: usize) -> u64 {
        self.words[block]
    }
}

/// The positions of the set bits, lowest first.
pub(crate) fn bits(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (word != 0).then(|| word.trailing_zeros() as usize);
        word &= word.wrapping_sub(1);
        bit
    })
}
