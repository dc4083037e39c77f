//! One bit per number of rows that have been turned at random: what a search for groups reads first.
//!
//! A row `x` of unit length is stored as the signs `s` of the first numbers of `y = R x`, `R` a
//! rotation to `D` numbers, and the factor `1 / A` with `A` the sum of their `|y|`. For a query `q`,
//! `(Rq . s) / A` estimates the cosine of `q` and `x`. Over rotations it is right on average and its
//! standard deviation at most `sqrt((m / A^2 - 1) / (D - 1))`, where `m` numbers have been looked at:
//! 0.046 for 512 of 1,024 and 0.024 for all. It is that of no row in particular, so what the rows
//! are about does not matter. Nothing is proved of a single row: whoever reads this states how many
//! deviations are waited for, and scores what is left from the true rows.

use crate::coarse::SignQuery;
use crate::pages;
use crate::parallel::in_parts;
use crate::rotation::Rotation;
use crate::sign_blocks::{BLOCK, SignBlocks, SignTables};
use crate::simd::{Kernels, LANES};

/// Levels, of which the second adds to the first.
const LEVELS: usize = 2;
/// Signs that a level knows of a row.
pub const LEVEL_SIGNS: usize = 512;
/// The same in words.
const WORDS: usize = LEVEL_SIGNS / LANES;

/// Scanned rows that take as long as turning one.
const TURN_COST: usize = 100;

/// The signs of a row that one level knows, lowest bit first.
pub type Signs = [u64; WORDS];

/// The signs of many rows.
#[derive(Clone, Debug)]
pub struct RowSigns {
    dim: usize,
    rotation: Rotation,
    /// Of the first level, which all rows are read of.
    blocks: SignBlocks,
    /// Of the second, which some rows are read of.
    rows: Vec<Signs>,
    /// Per level and row what the products of that level and those before it are multiplied with.
    factors: [Vec<f32>; LEVELS],
}

impl RowSigns {
    /// Of whole rows of `dim` columns, each of unit length or zero.
    pub fn of(rows: &[f32], dim: usize) -> Self {
        let width = dim.next_power_of_two().max(LEVELS * LEVEL_SIGNS);
        let mut all = Self::empty(dim, Rotation::new(width));
        let slabs: Vec<_> = rows.chunks(BLOCK * dim).collect();
        let parts = in_parts(slabs.len(), TURN_COST, |pieces| {
            let signs = |block: usize| (block, all.of_same_kind(slabs[block]));
            pieces.flatten().map(signs).collect::<Vec<_>>()
        });
        let mut parts: Vec<_> = parts.into_iter().flatten().collect();
        parts.sort_unstable_by_key(|(block, _)| *block);
        all.reserve(rows.len() / dim);
        for (_, part) in parts {
            (0..part.rows.len()).for_each(|row| all.push_from(&part, row));
        }
        all
    }

    /// Of further rows of the same width alone.
    pub fn of_same_kind(&self, rows: &[f32]) -> Self {
        let mut own = Self::empty(self.dim, self.rotation.clone());
        own.extend(rows);
        own
    }

    fn empty(dim: usize, rotation: Rotation) -> Self {
        Self {
            dim,
            rotation,
            blocks: SignBlocks::default(),
            rows: Vec::new(),
            factors: Default::default(),
        }
    }

    /// Those of some rows, for a pass over all of them with both levels.
    pub fn chosen(&self, rows: &[u32]) -> ChosenSigns {
        let mut chosen = ChosenSigns::default();
        for row in rows {
            let row = *row as usize;
            chosen.levels[0].push(&self.blocks.get(row));
            chosen.levels[1].push(&self.rows[row]);
            chosen.factors.push(self.factors[1][row]);
        }
        chosen
    }

    fn extend(&mut self, rows: &[f32]) {
        self.reserve(rows.len() / self.dim);
        let mut turned = Vec::new();
        for row in rows.chunks_exact(self.dim) {
            self.rotation.turn_into(row, &mut turned);
            let [first, second] = levels(&turned);
            self.blocks.push(&signs_of(first));
            self.rows.push(signs_of(second));
            let sizes = [size(first), size(first) + size(second)];
            for (factors, size) in self.factors.iter_mut().zip(sizes) {
                // A row of zeros has the cosine 0 with everything.
                factors.push(if size > 0.0 { size.recip() } else { 0.0 });
            }
        }
    }

