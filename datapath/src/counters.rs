//! The worker's counters, in its ring's memory: one writer, plain loads and stores, no lock prefix.

use sluice_contract::decision::Verdict;
use sluice_contract::metrics::{
    ADDED_AT, ADDED_BOUNDS_US, Counter, STATUSES_AT, refusal_index, verdict_index,
};
use sluice_contract::reason::Reason;
use sluice_contract::ring::Ring;
use std::sync::atomic::Ordering;

/// Counters of one worker.
pub struct Counters {
    ring: Ring,
}

impl Counters {
    /// Counters in the memory of `ring`.
    pub fn new(ring: Ring) -> Counters {
        Counters { ring }
    }

    fn update(&self, index: usize, change: impl FnOnce(u64) -> u64) {
        if let Some(counter) = self.ring.counter(index) {
            // This worker is the only writer, so load and store are enough.
            counter.store(change(counter.load(Ordering::Relaxed)), Ordering::Relaxed);
        }
    }

    /// Adds `amount`.
    pub fn add(&self, counter: Counter, amount: u64) {
        self.update(counter as usize, |value| value.wrapping_add(amount));
    }

    /// Adds one.
    pub fn count(&self, counter: Counter) {
        self.add(counter, 1);
    }

    /// Takes `amount` off a gauge.
    pub fn sub(&self, counter: Counter, amount: u64) {
        self.update(counter as usize, |value| value.saturating_sub(amount));
    }

    /// Sets a gauge.
    pub fn set(&self, counter: Counter, value: u64) {
        self.update(counter as usize, |_| value);
    }

    /// Counts a refusal.
    pub fn refusal(&self, reason: Reason) {
        self.update(refusal_index(reason), |value| value.wrapping_add(1));
    }

    /// Counts a request by its verdict.
    pub fn verdict(&self, verdict: Verdict) {
        self.update(verdict_index(verdict), |value| value.wrapping_add(1));
    }

    /// Counts an answer by its status class.
    pub fn status(&self, status: u16) {
        self.update(STATUSES_AT + usize::from(status / 100).min(5), |value| value.wrapping_add(1));
    }

    /// Notes the time that Sluice added to a request.
    pub fn added(&self, micros: u64) {
        let bucket = ADDED_BOUNDS_US.iter().position(|bound| micros <= *bound);
        let bucket = bucket.unwrap_or(ADDED_BOUNDS_US.len());
        self.update(ADDED_AT + bucket, |value| value.wrapping_add(1));
        let sum = ADDED_AT + ADDED_BOUNDS_US.len() + 1;
        self.update(sum, |value| value.wrapping_add(micros));
        self.update(sum + 1, |value| value.wrapping_add(1));
    }

    /// Gauges start at zero with a process, whatever the one before left.
    pub fn reset_gauges(&self) {
        for counter in Counter::ALL {
            if counter.kind() == sluice_contract::metrics::MetricKind::Gauge {
                self.set(*counter, 0);
            }
        }
    }
}
