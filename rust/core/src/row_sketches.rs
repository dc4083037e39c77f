//! What a search for groups reads of a row first: a sketch of 64 bytes, and 64 more for a closer look.
//!
//! A row `x` is split along a subspace that many rows lie near to: `p = H x` is what lies within it,
//! `r = x - H' p` the rest. `H` is an orthonormal basis that was turned at random within the subspace,
//! and `y = R r` is the rest, turned at random. Of `p` two bits a number are stored, and two more for a
//! closer look: the code `c`. Of `y` the signs `s` of some numbers are stored. A query is split and
//! turned alike, into `p'`, `r'` and `y'`, and
//!
//! `|p|^2 / (p . c) (p' . c) + |r|^2 / (y . s) (y' . s)`, each over the numbers that are known,
//!
//! estimates the product of both. Over rotations it is right on average (Gao and Long, `RaBitQ`, 2024,
//! say so of signs) and deviates by `hypot(|p'| |e| / sqrt(n), d |r'| |r|)` at most: `e` is what the
//! code leaves out of the `n` numbers of `p`, and `d = sqrt((m / A^2 - 1) / (D - 1))` for `m` of `D`
//! signs and `A` the sum of the `|y|` of a rest of length one: 0.072 for 256 of 1,024, 0.046 for 512.
//! What a row is about does not matter: one that lies far from the subspace has a long rest, and its
//! estimate is trusted less. Nothing is proved of a single row: whoever reads this states how many
//! deviations are waited for, and scores what is left from the true rows.

mod code;
mod frame;
mod query;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;

use crate::nibbles::{BLOCK, NibbleBlocks, Nibbles, WORDS};
use crate::pages;
use crate::parallel::in_parts;
use crate::row_sketches::code::{code_into, signs_into};
use crate::row_sketches::frame::{Frame, Split, summed};
pub use crate::row_sketches::query::{ChosenSketches, SketchQuery, Variance};
use crate::simd::Kernels;
use crate::subspace::REFIT_GROWTH;

/// Levels, of which the second adds to the first.
pub const LEVELS: usize = 2;
/// Directions of the subspace.
const DIRECTIONS: usize = 128;
/// Bits of each direction's code that a level adds.
const CODE_BITS: usize = 2;
/// Bits of codes, and as many signs of the rest, that a level adds.
const BITS: usize = DIRECTIONS * CODE_BITS;

/// What it costs to sketch a row; to look at a sketch costs 1.
const SKETCH_COST: usize = 2_000;

/// The bits of a row's code that a level adds, or as many signs.
type Half = [u64; WORDS / 2];

/// The sketches of many rows.
#[derive(Debug)]
pub struct RowSketches {
    frame: Arc<Frame>,
    /// Of the first level, which all rows are read of: bits of the code, then signs of the rest.
    blocks: NibbleBlocks,
    /// The same of the second, which some rows are read of.
    seconds: [Vec<Half>; 2],
    /// `|p|^2 / (p . c)`, per level and row.
    weights: [Vec<f32>; LEVELS],
    /// `|r|^2 / A`, per level and row.
    factors: [Vec<f32>; LEVELS],
    residues: Vec<Residue>,
}

/// What the codes of a row leave out, as squared lengths.
#[derive(Clone, Copy, Debug, Default)]
pub struct Residue {
    /// `|r|^2`.
    pub rest: f32,
    /// `|e|^2`, per level.
    pub errors: [f32; LEVELS],
}

impl Residue {
    /// The larger of each.
    pub fn most(self, other: Self) -> Self {
        Self {
            rest: self.rest.max(other.rest),
            errors: [0, 1].map(|level| self.errors[level].max(other.errors[level])),
        }
    }
}

