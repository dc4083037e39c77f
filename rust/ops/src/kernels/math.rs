//! The two curves of the encoder: the exponential of softmax and the Gaussian error gate.

use crate::simd::Isa;

/// `e^x` for `x <= 0`; below -87 it stays at `e^-87`, about 1.6e-38.
///
/// `x = n ln 2 + r`, `|r| <= ln 2 / 2`; a polynomial of degree 6 for `e^r`. Error: 2 ULP.
#[inline(always)]
pub fn exp<I: Isa>(isa: I, x: I::F) -> I::F {
    // ln 2 in two parts, so that n * HIGH is exact for the n that occur.
    const HIGH: f32 = 0.693_359_4;
    const LOW: f32 = -2.121_944_4e-4;
    const TERMS: [f32; 7] = [
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ];
    let x = isa.max(x, isa.splat(-87.0));
    let n = isa.round(isa.mul(x, isa.splat(std::f32::consts::LOG2_E)));
    let r = isa.fma(n, isa.splat(-HIGH), x);
    let r = isa.fma(n, isa.splat(-LOW), r);
    isa.mul(polynomial(isa, [r], &TERMS)[0], isa.pow2(n))
}

/// `x Φ(x)`, Φ the normal distribution's cumulative function (the exact, not the tanh, GELU).
///
/// Φ is 1/2 plus an odd polynomial of degree 21 in `x` clamped to ±4.75, fitted by a weighted
/// minimax and written in `2 (x / 4.75)^2 - 1` so that nothing cancels.
/// Error against float64: 5e-6 for |x| <= 12, beyond that 4e-7 |x|.
///
/// Several vectors at once, because the polynomial is one long chain of dependent steps.
#[inline(always)]
pub fn gelu<I: Isa, const N: usize>(isa: I, x: [I::F; N]) -> [I::F; N] {
    const EDGE: f32 = 4.75;
    const TERMS: [f32; 11] = [
        0.001_280_264_9,
        -0.003_771_043_6,
        0.005_015_972_5,
        -0.007_168_803_4,
        0.013_405_629,
        -0.021_649_567,
        0.030_402_854,
        -0.040_568_225,
        0.053_235_26,
        -0.073_667_55,
        0.148_748_3,
    ];
    let (mut inside, mut t) = (x, x);
    for i in 0..N {
        inside[i] = isa.max(isa.min(x[i], isa.splat(EDGE)), isa.splat(-EDGE));
        let squared = isa.mul(inside[i], inside[i]);
        t[i] = isa.fma(squared, isa.splat(2.0 / (EDGE * EDGE)), isa.splat(-1.0));
    }
    let mut y = polynomial(isa, t, &TERMS);
    for i in 0..N {
        y[i] = isa.mul(x[i], isa.fma(y[i], inside[i], isa.splat(0.5)));
    }
    y
}

/// The polynomial with these coefficients, highest power first, by Horner's rule.
#[inline(always)]
fn polynomial<I: Isa, const N: usize, const M: usize>(
    isa: I,
    x: [I::F; N],
    terms: &[f32; M],
) -> [I::F; N] {
    let mut value = [isa.splat(terms[0]); N];
    for &term in &terms[1..] {
        let term = isa.splat(term);
        for i in 0..N {
            value[i] = isa.fma(value[i], x[i], term);
        }
    }
    value
}
