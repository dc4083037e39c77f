//! From token vectors to one unit vector.

use crate::simd::{Isa, Kernel, LANES, load_partial, sum};

/// `out = mean of the rows / length of that mean`; a zero mean stays zero.
///
/// The rows are added one after the other, so the result does not depend on what else is computed.
pub struct PoolText<'a> {
    /// `[tokens][out.len()]`, at least one token.
    pub rows: &'a [f32],
    /// Filled.
    pub out: &'a mut [f32],
}

impl Kernel for PoolText<'_> {
    type Output = ();

    #[inline(always)]
    #[expect(
        clippy::cast_precision_loss,
        reason = "a text has a few hundred tokens"
    )]
    fn run<I: Isa>(self, isa: I) {
        let width = self.out.len().max(1);
        self.out.fill(0.0);
        for row in self.rows.chunks_exact(width) {
            let (chunks, rest) = row.as_chunks::<LANES>();
            let (out, out_rest) = self.out.as_chunks_mut::<LANES>();
            for (out, row) in out.iter_mut().zip(chunks) {
                isa.store(isa.add(isa.load(out), isa.load(row)), out);
            }
            for (out, row) in out_rest.iter_mut().zip(rest) {
                *out += row;
            }
        }
        let tokens = (self.rows.len() / width).max(1) as f32;
        scale(isa, self.out, 1.0 / tokens);
        let length = squared(isa, self.out).sqrt();
        if length > 0.0 {
            scale(isa, self.out, 1.0 / length);
        }
    }
}

#[inline(always)]
fn squared<I: Isa>(isa: I, x: &[f32]) -> f32 {
    let mut total = isa.splat(0.0);
    let (chunks, rest) = x.as_chunks::<LANES>();
    for chunk in chunks {
        let x = isa.load(chunk);
        total = isa.fma(x, x, total);
    }
    let x = load_partial(isa, rest, 0.0);
    sum(isa, isa.fma(x, x, total))
}

#[inline(always)]
fn scale<I: Isa>(isa: I, x: &mut [f32], factor: f32) {
    let (chunks, rest) = x.as_chunks_mut::<LANES>();
    for chunk in chunks {
        isa.store(isa.mul(isa.load(chunk), isa.splat(factor)), chunk);
    }
    for x in rest {
        *x *= factor;
    }
}
