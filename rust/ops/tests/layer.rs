//! A whole layer: what a text becomes depends on that text alone.

#![expect(clippy::cast_precision_loss, reason = "small numbers")]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};

use openviking_ops::kernels::linear::Linear;
use openviking_ops::kernels::norm::NormWeights;
use openviking_ops::layer::{Batch, LayerWeights, run_layer};
use openviking_ops::parallel::{Alone, Phase, Team, Threads, run_phases};
use openviking_ops::scratch::Scratch;
use openviking_ops::simd::{Level, PANEL};
use proptest::prelude::*;
use support::{on_all_levels, small_code};

const HEADS: usize = 2;
const HIDDEN: usize = 64 * HEADS;
const INNER: usize = 208;
const TOKENS_MAX: usize = 40;

struct Packed {
    codes: Vec<i8>,
    start: Vec<i32>,
    scale: Vec<f32>,
    inputs: usize,
    outputs: usize,
}

impl Packed {
    fn new(inputs: usize, outputs: usize) -> Self {
        let columns = outputs.next_multiple_of(PANEL);
        let codes: Vec<i8> = (0..columns * inputs)
            .map(|i| small_code(i * 7919))
            .collect();
        let mut start = vec![0; columns];
        for (i, &code) in codes.iter().enumerate() {
            let (panel, column) = (i / (PANEL * inputs), i / 4 % PANEL);
            start[panel * PANEL + column] -= 128 * i32::from(code);
        }
        Self {
            codes,
            start,
            scale: vec![1e-3; columns],
            inputs,
            outputs,
        }
    }

    fn linear(&self) -> Linear<'_> {
        Linear {
            codes: &self.codes,
            start: &self.start,
            scale: &self.scale,
            bias: &self.scale,
            inputs: self.inputs,
            outputs: self.outputs,
        }
    }
}

struct Layer {
    linears: [Packed; 4],
    ones: Vec<f32>,
    bias: Vec<f32>,
}

impl Layer {
    fn new() -> Self {
        let shapes = [
            (HIDDEN, 3 * HIDDEN),
            (HIDDEN, HIDDEN),
            (HIDDEN, INNER),
            (INNER, HIDDEN),
        ];
        let linears = shapes.map(|(inputs, outputs)| Packed::new(inputs, outputs));
        let bias = (0..HEADS * (2 * TOKENS_MAX - 1))
            .map(|i| (i % 5) as f32 / 4.0)
            .collect();
        Self {
            linears,
            ones: vec![1.0; HIDDEN],
            bias,
        }
    }

    fn run(
        &self,
        level: Level,
        team: (&dyn Team, usize),
        x: &[f32],
        offsets: &[usize],
    ) -> Vec<u32> {
        let [qkv, o, f1, f2] = self.linears.each_ref().map(Packed::linear);
        let norm = NormWeights {
            gain: &self.ones,
            shift: &self.ones,
        };
        let weights = LayerWeights {
            qkv,
            o,
            f1,
            f2,
            norm1: norm,
            norm2: norm,
            bias: &self.bias,
        };
        let mut out = vec![0.0; x.len()];
        let scratch = &mut Scratch::default();
        run_layer(
            level,
            team,
            &weights,
            Batch { x, offsets },
            scratch,
            &mut out,
        );
        out.iter().map(|x| x.to_bits()).collect()
    }
}

/// A text's tokens, made from its number.
fn tokens(text: usize, count: usize) -> Vec<f32> {
    (0..count * HIDDEN)
        .map(|i| ((i * 131 + text * 7717) % 1009) as f32 / 500.0 - 1.0)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_text_is_the_same_alone_in_any_batch_and_with_any_team(
        lengths in prop::collection::vec(1_usize..TOKENS_MAX, 1..8),
        members in 1_usize..5,
    ) {
        let layer = Layer::new();
        let mut offsets = vec![0];
        let mut x = Vec::new();
        for (text, &length) in lengths.iter().enumerate() {
            x.extend(tokens(text, length));
            offsets.push(x.len() / HIDDEN);
        }
        let level = Level::best();
        let packed = layer.run(level, (&Threads, members), &x, &offsets);
        for (text, &length) in lengths.iter().enumerate() {
            let alone = layer.run(level, (&Alone, 1), &tokens(text, length), &[0, length]);
            let rows = offsets[text] * HIDDEN..offsets[text + 1] * HIDDEN;
            prop_assert_eq!(&packed[rows], &alone[..]);
        }
    }
}

#[test]
fn all_levels_give_the_same_bits() {
    let (layer, x) = (Layer::new(), tokens(3, 21));
    let out = on_all_levels(|level| layer.run(level, (&Alone, 1), &x, &[0, 4, 21]));
    assert!(out.iter().all(|&bits| f32::from_bits(bits).is_finite()));
}

#[test]
fn no_text_at_all_is_no_work() {
    assert!(
        Layer::new()
            .run(Level::best(), (&Threads, 2), &[], &[0])
            .is_empty()
    );
}

#[test]
fn a_phase_begins_when_the_one_before_is_complete() {
    let done = AtomicUsize::new(0);
    let first = |_: usize, (): &mut ()| {
        done.fetch_add(1, Ordering::SeqCst);
    };
    let second = |_: usize, (): &mut ()| assert_eq!(done.load(Ordering::SeqCst), 100);
    for team in [&Threads as &dyn Team, &Alone] {
        done.store(0, Ordering::SeqCst);
        let phases = [
            Phase {
                chunks: 100,
                work: &first,
            },
            Phase {
                chunks: 7,
                work: &second,
            },
        ];
        run_phases(team, &mut [(); 3], &phases);
        assert_eq!(done.load(Ordering::SeqCst), 100);
    }
}

#[test]
#[should_panic(expected = "piece")]
fn a_panic_in_one_piece_stops_all_members() {
    struct Caught;
    impl Team for Caught {
        fn call(&self, members: usize, body: &(dyn Fn(usize) + Sync)) {
            for member in 0..members {
                let body = std::panic::AssertUnwindSafe(|| body(member));
                drop(std::panic::catch_unwind(body));
            }
        }
    }
    let work = |chunk: usize, (): &mut ()| assert_ne!(chunk, 2, "broken");
    run_phases(
        &Caught,
        &mut [(); 2],
        &[Phase {
            chunks: 4,
            work: &work,
        }],
    );
}
