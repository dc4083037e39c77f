//! Attention of one head over one text, in float32.

use super::Aligned;
use super::math::exp;
use crate::simd::{Isa, Kernel, LANES, greatest, load_partial, sum};

/// Width of a head.
pub const HEAD: usize = 64;
/// Query rows that are computed together.
const BLOCK: usize = 4;
/// Vectors that hold one row of a head.
const PARTS: usize = HEAD / LANES;

/// Working memory of one thread.
#[derive(Default)]
pub struct AttentionScratch {
    keys: Aligned,
    scores: Aligned,
}

impl AttentionScratch {
    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.keys.bytes() + self.scores.bytes()
    }
}

/// `q = softmax(q k^T + bias) v`, in place; the 1/8 is already in `q`.
pub struct AttendHead<'a> {
    /// Queries, `[tokens][HEAD]`, scaled by 1/8; replaced by the result.
    pub q: &'a mut [f32],
    /// Keys, same shape.
    pub k: &'a [f32],
    /// Values, same shape.
    pub v: &'a [f32],
    /// Bias by `key position - query position`, 0 in the middle; at least `tokens - 1` each way.
    pub bias: &'a [f32],
    /// This thread's memory.
    pub scratch: &'a mut AttentionScratch,
}

impl Kernel for AttendHead<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let tokens = self.q.len() / HEAD;
        let padded = tokens.next_multiple_of(LANES);
        self.scratch.keys.reserve(HEAD * padded);
        self.scratch.scores.reserve(BLOCK * padded);
        let keys = self.scratch.keys.as_mut_slice();
        transpose(self.k, padded, keys);
        let scores = self.scratch.scores.as_mut_slice();
        let (v, _) = self.v.as_chunks::<HEAD>();
        let (q, _) = self.q.as_chunks_mut::<HEAD>();
        let middle = self.bias.len() / 2;
        let mut row = 0;
        while row < tokens {
            let height = if I::WIDE && tokens - row >= BLOCK {
                BLOCK
            } else {
                1
            };
            if height == BLOCK {
                score::<I, BLOCK>(isa, &q[row..], keys, padded, scores);
            } else {
                score::<I, 1>(isa, &q[row..], keys, padded, scores);
            }
            let mut inverse = [0.0; BLOCK];
            for r in 0..height {
                let bias = &self.bias[middle - row - r..][..tokens];
                inverse[r] = softmax(isa, &mut scores[r * padded..][..padded], bias);
            }
            if height == BLOCK {
                mix::<I, BLOCK>(isa, scores, padded, v, &inverse, &mut q[row..]);
            } else {
                mix::<I, 1>(isa, scores, padded, v, &inverse, &mut q[row..]);
            }
            row += height;
        }
    }
}

/// `keys[d][j] = k[j][d]`, columns past the last token zero.
#[inline(always)]
fn transpose(k: &[f32], padded: usize, keys: &mut [f32]) {
    let (rows, _) = k.as_chunks::<HEAD>();
    let (groups, rest) = rows.as_chunks::<LANES>();
    for (group, rows) in groups.iter().enumerate() {
        for d in 0..HEAD {
            let to = &mut keys[d * padded + group * LANES..][..LANES];
            for (to, row) in to.iter_mut().zip(rows) {
                *to = row[d];
            }
        }
    }
    if !rest.is_empty() {
        for d in 0..HEAD {
            let to = &mut keys[(d + 1) * padded - LANES..][..LANES];
            to.fill(0.0);
            for (to, row) in to.iter_mut().zip(rest) {
                *to = row[d];
            }
        }
    }
}

/// `scores[r][j] = q[r] . k[j]` for `R` rows and all keys.
#[inline(always)]
fn score<I: Isa, const R: usize>(
    isa: I,
    q: &[[f32; HEAD]],
    keys: &[f32],
    padded: usize,
    scores: &mut [f32],
) {
    let wide = if I::WIDE { 4 } else { 2 };
    let mut column = 0;
    while column < padded {
        if padded - column >= wide * LANES {
            if I::WIDE {
                score_columns::<I, R, 4>(isa, q, keys, padded, column, scores);
            } else {
                score_columns::<I, R, 2>(isa, q, keys, padded, column, scores);
            }
            column += wide * LANES;
        } else {
            score_columns::<I, R, 1>(isa, q, keys, padded, column, scores);
            column += LANES;
        }
    }
}

