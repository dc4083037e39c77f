//! One bit per number: which rows of some lists are worth a closer look.
//!
//! A row `x` of the list around `c` is stored as the signs `s` of `u = R (x - c)`, `R` a rotation,
//! and the factor `|u|^2 / sum(|u|)`. Then `q . x = q . c + Rq . u`, and `Rq . u` is estimated as
//! `factor * (Rq . s)`, which is right on average over rotations and off by about
//! `0.75 * |u| / sqrt(dim)`. Nothing is proved here: the nearest by estimate are a recall to be
//! measured, and whoever takes them scores them from the true rows.

use crate::error::{Error, Result};
use crate::mask::{BLOCK, bits};
use crate::simd::{Kernels, LANES, Line};
use crate::survivors::Survivors;

/// Largest number of a query's codes.
const CODE_MAX: i16 = 127;

/// The signs of many rows: 64 to a word, lowest bit first, each row from a word of its own.
#[derive(Clone, Copy, Debug)]
pub struct Signs<'a> {
    width: usize,
    words: &'a [u64],
    factors: &'a [f32],
}

impl<'a> Signs<'a> {
    /// View the signs and factors of rows of `dim` columns.
    ///
    /// # Errors
    /// [`Error::Length`].
    pub fn new(words: &'a [u64], factors: &'a [f32], dim: usize) -> Result<Self> {
        let width = dim.div_ceil(LANES);
        if factors.len() * width != words.len() {
            return Err(Error::Length {
                argument: "signs",
                expected: factors.len() * width,
                found: words.len(),
            });
        }
        Ok(Self {
            width,
            words,
            factors,
        })
    }
}

/// Rows `range[0]..range[1]`, all around one centre.
#[derive(Clone, Copy, Debug)]
pub struct List {
    /// First row, and the one behind the last.
    pub range: [i64; 2],
    /// The query's product with the centre.
    pub base: f32,
}

/// The `count` rows of `lists` whose estimated product with the rotated query is largest, among
/// those whose bit in `alive` is set.
///
/// One pass over the lists' signs.
///
/// # Errors
/// [`Error::Zero`]; [`Error::Range`]; [`Error::Length`] if `alive` or `query` does not fit the rows.
pub fn nearest(
    query: &[f32],
    signs: Signs<'_>,
    lists: &[List],
    alive: &[u64],
    count: usize,
    kernels: Kernels,
) -> Result<Vec<u32>> {
    let rows = signs.factors.len();
    let lengths = [
        ("alive", rows.div_ceil(BLOCK), alive.len()),
        ("queries", signs.width, query.len().div_ceil(LANES)),
    ];
    for (argument, expected, found) in lengths {
        if expected != found {
            return Err(Error::Length {
                argument,
                expected,
                found,
            });
        }
    }
    if count == 0 {
        return Err(Error::Zero { argument: "count" });
    }
    let codes = SignQuery::new(query, kernels);
    let mut best = Survivors::new(count);
    for list in lists {
        let [start, end] = list.range;
        match (usize::try_from(start), usize::try_from(end)) {
            (Ok(first), Ok(behind)) if first <= behind && behind <= rows => {
                codes.scan(signs, first..behind, list.base, alive, &mut best);
            }
            _ => return Err(Error::Range { start, end }),
        }
    }
    Ok(best.into_rows())
}

/// A query in signed bytes.
pub(crate) struct SignQuery {
    lines: Vec<Line>,
    sum: i32,
    step: f32,
    kernels: Kernels,
}

impl SignQuery {
    pub(crate) fn new(query: &[f32], kernels: Kernels) -> Self {
        let step = kernels.max_abs(query) / f32::from(CODE_MAX);
        let mut rounded = vec![0; query.len().next_multiple_of(LANES)];
        kernels.round_into(query, step, CODE_MAX, &mut rounded[..query.len()]);
        #[expect(clippy::cast_possible_truncation, reason = "-127 to 127")]
        let line = |block: &[i16; LANES]| Line(block.map(|code| (code as i8).cast_unsigned()));
        Self {
            lines: rounded.as_chunks::<LANES>().0.iter().map(line).collect(),
            sum: rounded.iter().map(|code| i32::from(*code)).sum(),
            step,
            kernels,
        }
    }

    /// The products with the signs of rows, at most [`BLOCK`].
    pub(crate) fn products_into(&self, words: &[u64], products: &mut [f32]) {
        let mut sums = [0; BLOCK];
        let sums = &mut sums[..products.len()];
        self.kernels.sign_sums_into(&self.lines, words, sums);
        for (product, sum) in products.iter_mut().zip(sums) {
            #[expect(clippy::cast_precision_loss, reason = "below 2^24 for any DIM_MAX")]
            let signed = (2 * *sum - self.sum) as f32;
            *product = self.step * signed;
        }
    }

    fn scan(
        &self,
        signs: Signs<'_>,
        rows: std::ops::Range<usize>,
        base: f32,
        alive: &[u64],
        best: &mut Survivors,
    ) {
        let mut estimates = [0.0; BLOCK];
        for start in rows.clone().step_by(BLOCK) {
            let end = rows.end.min(start + BLOCK);
            let estimates = &mut estimates[..end - start];
            self.products_into(
                &signs.words[start * signs.width..end * signs.width],
                estimates,
            );
            for (estimate, factor) in estimates.iter_mut().zip(&signs.factors[start..end]) {
                *estimate = base + factor * *estimate;
            }
            let floor = best.floor();
            let mut interesting = 0_u64;
            for (place, estimate) in estimates.iter().enumerate() {
                interesting |= u64::from(*estimate >= floor) << place;
            }
            for place in bits(interesting) {
                let row = start + place;
                if alive[row / BLOCK] >> (row % BLOCK) & 1 == 1 {
                    best.offer(row, estimates[place], estimates[place]);
                }
            }
        }
    }
}
