//! Threads that help with the layers of a run, and sleep between runs.
//!
//! The layers of a short text follow each other within a quarter of a millisecond, so whoever helps
//! must not sleep between them; and behind the last one the processor is wanted by whoever uses the
//! vector, so whoever helps must not spin there. ONNX Runtime's pool knows neither moment: it spins for
//! more than 5 ms after every run. These threads are told when a run begins and when it ends.
//!
//! Nobody waits for a helper that has not come, and a helper leaves long texts for short ones.

use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::parallel::Team;

type Body<'a> = dyn Fn(usize) + Sync + 'a;

/// Members of one job at most, its caller included.
pub const MEMBERS_MAX: usize = 62;

/// Jobs of one kind at the same time; a caller that finds no place works alone.
const JOBS_MAX: usize = 8;

/// How long a helper looks for the next layer of a run. ONNX Runtime needs some 5 microseconds
/// between two; a run that fails in between never says that it has ended.
const BETWEEN_LAYERS: Duration = Duration::from_micros(500);

/// Turns of spinning before a thread offers its processor to others at every further turn.
const SPINS: usize = 1000;

/// The helpers of this process.
pub static CREW: Crew = Crew::new();

/// See the module.
pub struct Crew {
    urgent: [Job; JOBS_MAX],
    usual: [Job; JOBS_MAX],
    /// Urgent jobs that are open: helpers leave usual ones for them.
    urgent_open: AtomicUsize,
    /// Counts what helpers are told.
    news: AtomicU32,
    is_running: AtomicBool,
    asleep: AtomicUsize,
    sleeping: Mutex<()>,
    called: Condvar,
    /// How many helpers there are, and of which process: a fork has none.
    threads: Mutex<(usize, u32)>,
}

impl Crew {
    const fn new() -> Self {
        Self {
            urgent: [const { Job::new() }; JOBS_MAX],
            usual: [const { Job::new() }; JOBS_MAX],
            urgent_open: AtomicUsize::new(0),
            news: AtomicU32::new(0),
            is_running: AtomicBool::new(false),
            asleep: AtomicUsize::new(0),
            sleeping: Mutex::new(()),
            called: Condvar::new(),
            threads: Mutex::new((0, 0)),
        }
    }

    /// Has at least `helpers` threads, as far as the system grants them.
    pub fn enlarge(&'static self, helpers: usize) {
        let mut threads = locked(&self.threads);
        let process = std::process::id();
        if threads.1 != process {
            *threads = (0, process);
            self.asleep.store(0, Ordering::SeqCst);
            self.urgent_open.store(0, Ordering::SeqCst);
            for job in self.urgent.iter().chain(&self.usual) {
                job.state.store(0, Ordering::SeqCst);
            }
        }
        while threads.0 < helpers.min(MEMBERS_MAX - 1) {
            let name = "openviking-help".to_owned();
            let helper = thread::Builder::new().name(name);
            if helper.spawn(|| self.serve()).is_err() {
                return;
            }
            threads.0 += 1;
        }
    }

    /// Wakes `helpers` threads, because a run has begun whose layers follow.
    pub fn begin(&self, helpers: usize) {
        self.tell(true, helpers);
    }

    /// Lets helpers that find nothing to do sleep, because a run has ended.
    pub fn rest(&self) {
        self.tell(false, 0);
    }

    /// Calls `body(0)` here, and `body(member)` for other members below `members` on helpers that
    /// come meanwhile, perhaps several times. Returns when all calls have returned.
    ///
    /// # Panics
    /// If `body` panicked, on whatever thread.
    fn call(&self, is_urgent: bool, members: usize, body: &Body<'_>) {
        let jobs = if is_urgent { &self.urgent } else { &self.usual };
        if members < 2 {
            return body(0);
        }
        let Some(job) = jobs.iter().find(|job| job.claim()) else {
            return body(0);
        };
        let opened = Opened::new(self, job, is_urgent, members, body);
        self.tell(true, members - 1);
        body(0);
        drop(opened);
    }

    fn tell(&self, is_running: bool, helpers: usize) {
        self.is_running.store(is_running, Ordering::Relaxed);
        self.news.fetch_add(1, Ordering::SeqCst);
        let asleep = self.asleep.load(Ordering::SeqCst);
        if asleep > 0 && helpers > 0 {
            // A helper that counts as asleep either waits, or holds the lock and will see the news.
            drop(locked(&self.sleeping));
            for _ in 0..helpers.min(asleep) {
                self.called.notify_one();
            }
        }
    }

    fn serve(&self) -> ! {
        let mut is_amid_urgent = false;
        loop {
            let news = self.news.load(Ordering::Acquire);
            if self.urgent.iter().any(Job::help) {
                is_amid_urgent = true;
            } else if is_amid_urgent {
                // The next layer comes soon; a piece of a usual job would make us late for it.
                is_amid_urgent = self.linger(news);
            } else if !self.usual.iter().any(Job::help) && !self.linger(news) {
                self.sleep(news);
            }
        }
    }

