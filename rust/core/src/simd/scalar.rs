//! The definition of every kernel in plain Rust, and the fallback where nothing better is there.
//!
//! Functions that the instruction-set files recompile with their own features are marked
//! `inline(always)`: the compiler vectorises them there without any change of their results,
//! because Rust never reorders or contracts float operations.
#![allow(
    clippy::inline_always,
    reason = "needed to be compiled with the caller's features"
)]

use super::{Affine, Bound, LANES, Line, Planes};

/// Lanes of the float64 sums.
const WIDE: usize = 32;

pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    let (a_blocks, a_tail) = a.as_chunks::<LANES>();
    let (b_blocks, b_tail) = b.as_chunks::<LANES>();
    for (x, y) in a_blocks.iter().zip(b_blocks) {
        multiply_add(&mut sums, x, y);
    }
    if !a_tail.is_empty() {
        multiply_add(&mut sums, &padded(a_tail), &padded(b_tail));
    }
    fold(&sums)
}

fn multiply_add(sums: &mut [f32; LANES], x: &[f32; LANES], y: &[f32; LANES]) {
    for lane in 0..LANES {
        sums[lane] = x[lane].mul_add(y[lane], sums[lane]);
    }
}

/// The folding tree: 64 lanes to 16, then halves onto each other.
fn fold(sums: &[f32; LANES]) -> f32 {
    let mut lanes = [0.0; 16];
    for lane in 0..16 {
        lanes[lane] = (sums[lane] + sums[lane + 16]) + (sums[lane + 32] + sums[lane + 48]);
    }
    for half in [8, 4, 2, 1] {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
    }
    lanes[0]
}

/// The last, shorter block with zeros behind it; a zero product leaves a lane as it is.
#[inline(always)]
pub fn padded(tail: &[f32]) -> [f32; LANES] {
    let mut block = [0.0; LANES];
    block[..tail.len()].copy_from_slice(tail);
    block
}

pub fn dots_into(query: &[f32], rows: &[f32], out: &mut [f32]) {
    for (row, score) in out.iter_mut().enumerate() {
        *score = dot(query, &rows[row * query.len()..(row + 1) * query.len()]);
    }
}

pub fn dots4_into(queries: [&[f32]; 4], rows: &[f32], out: [&mut [f32]; 4]) {
    for (query, scores) in queries.into_iter().zip(out) {
        dots_into(query, rows, scores);
    }
}

/// Plain Rust has no way to ask.
pub fn prefetch(_row: &[f32]) {}

#[inline(always)]
pub fn sum_squares(a: &[f32]) -> f64 {
    let mut sums = [0.0; WIDE];
    let (blocks, tail) = a.as_chunks::<WIDE>();
    for block in blocks {
        add_squares(&mut sums, block);
    }
    let mut last = [0.0; WIDE];
    last[..tail.len()].copy_from_slice(tail);
    add_squares(&mut sums, &last);
    fold_wide(sums)
}

#[inline(always)]
fn add_squares(sums: &mut [f64; WIDE], block: &[f32; WIDE]) {
    for lane in 0..WIDE {
        let x = f64::from(block[lane]);
        sums[lane] += x * x;
    }
}

#[inline(always)]
fn fold_wide(mut sums: [f64; WIDE]) -> f64 {
    for half in [16, 8, 4, 2, 1] {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
    }
    sums[0]
}

#[inline(always)]
pub fn scale_into(a: &[f32], factor: f64, out: &mut [f32]) {
    for (x, y) in a.iter().zip(out) {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the one rounding to float32"
        )]
        {
            *y = (f64::from(*x) * factor) as f32;
        }
    }
}

#[inline(always)]
pub fn max_abs(a: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; WIDE];
    let (blocks, tail) = a.as_chunks::<WIDE>();
    for block in blocks {
        for lane in 0..WIDE {
            // Not `f32::max`: its rule for NaN keeps the loop from being vectorised.
            let x = block[lane].abs();
            lanes[lane] = if x > lanes[lane] { x } else { lanes[lane] };
        }
    }
    lanes
        .iter()
        .copied()
        .chain(tail.iter().map(|x| x.abs()))
        .fold(0.0, f32::max)
}

#[inline(always)]
pub fn round_into(a: &[f32], step: f32, limit: i16, out: &mut [i16]) -> f64 {
    let step = f64::from(step);
    let scale = Scale {
        step,
        inverse: if step == 0.0 { 0.0 } else { 1.0 / step },
        limit: f64::from(limit),
    };
    let mut sums = [0.0; WIDE];
    let (blocks, tail) = a.as_chunks::<WIDE>();
    let (codes, last_codes) = out.as_chunks_mut::<WIDE>();
    for (block, codes) in blocks.iter().zip(codes) {
        round_block(block, &scale, codes, &mut sums);
    }
    let (mut last, mut rounded) = ([0.0; WIDE], [0; WIDE]);
    last[..tail.len()].copy_from_slice(tail);
    round_block(&last, &scale, &mut rounded, &mut sums);
    last_codes.copy_from_slice(&rounded[..tail.len()]);
    fold_wide(sums)
}

/// What numbers are rounded to: whole steps, at most `limit` of them to each side.
struct Scale {
    step: f64,
    inverse: f64,
    limit: f64,
}

