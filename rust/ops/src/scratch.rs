//! Working memory of a layer: taken once, reused by the next layer and the next run.

use std::sync::{Mutex, PoisonError};

use crate::kernels::attention::AttentionScratch;
use crate::kernels::quantize::RowHead;
use crate::kernels::{Aligned, AlignedBytes};
use crate::pages::Pages;

/// Working memory of one run, reused by the next.
#[derive(Default)]
pub struct Scratch {
    memory: Memory,
    heads: Vec<RowHead>,
    members: Vec<Member>,
}

/// What a layer over some tokens works in.
pub(crate) struct Parts<'a> {
    /// Queries, keys, values by head; later the wide rows of the feed-forward part.
    pub(crate) wide: &'a mut [f32],
    /// What a residual addition waits for.
    pub(crate) narrow: &'a mut [f32],
    /// The tokens after attention.
    pub(crate) middle: &'a mut [f32],
    pub(crate) codes: &'a mut [u8],
    pub(crate) heads: &'a mut [RowHead],
    pub(crate) members: &'a mut [Member],
}

/// Working memory of one thread.
#[derive(Default)]
pub(crate) struct Member {
    pub(crate) attention: AttentionScratch,
    pub(crate) row: Aligned,
}

impl Scratch {
    /// Bytes held for tokens.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.memory.bytes()
    }

    /// Makes room for this many tokens of these widths, and for this many threads.
    pub(crate) fn parts(
        &mut self,
        tokens: usize,
        widths: (usize, usize),
        members: usize,
    ) -> Parts<'_> {
        let sizes @ [wide, narrow, _] = sizes(tokens, widths);
        if self.heads.len() < tokens {
            self.heads.resize_with(tokens, RowHead::default);
        }
        self.members.resize_with(members, Member::default);
        let memory = self.memory.reserve(bytes(sizes));
        let (floats, codes) = memory.split_at_mut(4 * (wide + 2 * narrow));
        // SAFETY: whatever the bytes are, four of them are a float.
        let (before, floats, _) = unsafe { floats.align_to_mut::<f32>() };
        assert!(before.is_empty(), "memory begins on a cache line");
        let (wide, floats) = floats.split_at_mut(wide);
        let (narrow, middle) = floats.split_at_mut(narrow);
        Parts {
            wide,
            narrow,
            middle,
            codes,
            heads: &mut self.heads[..tokens],
            members: &mut self.members,
        }
    }
}

/// Numbers of the wide part, of each narrow part, and codes, for tokens of these widths.
fn sizes(tokens: usize, (hidden, inner): (usize, usize)) -> [usize; 3] {
    [
        tokens * inner.max(3 * hidden),
        tokens * hidden,
        tokens * inner.max(hidden),
    ]
}

fn bytes([wide, narrow, codes]: [usize; 3]) -> usize {
    size_of::<f32>() * (wide + 2 * narrow) + codes
}

/// Bytes from which memory lies in large pages, and is given back when a run ends: 42 tokens of
/// this model. Queries are shorter.
const LARGE_BYTES: usize = 1 << 20;

enum Memory {
    Small(AlignedBytes),
    Large(Pages, usize),
}

impl Default for Memory {
    fn default() -> Self {
        Self::Small(AlignedBytes::default())
    }
}

impl Memory {
    fn bytes(&self) -> usize {
        match self {
            Self::Small(bytes) => bytes.bytes(),
            Self::Large(_, bytes) => *bytes,
        }
    }

    /// This many bytes from a cache line on; the content is unspecified.
    fn reserve(&mut self, bytes: usize) -> &mut [u8] {
        if self.bytes() < bytes && bytes >= LARGE_BYTES {
            // What is too small goes before its successor comes.
            *self = Self::default();
            if let Some(pages) = Pages::map(bytes) {
                *self = Self::Large(pages, bytes);
            }
        }
        match self {
            Self::Small(small) => {
                small.reserve(bytes);
                small.as_mut_slice()
            }
            Self::Large(pages, held) => {
                let start = pages.start().as_ptr();
                // SAFETY: the mapping holds what it was asked for, and belongs to this value.
                let held = unsafe { std::slice::from_raw_parts_mut(start, *held) };
                &mut held[..bytes]
            }
        }
    }
}

