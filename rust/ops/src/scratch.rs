//! Working memory of a layer: taken once, reused by the next layer and the next run.

use crate::kernels::attention::AttentionScratch;
use crate::kernels::quantize::RowHead;
use crate::kernels::{Aligned, AlignedBytes};

/// Working memory of one run, reused by the next.
#[derive(Default)]
pub struct Scratch {
    /// Queries, keys, values by head; later the wide rows of the feed-forward part.
    pub(crate) wide: Aligned,
    /// What a residual addition waits for.
    pub(crate) narrow: Aligned,
    /// The tokens after attention.
    pub(crate) middle: Aligned,
    pub(crate) codes: AlignedBytes,
    pub(crate) heads: Vec<RowHead>,
    pub(crate) members: Vec<Member>,
}

/// Working memory of one thread.
#[derive(Default)]
pub(crate) struct Member {
    pub(crate) attention: AttentionScratch,
    pub(crate) row: Aligned,
}

impl Scratch {
    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let members: usize = self
            .members
            .iter()
            .map(|m| m.attention.bytes() + m.row.bytes())
            .sum();
        let floats = self.wide.bytes() + self.narrow.bytes() + self.middle.bytes();
        floats + self.codes.bytes() + size_of::<RowHead>() * self.heads.len() + members
    }

    /// Makes room for this many tokens of these widths, and for this many threads.
    pub(crate) fn reserve(&mut self, tokens: usize, widths: (usize, usize), members: usize) {
        let (hidden, inner) = widths;
        self.wide.reserve(tokens * inner.max(3 * hidden));
        self.narrow.reserve(tokens * hidden);
        self.middle.reserve(tokens * hidden);
        self.codes.reserve(tokens * inner.max(hidden));
        if self.heads.len() < tokens {
            self.heads.resize_with(tokens, RowHead::default);
        }
        self.members.resize_with(members, Member::default);
    }
}
