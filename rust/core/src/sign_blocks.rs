//! Signs in the order in which a pass over all rows reads them: 64 rows a block.
//!
//! Four signs are a nibble, and choose one of sixteen sums of four numbers of the query. Sixty-four
//! rows look up at once (André, Kermarrec and Le Scouarnec, "Cache locality is not enough", 2015,
//! do so with product codes).

use crate::pages;
use crate::row_signs::{LEVEL_SIGNS, Signs};
use crate::simd::{Kernels, LANES, Line};

/// Rows of a block.
pub const BLOCK: usize = LANES;
/// Signs of a nibble.
const NIBBLE: usize = 4;
/// Values that a nibble can have.
const ENTRIES: usize = 1 << NIBBLE;
/// Nibbles of a row.
const PLACES: usize = LEVEL_SIGNS / NIBBLE;
/// Lines of a block, which have the nibbles of two places each.
const LINES: usize = PLACES / 2;
/// Bytes for one place: each has the nibbles of two rows.
const PLACE_BYTES: usize = BLOCK / 2;

/// The signs of many rows.
#[derive(Clone, Debug, Default)]
pub struct SignBlocks {
    lines: Vec<Line>,
    rows: usize,
}

impl SignBlocks {
    /// Append a row.
    pub fn push(&mut self, signs: &Signs) {
        if self.rows.is_multiple_of(BLOCK) {
            self.lines
                .resize(self.lines.len() + LINES, Line([0; LANES]));
        }
        self.rows += 1;
        self.set(self.rows - 1, signs);
    }

    /// Overwrite a row.
    pub fn set(&mut self, row: usize, signs: &Signs) {
        let (byte, shift) = place(row);
        let lines = &mut self.lines[row / BLOCK * LINES..][..LINES];
        let eights = signs.iter().flat_map(|word| word.to_le_bytes());
        let nibbles = eights.flat_map(|byte| [byte & 15, byte >> NIBBLE]);
        let bytes = lines
            .iter_mut()
            .flat_map(|line| line.0.as_chunks_mut::<PLACE_BYTES>().0);
        for (bytes, nibble) in bytes.zip(nibbles) {
            bytes[byte] = bytes[byte] & !(15 << shift) | nibble << shift;
        }
    }

    /// A row.
    pub fn get(&self, row: usize) -> Signs {
        let (byte, shift) = place(row);
        let lines = &self.lines[row / BLOCK * LINES..][..LINES];
        let bytes = lines
            .iter()
            .flat_map(|line| line.0.as_chunks::<PLACE_BYTES>().0);
        let mut signs = Signs::default();
        for (at, bytes) in bytes.enumerate() {
            let nibble = u64::from(bytes[byte] >> shift & 15);
            signs[at * NIBBLE / LANES] |= nibble << (at * NIBBLE % LANES);
        }
        signs
    }

    /// Remove a row; the last one takes its place.
    pub fn swap_remove(&mut self, row: usize) {
        let last = self.get(self.rows - 1);
        self.set(row, &last);
        self.rows -= 1;
        self.lines.truncate(self.rows.div_ceil(BLOCK) * LINES);
    }

    pub fn reserve(&mut self, rows: usize) {
        let wanted = (self.rows + rows).div_ceil(BLOCK) * LINES;
        let more = wanted - self.lines.len();
        pages::reserve(&mut self.lines, more);
    }

    /// Give back memory beyond `rows` rows.
    pub fn shrink_to(&mut self, rows: usize) {
        self.lines.shrink_to(rows.div_ceil(BLOCK) * LINES);
    }
}

/// The byte of a row within each place of its block, and by how much its nibble is shifted.
fn place(row: usize) -> (usize, usize) {
    let row = row % BLOCK;
    (row % PLACE_BYTES, row / PLACE_BYTES * NIBBLE)
}

/// The sums that the nibbles of rows choose from, for one query.
pub struct SignTables {
    tables: Vec<Line>,
    /// One entry is `step` times its number.
    step: f32,
    /// What all entries together are too high.
    offset: f32,
    kernels: Kernels,
}

