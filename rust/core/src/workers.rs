//! Threads that wait for scans to help with.
//!
//! A fresh thread costs as much as scanning some thousand rows, and a scan is late when its helper
//! is. So the threads stay, and nobody waits for one that has not begun: whoever is there does
//! the work, piece by piece.

use std::any::Any;
use std::collections::VecDeque;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

/// Turns of a short wait before a long one: some ten microseconds.
const SPINS: usize = 2_000;

type Body<'a> = dyn Fn(usize) + Sync + 'a;

/// Cores of this machine.
pub fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, NonZero::get))
}

/// Call `body(0)` here and `body(1)`, `body(2)`, ... below `members` on other threads that are free.
///
/// Returns when all calls that began have returned. A member whose thread comes too late is left
/// out, so the bodies must share the work among those that come, down to the first alone.
///
/// # Panics
/// If a body panicked.
pub fn call(members: usize, body: &Body<'_>) {
    if members <= 1 {
        return body(0);
    }
    let job = Arc::new(Job::new(members, body));
    let is_offered = pool().offer(&job, members - 1);
    let result = catch_unwind(AssertUnwindSafe(|| body(0)));
    if is_offered {
        pool().withdraw(&job);
    }
    let failed = job.close();
    if let Err(panic) = result {
        resume_unwind(panic);
    }
    if let Some(panic) = failed {
        resume_unwind(panic);
    }
}

/// A body and who is at it.
struct Job {
    /// The body of [`call`], whose lifetime the field cannot name.
    body: *const Body<'static>,
    state: Mutex<JobState>,
    /// Other members that are at work; a copy of the state's, for the short wait.
    running: AtomicUsize,
    left: Condvar,
}

struct JobState {
    next: usize,
    members: usize,
    running: usize,
    failed: Option<Box<dyn Any + Send>>,
}

// SAFETY: the body is `Sync`, everything else is owned; the pointer is followed by `Job::help` only.
unsafe impl Send for Job {}
// SAFETY: as above.
unsafe impl Sync for Job {}

impl Job {
    fn new(members: usize, body: &Body<'_>) -> Self {
        // SAFETY: both types differ in a lifetime only, and `Job::help` keeps to the true one.
        let body = unsafe { std::mem::transmute::<&Body<'_>, &'static Body<'static>>(body) };
        Self {
            body,
            state: Mutex::new(JobState {
                next: 1,
                members,
                running: 0,
                failed: None,
            }),
            running: AtomicUsize::new(0),
            left: Condvar::new(),
        }
    }

    /// Run the body as the next member, if the job is still open.
    fn help(&self) {
        let mut state = locked(&self.state);
        if state.next >= state.members {
            return;
        }
        let member = state.next;
        state.next += 1;
        state.running += 1;
        self.running.store(state.running, Ordering::Release);
        drop(state);
        // SAFETY: `call` borrows the body until `close` returns, and that waits for this member,
        // which has been counted as running while the job was open.
        let body = unsafe { &*self.body };
        let result = catch_unwind(AssertUnwindSafe(|| body(member)));
        let mut state = locked(&self.state);
        state.running -= 1;
        if let Err(panic) = result {
            state.failed = Some(panic);
        }
        self.running.store(state.running, Ordering::Release);
        self.left.notify_all();
    }

    /// Let nobody in any more and wait for those that are at work; a panic of one comes back.
    fn close(&self) -> Option<Box<dyn Any + Send>> {
        let mut state = locked(&self.state);
        state.members = 0;
        if state.running > 0 {
            drop(state);
            let mut spins = 0;
            while self.running.load(Ordering::Acquire) > 0 && spins < SPINS {
                spins += 1;
                std::hint::spin_loop();
            }
            state = locked(&self.state);
        }
        while state.running > 0 {
            state = self
                .left
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.failed.take()
    }
}

/// One thread for each core but the caller's, and the jobs they may help with.
struct Pool {
    jobs: Mutex<VecDeque<Arc<Job>>>,
    offered: Condvar,
}

fn pool() -> &'static Pool {
    static POOL: OnceLock<Pool> = OnceLock::new();
    static THREADS: OnceLock<()> = OnceLock::new();
    let pool = POOL.get_or_init(|| Pool {
        jobs: Mutex::new(VecDeque::new()),
        offered: Condvar::new(),
    });
    THREADS.get_or_init(|| {
        for _ in 1..cores() {
            // Without a thread the callers do everything themselves.
            let _ = std::thread::Builder::new()
                .name("openviking-scan".to_owned())
                .spawn(|| pool.serve());
        }
    });
    pool
}

impl Pool {
    fn serve(&self) -> ! {
        loop {
            let mut jobs = locked(&self.jobs);
            let job = loop {
                match jobs.pop_front() {
                    Some(job) => break job,
                    None => {
                        jobs = self
                            .offered
                            .wait(jobs)
                            .unwrap_or_else(PoisonError::into_inner);
                    }
                }
            };
            drop(jobs);
            job.help();
        }
    }

