//! The linear kernel beside the machine's own limits, in one run.
//!
//! Prints one line of JSON for each number of rows and threads: what the kernel reaches over a
//! whole model's weights (85 MB, so that they come from memory), and what this machine reads from
//! memory and multiplies at most, measured in turn with it. The best of the rounds each; with one
//! thread its processor time is taken, so that other processes on the machine do not count.
//!
//! `cargo run --release -p openviking-ops --example kernel_limits [rounds]`

#![expect(clippy::cast_precision_loss, reason = "figures for people")]

use std::hint::black_box;
use std::time::Instant;

use openviking_ops::kernels::linear::{Layout, Linear, LinearPanel};
use openviking_ops::kernels::quantize::{Quantize, RowHead};
use openviking_ops::parallel::{Shared, Team, Threads};
use openviking_ops::simd::{Level, PANEL};

const HIDDEN: usize = 768;
const INNER: usize = 3072;
/// Inputs and outputs of the four linear layers of an encoder layer.
const SHAPES: [(usize, usize); 4] = [
    (HIDDEN, 3 * HIDDEN),
    (HIDDEN, HIDDEN),
    (HIDDEN, INNER),
    (INNER, HIDDEN),
];
const LAYERS: usize = 12;

struct Model {
    codes: Vec<i8>,
    start: Vec<i32>,
    scale: Vec<f32>,
}

fn main() {
    let rounds = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(15);
    let macs_per_row: usize = LAYERS * SHAPES.iter().map(|(k, n)| k * n).sum::<usize>();
    let model = Model {
        codes: (0..macs_per_row + (1 << 16))
            .map(|i| i8::try_from(i * 37 % 255 / 2).unwrap_or(0))
            .collect(),
        start: vec![0; INNER],
        scale: vec![1e-3; INNER],
    };
    for threads in [1, 2] {
        for rows in [8, 12, 17, 32, 128, 256] {
            let (mut kernel, mut peak, mut read) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..rounds {
                peak.push(multiply_peak(threads));
                read.push(read_rate(&model.codes, threads));
                kernel.push(-forward(&model, rows, threads));
            }
            let seconds = -best(&kernel);
            println!(
                "{{\"threads\": {threads}, \"rows\": {rows}, \"ms\": {:.3}, \"gmac_s\": {:.1}, \
                 \"gmac_s_peak\": {:.1}, \"gb_s\": {:.1}, \"gb_s_peak\": {:.1}}}",
                seconds * 1e3,
                (macs_per_row * rows) as f64 / seconds / 1e9,
                best(&peak),
                macs_per_row as f64 / seconds / 1e9,
                best(&read),
            );
        }
    }
}

/// Seconds for all linear layers of the model, `rows` rows, panels split between the threads.
fn forward(model: &Model, rows: usize, threads: usize) -> f64 {
    let mut codes = vec![0; rows * INNER];
    let mut heads = vec![RowHead::default(); rows];
    let x: Vec<f32> = (0..INNER)
        .map(|i| ((i * 7919) % 1000) as f32 / 500.0 - 1.0)
        .collect();
    for (codes, head) in codes.chunks_exact_mut(INNER).zip(&mut heads) {
        Level::best().run(Quantize {
            x: &x,
            factor: 16.0,
            codes,
            head,
        });
    }
    let mut out = vec![0.0; rows * INNER];
    let out = Shared::new(&mut out);
    seconds(threads, &|member| {
        let mut offset = 0;
        for _ in 0..LAYERS {
            for (inputs, outputs) in SHAPES {
                let linear = Linear {
                    codes: &model.codes[offset..offset + inputs * outputs],
                    start: &model.start,
                    scale: &model.scale,
                    bias: &model.scale,
                    inputs,
                    outputs,
                };
                offset += inputs * outputs;
                let panels = outputs / PANEL;
                for panel in member * panels / threads..(member + 1) * panels / threads {
                    Level::best().run(LinearPanel::<false> {
                        linear,
                        panel,
                        codes: &codes[..rows * inputs],
                        heads: &heads,
                        first_row: 0,
                        out: &out,
                        layout: Layout {
                            width: outputs,
                            rows,
                        },
                    });
                }
            }
        }
    })
}

/// Giga-multiplications a second of the best integer instruction, operands in registers.
#[cfg(target_arch = "x86_64")]
fn multiply_peak(threads: usize) -> f64 {
    const LOOPS: usize = 200_000;
    if !is_x86_feature_detected!("avx512vnni") {
        return f64::NAN;
    }
    let time = seconds(threads, &|_| {
        // SAFETY: the feature was just detected.
        black_box(unsafe { vnni_loop(LOOPS) });
    });
    (threads * LOOPS * 16 * 64) as f64 / time / 1e9
}

#[cfg(not(target_arch = "x86_64"))]
fn multiply_peak(_: usize) -> f64 {
    f64::NAN
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vnni")]
fn vnni_loop(loops: usize) -> i32 {
    use std::arch::x86_64::{_mm512_dpbusd_epi32, _mm512_reduce_add_epi32, _mm512_set1_epi32};
    let mut sums = [_mm512_set1_epi32(0); 16];
    let (x, w) = (
        _mm512_set1_epi32(black_box(0x0101_0101)),
        _mm512_set1_epi32(black_box(1)),
    );
    for _ in 0..loops {
        for sum in &mut sums {
            *sum = _mm512_dpbusd_epi32(*sum, x, w);
        }
    }
    sums.into_iter()
        .fold(0, |total, sum| total ^ _mm512_reduce_add_epi32(sum))
}

/// Gigabytes a second read from memory by the threads together.
fn read_rate(bytes: &[i8], threads: usize) -> f64 {
    let time = seconds(threads, &|member| {
        let part = bytes.len() / threads;
        let (lines, _) = bytes[member * part..(member + 1) * part].as_chunks::<64>();
        let mut total = 0_u64;
        for (i, line) in lines.iter().enumerate() {
            prefetch(lines, i + 96);
            // One word a line is enough: memory hands out whole lines.
            total = total.wrapping_add(u64::from(line[0].cast_unsigned()));
        }
        black_box(total);
    });
    bytes.len() as f64 / time / 1e9
}

fn prefetch(lines: &[[i8; 64]], index: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(line) = lines.get(index) {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: every x86-64 has the instruction, and it may be given any address.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(line.as_ptr()) };
    }
}

fn best(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// Seconds that `work` takes on this many threads.
fn seconds(threads: usize, work: &(dyn Fn(usize) + Sync)) -> f64 {
    if threads == 1 {
        let begin = thread_seconds();
        work(0);
        return thread_seconds() - begin;
    }
    let begin = Instant::now();
    Threads.call(threads, work);
    begin.elapsed().as_secs_f64()
}

/// Processor time of this thread in seconds.
fn thread_seconds() -> f64 {
    const CLOCK_THREAD_CPUTIME_ID: i32 = 3;
    unsafe extern "C" {
        fn clock_gettime(clock: i32, time: *mut [i64; 2]) -> i32;
    }
    let mut time = [0_i64; 2];
    // SAFETY: the place written to is ours and has the shape of a 64-bit Linux `timespec`.
    let status = unsafe { clock_gettime(CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(status, 0, "no clock for threads");
    time[0] as f64 + time[1] as f64 * 1e-9
}