impl SignTables {
    /// Of the numbers that signs stand for.
    pub fn new(numbers: &[f32; LEVEL_SIGNS], kernels: Kernels) -> Self {
        let fours = numbers.as_chunks::<NIBBLE>().0;
        let sizes = fours
            .iter()
            .map(|four| four.iter().map(|number| number.abs()).sum::<f32>());
        let (largest, offset) = sizes.fold((0.0_f32, 0.0), |(largest, sum), size| {
            (largest.max(size), sum + size)
        });
        // All 128 entries together stay below 2^15.
        let step = 2.0 * largest / f32::from(u8::MAX);
        let scale = if step > 0.0 { step.recip() } else { 0.0 };
        let table = |four: &[f32; NIBBLE]| {
            // All are taken once, so that a number whose sign agrees counts twice, and others not.
            let mut sums = [0.0; ENTRIES];
            sums[0] = four.iter().map(|number| number.abs() - number).sum();
            for (bit, number) in four.iter().enumerate() {
                let (known, new) = sums.split_at_mut(1 << bit);
                for (sum, known) in new.iter_mut().zip(known) {
                    *sum = *known + 2.0 * number;
                }
            }
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "0 to 255, rounded to the nearest"
            )]
            sums.map(|sum: f32| (sum * scale + 0.5) as u8)
        };
        let line = |[first, second]: &[[f32; NIBBLE]; 2]| {
            let mut line = [0; LANES];
            let (first, second) = (table(first), table(second));
            for (half, table) in line
                .as_chunks_mut::<ENTRIES>()
                .0
                .iter_mut()
                .zip([first, first, second, second])
            {
                *half = table;
            }
            Line(line)
        };
        Self {
            tables: fours.as_chunks::<2>().0.iter().map(line).collect(),
            step,
            offset,
            kernels,
        }
    }

    /// The products with a block of rows, of which there may be fewer.
    pub fn products_into(&self, rows: &SignBlocks, block: usize, products: &mut [f32]) {
        let mut sums = [0; BLOCK];
        let lines = &rows.lines[block * LINES..(block + 1) * LINES];
        self.kernels
            .nibble_sums_into(&self.tables, lines, &mut sums);
        for (product, sum) in products.iter_mut().zip(sums) {
            *product = f32::from(sum) * self.step - self.offset;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(row: usize) -> Signs {
        std::array::from_fn(|word| (row * 8 + word) as u64 * 0x9E37_79B9_7F4A_7C15)
    }

    #[test]
    fn rows_come_back_wherever_they_stand() {
        let mut blocks = SignBlocks::default();
        blocks.reserve(200);
        for row in 0..200 {
            blocks.push(&numbered(row));
        }
        blocks.swap_remove(3);
        blocks.set(70, &numbered(7));
        let expected = |row| match row {
            3 => numbered(199),
            70 => numbered(7),
            _ => numbered(row),
        };
        for row in 0..199 {
            assert_eq!(blocks.get(row), expected(row), "row {row}");
        }
        while blocks.rows > 0 {
            blocks.swap_remove(0);
        }
        assert!(blocks.lines.is_empty());
    }

    #[test]
    fn products_are_those_of_the_signs() {
        let mut numbers = [0.0; LEVEL_SIGNS];
        for (at, number) in numbers.iter_mut().enumerate() {
            *number = f32::from(u8::try_from(at * 37 % 101).unwrap()) / 500.0 - 0.1;
        }
        let mut blocks = SignBlocks::default();
        for row in 0..BLOCK + 5 {
            blocks.push(&numbered(row));
        }
        for kernels in Kernels::available() {
            let tables = SignTables::new(&numbers, kernels);
            for block in 0..2 {
                let mut products = [0.0; BLOCK];
                let products = &mut products[..BLOCK.min(BLOCK + 5 - block * BLOCK)];
                tables.products_into(&blocks, block, products);
                for (at, product) in products.iter().enumerate() {
                    let signs = numbered(block * BLOCK + at);
                    let sign = |place: usize| {
                        if signs[place / LANES] >> (place % LANES) & 1 == 1 {
                            1.0
                        } else {
                            -1.0
                        }
                    };
                    let true_product: f32 = numbers
                        .iter()
                        .enumerate()
                        .map(|(place, number)| sign(place) * number)
                        .sum();
                    // 128 entries, each rounded by half a step at most.
                    let room = 64.0 * tables.step * 0.2;
                    assert!(
                        (product - true_product).abs() < room,
                        "{product} {true_product}"
                    );
                }
            }
        }
    }
}
