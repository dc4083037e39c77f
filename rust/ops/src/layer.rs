//! One encoder layer: attention and feed-forward, each followed by a residual normalisation.

use crate::kernels::attention::{AttendHead, HEAD};
use crate::kernels::linear::{Layout, Linear, LinearPanel};
use crate::kernels::norm::{AddNorm, NormWeights};
use crate::kernels::quantize::{Quantize, RowHead};
use crate::parallel::{Phase, Shared, Team, run_phases};
use crate::scratch::{Member, Parts, Scratch};
use crate::simd::Level;

/// Values above this many times the row's mean magnitude are multiplied in float32: on average 0.6
/// of a layer's input row, 1.3 of the feed-forward part's, 5 of the 3072 behind GELU, whose tail is
/// longer. Mean cosine to float32 over 80 texts, all four linear layers: 0.9989 with these factors,
/// 0.9988 with half as many outliers, 0.9990 with twice as many, 0.9955 with none.
const FACTOR_NORMED: f32 = 8.0;
const FACTOR_MIXED: f32 = 12.0;
const FACTOR_GATED: f32 = 16.0;

/// Rows that pass over a weight panel together: their codes stay in the second-level cache.
const ROWS_BLOCK: usize = 256;

/// Rows of one piece where each row is worked on by itself.
const ROWS_CHUNK: usize = 4;

/// The weights of one layer; memory belongs to the caller.
#[derive(Clone, Copy)]
pub struct LayerWeights<'a> {
    /// Queries (with the 1/8 multiplied in), keys, values.
    pub qkv: Linear<'a>,
    /// Output of attention.
    pub o: Linear<'a>,
    /// First half of the feed-forward part.
    pub f1: Linear<'a>,
    /// Second half.
    pub f2: Linear<'a>,
    /// Normalisation after attention.
    pub norm1: NormWeights<'a>,
    /// Normalisation after feed-forward.
    pub norm2: NormWeights<'a>,
    /// `[heads][2 * tokens_max - 1]`, by key position - query position.
    pub bias: &'a [f32],
}

impl LayerWeights<'_> {
    /// Width of a token's vector.
    #[must_use]
    pub fn hidden(&self) -> usize {
        self.qkv.inputs
    }

    fn heads(&self) -> usize {
        self.hidden() / HEAD
    }
}

/// What a layer is computed for.
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    /// Token vectors of all texts, one after the other, `[tokens][hidden]`.
    pub x: &'a [f32],
    /// Where each text begins; the last entry is the number of tokens. Checked by the caller.
    pub offsets: &'a [usize],
}

/// Computes one layer into `out`, which has the shape of `batch.x`.
///
/// A text's rows depend on that text alone, bit for bit, whatever `level`, `team` and batch.
pub fn run_layer(
    level: Level,
    team: (&dyn Team, usize),
    weights: &LayerWeights<'_>,
    batch: Batch<'_>,
    scratch: &mut Scratch,
    out: &mut [f32],
) {
    let (team, members) = team;
    let tokens = batch.x.len() / weights.hidden();
    let Parts {
        wide,
        narrow,
        middle,
        codes,
        heads,
        members,
    } = scratch.parts(tokens, (weights.hidden(), weights.f1.outputs), members);
    let run = Run {
        level,
        weights,
        batch,
        tokens,
        wide: Shared::new(wide),
        narrow: Shared::new(narrow),
        middle: Shared::new(middle),
        codes: Shared::new(codes),
        heads: Shared::new(heads),
        out: Shared::new(out),
    };
    let rows = tokens.div_ceil(ROWS_CHUNK);
    let texts = batch.offsets.len() - 1;
    run_phases(
        team,
        members,
        &[
            Phase {
                chunks: rows,
                work: &|c, _| run.quantize_input(c),
            },
            Phase {
                chunks: run.panels(weights.qkv),
                work: &|c, _| run.project(c),
            },
            Phase {
                chunks: texts * weights.heads(),
                work: &|c, m| run.attend(c, m),
            },
            Phase {
                chunks: rows,
                work: &|c, m| run.quantize_mixed(c, m),
            },
            Phase {
                chunks: run.panels(weights.o),
                work: &|c, _| run.join_heads(c),
            },
            Phase {
                chunks: rows,
                work: &|c, _| run.norm_attention(c),
            },
            Phase {
                chunks: run.panels(weights.f1),
                work: &|c, _| run.widen(c),
            },
            Phase {
                chunks: rows,
                work: &|c, _| run.quantize_gated(c),
            },
            Phase {
                chunks: run.panels(weights.f2),
                work: &|c, _| run.narrow_again(c),
            },
            Phase {
                chunks: rows,
                work: &|c, _| run.norm_output(c),
            },
        ],
    );
}

/// The buffers of one layer in one run. Within a phase every chunk writes rows, or rows and
/// columns, of its own; what it reads was written in an earlier phase. That is the promise behind
/// each `unsafe` below.
struct Run<'a> {
    level: Level,
    weights: &'a LayerWeights<'a>,
    batch: Batch<'a>,
    tokens: usize,
    wide: Shared<'a, f32>,
    narrow: Shared<'a, f32>,
    middle: Shared<'a, f32>,
    codes: Shared<'a, u8>,
    heads: Shared<'a, RowHead>,
    out: Shared<'a, f32>,
}

