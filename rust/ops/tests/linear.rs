//! The int8 linear layer at every instruction set: exact sums, and float64 within rounding.
#![expect(clippy::cast_precision_loss, reason = "small numbers")]

mod support;

use openviking_ops::kernels::linear::{Layout, Linear, LinearPanel};
use openviking_ops::kernels::quantize::{Quantize, RowHead};
use openviking_ops::parallel::Shared;
use openviking_ops::simd::{LANES, Level, PANEL};
use proptest::prelude::*;
use support::{erf, normal_floats, on_all_levels, small_code};

/// A layer's own arrays, packed like the graph's.
struct Weights {
    codes: Vec<i8>,
    start: Vec<i32>,
    scale: Vec<f32>,
    bias: Vec<f32>,
    inputs: usize,
    outputs: usize,
}

impl Weights {
    fn new(inputs: usize, outputs: usize, mut code: impl FnMut(usize) -> i8) -> Self {
        let columns = outputs.next_multiple_of(PANEL);
        let mut weights = Self {
            codes: (0..columns * inputs).map(&mut code).collect(),
            start: Vec::new(),
            scale: (0..columns)
                .map(|n| 1e-3 * (1.0 + n as f32 / 50.0))
                .collect(),
            bias: (0..columns).map(|n| n as f32 / 100.0 - 0.2).collect(),
            inputs,
            outputs,
        };
        let sum = |column| {
            (0..inputs)
                .map(|k| i32::from(weights.code(column, k)))
                .sum::<i32>()
        };
        weights.start = (0..columns).map(|column| -128 * sum(column)).collect();
        weights
    }

    fn code(&self, column: usize, input: usize) -> i8 {
        let (panel, place) = (column / PANEL, column % PANEL);
        self.codes[((panel * (self.inputs / 4) + input / 4) * PANEL + place) * 4 + input % 4]
    }

    fn linear(&self) -> Linear<'_> {
        Linear {
            codes: &self.codes,
            start: &self.start,
            scale: &self.scale,
            bias: &self.bias,
            inputs: self.inputs,
            outputs: self.outputs,
        }
    }

    /// The layer's output in bits, the same at all levels, `[rows][outputs]`.
    fn apply(&self, codes: &[u8], heads: &[RowHead], gate: bool) -> Vec<u32> {
        on_all_levels(|level| {
            if gate {
                apply::<true>(level, self.linear(), codes, heads)
            } else {
                apply::<false>(level, self.linear(), codes, heads)
            }
        })
    }
}

fn apply<const GELU: bool>(
    level: Level,
    linear: Linear<'_>,
    codes: &[u8],
    heads: &[RowHead],
) -> Vec<u32> {
    let rows = heads.len();
    let mut out = vec![0.0; rows * linear.outputs];
    let out_shared = Shared::new(&mut out);
    for panel in 0..linear.panels() {
        level.run(LinearPanel::<GELU> {
            linear,
            panel,
            codes,
            heads,
            first_row: 0,
            out: &out_shared,
            layout: Layout {
                width: linear.outputs,
                rows,
            },
        });
    }
    out.iter().map(|x| x.to_bits()).collect()
}

/// Pseudo-random bytes from a seed.
fn bytes(seed: u32) -> impl FnMut() -> u8 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_le_bytes()[2]
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn integer_sums_are_exact_even_where_all_saturate(
        steps in 1_usize..70,
        rows in 1_usize..20,
        extremes in any::<bool>(),
        seed in any::<u32>(),
    ) {
        let (inputs, outputs) = (4 * steps, PANEL + LANES);
        let mut next = bytes(seed);
        let mut random = || if extremes { 255 * (next() % 2) } else { next() };
        let codes: Vec<u8> = (0..rows * inputs).map(|_| random()).collect();
        let mut weights =
            Weights::new(inputs, outputs, |_| random().wrapping_sub(128).cast_signed().max(-127));
        // Scales of 1 and no bias leave the integer sum.
        weights.scale.fill(1.0);
        weights.bias.fill(0.0);
        let heads = vec![RowHead { scale: 1.0, ..RowHead::default() }; rows];
        let found = weights.apply(&codes, &heads, false);
        for row in 0..rows {
            for column in 0..outputs {
                let product = |k: usize| {
                    let input = i64::from(codes[row * inputs + k]) - 128;
                    input * i64::from(weights.code(column, k))
                };
                let sum: i64 = (0..inputs).map(product).sum();
                prop_assert_eq!(found[row * outputs + column], (sum as f32).to_bits());
            }
        }
    }

    #[test]
    fn outputs_agree_with_float64(
        (inputs, x) in (prop::sample::select(vec![4_usize, 60, 64, 768]), 1_usize..10)
            .prop_flat_map(|(inputs, rows)| (Just(inputs), normal_floats(inputs * rows))),
        gate in any::<bool>(),
        spike in prop::option::of(0_usize..4),
    ) {
        let mut x = x;
        if let Some(index) = spike {
            x.chunks_exact_mut(inputs).for_each(|row| row[index] = 80.0);
        }
        let rows = x.len() / inputs;
        let weights = Weights::new(inputs, PANEL, |i| small_code(i * 89));
        let mut codes = vec![0; rows * inputs];
        let mut heads = vec![RowHead::default(); rows];
        let targets = codes.chunks_exact_mut(inputs).zip(&mut heads);
        for (x, (codes, head)) in x.chunks_exact(inputs).zip(targets) {
            Level::best().run(Quantize { x, factor: 8.0, codes, head });
        }
        let found = weights.apply(&codes, &heads, gate);
        for (row, head) in heads.iter().enumerate() {
            let codes = &codes[row * inputs..][..inputs];
            for column in 0..PANEL {
                let (expected, size) = expected(&weights, codes, head, column, gate);
                let found = f64::from(f32::from_bits(found[row * PANEL + column]));
                let bound = 2e-6 * (size + 1.0) + f64::from(u8::from(gate)) * 5e-6;
                prop_assert!((found - expected).abs() <= bound, "{} {}", found, expected);
            }
        }
    }
}

/// One output in float64, and the sum of its products' magnitudes.
fn expected(
    weights: &Weights,
    codes: &[u8],
    head: &RowHead,
    column: usize,
    gate: bool,
) -> (f64, f64) {
    let (mut sum, mut size) = (f64::from(weights.bias[column]), 0.0);
    for (k, &code) in codes.iter().enumerate() {
        let outlier = head
            .outliers()
            .iter()
            .find(|outlier| outlier.index as usize == k);
        let rounded = f64::from(head.scale) * (f64::from(code) - 128.0);
        let x = outlier.map_or(rounded, |outlier| f64::from(outlier.value));
        let weight = f64::from(weights.code(column, k)) * f64::from(weights.scale[column]);
        sum += x * weight;
        size += (x * weight).abs();
    }
    let gated = sum * 0.5 * (1.0 + erf(sum / 2.0_f64.sqrt()));
    (if gate { gated } else { sum }, size)
}