#[inline(always)]
fn score_columns<I: Isa, const R: usize, const C: usize>(
    isa: I,
    q: &[[f32; HEAD]],
    keys: &[f32],
    padded: usize,
    column: usize,
    scores: &mut [f32],
) {
    let q: &[[f32; HEAD]; R] = q.first_chunk().expect("the caller leaves R rows");
    let mut totals = [[isa.splat(0.0); C]; R];
    for d in 0..HEAD {
        let (keys, _) = keys[d * padded + column..][..C * LANES].as_chunks::<LANES>();
        let keys = load_all::<I, C>(isa, keys);
        for (q, totals) in q.iter().zip(&mut totals) {
            let q = isa.splat(q[d]);
            for (total, &key) in totals.iter_mut().zip(&keys) {
                *total = isa.fma(q, key, *total);
            }
        }
    }
    for (r, totals) in totals.iter().enumerate() {
        let (to, _) = scores[r * padded + column..][..C * LANES].as_chunks_mut::<LANES>();
        for (to, &total) in to.iter_mut().zip(totals) {
            isa.store(total, to);
        }
    }
}

/// Loads `C` neighbouring vectors.
#[inline(always)]
fn load_all<I: Isa, const C: usize>(isa: I, from: &[[f32; LANES]]) -> [I::F; C] {
    let mut vectors = [isa.splat(0.0); C];
    for (vector, from) in vectors.iter_mut().zip(from) {
        *vector = isa.load(from);
    }
    vectors
}

/// Turns scores into `e^(score + bias - largest)`, zero past the last key; returns 1 / their sum.
#[inline(always)]
fn softmax<I: Isa>(isa: I, scores: &mut [f32], bias: &[f32]) -> f32 {
    let (scores, _) = scores.as_chunks_mut::<LANES>();
    let (offsets, bias_rest) = bias.as_chunks::<LANES>();
    let mut largest = isa.splat(f32::NEG_INFINITY);
    for (scores, bias) in scores.iter_mut().zip(offsets) {
        let biased = isa.add(isa.load(scores), isa.load(bias));
        largest = isa.max(largest, biased);
        isa.store(biased, scores);
    }
    if !bias_rest.is_empty() {
        let last = &mut scores[offsets.len()];
        let biased = isa.add(
            isa.load(last),
            load_partial(isa, bias_rest, f32::NEG_INFINITY),
        );
        largest = isa.max(largest, biased);
        isa.store(biased, last);
    }
    let largest = isa.splat(greatest(isa, largest));
    let mut total = isa.splat(0.0);
    for scores in &mut scores[..offsets.len()] {
        let power = exp(isa, isa.sub(isa.load(scores), largest));
        total = isa.add(total, power);
        isa.store(power, scores);
    }
    if !bias_rest.is_empty() {
        let last = &mut scores[offsets.len()];
        let power = exp(isa, isa.sub(isa.load(last), largest));
        isa.store(power, last);
        last[bias_rest.len()..].fill(0.0);
        total = isa.add(total, isa.load(last));
    }
    1.0 / sum(isa, total)
}

/// `out[r] = inverse[r] * sum_j scores[r][j] v[j]`.
#[inline(always)]
fn mix<I: Isa, const R: usize>(
    isa: I,
    scores: &[f32],
    padded: usize,
    v: &[[f32; HEAD]],
    inverse: &[f32; BLOCK],
    out: &mut [[f32; HEAD]],
) {
    let mut rows = [&scores[..0]; R];
    for (r, row) in rows.iter_mut().enumerate() {
        *row = &scores[r * padded..][..v.len()];
    }
    let mut totals = [[isa.splat(0.0); PARTS]; R];
    for (j, v) in v.iter().enumerate() {
        let (parts, _) = v.as_chunks::<LANES>();
        let parts = load_all::<I, PARTS>(isa, parts);
        for (row, totals) in rows.iter().zip(&mut totals) {
            let weight = isa.splat(row[j]);
            for (total, &part) in totals.iter_mut().zip(&parts) {
                *total = isa.fma(weight, part, *total);
            }
        }
    }
    for ((totals, out), &inverse) in totals.iter().zip(out).zip(inverse) {
        for (&total, out) in totals.iter().zip(out.as_chunks_mut::<LANES>().0) {
            isa.store(isa.mul(total, isa.splat(inverse)), out);
        }
    }
}
