//! A random rotation that costs a few additions per number.

use crate::simd::Kernels;

/// Seed of the signs that are flipped; any would do, as long as it stays.
const SEED: u64 = 0x4F70_656E_5669_6B67;

/// Flips and Hadamard transforms, twice: afterwards the length of a vector is spread evenly over its
/// numbers, whatever it was like before, as if the rotation had been drawn at random.
///
/// The numbers of a shorter vector are shuffled among zeros first: were the zeros side by side, the
/// first transform would give the same numbers twice, and the second would let a part of the result
/// know one half of them only.
///
/// Two vectors keep their product. A result is the same bit for bit on every machine.
#[derive(Debug)]
pub struct Rotation {
    /// Where each number goes.
    places: Vec<usize>,
    /// Per round and number 1 or -1.
    flips: [Vec<f32>; 2],
    kernels: Kernels,
}

impl Rotation {
    /// For vectors of up to `width` numbers, a power of two from eight on.
    pub fn new(width: usize, kernels: Kernels) -> Self {
        assert!(width.is_power_of_two() && width >= 8, "a power of two");
        let mut state = SEED;
        let mut places: Vec<_> = (0..width).collect();
        for last in (1..width).rev() {
            places.swap(last, below(last + 1, next(&mut state)));
        }
        let mut flips = || {
            let bits = (0..width).map(|_| next(&mut state) >> 63);
            bits.map(|bit| if bit == 0 { 1.0 } else { -1.0 }).collect()
        };
        Self {
            places,
            flips: [flips(), flips()],
            kernels,
        }
    }

    /// How many numbers a rotated vector has.
    pub fn width(&self) -> usize {
        self.places.len()
    }

    /// Put the rotated `vector` in the place of `turned`; what it is shorter counts as zeros.
    pub fn turn_into(&self, vector: &[f32], turned: &mut Vec<f32>) {
        turned.clear();
        turned.resize(self.width(), 0.0);
        for (number, place) in vector.iter().zip(&self.places) {
            turned[*place] = *number;
        }
        #[expect(clippy::cast_precision_loss, reason = "a power of two")]
        let scale = 1.0 / self.width() as f32;
        for flips in &self.flips {
            for (number, flip) in turned.iter_mut().zip(flips) {
                *number *= flip;
            }
            self.kernels.hadamard(turned);
        }
        for number in turned {
            *number *= scale;
        }
    }
}

/// The next number of `SplitMix64` (Steele, Lea and Flood, 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (*state ^ *state >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ mixed >> 31
}

/// A random number as one below `limit`, which is small.
fn below(limit: usize, random: u64) -> usize {
    usize::try_from(((random >> 32) * limit as u64) >> 32).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_products_stay_and_single_numbers_are_spread() {
        let rotation = Rotation::new(1024, Kernels::best());
        let turned = |vector: &[f32]| {
            let mut turned = Vec::new();
            rotation.turn_into(vector, &mut turned);
            turned
        };
        let product = |a: &[f32], b: &[f32]| -> f32 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
        let mut one = vec![0.0; 768];
        one[5] = 1.0;
        let mut two = vec![0.0; 768];
        (two[5], two[700]) = (0.6, -0.8);
        let (one, two) = (turned(&one), turned(&two));
        assert!((product(&one, &one) - 1.0).abs() < 1e-5);
        assert!((product(&one, &two) - 0.6).abs() < 1e-5);
        let largest = two
            .iter()
            .fold(0.0_f32, |most, number| most.max(number.abs()));
        assert!(largest < 6.0 / 32.0, "{largest}");
    }
}
