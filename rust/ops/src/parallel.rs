//! Work in phases, shared between the threads that come, with results that do not depend on them.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A slice that several threads write, each its own part.
pub struct Shared<'a, T> {
    start: *mut T,
    len: usize,
    owner: PhantomData<&'a mut [T]>,
}

// SAFETY: the slice is borrowed for `'a`, and whoever takes parts promises that they are apart.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    /// Borrows `slice` until the last use of the value.
    pub fn new(slice: &'a mut [T]) -> Self {
        Self {
            start: slice.as_mut_ptr(),
            len: slice.len(),
            owner: PhantomData,
        }
    }

    /// `count` elements from `start` on, to read.
    ///
    /// # Panics
    /// If they do not lie within the slice.
    ///
    /// # Safety
    /// While the result lives, nobody may write to this part.
    #[inline(always)]
    #[must_use]
    pub unsafe fn slice(&self, start: usize, count: usize) -> &[T] {
        assert!(
            start <= self.len && count <= self.len - start,
            "part outside the slice"
        );
        // SAFETY: inside the slice by the line above, not written by the caller's promise.
        unsafe { std::slice::from_raw_parts(self.start.wrapping_add(start), count) }
    }

    /// `count` elements from `start` on, to write.
    ///
    /// # Panics
    /// If they do not lie within the slice.
    ///
    /// # Safety
    /// While the result lives, nobody else may hold a part that overlaps it.
    #[inline(always)]
    #[must_use]
    #[expect(clippy::mut_from_ref, reason = "exclusive by the caller's promise")]
    pub unsafe fn slice_mut(&self, start: usize, count: usize) -> &mut [T] {
        assert!(
            start <= self.len && count <= self.len - start,
            "part outside the slice"
        );
        // SAFETY: inside the slice by the line above, not shared by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.wrapping_add(start), count) }
    }
}

/// Something that runs a body on several threads and returns when all have returned.
pub trait Team {
    /// Calls `body(member)` for each member below `members`, in any order, on any threads, perhaps
    /// one after the other.
    fn call(&self, members: usize, body: &(dyn Fn(usize) + Sync));
}

/// One step of a computation: `chunks` pieces that may run at the same time.
pub struct Phase<'a, L> {
    /// How many pieces.
    pub chunks: usize,
    /// Does one piece, with this thread's memory.
    pub work: &'a (dyn Fn(usize, &mut L) + Sync),
}

/// Progress of one phase. Each member owns a range of chunks and helps the others when it is done.
struct Progress {
    next: Vec<Line>,
    done: Line,
}

/// A counter with a cache line of its own.
#[repr(align(64))]
#[derive(Default)]
struct Line(AtomicUsize);

/// Runs the phases one after the other; a phase begins when the one before is complete.
///
/// A member that comes late joins where the others are; one that never comes is not missed, for
/// every chunk can be taken by anybody. Which member does a chunk must not change what it writes.
///
/// # Panics
/// If a piece panicked, on whatever thread; the others stop early.
pub fn run_phases<L: Send>(team: &dyn Team, locals: &mut [L], phases: &[Phase<'_, L>]) {
    let members = locals.len();
    let locals = Shared::new(locals);
    let progress: Vec<Progress> = phases
        .iter()
        .map(|phase| Progress::new(phase, members))
        .collect();
    let failed = AtomicBool::new(false);
    team.call(members, &|member| {
        // SAFETY: each member number is passed once, so this thread alone has this element.
        let local = &mut unsafe { locals.slice_mut(member, 1) }[0];
        let guard = SetOnPanic(&failed);
        for (phase, progress) in phases.iter().zip(&progress) {
            progress.work(phase, member, members, local);
            if !progress.wait(phase.chunks, &failed) {
                break;
            }
        }
        std::mem::forget(guard);
    });
    assert!(
        !failed.load(Ordering::Acquire),
        "a piece of the computation panicked"
    );
}

struct SetOnPanic<'a>(&'a AtomicBool);

impl Drop for SetOnPanic<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Progress {
    fn new<L>(phase: &Phase<'_, L>, members: usize) -> Self {
        let first = |member| Line(AtomicUsize::new(member * phase.chunks / members));
        Self {
            next: (0..members).map(first).collect(),
            done: Line::default(),
        }
    }

    fn work<L>(&self, phase: &Phase<'_, L>, member: usize, members: usize, local: &mut L) {
        let mut finished = 0;
        for owner in (member..members).chain(0..member) {
            let end = (owner + 1) * phase.chunks / members;
            let next = &self.next[owner].0;
            while next.load(Ordering::Relaxed) < end {
                let chunk = next.fetch_add(1, Ordering::Relaxed);
                if chunk >= end {
                    break;
                }
                (phase.work)(chunk, local);
                finished += 1;
            }
        }
        self.done.0.fetch_add(finished, Ordering::AcqRel);
    }

    /// Waits until all chunks are done; false if a member failed.
    fn wait(&self, chunks: usize, failed: &AtomicBool) -> bool {
        // Some 20 microseconds of spinning; then the missing member has probably lost its core.
        let mut patience = 1000;
        while self.done.0.load(Ordering::Acquire) < chunks {
            if failed.load(Ordering::Acquire) {
                return false;
            }
            if patience > 0 {
                patience -= 1;
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
        true
    }
}

/// The calling thread alone.
pub struct Alone;

impl Team for Alone {
    fn call(&self, members: usize, body: &(dyn Fn(usize) + Sync)) {
        (0..members).for_each(body);
    }
}

/// One fresh thread for each member; for tests and measurements.
pub struct Threads;

impl Team for Threads {
    fn call(&self, members: usize, body: &(dyn Fn(usize) + Sync)) {
        std::thread::scope(|scope| {
            for member in 1..members {
                scope.spawn(move || body(member));
            }
            body(0);
        });
    }
}
