//! Counters of the mock, and what a test reads of them at `GET /mock/stats`.
//!
//! One set for the process: threads only add to it, and a test that asks after its requests were
//! answered sees all of them.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

#[derive(Debug, Default)]
pub struct Stats {
    pub connections_open: AtomicU64,
    pub connections_total: AtomicU64,
    pub requests: AtomicU64,
    /// Answers that the client did not wait for.
    pub cancelled: AtomicU64,
    /// Requests for the place that `mock-redirect` points to.
    pub redirects_followed: AtomicU64,
    /// Requests that broke HTTP's framing, or were cut.
    pub bad_requests: AtomicU64,
}

impl Stats {
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub fn to_json(&self) -> Value {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        json!({
            "connections_open": read(&self.connections_open),
            "connections_total": read(&self.connections_total),
            "requests": read(&self.requests),
            "cancelled": read(&self.cancelled),
            "redirects_followed": read(&self.redirects_followed),
            "bad_requests": read(&self.bad_requests),
        })
    }
}

/// Counts a connection as open for as long as it lives, however its task ends.
pub struct OpenConnection<'a>(&'a Stats);

impl<'a> OpenConnection<'a> {
    pub fn new(stats: &'a Stats) -> Self {
        Stats::count(&stats.connections_open);
        Stats::count(&stats.connections_total);
        Self(stats)
    }
}

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        self.0.connections_open.fetch_sub(1, Ordering::Relaxed);
    }
}
