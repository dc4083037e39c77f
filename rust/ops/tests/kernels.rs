//! Every kernel at every instruction set of this machine: against float64, and bit for bit
//! against the scalar level.

#![expect(
    clippy::cast_precision_loss,
    clippy::inline_always,
    reason = "small numbers; see the library"
)]

mod support;

use openviking_ops::kernels::attention::{AttendHead, AttentionScratch, HEAD};
use openviking_ops::kernels::math::{exp, gelu};
use openviking_ops::kernels::norm::{AddNorm, EmbedToken, NormWeights};
use openviking_ops::kernels::pool::PoolText;
use openviking_ops::kernels::quantize::{OUTLIERS_MAX, Quantize, RowHead};
use openviking_ops::simd::{Isa, Kernel, LANES, Level};
use proptest::prelude::*;
use support::{erf, floats, normal_floats, on_all_levels};

/// Lengths around the lane count, and the model's own width.
const LENGTHS: [usize; 9] = [0, 1, LANES - 1, LANES, LANES + 1, 100, 768, 769, 3072];

#[derive(Debug, PartialEq)]
struct Quantized {
    codes: Vec<u8>,
    scale: u32,
    outliers: Vec<(u32, u32)>,
}

fn quantize(level: Level, x: &[f32], factor: f32) -> (Quantized, RowHead) {
    let (mut codes, mut head) = (vec![0; x.len()], RowHead::default());
    level.run(Quantize {
        x,
        factor,
        codes: &mut codes,
        head: &mut head,
    });
    let outliers = head
        .outliers()
        .iter()
        .map(|o| (o.index, o.value.to_bits()))
        .collect();
    (
        Quantized {
            codes,
            scale: head.scale.to_bits(),
            outliers,
        },
        head,
    )
}