/// Working memory waiting for the next layer or run: of this size and number at most, so that one
/// long batch does not stay in memory for ever.
static IDLE: Mutex<Vec<Scratch>> = Mutex::new(Vec::new());
const IDLE_BYTES_MAX: usize = 16 << 20;
const IDLE_MAX: usize = 4;

/// Working memory for this many tokens of these widths: the smallest that suffices, so that a short
/// text leaves the large one to the long text beside it.
pub(crate) fn take(tokens: usize, widths: (usize, usize)) -> Scratch {
    let bytes = bytes(sizes(tokens, widths));
    let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    let fitting = (0..idle.len()).min_by_key(|&at| (idle[at].bytes() < bytes, idle[at].bytes()));
    fitting.map(|at| idle.swap_remove(at)).unwrap_or_default()
}

/// Keeps working memory for the next layer.
pub(crate) fn give_back(scratch: Scratch) {
    if scratch.bytes() <= IDLE_BYTES_MAX {
        let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(scratch);
        }
    }
}

/// Gives large working memory back to the system. Said at the end of a run; a run beside it that is
/// between two layers takes anew what it loses.
pub(crate) fn release_large() {
    let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    let is_large = |scratch: &mut Scratch| matches!(scratch.memory, Memory::Large(..));
    let large: Vec<_> = idle.extract_if(.., is_large).collect();
    // Unmapping takes a while, and a thread of low priority may lose its processor meanwhile: a
    // query's layer must not wait for it.
    drop(idle);
    drop(large);
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTHS: (usize, usize) = (64, 256);

    #[test]
    fn parts_are_apart_and_as_long_as_asked_for() {
        for tokens in [1, 7, 40, 600, 3, 900] {
            let mut scratch = Scratch::default();
            let parts = scratch.parts(tokens, WIDTHS, 2);
            assert_eq!(parts.wide.len(), tokens * 256);
            parts.wide.fill(1.0);
            parts.narrow.fill(2.0);
            parts.middle.fill(3.0);
            parts.codes.fill(4);
            assert_eq!((parts.heads.len(), parts.members.len()), (tokens, 2));
            assert!(parts.wide.iter().all(|x| x.to_bits() == 1.0_f32.to_bits()));
            assert!(
                parts
                    .narrow
                    .iter()
                    .all(|x| x.to_bits() == 2.0_f32.to_bits())
                    && parts.narrow.len() == tokens * 64
            );
            assert!(
                parts
                    .middle
                    .iter()
                    .all(|x| x.to_bits() == 3.0_f32.to_bits())
                    && parts.middle.len() == tokens * 64
            );
            assert!(parts.codes.iter().all(|&x| x == 4) && parts.codes.len() == tokens * 256);
        }
    }

    #[test]
    fn a_short_text_leaves_the_large_memory_alone_and_the_end_of_a_run_releases_it() {
        let (mut large, mut small) = (Scratch::default(), Scratch::default());
        large.parts(1000, WIDTHS, 1);
        small.parts(8, WIDTHS, 1);
        let (large_bytes, small_bytes) = (large.bytes(), small.bytes());
        assert!(small_bytes < LARGE_BYTES && LARGE_BYTES <= large_bytes);
        give_back(large);
        give_back(small);
        let (short, long) = (take(8, WIDTHS), take(1000, WIDTHS));
        assert_eq!((short.bytes(), long.bytes()), (small_bytes, large_bytes));
        give_back(short);
        give_back(long);
        release_large();
        let kept = take(1000, WIDTHS);
        // Without large pages the allocator holds it, as it would anyway.
        assert!(kept.bytes() == small_bytes || Pages::map(1).is_none());
    }
}
