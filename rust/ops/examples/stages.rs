//! What a layer does besides its int8 products, step by step, in one thread.
//!
//! Prints the shortest of many runs of each step (a busy neighbour spoils the others, not that one),
//! and attention's share of this machine's float32 peak, measured beside it. Twelve layers of twelve
//! heads make 144 times an attention head's time.
//!
//! `cargo run --release -p openviking-ops --example stages`

#![expect(
    clippy::cast_precision_loss,
    clippy::inline_always,
    reason = "figures for people; see the library"
)]

use std::hint::black_box;
use std::time::Instant;

use openviking_ops::kernels::attention::{AttendHead, AttentionScratch, HEAD};
use openviking_ops::kernels::math::gelu;
use openviking_ops::kernels::norm::{AddNorm, NormWeights};
use openviking_ops::kernels::quantize::{Quantize, RowHead};
use openviking_ops::simd::{Isa, Kernel, LANES, Level};

const HIDDEN: usize = 768;
const INNER: usize = 3072;
const TOKENS_MAX: usize = 384;
const HEADS_OF_ALL_LAYERS: f64 = 144.0;

fn main() {
    let level = Level::best();
    let peak = multiply_peak(level);
    println!("float32 peak: {peak:.1} GMAC/s");
    for tokens in [8, 17, 32, 128, TOKENS_MAX] {
        attention(level, tokens, peak);
    }
    quantise(level, HIDDEN, 8.0);
    quantise(level, INNER, 16.0);
    let (a, b, mut out) = (noise(HIDDEN), noise(HIDDEN), noise(HIDDEN));
    let weights = NormWeights {
        gain: &a,
        shift: &b,
    };
    let time = shortest_us(5000, || {
        level.run(AddNorm {
            a: &a,
            b: &b,
            weights,
            out: &mut out,
        });
    });
    println!("residual and normalisation of {HIDDEN}: {time:.3} us");
    let mut x = noise(INNER);
    let time = shortest_us(5000, || level.run(Gate(&mut x)));
    println!("GELU of {INNER}: {time:.3} us");
}

fn attention(level: Level, tokens: usize, peak: f64) {
    let (start, k, v) = (
        noise(tokens * HEAD),
        noise(tokens * HEAD),
        noise(tokens * HEAD),
    );
    let bias = noise(2 * TOKENS_MAX - 1);
    let mut q = start.clone();
    let mut scratch = AttentionScratch::default();
    let time = shortest_us(20_000 / (tokens + 10), || {
        q.copy_from_slice(&start);
        level.run(AttendHead {
            q: &mut q,
            k: &k,
            v: &v,
            bias: &bias,
            scratch: &mut scratch,
        });
    });
    let rate = (2 * tokens * tokens * HEAD) as f64 / time / 1e3;
    println!(
        "attention, one head, {tokens} tokens: {time:.2} us, {:.0} % of the peak; all heads {:.2} ms",
        100.0 * rate / peak,
        HEADS_OF_ALL_LAYERS * time / 1e3
    );
}

fn quantise(level: Level, width: usize, factor: f32) {
    for outliers in [0, 5] {
        let mut x = noise(width);
        (0..outliers).for_each(|i| x[101 * i + 7] = 40.0);
        let (mut codes, mut head) = (vec![0; width], RowHead::default());
        let time = shortest_us(5000, || {
            level.run(Quantize {
                x: &x,
                factor,
                codes: &mut codes,
                head: &mut head,
            });
        });
        assert_eq!(head.count, outliers, "outliers of the row");
        println!("quantise {width} with {outliers} outliers: {time:.3} us");
    }
}

/// Giga-multiplications a second of one thread in float32, operands in registers.
fn multiply_peak(level: Level) -> f64 {
    let time = shortest_us(300, || {
        black_box(level.run(Chains));
    });
    (Chains::STEPS * Chains::COUNT * LANES) as f64 / time / 1e3
}

/// Independent chains of fused multiply-adds.
struct Chains;

impl Chains {
    const STEPS: usize = 10_000;
    const COUNT: usize = 16;
}

impl Kernel for Chains {
    type Output = [f32; LANES];

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> [f32; LANES] {
        let mut totals = [isa.splat(black_box(0.0)); Self::COUNT];
        let (a, b) = (isa.splat(black_box(1.0)), isa.splat(black_box(0.5)));
        for _ in 0..Self::STEPS {
            for total in &mut totals {
                *total = isa.fma(a, *total, b);
            }
        }
        let mut all = totals[0];
        for total in totals {
            all = isa.add(all, total);
        }
        let mut lanes = [0.0; LANES];
        isa.store(all, &mut lanes);
        lanes
    }
}

/// GELU of a row in place, three vectors side by side as behind the product.
struct Gate<'a>(&'a mut [f32]);

impl Kernel for Gate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let (vectors, _) = self.0.as_chunks_mut::<LANES>();
        for three in vectors.as_chunks_mut::<3>().0 {
            let y = gelu(
                isa,
                [
                    isa.load(&three[0]),
                    isa.load(&three[1]),
                    isa.load(&three[2]),
                ],
            );
            for (to, y) in three.iter_mut().zip(y) {
                isa.store(y, to);
            }
        }
    }
}

/// Numbers in [-1, 1) that are the same in every run.
fn noise(count: usize) -> Vec<f32> {
    let mut state = 12_345_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..count).map(next).collect()
}

/// Microseconds of the shortest of these runs.
fn shortest_us(rounds: usize, mut work: impl FnMut()) -> f64 {
    let mut shortest = f64::INFINITY;
    for _ in 0..rounds {
        let begin = Instant::now();
        work();
        shortest = shortest.min(begin.elapsed().as_secs_f64());
    }
    shortest * 1e6
}
