//! Large scans on several cores.

use std::num::NonZero;
use std::ops::Range;
use std::sync::OnceLock;

use crate::mask::BLOCK;

/// int8 row scans that are worth a second thread: starting one costs as much as 3,000 of them.
const ROWS_PER_THREAD: usize = 8_192;

/// Run `scan` over all of `blocks` blocks, cut into as many parts as threads are worth it.
pub fn in_parts<T: Send>(
    blocks: usize,
    queries: usize,
    scan: impl Fn(Range<usize>) -> T + Sync,
) -> Vec<T> {
    let rows = blocks.saturating_mul(BLOCK);
    let parts = (rows.saturating_mul(queries) / ROWS_PER_THREAD)
        .clamp(1, cores())
        .min(blocks);
    let bound = |part: usize| part * blocks / parts;
    let scan = &scan;
    if parts <= 1 {
        return vec![scan(0..blocks)];
    }
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..parts)
            .map(|part| scope.spawn(move || scan(bound(part)..bound(part + 1))))
            .collect();
        let mut results = vec![scan(0..bound(1))];
        for other in others {
            match other.join() {
                Ok(result) => results.push(result),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    })
}

fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, NonZero::get))
}