/// What the codes and outliers stand for, and the checks that hold for any row.
fn check_quantized(x: &[f32], found: &Quantized, head: &RowHead) {
    assert!(head.count <= OUTLIERS_MAX);
    let outliers: Vec<_> = head.outliers().iter().map(|o| o.index as usize).collect();
    assert!(outliers.is_sorted());
    for (i, (&x, &code)) in x.iter().zip(&found.codes).enumerate() {
        if let Some(at) = outliers.iter().position(|&index| index == i) {
            assert_eq!(
                head.outliers[at].value.to_bits(),
                x.to_bits(),
                "an outlier is exact"
            );
            assert_eq!(code, 128, "an outlier's code is zero");
        } else {
            let value = f64::from(head.scale) * (f64::from(code) - 128.0);
            let bound = 0.5 * f64::from(head.scale) * (1.0 + 1e-5) + 1e-30;
            assert!(
                (value - f64::from(x)).abs() <= bound,
                "{i}: {x} became {value}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn quantised_rows_are_within_half_a_step(
        x in prop::sample::select(&LENGTHS[..]).prop_flat_map(floats),
        factor in prop::sample::select(vec![1.0_f32, 8.0, 1e9]),
    ) {
        on_all_levels(|level| {
            let (found, head) = quantize(level, &x, factor);
            check_quantized(&x, &found, &head);
            found
        });
    }

    #[test]
    fn normalisation_agrees_with_float64(
        (a, b) in prop::sample::select(&LENGTHS[1..])
            .prop_flat_map(|len| (normal_floats(len), normal_floats(len))),
    ) {
        let gain: Vec<f32> = b.iter().map(|x| 1.0 + 0.1 * x).collect();
        let weights = NormWeights { gain: &gain, shift: &a };
        let sums: Vec<f64> = a.iter().zip(&b).map(|(a, b)| f64::from(a + b)).collect();
        let found = on_all_levels(|level| {
            let mut out = vec![0.0; a.len()];
            level.run(AddNorm { a: &a, b: &b, weights, out: &mut out });
            out.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
        });
        let found: Vec<f32> = found.into_iter().map(f32::from_bits).collect();
        check_normalised(&sums, weights, &found);
    }

    #[test]
    fn embedded_tokens_agree_with_float64(
        (codes, position) in prop::sample::select(&LENGTHS[1..])
            .prop_flat_map(|len| (prop::collection::vec(any::<i8>(), len), normal_floats(len))),
        scale in 1e-3_f32..1e-1,
    ) {
        let weights = NormWeights { gain: &position, shift: &position };
        let sums: Vec<f64> = codes
            .iter()
            .zip(&position)
            .map(|(&c, &p)| f64::from(c) * f64::from(scale) + f64::from(p))
            .collect();
        let found = on_all_levels(|level| {
            let mut out = vec![0.0; codes.len()];
            let position = &position;
            level.run(EmbedToken { codes: &codes, scale, position, weights, out: &mut out });
            out.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
        });
        let found: Vec<f32> = found.into_iter().map(f32::from_bits).collect();
        check_normalised(&sums, weights, &found);
    }

    #[test]
    fn pooled_texts_have_unit_length(
        (width, rows) in (prop::sample::select(&LENGTHS[1..]), 1_usize..20)
            .prop_flat_map(|(width, tokens)| (Just(width), normal_floats(width * tokens))),
    ) {
        let found = on_all_levels(|level| {
            let mut out = vec![0.0; width];
            level.run(PoolText { rows: &rows, out: &mut out });
            out.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
        });
        let mut sums = vec![0.0_f64; width];
        for row in rows.chunks_exact(width) {
            sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        let length = sums.iter().map(|x| x * x).sum::<f64>().sqrt();
        prop_assume!(length > 1e-3);
        for (found, sum) in found.into_iter().zip(sums) {
            let found = f64::from(f32::from_bits(found));
            prop_assert!((found - sum / length).abs() < 2e-5 / length.min(1.0));
        }
    }

    #[test]
    fn attention_agrees_with_float64(
        (tokens, values) in prop::sample::select(vec![1_usize, 2, 5, 15, 16, 17, 33, 70, 100])
            .prop_flat_map(|tokens| (Just(tokens), normal_floats(3 * tokens * HEAD))),
        tokens_max in 100_usize..120,
    ) {
        let (q, rest) = values.split_at(tokens * HEAD);
        let (k, v) = rest.split_at(tokens * HEAD);
        let bias: Vec<f32> = (0..2 * tokens_max - 1).map(|i| (i % 7) as f32 - 3.0).collect();
        let found = on_all_levels(|level| {
            let mut q = q.to_vec();
            let scratch = &mut AttentionScratch::default();
            level.run(AttendHead { q: &mut q, k, v, bias: &bias, scratch });
            q.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
        });
        for i in 0..tokens {
            let scores: Vec<f64> = (0..tokens)
                .map(|j| {
                    let pair = |d: usize| (q[i * HEAD + d], k[j * HEAD + d]);
                    let dot: f64 =
                        (0..HEAD).map(pair).map(|(q, k)| f64::from(q) * f64::from(k)).sum();
                    dot + f64::from(bias[tokens_max - 1 + j - i])
                })
                .collect();
            let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let powers: Vec<f64> = scores.iter().map(|s| (s - largest).exp()).collect();
            let total: f64 = powers.iter().sum();
            for d in 0..HEAD {
                let expected: f64 =
                    (0..tokens).map(|j| powers[j] / total * f64::from(v[j * HEAD + d])).sum();
                let found = f64::from(f32::from_bits(found[i * HEAD + d]));
                prop_assert!((found - expected).abs() < 2e-4, "{found} {expected}");
            }
        }
    }
}

fn check_normalised(x: &[f64], weights: NormWeights<'_>, found: &[f32]) {
    let count = x.len() as f64;
    let mean = x.iter().sum::<f64>() / count;
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
    // Rounding of the mean counts for more, the smaller the spread is.
    let largest = x.iter().fold(1.0_f64, |largest, x| largest.max(x.abs()));
    let deviation = (variance + 1e-5).sqrt();
    for (i, &found) in found.iter().enumerate() {
        let (gain, shift) = (f64::from(weights.gain[i]), f64::from(weights.shift[i]));
        let expected = (x[i] - mean) / deviation * gain + shift;
        let bound =
            1e-5 * (1.0 + shift.abs() + gain.abs() * (largest / deviation + expected.abs()));
        assert!(
            (f64::from(found) - expected).abs() < bound,
            "{i}: {found} {expected}"
        );
    }
}

#[test]
fn rows_of_zeros_denormals_and_giants_are_quantised() {
    for x in [
        vec![0.0; 20],
        vec![1e-40; 20],
        vec![f32::MAX; 20],
        vec![-f32::MAX, 1.0, 0.0],
    ] {
        on_all_levels(|level| {
            let (found, head) = quantize(level, &x, 8.0);
            assert!(head.scale.is_finite());
            check_quantized(&x, &found, &head);
            found
        });
    }
}

#[test]
fn a_row_with_too_many_extremes_keeps_the_largest_apart() {
    let mut x = vec![0.01_f32; 768];
    for (i, x) in x.iter_mut().take(100).enumerate() {
        *x = 10.0 + i as f32;
    }
    on_all_levels(|level| {
        let (found, head) = quantize(level, &x, 2.0);
        assert!(head.count > 0);
        let least = head
            .outliers()
            .iter()
            .map(|o| o.value)
            .fold(f32::MAX, f32::min);
        assert!(
            found
                .codes
                .iter()
                .zip(&x)
                .all(|(&code, &x)| code == 128 || x <= least)
        );
        check_quantized(&x, &found, &head);
        found
    });
}

/// Applies one of the two curves to sixteen values.
struct Curve<'a> {
    x: &'a [f32; LANES],
    is_exp: bool,
}

impl Kernel for Curve<'_> {
    type Output = [f32; LANES];

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> [f32; LANES] {
        let x = isa.load(self.x);
        let y = if self.is_exp {
            exp(isa, x)
        } else {
            gelu(isa, [x])[0]
        };
        let mut out = [0.0; LANES];
        isa.store(y, &mut out);
        out
    }
}

fn curve(is_exp: bool, from: f32, to: f32, check: impl Fn(f64, f64)) {
    const POINTS: usize = 40_000;
    let x: Vec<f32> = (0..POINTS)
        .map(|i| from + (to - from) * (i as f32) / (POINTS - 1) as f32)
        .collect();
    for x in x.as_chunks::<LANES>().0 {
        let found = on_all_levels(|level| level.run(Curve { x, is_exp }).map(f32::to_bits));
        for (&x, found) in x.iter().zip(found) {
            check(f64::from(x), f64::from(f32::from_bits(found)));
        }
    }
}

#[test]
fn exp_is_within_two_ulp() {
    curve(true, -87.0, 0.0, |x, found| {
        let expected = x.exp();
        assert!(
            (found - expected).abs() <= 2.0 * f64::from(f32::EPSILON) * expected,
            "{x}"
        );
    });
    curve(true, -1e6, -88.0, |_, found| assert!(found < 2e-38));
}

#[test]
fn gelu_is_within_the_stated_error() {
    let expected = |x: f64| x * 0.5 * (1.0 + erf(x / 2.0_f64.sqrt()));
    curve(false, -12.0, 12.0, |x, found| {
        assert!((found - expected(x)).abs() <= 5e-6, "{x}");
    });
    curve(false, -200.0, 200.0, |x, found| {
        assert!(
            (found - expected(x)).abs() <= 5e-6 + 5e-7 * x.abs(),
            "{x}: {found}"
        );
    });
}
