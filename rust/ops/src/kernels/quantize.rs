//! A row of activations as bytes with one scale, its few extreme values kept apart.
//!
//! A handful of channels of this model are fifty times larger than the rest. One scale for all
//! would spend its 255 steps on them, so they are taken out of the row, row by row, and multiplied
//! in float32. No calibration, and a row's result depends on that row alone.

use crate::simd::{Isa, Kernel, LANES, greatest, load_partial, sum};

/// Most values that may be taken out of one row; the threshold rises until they fit.
pub const OUTLIERS_MAX: usize = 32;

/// Below this largest magnitude a row counts as zero: `127 / largest` must stay finite.
const TINY: f32 = 1e-30;

/// A value taken out of its row.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outlier {
    /// Which input it is.
    pub index: u32,
    /// The value itself, unrounded.
    pub value: f32,
}

/// The scale and the outliers of one row.
#[derive(Clone, Copy, Debug)]
pub struct RowHead {
    /// What one step of a code is worth.
    pub scale: f32,
    /// How many entries of `outliers` count.
    pub count: usize,
    /// By ascending index.
    pub outliers: [Outlier; OUTLIERS_MAX],
}

impl Default for RowHead {
    fn default() -> Self {
        Self {
            scale: 0.0,
            count: 0,
            outliers: [Outlier::default(); OUTLIERS_MAX],
        }
    }
}

impl RowHead {
    /// The outliers of the row.
    #[must_use]
    pub fn outliers(&self) -> &[Outlier] {
        &self.outliers[..self.count]
    }
}

/// `x[i] = scale * (codes[i] - 128)` within half a step, or an outlier where
/// `|x[i]| > factor * mean |x|`; an outlier's code is 128. Two passes over the row, a third
/// where it has outliers.
pub struct Quantize<'a> {
    /// The row.
    pub x: &'a [f32],
    /// How many times the mean magnitude is still ordinary.
    pub factor: f32,
    /// As long as `x`.
    pub codes: &'a mut [u8],
    /// Filled.
    pub head: &'a mut RowHead,
}

impl Kernel for Quantize<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let (mean, mut largest) = magnitudes(isa, self.x);
        let mut limit = self.factor * mean;
        self.head.count = 0;
        if largest > limit {
            (limit, largest) = take_outliers(isa, self.x, limit, self.head);
        } else {
            limit = largest;
        }
        let (scale, inverse) = if largest > TINY {
            (largest / 127.0, 127.0 / largest)
        } else {
            (0.0, 0.0)
        };
        self.head.scale = scale;
        let (limit, inverse) = (isa.splat(limit), isa.splat(inverse));
        let (from, from_rest) = self.x.as_chunks::<LANES>();
        let (to, to_rest) = self.codes.as_chunks_mut::<LANES>();
        for (x, codes) in from.iter().zip(to) {
            isa.store_code(isa.mul(isa.keep_within(isa.load(x), limit), inverse), codes);
        }
        if !from_rest.is_empty() {
            let mut codes = [0; LANES];
            let x = load_partial(isa, from_rest, 0.0);
            isa.store_code(isa.mul(isa.keep_within(x, limit), inverse), &mut codes);
            to_rest.copy_from_slice(&codes[..from_rest.len()]);
        }
    }
}

/// Mean and maximum of `|x|`; zeros for an empty row.
#[inline(always)]
#[expect(clippy::cast_precision_loss, reason = "rows are a few thousand long")]
fn magnitudes<I: Isa>(isa: I, x: &[f32]) -> (f32, f32) {
    let (mut total, mut largest) = (isa.splat(0.0), isa.splat(0.0));
    let (chunks, rest) = x.as_chunks::<LANES>();
    for chunk in chunks {
        let size = isa.abs(isa.load(chunk));
        total = isa.add(total, size);
        largest = isa.max(largest, size);
    }
    let size = isa.abs(load_partial(isa, rest, 0.0));
    total = isa.add(total, size);
    largest = isa.max(largest, size);
    (
        sum(isa, total) / x.len().max(1) as f32,
        greatest(isa, largest),
    )
}

/// Lists the values above `limit`; raises the limit by a quarter until the list is long enough.
/// Returns the limit that was used, and the largest magnitude that is not above it.
#[inline(always)]
fn take_outliers<I: Isa>(isa: I, x: &[f32], mut limit: f32, head: &mut RowHead) -> (f32, f32) {
    // A limit that is not finite ends the search: nothing is greater than it.
    loop {
        if let Some(largest) = try_outliers(isa, x, limit, head) {
            return (limit, largest);
        }
        limit = if limit > TINY { limit * 1.25 } else { TINY };
    }
}

/// Lists the values above `limit` and returns the largest magnitude of the others; nothing if the
/// list is too short. One pass over the row.
#[inline(always)]
fn try_outliers<I: Isa>(isa: I, x: &[f32], limit: f32, head: &mut RowHead) -> Option<f32> {
    head.count = 0;
    let (lanes, mut largest) = (isa.splat(limit), isa.splat(0.0));
    for (group, values) in x.chunks(LANES).enumerate() {
        let values = match values.first_chunk() {
            Some(whole) => isa.load(whole),
            None => load_partial(isa, values, 0.0),
        };
        let mut mask = isa.mask_gt(isa.abs(values), lanes);
        largest = isa.max(largest, isa.abs(isa.keep_within(values, lanes)));
        while mask != 0 {
            if head.count == OUTLIERS_MAX {
                return None;
            }
            let index = LANES * group + mask.trailing_zeros() as usize;
            let outlier = Outlier {
                index: u32::try_from(index).unwrap_or(0),
                value: x[index],
            };
            head.outliers[head.count] = outlier;
            head.count += 1;
            mask &= mask - 1;
        }
    }
    Some(greatest(isa, largest))
}
