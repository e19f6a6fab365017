//! How long to wait before a child is started again. Pure: `now` is an argument.

use std::time::{Duration, Instant};

/// The first wait.
const FIRST: Duration = Duration::from_millis(50);
/// The longest wait, so that a cure takes effect soon.
const LONGEST: Duration = Duration::from_secs(1);
/// A child that lived this long was no false start: the next wait is the first again. A child that
/// dies over and over after this long costs one start a second.
const LIVED: Duration = Duration::from_secs(1);

/// The wait of one child.
#[derive(Debug, Default)]
pub struct Backoff {
    /// False starts in a row.
    failures: u32,
}

impl Backoff {
    /// When a child that ran from `started` to `now` is to be started again.
    pub fn next(&mut self, started: Instant, now: Instant) -> Instant {
        if now.saturating_duration_since(started) >= LIVED {
            self.failures = 0;
        }
        let wait = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        now + wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_bound_and_start_anew_after_a_life() {
        let start = Instant::now();
        let mut backoff = Backoff::default();
        let waits: Vec<_> =
            (0..8).map(|_| (backoff.next(start, start) - start).as_millis()).collect();
        assert_eq!(waits, [50, 100, 200, 400, 800, 1000, 1000, 1000]);
        let later = start + LIVED;
        assert_eq!(backoff.next(start, later) - later, FIRST);
        assert_eq!(backoff.next(later, later) - later, FIRST * 2);
    }

    #[test]
    fn endless_failures_stay_at_the_bound() {
        let start = Instant::now();
        let mut backoff = Backoff { failures: u32::MAX };
        assert_eq!(backoff.next(start, start) - start, LONGEST);
    }
}
