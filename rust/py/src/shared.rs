//! A set that searches, changes and the thread that arranges it share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use openviking_core::axes::Axes;
use openviking_core::funnel::AxisCodes;
use openviking_core::{Kernels, Matrix, RowSet};

/// A half-made change must not be searched, so the set stays unusable.
const POISONED: &str = "a change of this set panicked; rebuild the set from its source";

/// Rows that are coded along axes while others wait to change the set: some 5 ms.
const ROWS_AT_ONCE: usize = 512;
/// How often coding begins anew because the set has changed meanwhile.
const ATTEMPTS: usize = 4;

/// What a thread that arranges the set works on, beside searches and changes.
pub struct Shared {
    inner: RwLock<RowSet>,
    is_arranging: AtomicBool,
}

impl Shared {
    pub fn read(&self) -> RwLockReadGuard<'_, RowSet> {
        self.inner.read().expect(POISONED)
    }

    pub fn write(&self) -> RwLockWriteGuard<'_, RowSet> {
        self.inner.write().expect(POISONED)
    }

    /// Share a set.
    pub fn new(set: RowSet) -> Self {
        Self {
            inner: RwLock::new(set),
            is_arranging: AtomicBool::new(false),
        }
    }

    /// Whether the set should be arranged and no thread is at it.
    pub fn is_unarranged(&self) -> bool {
        self.read().is_unarranged() && !self.is_arranging.load(Ordering::Acquire)
    }

    /// Fit axes and code the rows along them, if that is due; the lock is held for short whiles.
    pub fn arrange(&self) {
        if self.is_arranging.swap(true, Ordering::AcqRel) {
            return;
        }
        let sample = self.read().sample();
        if let Some(sample) = sample {
            self.arrange_by(&sample);
        }
        self.is_arranging.store(false, Ordering::Release);
    }

    fn arrange_by(&self, sample: &[f32]) {
        let dim = self.read().dim();
        let axes = Matrix::new("rows", sample, sample.len() / dim, dim)
            .ok()
            .and_then(|sample| Axes::fit(sample, Kernels::best()));
        let Some(axes) = axes.map(Arc::new) else {
            return self.write().decline();
        };
        for _ in 0..ATTEMPTS {
            let changes = self.read().changes();
            let mut codes = AxisCodes::new(Arc::clone(&axes));
            let is_whole = loop {
                let set = self.read();
                if set.changes() != changes {
                    break false;
                }
                if !set.code_along(&mut codes, ROWS_AT_ONCE) {
                    break true;
                }
            };
            if is_whole && self.write().adopt(codes, changes) {
                return;
            }
        }
    }
}