    /// Append row `row` of `other`.
    pub fn push_from(&mut self, other: &Self, row: usize) {
        self.blocks.push(&other.blocks.get(row));
        self.rows.push(other.rows[row]);
        for (own, others) in self.factors.iter_mut().zip(&other.factors) {
            own.push(others[row]);
        }
    }

    /// Overwrite row `target` by row `row` of `other`.
    pub fn copy_from(&mut self, target: usize, other: &Self, row: usize) {
        self.blocks.set(target, &other.blocks.get(row));
        self.rows[target] = other.rows[row];
        for (own, others) in self.factors.iter_mut().zip(&other.factors) {
            own[target] = others[row];
        }
    }

    /// Remove a row; the last one takes its place.
    pub fn swap_remove(&mut self, row: usize) {
        self.blocks.swap_remove(row);
        self.rows.swap_remove(row);
        for factors in &mut self.factors {
            factors.swap_remove(row);
        }
    }

    pub fn reserve(&mut self, count: usize) {
        self.blocks.reserve(count);
        pages::reserve(&mut self.rows, count);
        for factors in &mut self.factors {
            factors.reserve_exact(count);
        }
    }

    /// Give back memory beyond `count` rows.
    pub fn shrink_to(&mut self, count: usize) {
        self.blocks.shrink_to(count);
        self.rows.shrink_to(count);
        for factors in &mut self.factors {
            factors.shrink_to(count);
        }
    }

    /// A finite query, to be multiplied with these signs.
    pub fn query(&self, query: &[f32], kernels: Kernels) -> TurnedQuery {
        let mut turned = Vec::new();
        self.rotation.turn_into(query, &mut turned);
        let [first, second] = levels(&turned);
        TurnedQuery {
            tables: [first, second].map(|numbers| SignTables::new(numbers, kernels)),
            second: SignQuery::new(second, kernels),
        }
    }

    /// What the first level knows of the products of a query with a block of rows.
    pub fn block_products_into(&self, query: &TurnedQuery, block: usize, products: &mut [f32]) {
        query.tables[0].products_into(&self.blocks, block, products);
    }

    /// What the second level adds to the products with rows `start..start + products.len()`.
    pub fn products_into(&self, query: &TurnedQuery, start: usize, products: &mut [f32]) {
        let signs = &self.rows[start..start + products.len()];
        query.second.products_into(signs.as_flattened(), products);
    }

    /// What makes an estimate of the products of a level and those before it, per row.
    pub fn factors(&self, level: usize) -> &[f32] {
        &self.factors[level]
    }

    /// The standard deviation of an estimate by a level and those before it, for most rows.
    #[expect(clippy::cast_precision_loss, reason = "at most 16,384")]
    pub fn deviation(&self, level: usize) -> f64 {
        let (width, seen) = (
            self.rotation.width() as f64,
            ((level + 1) * LEVEL_SIGNS) as f64,
        );
        // `A` is the mean of the size of so many normal numbers.
        let squared = seen / width * seen * std::f64::consts::FRAC_2_PI;
        ((seen / squared - 1.0) / (width - 1.0)).sqrt()
    }
}

/// A query that has been turned like the rows.
pub struct TurnedQuery {
    /// For blocks of rows, by each level.
    tables: [SignTables; LEVELS],
    /// For single rows.
    second: SignQuery,
}

/// The signs of some rows, in blocks by both levels.
#[derive(Debug, Default)]
pub struct ChosenSigns {
    levels: [SignBlocks; LEVELS],
    factors: Vec<f32>,
}

impl ChosenSigns {
    /// The estimated cosines of a query with all rows.
    pub fn estimates(&self, query: &TurnedQuery) -> Vec<f32> {
        let mut estimates = vec![0.0; self.factors.len()];
        let mut more = [0.0; BLOCK];
        let blocks = estimates.chunks_mut(BLOCK).zip(self.factors.chunks(BLOCK));
        for (block, (estimates, factors)) in blocks.enumerate() {
            query.tables[0].products_into(&self.levels[0], block, estimates);
            query.tables[1].products_into(&self.levels[1], block, &mut more);
            for ((estimate, more), factor) in estimates.iter_mut().zip(&more).zip(factors) {
                *estimate = (*estimate + *more) * factor;
            }
        }
        estimates
    }
}

