//! Codes of four bits in the order in which a pass over all rows reads them: 64 rows a block.
//!
//! Four bits choose one of sixteen sums of four numbers of the query, with the signs that the bits
//! tell. Sixty-four rows look up at once (André, Kermarrec and Le Scouarnec, "Cache locality is not
//! enough", 2015, do so with product codes).

use crate::pages;
use crate::simd::{Affine, Kernels, LANES, Line};

/// Rows of a block.
pub const BLOCK: usize = LANES;
/// Bits of a nibble.
const NIBBLE: usize = 4;
/// Values that a nibble can have.
const ENTRIES: usize = 1 << NIBBLE;
/// Nibbles of a row.
const PLACES: usize = 128;
/// Lines of a block, which have the nibbles of two places each.
pub const LINES: usize = PLACES / 2;
/// Bytes for one place: each has the nibbles of two rows.
const PLACE_BYTES: usize = BLOCK / 2;

/// Words of a row.
pub const WORDS: usize = PLACES * NIBBLE / LANES;

/// The nibbles of a row, lowest bits first.
pub type Nibbles = [u64; WORDS];

/// The nibbles of many rows.
#[derive(Debug, Default)]
pub struct NibbleBlocks {
    lines: Vec<Line>,
    rows: usize,
}

impl NibbleBlocks {
    /// Append a row.
    pub fn push(&mut self, nibbles: &Nibbles) {
        if self.rows.is_multiple_of(BLOCK) {
            self.lines
                .resize(self.lines.len() + LINES, Line([0; LANES]));
        }
        self.rows += 1;
        self.set(self.rows - 1, nibbles);
    }

    /// Overwrite a row.
    pub fn set(&mut self, row: usize, nibbles: &Nibbles) {
        let (byte, shift) = place(row);
        let lines = &mut self.lines[row / BLOCK * LINES..][..LINES];
        let eights = nibbles.iter().flat_map(|word| word.to_le_bytes());
        let each = eights.flat_map(|byte| [byte & 15, byte >> NIBBLE]);
        let bytes = lines
            .iter_mut()
            .flat_map(|line| line.0.as_chunks_mut::<PLACE_BYTES>().0);
        for (bytes, nibble) in bytes.zip(each) {
            bytes[byte] = bytes[byte] & !(15 << shift) | nibble << shift;
        }
    }

    /// A row.
    pub fn get(&self, row: usize) -> Nibbles {
        let (byte, shift) = place(row);
        let lines = &self.lines[row / BLOCK * LINES..][..LINES];
        let bytes = lines
            .iter()
            .flat_map(|line| line.0.as_chunks::<PLACE_BYTES>().0);
        let mut nibbles = Nibbles::default();
        for (at, bytes) in bytes.enumerate() {
            let nibble = u64::from(bytes[byte] >> shift & 15);
            nibbles[at * NIBBLE / LANES] |= nibble << (at * NIBBLE % LANES);
        }
        nibbles
    }

    /// Remove a row; the last one takes its place.
    pub fn swap_remove(&mut self, row: usize) {
        let last = self.get(self.rows - 1);
        self.set(row, &last);
        self.rows -= 1;
        self.lines.truncate(self.rows.div_ceil(BLOCK) * LINES);
    }

    /// The nibbles of a block, two places a line.
    pub fn lines(&self, block: usize) -> &[Line] {
        &self.lines[block * LINES..(block + 1) * LINES]
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

/// The sums that the nibbles of rows choose from, for one query and some of the places.
pub struct NibbleTables {
    tables: Vec<Line>,
    scale: Affine,
    kernels: Kernels,
}

impl NibbleTables {
    /// Of numbers, four for each of an even count of places, of at most 512 numbers: a bit that is set
    /// adds its number, another takes it away.
    pub fn new(numbers: &[f32], kernels: Kernels) -> Self {
        let fours = numbers.as_chunks::<NIBBLE>().0;
        let size = |four: &[f32; NIBBLE]| four.iter().map(|number| number.abs()).sum::<f32>();
        let (largest, sum) = fours
            .iter()
            .map(size)
            .fold((0.0, 0.0), |(largest, sum), size| {
                (f32::max(largest, size), sum + size)
            });
        // All 128 entries together stay below 2^15.
        let step = 2.0 * largest / f32::from(u8::MAX);
        let steps = if step > 0.0 { step.recip() } else { 0.0 };
        let table = |four: &[f32; NIBBLE]| {
            // Their sizes are added, so that a number whose sign agrees counts twice, and others not.
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
            sums.map(|sum: f32| (sum * steps + 0.5) as u8)
        };
        let line = |[first, second]: &[[f32; NIBBLE]; 2]| {
            let mut line = [0; LANES];
            let (first, second) = (table(first), table(second));
            let quarters = line.as_chunks_mut::<ENTRIES>().0.iter_mut();
            for (quarter, table) in quarters.zip([first, first, second, second]) {
                *quarter = table;
            }
            Line(line)
        };
        Self {
            tables: fours.as_chunks::<2>().0.iter().map(line).collect(),
            scale: Affine { step, offset: -sum },
            kernels,
        }
    }

    /// What the nibbles of 64 rows choose, summed in whole steps; `lines` are those of the tables'
    /// places.
    pub fn sums(&self, lines: &[Line]) -> [u16; BLOCK] {
        let mut sums = [0; BLOCK];
        self.kernels
            .nibble_sums_into(&self.tables, lines, &mut sums);
        sums
    }

    /// What makes a sum of it.
    pub fn scale(&self) -> Affine {
        self.scale
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(row: usize) -> Nibbles {
        std::array::from_fn(|word| (row * 8 + word) as u64 * 0x9E37_79B9_7F4A_7C15)
    }

    #[test]
    fn rows_come_back_wherever_they_stand() {
        let mut blocks = NibbleBlocks::default();
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
    fn sums_are_those_of_the_signs() {
        let number = |at: usize| f32::from(u8::try_from(at * 37 % 101).unwrap()) / 500.0 - 0.1;
        let numbers: Vec<_> = (0..PLACES * NIBBLE).map(number).collect();
        let mut blocks = NibbleBlocks::default();
        for row in 0..BLOCK + 5 {
            blocks.push(&numbered(row));
        }
        for (first, last) in [(0, PLACES), (0, 64), (64, PLACES)] {
            for kernels in Kernels::available() {
                let bits = first * NIBBLE..last * NIBBLE;
                let tables = NibbleTables::new(&numbers[bits.clone()], kernels);
                for row in 0..BLOCK + 5 {
                    let lines = &blocks.lines(row / BLOCK)[first / 2..last / 2];
                    let sum = tables.scale().of(tables.sums(lines)[row % BLOCK]);
                    let signed = bits.clone().map(|bit| {
                        let is_set = numbered(row)[bit / LANES] >> (bit % LANES) & 1 == 1;
                        if is_set { numbers[bit] } else { -numbers[bit] }
                    });
                    let expected: f32 = signed.sum();
                    // 128 entries, each rounded by half a step at most.
                    let room = 64.0 * tables.scale().step * 0.2;
                    assert!((sum - expected).abs() < room, "{sum} {expected}");
                }
            }
        }
    }
}