impl Run<'_> {
    /// Pieces of a linear layer: every panel for every block of rows.
    fn panels(&self, linear: Linear<'_>) -> usize {
        linear.panels() * self.tokens.div_ceil(ROWS_BLOCK)
    }

    fn rows(&self, chunk: usize) -> std::ops::Range<usize> {
        chunk * ROWS_CHUNK..((chunk + 1) * ROWS_CHUNK).min(self.tokens)
    }

    fn quantize(&self, row: usize, x: &[f32], factor: f32) {
        let width = x.len();
        // SAFETY: this chunk alone has this row.
        let codes = unsafe { self.codes.slice_mut(row * width, width) };
        // SAFETY: as above.
        let head = &mut unsafe { self.heads.slice_mut(row, 1) }[0];
        self.level.run(Quantize {
            x,
            factor,
            codes,
            head,
        });
    }

    fn linear<const GELU: bool>(
        &self,
        chunk: usize,
        linear: Linear<'_>,
        out: &Shared<'_, f32>,
        width: usize,
    ) {
        let panels = linear.panels();
        let blocks = self.tokens.div_ceil(ROWS_BLOCK);
        let (block, panel) = (chunk / panels, chunk % panels);
        let (from, to) = (
            block * self.tokens / blocks,
            (block + 1) * self.tokens / blocks,
        );
        // SAFETY: nobody writes codes in this phase.
        let codes = unsafe {
            self.codes
                .slice(from * linear.inputs, (to - from) * linear.inputs)
        };
        // SAFETY: nobody writes heads in this phase.
        let heads = unsafe { self.heads.slice(from, to - from) };
        let layout = Layout {
            width,
            rows: self.tokens,
        };
        self.level.run(LinearPanel::<GELU> {
            linear,
            panel,
            codes,
            heads,
            first_row: from,
            out,
            layout,
        });
    }

    fn quantize_input(&self, chunk: usize) {
        let hidden = self.weights.hidden();
        for row in self.rows(chunk) {
            self.quantize(row, &self.batch.x[row * hidden..][..hidden], FACTOR_NORMED);
        }
    }

    fn project(&self, chunk: usize) {
        self.linear::<false>(chunk, self.weights.qkv, &self.wide, HEAD);
    }

    fn attend(&self, chunk: usize, member: &mut Member) {
        let heads = self.weights.heads();
        let (text, head) = (chunk / heads, chunk % heads);
        let (from, to) = (self.batch.offsets[text], self.batch.offsets[text + 1]);
        let start = |kind: usize| ((kind * heads + head) * self.tokens + from) * HEAD;
        let len = (to - from) * HEAD;
        let offsets = self.weights.bias.len() / heads;
        self.level.run(AttendHead {
            // SAFETY: this chunk alone has these queries.
            q: unsafe { self.wide.slice_mut(start(0), len) },
            // SAFETY: nobody writes keys in this phase.
            k: unsafe { self.wide.slice(start(1), len) },
            // SAFETY: nobody writes values in this phase.
            v: unsafe { self.wide.slice(start(2), len) },
            bias: &self.weights.bias[head * offsets..][..offsets],
            scratch: &mut member.attention,
        });
    }

    fn quantize_mixed(&self, chunk: usize, member: &mut Member) {
        member.row.reserve(self.weights.hidden());
        for row in self.rows(chunk) {
            let x = member.row.as_mut_slice();
            for (head, x) in x.chunks_exact_mut(HEAD).enumerate() {
                // SAFETY: nobody writes the wide buffer in this phase.
                x.copy_from_slice(unsafe {
                    self.wide.slice((head * self.tokens + row) * HEAD, HEAD)
                });
            }
            self.quantize(row, x, FACTOR_MIXED);
        }
    }

    fn join_heads(&self, chunk: usize) {
        self.linear::<false>(chunk, self.weights.o, &self.narrow, self.weights.hidden());
    }

    fn norm_attention(&self, chunk: usize) {
        let hidden = self.weights.hidden();
        for row in self.rows(chunk) {
            // SAFETY: nobody writes the narrow buffer in this phase.
            let a = unsafe { self.narrow.slice(row * hidden, hidden) };
            // SAFETY: this chunk alone has this row.
            let out = unsafe { self.middle.slice_mut(row * hidden, hidden) };
            let b = &self.batch.x[row * hidden..][..hidden];
            self.level.run(AddNorm {
                a,
                b,
                weights: self.weights.norm1,
                out,
            });
            self.quantize(row, out, FACTOR_NORMED);
        }
    }

    fn widen(&self, chunk: usize) {
        self.linear::<true>(chunk, self.weights.f1, &self.wide, self.weights.f1.outputs);
    }

    fn quantize_gated(&self, chunk: usize) {
        let inner = self.weights.f1.outputs;
        for row in self.rows(chunk) {
            // SAFETY: nobody writes the wide buffer in this phase.
            let x = unsafe { self.wide.slice(row * inner, inner) };
            self.quantize(row, x, FACTOR_GATED);
        }
    }

    fn narrow_again(&self, chunk: usize) {
        self.linear::<false>(chunk, self.weights.f2, &self.narrow, self.weights.hidden());
    }

    fn norm_output(&self, chunk: usize) {
        let hidden = self.weights.hidden();
        for row in self.rows(chunk) {
            // SAFETY: nobody writes the narrow buffer in this phase.
            let a = unsafe { self.narrow.slice(row * hidden, hidden) };
            // SAFETY: nobody writes the middle buffer in this phase.
            let b = unsafe { self.middle.slice(row * hidden, hidden) };
            // SAFETY: this chunk alone has this row.
            let out = unsafe { self.out.slice_mut(row * hidden, hidden) };
            self.level.run(AddNorm {
                a,
                b,
                weights: self.weights.norm2,
                out,
            });
        }
    }
}