impl RowSketches {
    /// Of whole rows of `dim` columns, each of unit length or zero.
    pub fn of(rows: &[f32], dim: usize, kernels: Kernels) -> Self {
        let mut all = Self::empty(Arc::new(Frame::fit(rows, dim, kernels)));
        let slabs: Vec<_> = rows.chunks(BLOCK * dim).collect();
        let parts = in_parts(slabs.len(), SKETCH_COST, |pieces| {
            let sketched = |block: usize| (block, all.of_same_kind(slabs[block]));
            pieces.flatten().map(sketched).collect::<Vec<_>>()
        });
        let mut parts: Vec<_> = parts.into_iter().flatten().collect();
        parts.sort_unstable_by_key(|(block, _)| *block);
        all.reserve(rows.len() / dim);
        for (_, part) in parts {
            (0..part.residues.len()).for_each(|row| all.push_from(&part, row));
        }
        all
    }

    /// Of further rows of the same width alone.
    pub fn of_same_kind(&self, rows: &[f32]) -> Self {
        let mut own = Self::empty(Arc::clone(&self.frame));
        own.extend(rows);
        own
    }

    fn empty(frame: Arc<Frame>) -> Self {
        Self {
            frame,
            blocks: NibbleBlocks::default(),
            seconds: Default::default(),
            weights: Default::default(),
            factors: Default::default(),
            residues: Vec::new(),
        }
    }

    /// Whether there are so many more rows than at first that another subspace may lie nearer.
    pub fn are_outgrown(&self) -> bool {
        self.residues.len() >= REFIT_GROWTH * self.frame.fitted_rows
    }

    fn extend(&mut self, rows: &[f32]) {
        self.reserve(rows.len() / self.frame.dim);
        let frame = Arc::clone(&self.frame);
        let mut splits: [Split; 4] = Default::default();
        for rows in rows.chunks(4 * frame.dim) {
            frame.split(rows, &mut splits);
            for split in &splits[..rows.len() / frame.dim] {
                self.push(split);
            }
        }
    }

    fn push(&mut self, split: &Split) {
        let mut levels = [Nibbles::default(); LEVELS];
        let (weights, errors) = code_into(&split.within, &mut levels);
        let signs = split.turned.as_chunks::<BITS>().0;
        let mut size = 0.0;
        for (level, (nibbles, numbers)) in levels.iter_mut().zip(signs).enumerate() {
            signs_into(numbers, &mut nibbles[WORDS / 2..]);
            size += summed(numbers, f32::abs);
            // Of a row that lies within the subspace nothing is left to be estimated.
            let factor = if size > 0.0 { split.rest / size } else { 0.0 };
            self.factors[level].push(factor);
        }
        let [first, second] = levels;
        self.blocks.push(&first);
        for (own, half) in self.seconds.iter_mut().zip(second.as_chunks().0) {
            own.push(*half);
        }
        for (own, weight) in self.weights.iter_mut().zip(weights) {
            own.push(weight);
        }
        self.residues.push(Residue {
            rest: split.rest,
            errors,
        });
    }

    fn numbers(&self) -> impl Iterator<Item = &Vec<f32>> {
        self.weights.iter().chain(&self.factors)
    }

    fn numbers_mut(&mut self) -> impl Iterator<Item = &mut Vec<f32>> {
        self.weights.iter_mut().chain(&mut self.factors)
    }

    /// Append row `row` of `other`.
    pub fn push_from(&mut self, other: &Self, row: usize) {
        self.blocks.push(&other.blocks.get(row));
        for (own, others) in self.seconds.iter_mut().zip(&other.seconds) {
            own.push(others[row]);
        }
        for (own, others) in self.numbers_mut().zip(other.numbers()) {
            own.push(others[row]);
        }
        self.residues.push(other.residues[row]);
    }

    /// Overwrite row `target` by row `row` of `other`.
    pub fn copy_from(&mut self, target: usize, other: &Self, row: usize) {
        self.blocks.set(target, &other.blocks.get(row));
        for (own, others) in self.seconds.iter_mut().zip(&other.seconds) {
            own[target] = others[row];
        }
        for (own, others) in self.numbers_mut().zip(other.numbers()) {
            own[target] = others[row];
        }
        self.residues[target] = other.residues[row];
    }