/// The numbers of a turned vector that each level looks at.
fn levels(turned: &[f32]) -> [&[f32; LEVEL_SIGNS]; LEVELS] {
    let levels = turned.as_chunks::<LEVEL_SIGNS>().0;
    [&levels[0], &levels[1]]
}

/// The sum of the sizes of numbers, in sixteen lanes.
fn size(numbers: &[f32; LEVEL_SIGNS]) -> f32 {
    let mut lanes = [0.0; 16];
    for numbers in numbers.as_chunks::<16>().0 {
        for (lane, number) in lanes.iter_mut().zip(numbers) {
            *lane += number.abs();
        }
    }
    lanes.iter().sum()
}

fn signs_of(numbers: &[f32; LEVEL_SIGNS]) -> Signs {
    let mut signs = Signs::default();
    for (word, numbers) in signs.iter_mut().zip(numbers.as_chunks::<LANES>().0) {
        for (bit, number) in numbers.iter().enumerate() {
            *word |= u64::from(*number >= 0.0) << bit;
        }
    }
    signs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Matrix;
    use crate::normalize::normalize;

    const ROWS: usize = 600;

    /// Unit rows of numbers that have nothing to do with each other but for a share of the first
    /// row in each, which grows.
    fn rows(dim: usize) -> Vec<f32> {
        let mut state = 9_u64;
        let mut numbers: Vec<f32> = Vec::new();
        for at in 0..ROWS * dim {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let number = f32::from(u16::try_from((state ^ state >> 29) >> 32 & 0xFFFF).unwrap())
                / 32_768.0
                - 1.0;
            let share = f32::from(u16::try_from(at / dim).unwrap()) / 1_000.0;
            let shared = numbers.get(at % dim).copied().unwrap_or(0.0);
            numbers.push(number + share * shared);
        }
        let matrix = Matrix::new("rows", &numbers, ROWS, dim).unwrap();
        normalize(matrix, Kernels::best()).unwrap()
    }

    #[test]
    fn estimates_are_right_on_average_and_deviate_as_stated() {
        for dim in [512, 768, 1_500] {
            let rows = rows(dim);
            let signs = RowSigns::of(&rows, dim);
            let query = &rows[..dim];
            let turned = signs.query(query, Kernels::best());
            let (mut mean, mut squares) = ([0.0; LEVELS], [0.0; LEVELS]);
            for (place, row) in rows.chunks_exact(dim).enumerate().skip(1) {
                let (mut first, mut second) = ([0.0; BLOCK], [0.0]);
                signs.block_products_into(&turned, place / BLOCK, &mut first);
                signs.products_into(&turned, place, &mut second);
                let cosine = Kernels::best().dot(query, row);
                let first = first[place % BLOCK];
                for (level, product) in [first, first + second[0]].into_iter().enumerate() {
                    let error = f64::from(product * signs.factors(level)[place] - cosine);
                    mean[level] += error / 599.0;
                    // The estimate of a row for itself has no error.
                    squares[level] += error * error / f64::from(1.0 - cosine * cosine) / 599.0;
                }
            }
            for level in 0..LEVELS {
                let (stated, found) = (signs.deviation(level), squares[level].sqrt());
                assert!(
                    (found / stated - 1.0).abs() < 0.15,
                    "{dim} {level} {found} {stated}"
                );
                assert!(
                    mean[level].abs() < stated / 2.0,
                    "{dim} {level} {mean:?} {stated}"
                );
            }
        }
    }

    #[test]
    fn a_row_of_zeros_has_no_cosine() {
        let signs = RowSigns::of(&[0.0; 512], 512);
        let mut query = [0.0; 512];
        query[0] = 1.0;
        let mut products = [0.0; 1];
        signs.block_products_into(&signs.query(&query, Kernels::best()), 0, &mut products);
        assert_eq!(
            (products[0] * signs.factors(0)[0]).to_bits(),
            0.0_f32.to_bits()
        );
        signs.products_into(&signs.query(&[0.0; 512], Kernels::best()), 0, &mut products);
        assert!(products[0].abs() < 1e-30, "a query of zeros");
    }
}
