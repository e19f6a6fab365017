//! The order in which everything stops. Pure: `now` is an argument.
//!
//! ```text
//!  Running ──stop──► Draining ──data path gone──► Closing ──management gone──► exit
//! ```

use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What the data path gets beyond its time to drain, to notice and to exit.
const DRAIN_GRACE: Duration = Duration::from_secs(2);

/// What management gets to empty the rings and sign a last head.
const CLOSE_TIME: Duration = Duration::from_secs(10);

/// What a child that was killed gets to disappear.
const KILL_TIME: Duration = Duration::from_secs(1);

/// How often management is started again to empty the rings while all stops.
const CLOSE_TRIES: u32 = 5;

/// Where the supervisor stands.
#[derive(Debug)]
pub enum Phase {
    /// Everything runs, or is started again.
    Running {
        /// Time that the data path gets to drain.
        drain: Duration,
    },
    /// The data path finishes what it has.
    Draining {
        /// When it is killed.
        until: Instant,
    },
    /// Management writes what is left.
    Closing {
        /// When it is killed.
        until: Instant,
        /// Starts that are left.
        tries: u32,
        /// Something did not go in order.
        failed: bool,
    },
}

impl Phase {
    /// Running, with nothing known of the time to drain.
    pub const fn start() -> Phase {
        Phase::Running { drain: Duration::ZERO }
    }

    /// Whether the data path stops.
    pub fn is_draining(&self) -> bool {
        matches!(self, Phase::Draining { .. })
    }

    /// Whether management stops.
    pub fn is_closing(&self) -> bool {
        matches!(self, Phase::Closing { .. })
    }

    /// Whether the data path is started again when it ends.
    pub fn restarts_data_path(&self) -> bool {
        matches!(self, Phase::Running { .. })
    }

    /// Whether management, which ended, is started again. While closing, only to empty rings that
    /// it did not empty.
    pub fn restarts_management(&mut self, in_order: bool, has_rings: bool) -> bool {
        match self {
            Phase::Running { .. } | Phase::Draining { .. } => true,
            Phase::Closing { tries, failed, .. } => {
                if in_order {
                    return false;
                }
                *failed = *tries == 0 || !has_rings;
                *tries = tries.saturating_sub(1);
                !*failed
            }
        }
    }

    /// Takes over how long the data path may drain.
    pub fn set_drain(&mut self, time: Duration) {
        if let Phase::Running { drain } = self {
            *drain = time;
        }
    }

    /// Begins to stop. False where that has begun; then draining ends at once.
    pub fn begin(&mut self, now: Instant) -> bool {
        match self {
            Phase::Running { drain } => {
                *self = Phase::Draining { until: now + *drain + DRAIN_GRACE };
                true
            }
            Phase::Draining { until } => {
                *until = now;
                false
            }
            Phase::Closing { .. } => false,
        }
    }

    /// The data path is gone.
    pub fn close(&mut self, now: Instant) {
        *self = Phase::Closing { until: now + CLOSE_TIME, tries: CLOSE_TRIES, failed: false };
    }

    /// When the child that stops is killed.
    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Phase::Running { .. } => None,
            Phase::Draining { until } | Phase::Closing { until, .. } => Some(*until),
        }
    }

    /// Whether the child that stops took too long.
    pub fn is_overdue(&self, now: Instant) -> bool {
        self.deadline().is_some_and(|until| until <= now)
    }

    /// The child was killed: no more tries, a little time to disappear.
    pub fn extend(&mut self, now: Instant) {
        match self {
            Phase::Running { .. } => {}
            Phase::Draining { until } => *until = now + KILL_TIME,
            Phase::Closing { until, tries, failed } => {
                (*until, *tries, *failed) = (now + KILL_TIME, 0, true);
            }
        }
    }

    /// What to exit with.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Phase::Closing { failed: true, .. } => ExitCode::FAILURE,
            Phase::Running { .. } | Phase::Draining { .. } | Phase::Closing { .. } => {
                ExitCode::SUCCESS
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAIN: Duration = Duration::from_secs(3);

    #[test]
    fn the_data_path_stops_first_and_within_its_time() {
        let now = Instant::now();
        let mut phase = Phase::start();
        phase.set_drain(DRAIN);
        assert!(phase.restarts_data_path() && phase.deadline().is_none());
        assert!(phase.begin(now));
        assert!(phase.is_draining() && !phase.restarts_data_path());
        assert_eq!(phase.deadline(), Some(now + DRAIN + DRAIN_GRACE));
        assert!(!phase.is_overdue(now));
        assert!(phase.restarts_management(false, true), "records still come");
        phase.close(now);
        assert!(phase.is_closing() && phase.exit_code() == ExitCode::SUCCESS);
    }

    #[test]
    fn asked_twice_requests_are_not_waited_for() {
        let now = Instant::now();
        let mut phase = Phase::start();
        phase.set_drain(DRAIN);
        assert!(phase.begin(now) && !phase.begin(now));
        assert!(phase.is_overdue(now));
        phase.extend(now);
        assert!(!phase.is_overdue(now), "killed once, not in a loop");
    }

    #[test]
    fn management_comes_back_to_empty_the_rings_but_not_for_ever() {
        let now = Instant::now();
        let mut phase = Phase::start();
        phase.begin(now);
        phase.close(now);
        for _ in 0..CLOSE_TRIES {
            assert!(phase.restarts_management(false, true));
        }
        assert!(!phase.restarts_management(false, true));
        assert_eq!(phase.exit_code(), ExitCode::FAILURE);
        let mut phase = Phase::start();
        phase.begin(now);
        phase.close(now);
        assert!(!phase.restarts_management(true, true));
        assert_eq!(phase.exit_code(), ExitCode::SUCCESS);
    }
}
