//! Time, in one place: monotonic milliseconds for deadlines, microseconds for measurements, Unix
//! nanoseconds for records. Everything else takes `now` as an argument.
#![expect(clippy::disallowed_methods, reason = "this is the one file that asks the system")]

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A clock that counts from its making.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Default for Clock {
    fn default() -> Self {
        Clock { start: Instant::now() }
    }
}

impl Clock {
    /// Monotonic microseconds.
    pub fn micros(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Monotonic milliseconds.
    pub fn millis(&self) -> u64 {
        self.micros() / 1000
    }
}

/// Unix time in nanoseconds.
pub fn unix_ns() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// Unix time in seconds.
pub fn unix_seconds() -> u64 {
    unix_ns() / 1_000_000_000
}