    /// Waits awake, while a run goes on; true as soon as there is something newer than `news`.
    fn linger(&self, news: u32) -> bool {
        let began = Instant::now();
        let mut turns = 0;
        while self.is_running.load(Ordering::Relaxed) && began.elapsed() < BETWEEN_LAYERS {
            if self.news.load(Ordering::Acquire) != news {
                return true;
            }
            pause(&mut turns);
        }
        self.news.load(Ordering::Acquire) != news
    }

    fn sleep(&self, news: u32) {
        let guard = locked(&self.sleeping);
        self.asleep.fetch_add(1, Ordering::SeqCst);
        if self.news.load(Ordering::SeqCst) == news {
            drop(self.called.wait(guard));
        }
        self.asleep.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Work that helpers may join, at a place that is used again and again.
struct Job {
    /// Who is at it; see the constants below.
    state: AtomicU64,
    has_failed: AtomicBool,
    body: UnsafeCell<Option<*const Body<'static>>>,
}

/// Bit of a job that has a caller.
const CLAIMED: u64 = 1 << 63;
/// Bit of a job that helpers may join. The bits above it are the numbers of members: set, if one
/// with this number is at work or none may have it.
const OPEN: u64 = 1;

// SAFETY: the body is written by the one caller that has claimed the job, while it is not open, and
// read by helpers that have joined it, which is possible while it is open; both through `state`.
unsafe impl Sync for Job {}

impl Job {
    const fn new() -> Self {
        Self {
            state: AtomicU64::new(0),
            has_failed: AtomicBool::new(false),
            body: UnsafeCell::new(None),
        }
    }

    fn claim(&self) -> bool {
        self.state.load(Ordering::Relaxed) == 0
            && self
                .state
                .compare_exchange(0, CLAIMED, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
    }

    /// The lowest number that is free, as its bit; none if the job cannot be joined.
    fn join(&self) -> Option<u64> {
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            let free = !state & (CLAIMED - 1);
            if state & OPEN == 0 || free == 0 {
                return None;
            }
            let bit = free & free.wrapping_neg();
            match self.state.compare_exchange_weak(
                state,
                state | bit,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(bit),
                Err(now) => state = now,
            }
        }
    }

    /// Does what there is to do; false if nobody may join.
    fn help(&self) -> bool {
        let Some(bit) = self.join() else {
            return false;
        };
        // SAFETY: the caller wrote the body before it opened the job, which `join` has seen.
        let body = unsafe { *self.body.get() };
        let body = body.expect("an open job has a body");
        // SAFETY: the caller borrows the body until our bit is cleared.
        let body = unsafe { &*body };
        if catch_unwind(AssertUnwindSafe(|| body(bit.trailing_zeros() as usize))).is_err() {
            self.has_failed.store(true, Ordering::Release);
        }
        self.state.fetch_and(!bit, Ordering::AcqRel);
        true
    }
}

/// A job that is open; dropped, it is closed, no helper is at it any more, and a helper's panic is
/// the caller's.
struct Opened<'a> {
    crew: &'a Crew,
    job: &'a Job,
    is_urgent: bool,
    /// Numbers that nobody may have.
    barred: u64,
}

impl<'a> Opened<'a> {
    fn new(crew: &'a Crew, job: &'a Job, is_urgent: bool, members: usize, body: &Body<'_>) -> Self {
        // SAFETY: both types differ in a lifetime only; `drop` keeps to the true one.
        let body = unsafe { std::mem::transmute::<&Body<'_>, &'static Body<'static>>(body) };
        // SAFETY: the job is claimed by us and not open, so nobody else reads or writes this.
        unsafe { *job.body.get() = Some(body) };
        if is_urgent {
            crew.urgent_open.fetch_add(1, Ordering::Relaxed);
        }
        let barred = !((1 << members.min(MEMBERS_MAX)) - 1) & !CLAIMED;
        job.state.store(CLAIMED | OPEN | barred, Ordering::Release);
        Self {
            crew,
            job,
            is_urgent,
            barred,
        }
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        if self.is_urgent {
            self.crew.urgent_open.fetch_sub(1, Ordering::Relaxed);
        }
        self.job.state.fetch_and(!OPEN, Ordering::AcqRel);
        let mut turns = 0;
        while self.job.state.load(Ordering::Acquire) != CLAIMED | self.barred {
            pause(&mut turns);
        }
        let has_failed = self.job.has_failed.swap(false, Ordering::AcqRel);
        self.job.state.store(0, Ordering::Release);
        assert!(!has_failed || thread::panicking(), "a helper panicked");
    }
}

/// Waits a moment, the `turns`-th time in a row.
fn pause(turns: &mut usize) {
    *turns += 1;
    if *turns < SPINS {
        std::hint::spin_loop();
    } else {
        thread::yield_now();
    }
}

/// The crew as the team of one layer.
pub struct Hands {
    /// Whether a short text waits for it: helpers leave other work for it.
    pub is_urgent: bool,
}

impl Team for Hands {
    fn call(&self, members: usize, body: &Body<'_>) {
        CREW.call(self.is_urgent, members, body);
    }

    fn is_wanted_elsewhere(&self) -> bool {
        !self.is_urgent && CREW.urgent_open.load(Ordering::Relaxed) > 0
    }
}

/// No code of ours panics while it holds one of these locks.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
