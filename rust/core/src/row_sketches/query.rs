//! Queries that have been split like the rows, and what they tell of rows.

use crate::coarse::SignQuery;
use crate::nibbles::{BLOCK, LINES, NibbleBlocks, NibbleTables};
use crate::row_sketches::code::code_numbers;
use crate::row_sketches::frame::{Frame, Split, summed};
use crate::row_sketches::{BITS, DIRECTIONS, LEVELS, Residue};
use crate::simd::{Kernels, Line};

/// A query that has been split like the rows.
pub struct SketchQuery {
    /// For blocks of rows, by each level.
    pub(super) levels: [LevelTables; LEVELS],
    /// For the second level of single rows: their codes, their signs.
    pub(super) second: [SignQuery; 2],
    variances: [Variance; LEVELS],
}

impl SketchQuery {
    pub fn new(query: &[f32], frame: &Frame) -> Self {
        let mut splits: [Split; 4] = Default::default();
        frame.split(query, &mut splits);
        let [split, ..] = splits;
        let signs = split.turned.as_chunks::<BITS>().0;
        let codes = [0, 1].map(|level| code_numbers(&split.within, level));
        let levels = [0, 1].map(|level| LevelTables {
            codes: NibbleTables::new(&codes[level], frame.kernels),
            signs: NibbleTables::new(&signs[level], frame.kernels),
            kernels: frame.kernels,
        });
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let error = summed(&split.within, |number| number * number) / DIRECTIONS as f32;
        Self {
            levels,
            second: [&codes[1], &signs[1]].map(|numbers| SignQuery::new(numbers, frame.kernels)),
            variances: [0, 1].map(|level| Variance {
                rest: split.rest * frame.variance(level),
                error,
            }),
        }
    }

    /// The variance of an estimate by a level and those before it.
    pub fn variance(&self, level: usize) -> Variance {
        self.variances[level]
    }
}

/// The variance of an estimate, per unit of what the row's sketch leaves out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Variance {
    rest: f32,
    error: f32,
}

impl Variance {
    /// The larger of each.
    pub fn most(self, other: Self) -> Self {
        Self {
            rest: self.rest.max(other.rest),
            error: self.error.max(other.error),
        }
    }

    /// That of one row's estimate by this level.
    pub fn of(self, residue: Residue, level: usize) -> f32 {
        self.rest * residue.rest + self.error * residue.errors[level]
    }
}

/// What a query makes of a block of rows at a level.
pub struct LevelTables {
    codes: NibbleTables,
    signs: NibbleTables,
    kernels: Kernels,
}

impl LevelTables {
    /// The estimates of rows whose codes and signs weigh so much; what the signs tell alone, see
    /// [`LevelTables::product`].
    pub fn look(
        &self,
        lines: &[Line],
        weights: [&[f32]; 2],
        estimates: &mut [f32],
    ) -> [u16; BLOCK] {
        let (code_lines, sign_lines) = lines.split_at(LINES / 2);
        let (codes, signs) = (self.codes.sums(code_lines), self.signs.sums(sign_lines));
        let scales = [self.codes.scale(), self.signs.scale()];
        self.kernels
            .weighted_into([&codes, &signs], scales, weights, estimates);
        signs
    }

    /// The product of the query with the signs of a row, whose sum this is.
    pub fn product(&self, signs: u16) -> f32 {
        self.signs.scale().of(signs)
    }
}

/// The sketches of some rows, in blocks by both levels.
#[derive(Debug, Default)]
pub struct ChosenSketches {
    pub(super) blocks: [NibbleBlocks; LEVELS],
    pub(super) weights: Vec<f32>,
    pub(super) factors: Vec<f32>,
}

impl ChosenSketches {
    /// The estimated cosines of a query with all rows.
    pub fn estimates(&self, query: &SketchQuery) -> Vec<f32> {
        let mut estimates = vec![0.0; self.weights.len()];
        let mut more = [0.0; BLOCK];
        let rows = self.weights.chunks(BLOCK).zip(self.factors.chunks(BLOCK));
        for (block, (estimates, (weights, factors))) in
            estimates.chunks_mut(BLOCK).zip(rows).enumerate()
        {
            let more = &mut more[..weights.len()];
            let [first, second] = [0, 1].map(|level| self.blocks[level].lines(block));
            query.levels[0].look(first, [weights, factors], estimates);
            query.levels[1].look(second, [weights, factors], more);
            for (estimate, more) in estimates.iter_mut().zip(more) {
                *estimate += *more;
            }
        }
        estimates
    }
}
