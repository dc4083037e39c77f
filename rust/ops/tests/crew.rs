//! Helpers: all work is done once, short texts go first, and a panic comes back.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use openviking_ops::crew::{CREW, Hands};
use openviking_ops::parallel::{Phase, run_phases};

/// One helper for all tests, which therefore take turns.
fn with_one_helper() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    CREW.enlarge(1);
    turn
}

fn wait_for(flag: &AtomicBool) {
    let began = Instant::now();
    while !flag.load(Ordering::Acquire) {
        assert!(began.elapsed() < Duration::from_secs(20), "nobody came");
        thread::yield_now();
    }
}

fn run(is_urgent: bool, chunks: usize, work: &(dyn Fn(usize) + Sync)) {
    let phase = Phase {
        chunks,
        work: &|chunk, (): &mut ()| work(chunk),
    };
    run_phases(&Hands { is_urgent }, &mut [(), ()], &[phase]);
}

#[test]
fn every_piece_of_every_caller_is_done_once() {
    let _turn = with_one_helper();
    thread::scope(|scope| {
        for caller in 0..12 {
            scope.spawn(move || {
                for round in 0..200 {
                    let done: Vec<_> = (0..round % 9).map(|_| AtomicUsize::new(0)).collect();
                    CREW.begin(1);
                    run(caller % 2 == 0, done.len(), &|chunk| {
                        done[chunk].fetch_add(1, Ordering::Relaxed);
                    });
                    CREW.rest();
                    assert!(done.iter().all(|count| count.load(Ordering::Relaxed) == 1));
                }
            });
        }
    });
}

#[test]
fn a_helper_comes_although_nothing_was_announced() {
    let _turn = with_one_helper();
    let has_helped = AtomicBool::new(false);

    run(false, 2, &|chunk| {
        if chunk == 0 {
            wait_for(&has_helped);
        } else {
            has_helped.store(true, Ordering::Release);
        }
    });

    assert!(has_helped.into_inner());
}

#[test]
fn a_helper_leaves_a_long_text_for_a_short_one_and_comes_back() {
    let _turn = with_one_helper();
    let [has_helped, is_short_done, has_returned] = [const { AtomicBool::new(false) }; 3];
    thread::scope(|scope| {
        scope.spawn(|| {
            run(false, 4, &|chunk| match chunk {
                // The caller's part: it lasts until all the rest is over.
                0 | 1 => wait_for(&has_returned),
                2 => {
                    has_helped.store(true, Ordering::Release);
                    wait_for(&is_short_done);
                }
                _ => has_returned.store(true, Ordering::Release),
            });
        });
        wait_for(&has_helped);
        let is_short_open = AtomicBool::new(false);
        run(true, 2, &|chunk| {
            if chunk == 0 {
                // The helper is free from here on, and has a piece of either text to choose from.
                is_short_done.store(true, Ordering::Release);
                wait_for(&is_short_open);
            } else {
                assert!(
                    !has_returned.load(Ordering::Acquire),
                    "the long text went first"
                );
                is_short_open.store(true, Ordering::Release);
            }
        });
    });

    assert!(has_returned.into_inner());
}

#[test]
fn a_panic_of_a_helper_reaches_the_caller_and_the_helper_stays() {
    let _turn = with_one_helper();
    for _ in 0..3 {
        let has_begun = AtomicBool::new(false);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            run(true, 2, &|chunk| {
                if chunk == 0 {
                    wait_for(&has_begun);
                } else {
                    has_begun.store(true, Ordering::Release);
                    panic!("a piece that fails");
                }
            });
        }));
        assert!(outcome.is_err());
    }
}