    /// Remove a row; the last one takes its place.
    pub fn swap_remove(&mut self, row: usize) {
        self.blocks.swap_remove(row);
        for seconds in &mut self.seconds {
            seconds.swap_remove(row);
        }
        self.numbers_mut().for_each(|numbers| {
            numbers.swap_remove(row);
        });
        self.residues.swap_remove(row);
    }

    pub fn reserve(&mut self, count: usize) {
        self.blocks.reserve(count);
        for seconds in &mut self.seconds {
            pages::reserve(seconds, count);
        }
        self.numbers_mut()
            .for_each(|numbers| numbers.reserve_exact(count));
        self.residues.reserve_exact(count);
    }

    /// Give back memory beyond `count` rows.
    pub fn shrink_to(&mut self, count: usize) {
        self.blocks.shrink_to(count);
        for seconds in &mut self.seconds {
            seconds.shrink_to(count);
        }
        self.numbers_mut()
            .for_each(|numbers| numbers.shrink_to(count));
        self.residues.shrink_to(count);
    }

    /// Those of some rows, for a pass over all of them with both levels.
    pub fn chosen(&self, rows: &[u32]) -> ChosenSketches {
        let mut chosen = ChosenSketches::default();
        for row in rows {
            let row = *row as usize;
            chosen.blocks[0].push(&self.blocks.get(row));
            let [codes, signs] = [&self.seconds[0][row], &self.seconds[1][row]];
            let mut second = Nibbles::default();
            second[..WORDS / 2].copy_from_slice(codes);
            second[WORDS / 2..].copy_from_slice(signs);
            chosen.blocks[1].push(&second);
            chosen.weights.push(self.weights[1][row]);
            chosen.factors.push(self.factors[1][row]);
        }
        chosen
    }

    /// Split and turn a finite query.
    pub fn query(&self, query: &[f32]) -> SketchQuery {
        SketchQuery::new(query, &self.frame)
    }

    /// The first level's estimates of a block of rows; what its signs alone tell.
    pub fn look(
        &self,
        query: &SketchQuery,
        block: usize,
        estimates: &mut [f32; BLOCK],
    ) -> [u16; BLOCK] {
        let rows = block * BLOCK..self.residues.len().min((block + 1) * BLOCK);
        let estimates = &mut estimates[..rows.len()];
        let weights = [&self.weights[0][rows.clone()], &self.factors[0][rows]];
        query.levels[0].look(self.blocks.lines(block), weights, estimates)
    }

    /// Make estimates by both levels of those by the first, for at most [`BLOCK`] rows.
    pub fn look_closer(
        &self,
        query: &SketchQuery,
        rows: Range<usize>,
        estimates: &mut [f32],
        first_signs: &[u16],
    ) {
        let count = rows.len();
        let mut more = [[0.0; BLOCK]; 2];
        for ((query, seconds), more) in query.second.iter().zip(&self.seconds).zip(&mut more) {
            query.products_into(seconds[rows.clone()].as_flattened(), &mut more[..count]);
        }
        let [codes, signs] = &more;
        for (at, row) in rows.enumerate() {
            let sign = query.levels[0].product(first_signs[at]);
            let [weights, factors] =
                [&self.weights, &self.factors].map(|numbers| [numbers[0][row], numbers[1][row]]);
            // Both weights are zero if one is.
            let growth = weights[1] / weights[0].max(f32::MIN_POSITIVE);
            estimates[at] = (estimates[at] - sign * factors[0]) * growth
                + codes[at] * weights[1]
                + (sign + signs[at]) * factors[1];
        }
    }

    /// What a row's estimates leave out.
    pub fn residue(&self, row: usize) -> Residue {
        self.residues[row]
    }
}
