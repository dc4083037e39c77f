//! Working memory of some megabytes, which is given back to the system as soon as it is dropped.
//!
//! It lies in pages of 2 MB: 8 MB are there after 0.25 ms, where 2,048 pages of 4 kB take 4 ms of a
//! virtual machine's time, a thirtieth of what a text of 384 tokens takes. An allocator would keep
//! what is freed; a mapping of its own does not.

use std::ptr::NonNull;
use std::sync::OnceLock;

/// One large page of Linux on x86-64 and, with base pages of 4 kB, on ARM.
const PAGE_BYTES: usize = 2 << 20;

/// Memory that begins on a large page and is zero at first.
pub(crate) struct Pages {
    /// First byte of the first large page.
    start: NonNull<u8>,
    /// What was mapped: the large pages, and before and behind them what aligns them.
    mapped: (NonNull<u8>, usize),
}

// SAFETY: the mapping belongs to this value alone, which threads read through `&` only.
unsafe impl Send for Pages {}
// SAFETY: as above.
unsafe impl Sync for Pages {}

impl Pages {
    /// Maps at least `bytes`; `None` where there are no large pages, or no memory.
    pub(crate) fn map(bytes: usize) -> Option<Self> {
        if !*AVAILABLE.get_or_init(are_available) {
            return None;
        }
        let bytes = bytes.checked_next_multiple_of(PAGE_BYTES)?;
        let mapped = (system::map(bytes + PAGE_BYTES)?, bytes + PAGE_BYTES);
        let skip = mapped.0.as_ptr().addr().next_multiple_of(PAGE_BYTES) - mapped.0.as_ptr().addr();
        // SAFETY: `skip` is less than a large page, which was mapped beyond `bytes`.
        let start = unsafe { mapped.0.add(skip) };
        system::advise_large(start, bytes);
        Some(Self { start, mapped })
    }

    /// The first byte; as many as were asked for follow.
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        system::unmap(self.mapped.0, self.mapped.1);
    }
}

static AVAILABLE: OnceLock<bool> = OnceLock::new();

/// Whether the system gives large pages to whoever asks.
fn are_available() -> bool {
    let setting = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
    setting.is_ok_and(|setting| !setting.contains("[never]"))
}

#[cfg(target_os = "linux")]
mod system {
    use std::ffi::{c_int, c_void};
    use std::ptr::{NonNull, null_mut};

    // SAFETY: these are the declarations of the C library that `std` itself is linked with, on
    // targets with 64 bits.
    unsafe extern "C" {
        fn mmap(
            at: *mut c_void,
            bytes: usize,
            protection: c_int,
            flags: c_int,
            file: c_int,
            from: i64,
        ) -> *mut c_void;
        fn munmap(start: *mut c_void, bytes: usize) -> c_int;
        fn madvise(start: *mut c_void, bytes: usize, advice: c_int) -> c_int;
    }

    // Of `asm-generic`; the same on every architecture we have.
    const READ_AND_WRITE: c_int = 1 | 2;
    const PRIVATE_AND_ANONYMOUS: c_int = 2 | 32;
    const HUGE_PAGES: c_int = 14;

    pub(super) fn map(bytes: usize) -> Option<NonNull<u8>> {
        // SAFETY: a new mapping, wherever the system has room; it overlaps nothing.
        let start = unsafe {
            mmap(
                null_mut(),
                bytes,
                READ_AND_WRITE,
                PRIVATE_AND_ANONYMOUS,
                -1,
                0,
            )
        };
        // Failure is the address -1.
        NonNull::new(start.cast::<u8>()).filter(|start| start.as_ptr().addr() != usize::MAX)
    }

    pub(super) fn advise_large(start: NonNull<u8>, bytes: usize) {
        // SAFETY: the pages are those of the caller's mapping; advice changes no contents. A
        // refusal is of no consequence.
        let _ = unsafe { madvise(start.as_ptr().cast(), bytes, HUGE_PAGES) };
    }

    pub(super) fn unmap(start: NonNull<u8>, bytes: usize) {
        // SAFETY: the caller's whole mapping, which nobody uses from here on.
        let _ = unsafe { munmap(start.as_ptr().cast(), bytes) };
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::ptr::NonNull;

    pub(super) fn map(_: usize) -> Option<NonNull<u8>> {
        None
    }

    pub(super) fn advise_large(_: NonNull<u8>, _: usize) {}

    pub(super) fn unmap(_: NonNull<u8>, _: usize) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_begins_on_a_large_page_and_can_be_written_to_its_end() {
        let bytes = 3 * PAGE_BYTES - 5;
        let Some(pages) = Pages::map(bytes) else {
            return assert!(!are_available());
        };
        assert_eq!(pages.start().as_ptr().addr() % PAGE_BYTES, 0);
        // SAFETY: as many bytes were asked for, and they are ours.
        let memory = unsafe { std::slice::from_raw_parts_mut(pages.start().as_ptr(), bytes) };
        assert!(memory.iter().all(|&byte| byte == 0));
        memory.fill(7);
        assert!(memory.iter().all(|&byte| byte == 7));
    }

    #[test]
    fn more_than_the_machine_has_is_refused() {
        assert!(Pages::map(usize::MAX).is_none());
        assert!(Pages::map(1 << 60).is_none());
    }
}
