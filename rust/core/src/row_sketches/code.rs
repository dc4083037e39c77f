//! The bits of a sketch: codes of what lies along the directions, signs of the rest.

use crate::nibbles::Nibbles;
use crate::row_sketches::frame::summed;
use crate::row_sketches::{BITS, CODE_BITS, DIRECTIONS, LEVELS};
use crate::simd::LANES;

/// Write the codes of some numbers, two bits at each level; what they weigh and the squared length of
/// what they leave out, per level.
///
/// A code is a sum of halves: a bit that is set adds 1, 1/2, 1/4 or 1/8, another takes it away. It
/// counts in root mean squares of the numbers, and ends at two of them, beyond which there are few.
pub fn code_into(
    numbers: &[f32; DIRECTIONS],
    levels: &mut [Nibbles; LEVELS],
) -> ([f32; LEVELS], [f32; LEVELS]) {
    let squares = summed(numbers, |number| number * number);
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let root = (squares / DIRECTIONS as f32).sqrt();
    if root <= 0.0 {
        return ([0.0; LEVELS], [0.0; LEVELS]);
    }
    let (mut products, mut lengths) = ([0.0; LEVELS], [0.0; LEVELS]);
    for (at, number) in numbers.iter().enumerate() {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to 15"
        )]
        let code = (number / root * 4.0 + 8.0).clamp(0.0, 15.5) as u8;
        let place = at * CODE_BITS;
        // The higher bit stands first.
        let bits = [code >> 3 & 1 | code >> 1 & 2, code >> 1 & 1 | code << 1 & 2];
        for (nibbles, bits) in levels.iter_mut().zip(bits) {
            nibbles[place / LANES] |= u64::from(bits) << (place % LANES);
        }
        let values = [f32::from(code >> 2) - 1.5, f32::from(code) / 4.0 - 1.875];
        for (level, value) in values.into_iter().enumerate() {
            products[level] += number * value;
            lengths[level] += value * value;
        }
    }
    let weights = products.map(|product| squares / product);
    let error = |level: usize| (weights[level].powi(2) * lengths[level] - squares).max(0.0);
    (weights, [error(0), error(1)])
}

/// What the bits of a level make of the numbers of a query.
pub fn code_numbers(numbers: &[f32; DIRECTIONS], level: usize) -> [f32; BITS] {
    let size = if level == 0 { 1.0 } else { 0.25 };
    let mut result = [0.0; BITS];
    for (pair, number) in result
        .as_chunks_mut::<CODE_BITS>()
        .0
        .iter_mut()
        .zip(numbers)
    {
        *pair = [number * size, number * size / 2.0];
    }
    result
}

pub fn signs_into(numbers: &[f32], words: &mut [u64]) {
    for (word, numbers) in words.iter_mut().zip(numbers.as_chunks::<LANES>().0) {
        for (bit, number) in numbers.iter().enumerate() {
            *word |= u64::from(*number >= 0.0) << bit;
        }
    }
}