    /// Ask `helpers` threads for help; false if they cannot be asked.
    fn offer(&self, job: &Arc<Job>, helpers: usize) -> bool {
        // Never wait here: in a forked child the lock may be held by a thread that does not exist.
        let Ok(mut jobs) = self.jobs.try_lock() else {
            return false;
        };
        for _ in 0..helpers {
            jobs.push_back(Arc::clone(job));
        }
        drop(jobs);
        for _ in 0..helpers {
            self.offered.notify_one();
        }
        true
    }

    /// Take back what no thread has come for.
    fn withdraw(&self, job: &Arc<Job>) {
        // If the lock is taken, a thread will find the job closed and drop it.
        if let Ok(mut jobs) = self.jobs.try_lock() {
            jobs.retain(|other| !Arc::ptr_eq(other, job));
        }
    }
}

/// No code of ours panics while it holds one of these locks.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_member_always_runs_and_each_other_at_most_once() {
        for _ in 0..200 {
            let calls: Vec<_> = (0..4).map(|_| AtomicUsize::new(0)).collect();
            call(4, &|member| {
                calls[member].fetch_add(1, Ordering::Relaxed);
            });
            let calls: Vec<_> = calls.iter().map(|n| n.load(Ordering::Relaxed)).collect();
            assert_eq!(calls[0], 1);
            assert!(calls.iter().all(|n| *n <= 1), "{calls:?}");
        }
    }

    #[test]
    fn many_callers_get_their_own_work_done() {
        std::thread::scope(|scope| {
            for caller in 0..8 {
                scope.spawn(move || {
                    for round in 0..100 {
                        let next = AtomicUsize::new(0);
                        let sum = AtomicUsize::new(0);
                        call(3, &|_| {
                            loop {
                                let piece = next.fetch_add(1, Ordering::Relaxed);
                                if piece >= 50 {
                                    break;
                                }
                                sum.fetch_add(piece * caller + round, Ordering::Relaxed);
                            }
                        });
                        assert_eq!(sum.into_inner(), 1225 * caller + 50 * round);
                    }
                });
            }
        });
    }

    #[test]
    fn a_panic_of_any_member_reaches_the_caller_after_all_have_left() {
        let inside = AtomicUsize::new(0);
        let result = catch_unwind(AssertUnwindSafe(|| {
            call(2, &|member| {
                inside.fetch_add(1, Ordering::SeqCst);
                if member == 0 {
                    inside.fetch_sub(1, Ordering::SeqCst);
                    panic!("a piece of the computation failed");
                }
                inside.fetch_sub(1, Ordering::SeqCst);
            });
        }));
        assert!(result.is_err());
        assert_eq!(inside.into_inner(), 0);
        call(2, &|_| ());
    }
}