#[inline(always)]
fn round_block(
    block: &[f32; WIDE],
    scale: &Scale,
    codes: &mut [i16; WIDE],
    sums: &mut [f64; WIDE],
) {
    // A sum of this size has no binary places: adding rounds, ties to even, and the sum's lowest bits
    // are the whole number. Conversions would keep the loop from being vectorised.
    const ROUNDER: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52
    for lane in 0..WIDE {
        let x = f64::from(block[lane]);
        let shifted = (x * scale.inverse).clamp(-scale.limit, scale.limit) + ROUNDER;
        let residual = x - scale.step * (shifted - ROUNDER);
        sums[lane] += residual * residual;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the lowest bits are what is meant"
        )]
        {
            codes[lane] = shifted.to_bits() as i16;
        }
    }
}

pub fn code_dots_into(query: Planes<'_>, codes: &[Line], out: &mut [i32]) {
    let width = query.high.len();
    for (row, dot) in out.iter_mut().enumerate() {
        let mut high = 0_i32;
        let mut low = 0_i32;
        for (line, codes) in codes[row * width..(row + 1) * width].iter().enumerate() {
            for (lane, code) in codes.0.iter().enumerate() {
                let code = i32::from(*code) - 128;
                let [h, l] = [query.high, query.low].map(|plane| plane[line].0[lane]);
                high = high.wrapping_add(code * i32::from(h.cast_signed()));
                low = low.wrapping_add(code * i32::from(l.cast_signed()));
            }
        }
        *dot = high.wrapping_mul(128).wrapping_add(low);
    }
}

#[inline(always)]
pub fn reaching(floor: f32, bound: Bound, dots: &[i32], steps: &[f32], residuals: &[f32]) -> u64 {
    let mut mask = 0;
    for (row, ((dot, step), residual)) in dots.iter().zip(steps).zip(residuals).enumerate() {
        let (estimate, margin) = bound.of(*dot, *step, *residual);
        mask |= u64::from(estimate + margin >= floor) << row;
    }
    mask
}

#[inline(always)]
pub fn sign_sums_into(query: &[Line], words: &[u64], out: &mut [i32]) {
    let width = query.len();
    for (row, sum) in out.iter_mut().enumerate() {
        *sum = 0;
        for (line, word) in query.iter().zip(&words[row * width..(row + 1) * width]) {
            for (bytes, byte) in line.0.as_chunks::<8>().0.iter().zip(word.to_le_bytes()) {
                for (bit, number) in bytes.iter().enumerate() {
                    *sum += i32::from(number.cast_signed()) * i32::from(byte >> bit & 1);
                }
            }
        }
    }
}

#[inline(always)]
pub fn nibble_sums_into(tables: &[Line], codes: &[Line], out: &mut [u16; LANES]) {
    const HALF: usize = LANES / 2;
    out.fill(0);
    for (tables, codes) in tables.iter().zip(codes) {
        let halves = tables.0.as_chunks::<HALF>().0.iter();
        for (table, codes) in halves.zip(codes.0.as_chunks::<HALF>().0) {
            for (row, code) in codes.iter().enumerate() {
                let entry = |nibble: u8| u16::from(table[usize::from(nibble)]);
                out[row] = out[row].wrapping_add(entry(code & 15));
                out[HALF + row] = out[HALF + row].wrapping_add(entry(code >> 4));
            }
        }
    }
}

#[inline(always)]
pub fn weighted_into(
    sums: [&[u16; LANES]; 2],
    scales: [Affine; 2],
    weights: [&[f32]; 2],
    out: &mut [f32],
) {
    let rows = sums[0].iter().zip(sums[1]);
    let rows = rows.zip(weights[0].iter().zip(weights[1]));
    for (((one, other), (weight, other_weight)), out) in rows.zip(out) {
        *out = scales[0].of(*one) * weight + scales[1].of(*other) * other_weight;
    }
}

#[inline(always)]
pub fn take_away(directions: &[f32], shares: &[f32], rest: &mut [f32]) {
    let dim = rest.len().max(1);
    let (fours, single) = shares.as_chunks::<4>();
    let (in_fours, in_single) = directions.split_at(fours.len() * 4 * rest.len());
    for (shares, directions) in fours.iter().zip(in_fours.chunks_exact(4 * dim)) {
        let (front, back) = directions.split_at(2 * dim);
        let (one, two) = front.split_at(dim);
        let (three, four) = back.split_at(dim);
        let along = one.iter().zip(two).zip(three.iter().zip(four));
        for (number, ((one, two), (three, four))) in rest.iter_mut().zip(along) {
            let first = shares[0] * one + shares[1] * two;
            *number -= first + (shares[2] * three + shares[3] * four);
        }
    }
    for (share, direction) in single.iter().zip(in_single.chunks_exact(dim)) {
        for (number, along) in rest.iter_mut().zip(direction) {
            *number -= share * along;
        }
    }
}

#[inline(always)]
pub fn hadamard(numbers: &mut [f32]) {
    for eight in numbers.as_chunks_mut::<8>().0 {
        butterflies::<1>(eight);
        butterflies::<2>(eight);
        butterflies::<4>(eight);
    }
    let mut half = 8;
    while half < numbers.len() {
        for pair in numbers.chunks_exact_mut(2 * half) {
            let (front, back) = pair.split_at_mut(half);
            for (a, b) in front.iter_mut().zip(back) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        half *= 2;
    }
}

/// One step of a transform, within eight numbers.
#[inline(always)]
fn butterflies<const HALF: usize>(numbers: &mut [f32; 8]) {
    let before = *numbers;
    for (at, number) in numbers.iter_mut().enumerate() {
        let (near, far) = (before[at & !HALF], before[at | HALF]);
        *number = if at & HALF == 0 {
            near + far
        } else {
            near - far
        };
    }
}
