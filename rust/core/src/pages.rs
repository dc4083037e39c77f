//! Memory in pages of 2 MB, where the system has them.
//!
//! A scan over many rows in 4 kB pages waits for address translation as much as for data. Advice to
//! the system is all that is done here: where it is not taken, everything works as before.

/// Smaller memory has too few pages to matter.
const WORTH_BYTES: usize = 1 << 22;

/// An empty vector with room for `count` elements, on large pages if they come to some megabytes.
#[must_use]
pub fn with_capacity<T>(count: usize) -> Vec<T> {
    let mut vec = Vec::new();
    reserve(&mut vec, count);
    vec
}

/// A copy of `elements`, on large pages if they come to some megabytes.
#[must_use]
pub fn copied<T: Copy>(elements: &[T]) -> Vec<T> {
    let mut vec = with_capacity(elements.len());
    vec.extend_from_slice(elements);
    vec
}

/// Make room for exactly `count` more elements.
pub(crate) fn reserve<T>(vec: &mut Vec<T>, count: usize) {
    vec.reserve_exact(count);
    let spare = vec.spare_capacity_mut();
    advise(
        spare.as_ptr().cast::<u8>().addr(),
        std::mem::size_of_val(spare),
    );
}

#[cfg(target_os = "linux")]
fn advise(start: usize, bytes: usize) {
    use std::ffi::{c_int, c_void};

    // SAFETY: this is the declaration of the C library that `std` itself is linked with.
    unsafe extern "C" {
        fn madvise(start: *mut c_void, bytes: usize, advice: c_int) -> c_int;
    }
    /// `MADV_HUGEPAGE` of `asm-generic/mman-common.h`; the same on every architecture we have.
    const HUGE_PAGES: c_int = 14;
    const PAGE_BYTES: usize = 1 << 16;

    if bytes < WORTH_BYTES {
        return;
    }
    // Whole pages only, of the largest base page that Linux has, so that no neighbour is touched.
    let first = start.next_multiple_of(PAGE_BYTES);
    let end = (start + bytes) / PAGE_BYTES * PAGE_BYTES;
    let pages = std::ptr::with_exposed_provenance_mut::<c_void>(first);
    // SAFETY: the pages lie within memory of the caller's vector, and this advice changes neither
    // their contents nor their protection. A refusal is of no consequence.
    let _ = unsafe { madvise(pages, end.saturating_sub(first), HUGE_PAGES) };
}

#[cfg(not(target_os = "linux"))]
fn advise(_start: usize, _bytes: usize) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_memory_holds_what_is_put_in() {
        let numbers: Vec<u32> = (0..3_000_000).collect();
        let mut copy = copied(&numbers);
        assert_eq!(copy, numbers);
        reserve(&mut copy, 2_000_000);
        copy.extend(0..2_000_000);
        assert_eq!(copy[..3_000_000], numbers);
        assert_eq!(copy[3_000_000..], numbers[..2_000_000]);
        assert!(with_capacity::<u64>(0).is_empty());
    }
}
