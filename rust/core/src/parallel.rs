//! Large scans on several cores.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::mask::BLOCK;
use crate::workers::{call, cores};

/// What it costs to scan the int8 codes of a row for one query; to look at its sketch costs 1.
pub const SCAN_COST: usize = 8;

/// Cost for which a second thread is worth waking.
const COST_PER_THREAD: usize = 32_768;

/// Blocks that a thread takes at a time: the others wait for the last piece at the end.
const BLOCKS_PER_PIECE: usize = 8;

/// The blocks that are still to be scanned; several threads take pieces of them, in order.
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    next: &'a AtomicUsize,
    blocks: usize,
}

impl Iterator for Pieces<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let start = self.next.fetch_add(BLOCKS_PER_PIECE, Ordering::Relaxed);
        (start < self.blocks).then(|| start..self.blocks.min(start + BLOCKS_PER_PIECE))
    }
}

/// Run `scan` over all of `blocks` blocks, on as many threads as come and are worth it; `cost` is that
/// of one row.
///
/// Each thread calls `scan` once, with the pieces that are left; which of them it gets is chance.
pub fn in_parts<T: Send>(
    blocks: usize,
    cost: usize,
    scan: impl Fn(Pieces<'_>) -> T + Sync,
) -> Vec<T> {
    let rows = blocks.saturating_mul(BLOCK);
    let parts = (rows.saturating_mul(cost) / COST_PER_THREAD)
        .clamp(1, cores())
        .min(blocks.div_ceil(BLOCKS_PER_PIECE).max(1));
    let next = AtomicUsize::new(0);
    let pieces = Pieces {
        next: &next,
        blocks,
    };
    if parts == 1 {
        return vec![scan(pieces)];
    }
    let results: Vec<Mutex<Option<T>>> = (0..parts).map(|_| Mutex::new(None)).collect();
    call(parts, &|member| {
        let result = scan(pieces.clone());
        if let Ok(mut place) = results[member].lock() {
            *place = Some(result);
        }
    });
    let result = |place: Mutex<Option<T>>| place.into_inner().ok().flatten();
    results.into_iter().filter_map(result).collect()
}
