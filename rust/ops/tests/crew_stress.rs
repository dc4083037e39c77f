//! Many callers, short texts and long ones, pieces that fail: every job ends, with its own outcome.

use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use openviking_ops::crew::{CREW, Hands};
use openviking_ops::parallel::{Phase, run_phases};

/// More than there are places for jobs of either kind, so that some find none.
const CALLERS: usize = 20;
const JOBS: usize = 5_000;
const HELPERS: usize = 3;

/// Pieces that helpers have done, of jobs in which none failed.
static HELPED: AtomicUsize = AtomicUsize::new(0);

/// Numbers that look random, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap_or(0) % end
    }
}

/// Runs one job of two phases; each piece of the second needs all of the first. The piece `bad`
/// fails, if there is one with this number.
fn job(is_urgent: bool, members: usize, chunks: usize, bad: usize) {
    let first: Vec<_> = (0..chunks).map(|_| AtomicUsize::new(0)).collect();
    let second: Vec<_> = (0..chunks).map(|_| AtomicUsize::new(0)).collect();
    let phases = [
        Phase {
            chunks,
            work: &|chunk, at_work: &mut usize| {
                *at_work += 1;
                if chunk == bad {
                    // Like a panic, but the hook writes nothing.
                    resume_unwind(Box::new(bad));
                }
                for _ in 0..chunk {
                    spin_loop();
                }
                first[chunk].fetch_add(1, Ordering::Relaxed);
            },
        },
        Phase {
            chunks,
            work: &|chunk, at_work: &mut usize| {
                *at_work += 1;
                assert!(first.iter().all(|done| done.load(Ordering::Relaxed) == 1));
                second[chunk].fetch_add(1, Ordering::Relaxed);
            },
        },
    ];
    let mut counts = vec![0; members];
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        run_phases(&Hands { is_urgent }, &mut counts, &phases);
    }));
    if bad < chunks {
        assert!(outcome.is_err(), "a failure was lost");
    } else {
        assert!(outcome.is_ok(), "another job's failure came here");
        assert!(second.iter().all(|done| done.load(Ordering::Relaxed) == 1));
        assert_eq!(counts.iter().sum::<usize>(), 2 * chunks);
        HELPED.fetch_add(2 * chunks - counts[0], Ordering::Relaxed);
    }
}

#[test]
fn every_job_ends_with_its_own_outcome_whatever_happens_beside_it() {
    CREW.enlarge(HELPERS);
    let (ended, ends) = channel();
    for caller in 0..CALLERS {
        let ended = ended.clone();
        thread::spawn(move || {
            let mut numbers = Numbers(caller as u64);
            for at in 0..JOBS {
                let chunks = numbers.below(24);
                let bad = if at % 5 == 0 {
                    numbers.below(24)
                } else {
                    chunks
                };
                CREW.begin(numbers.below(HELPERS + 1));
                let members = 1 + numbers.below(HELPERS + 2);
                job(numbers.below(2) == 0, members, chunks, bad);
                // Pauses of any length, so that helpers are met asleep, on their way and awake.
                match numbers.below(8) {
                    0 => CREW.rest(),
                    1 if at % 8 == 0 => {
                        thread::sleep(Duration::from_micros(numbers.below(600) as u64));
                    }
                    _ => {}
                }
            }
            ended.send(()).expect("somebody waits");
        });
    }
    drop(ended);
    for _ in 0..CALLERS {
        let end = ends.recv_timeout(Duration::from_secs(100));
        end.expect("a job never ended, or a caller failed");
    }
    assert!(HELPED.load(Ordering::Relaxed) > 0, "no helper came");
}
