//! The pass over all rows, level by level, that tells which groups are still to be scored.

use crate::grouping::Grouping;
use crate::groups::bounds::Bounds;
use crate::levels::dots_into;
use crate::mask::{BLOCK, bits};
use crate::parallel::in_parts;
use crate::simd::Bound;

/// What a pass reads.
pub struct Pass<'a> {
    bounds: &'a Bounds<'a>,
    grouping: &'a Grouping,
    thresholds: &'a [Vec<f32>],
}

impl<'a> Pass<'a> {
    /// `thresholds` are, per query and slot, the cosine that a row must have for its group to matter;
    /// behind each query's that of rows in no group.
    pub fn new(bounds: &'a Bounds<'a>, grouping: &'a Grouping, thresholds: &'a [Vec<f32>]) -> Self {
        Self {
            bounds,
            grouping,
            thresholds,
        }
    }

    /// The slots with one of `rows` rows that reaches its threshold as far as the codes tell,
    /// ascending.
    pub fn open_slots(&self, rows: usize) -> Vec<u32> {
        let parts = in_parts(rows.div_ceil(BLOCK), self.thresholds.len(), |pieces| {
            let mut is_open = vec![0_u64; self.grouping.len().div_ceil(BLOCK)];
            for block in pieces.flatten() {
                let range = (block * BLOCK, rows.min((block + 1) * BLOCK));
                for (at, thresholds) in self.thresholds.iter().enumerate() {
                    self.open_of_block(range, at, thresholds, &mut is_open);
                }
            }
            is_open
        });
        let mut open = vec![0_u64; self.grouping.len().div_ceil(BLOCK)];
        for part in parts {
            for (word, more) in open.iter_mut().zip(part) {
                *word |= more;
            }
        }
        let slots = open
            .into_iter()
            .enumerate()
            .flat_map(|(block, word)| bits(word).map(move |bit| block * BLOCK + bit));
        slots
            .map(|slot| u32::try_from(slot).unwrap_or(u32::MAX))
            .collect()
    }

    fn open_of_block(
        &self,
        (start, end): (usize, usize),
        query: usize,
        thresholds: &[f32],
        is_open: &mut [u64],
    ) {
        let slots = &self.grouping.slots()[start..end];
        let mut floors = [f32::INFINITY; BLOCK];
        for (floor, slot) in floors.iter_mut().zip(slots) {
            *floor = thresholds[*slot as usize];
        }
        let mut word = packed(floors.map(|floor| u8::from(floor < f32::INFINITY)));
        let (levels, query) = (self.bounds.levels, &self.bounds.queries[query]);
        let mut dots = [0; BLOCK];
        let dots = &mut dots[..end - start];
        for level in 0..levels.count() {
            if word == 0 {
                return;
            }
            let mut more = [0; BLOCK];
            let more = &mut more[..end - start];
            let lines = levels.lines(level, start, end);
            dots_into(query.planes(level), lines, word, more, self.bounds.kernels);
            for (dot, more) in dots.iter_mut().zip(&*more) {
                *dot += *more;
            }
            let (steps, residuals) = (levels.steps(), levels.residuals(level));
            word &= reaching(
                &floors,
                query.bound(level),
                dots,
                &steps[start..end],
                &residuals[start..end],
            );
        }
        for bit in bits(word) {
            let slot = slots[bit] as usize;
            is_open[slot / BLOCK] |= 1 << (slot % BLOCK);
        }
    }
}

/// The rows, at most 64, whose upper bound reaches their own floor, as bits.
fn reaching(
    floors: &[f32; BLOCK],
    bound: Bound,
    dots: &[i32],
    steps: &[f32],
    residuals: &[f32],
) -> u64 {
    let mut reaches = [0; BLOCK];
    let rows = dots.iter().zip(steps).zip(residuals).zip(floors);
    for (reaches, (((dot, step), residual), floor)) in reaches.iter_mut().zip(rows) {
        let (estimate, margin) = bound.of(*dot, *step, *residual);
        *reaches = u8::from(estimate + margin >= *floor);
    }
    packed(reaches)
}

/// Bytes of 0 or 1 as bits, lowest first.
fn packed(bytes: [u8; BLOCK]) -> u64 {
    let mut word = 0;
    for (at, eight) in bytes.as_chunks::<8>().0.iter().enumerate() {
        // Brings byte `i` to bit `56 + i`; no two of the products meet.
        let gathered = u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        word |= gathered << (8 * at);
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_the_bits_of_their_places() {
        for at in 0..BLOCK {
            let mut bytes = [1; BLOCK];
            bytes[at] = 0;
            assert_eq!(packed(bytes), !(1 << at));
            assert_eq!(packed(bytes.map(|byte| 1 - byte)), 1 << at);
        }
    }
}
