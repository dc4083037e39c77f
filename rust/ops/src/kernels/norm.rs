//! Layer normalisation, of a sum or of an embedding.

use crate::simd::{Isa, Kernel, LANES, load_partial, sum};

/// What the model was trained with.
const EPSILON: f32 = 1e-5;

/// Gain and shift of one normalisation.
#[derive(Clone, Copy)]
pub struct NormWeights<'a> {
    /// Gain of each channel.
    pub gain: &'a [f32],
    /// Shift of each channel.
    pub shift: &'a [f32],
}

/// `out = (x - mean) / sqrt(variance + 1e-5) * gain + shift` with `x = a + b`. Three passes.
pub struct AddNorm<'a> {
    /// One summand.
    pub a: &'a [f32],
    /// The other.
    pub b: &'a [f32],
    /// Gain and shift, as long as `a`.
    pub weights: NormWeights<'a>,
    /// As long as `a`.
    pub out: &'a mut [f32],
}

impl Kernel for AddNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let (a, a_rest) = self.a.as_chunks::<LANES>();
        let (b, b_rest) = self.b.as_chunks::<LANES>();
        let (out, out_rest) = self.out.as_chunks_mut::<LANES>();
        let mut total = isa.splat(0.0);
        for ((a, b), out) in a.iter().zip(b).zip(out) {
            let x = isa.add(isa.load(a), isa.load(b));
            total = isa.add(total, x);
            isa.store(x, out);
        }
        for ((a, b), out) in a_rest.iter().zip(b_rest).zip(&mut *out_rest) {
            *out = a + b;
        }
        let total = sum(isa, isa.add(total, load_partial(isa, out_rest, 0.0)));
        normalize(isa, self.out, total, self.weights);
    }
}

/// `out = normalisation of (scale * codes + position)`: one token of the embedding table.
pub struct EmbedToken<'a> {
    /// The token's row of the table.
    pub codes: &'a [i8],
    /// What one step of a code is worth.
    pub scale: f32,
    /// The position's row, as long as `codes`.
    pub position: &'a [f32],
    /// Gain and shift, as long as `codes`.
    pub weights: NormWeights<'a>,
    /// As long as `codes`.
    pub out: &'a mut [f32],
}

impl Kernel for EmbedToken<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let scale = isa.splat(self.scale);
        let (codes, codes_rest) = self.codes.as_chunks::<LANES>();
        let mut total = isa.splat(0.0);
        let (positions, positions_rest) = self.position.as_chunks::<LANES>();
        let (out, out_rest) = self.out.as_chunks_mut::<LANES>();
        for ((codes, position), out) in codes.iter().zip(positions).zip(out) {
            let x = isa.fma(isa.load_i8(codes), scale, isa.load(position));
            total = isa.add(total, x);
            isa.store(x, out);
        }
        for ((&code, &position), out) in codes_rest.iter().zip(positions_rest).zip(&mut *out_rest) {
            *out = f32::from(code).mul_add(self.scale, position);
        }
        let total = sum(isa, isa.add(total, load_partial(isa, out_rest, 0.0)));
        normalize(isa, self.out, total, self.weights);
    }
}

/// Normalises a row whose sum is `total`: sixteen sums, the end of the row last, then the sum of
/// those.
#[inline(always)]
#[expect(clippy::cast_precision_loss, reason = "rows are a few thousand long")]
fn normalize<I: Isa>(isa: I, x: &mut [f32], total: f32, weights: NormWeights<'_>) {
    let count = x.len().max(1) as f32;
    let mean = total / count;
    let variance = spread(isa, x, mean) / count;
    let centre = isa.splat(mean);
    let factor = isa.splat(1.0 / (variance + EPSILON).sqrt());
    let (chunks, rest) = x.as_chunks_mut::<LANES>();
    let (gains, gains_rest) = weights.gain.as_chunks::<LANES>();
    let (shifts, shifts_rest) = weights.shift.as_chunks::<LANES>();
    for ((x, gain), shift) in chunks.iter_mut().zip(gains).zip(shifts) {
        let unit = isa.mul(isa.sub(isa.load(x), centre), factor);
        isa.store(isa.fma(unit, isa.load(gain), isa.load(shift)), x);
    }
    let factor = 1.0 / (variance + EPSILON).sqrt();
    for ((x, gain), shift) in rest.iter_mut().zip(gains_rest).zip(shifts_rest) {
        *x = ((*x - mean) * factor).mul_add(*gain, *shift);
    }
}

/// The sum of the squared distances of a row from `mean`, in the order of the row's sum.
#[inline(always)]
fn spread<I: Isa>(isa: I, x: &[f32], mean: f32) -> f32 {
    let (mut total, centre) = (isa.splat(0.0), isa.splat(mean));
    let (chunks, rest) = x.as_chunks::<LANES>();
    for chunk in chunks {
        let distance = isa.sub(isa.load(chunk), centre);
        total = isa.fma(distance, distance, total);
    }
    // Lanes past the end hold the mean, so that they add nothing.
    let distance = isa.sub(load_partial(isa, rest, mean), centre);
    sum(isa, isa.fma(distance, distance, total))
}
