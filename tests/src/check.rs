//! Waiting for conditions, and saying what was not tested.

use std::io::Write as _;
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(5);

/// Waits until `condition` gives something, at most `limit`; `None` after that.
pub fn until<T>(limit: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = condition() {
            return Some(value);
        }
        if Instant::now() > deadline {
            return None;
        }
        std::thread::sleep(POLL);
    }
}

/// Waits until `condition` holds, and fails the test where it does not within twenty seconds.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let held = until(Duration::from_secs(20), || condition().then_some(()));
    assert!(held.is_some(), "not within 20 s: {what}");
}

/// Whether this runs as root, which looks into other processes and mounts file systems.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Says that `test` was left out and why; with `SLUICE_TESTS=require` that is a failure.
#[track_caller]
pub fn skip(test: &str, why: &str) {
    let required = std::env::var("SLUICE_TESTS").is_ok_and(|value| value == "require");
    assert!(!required, "`{test}` may not be skipped here: {why}");
    // Straight to the descriptor: the test runner keeps what `eprintln!` says to itself.
    writeln!(std::io::stderr().lock(), "SKIP {test}: {why}").ok();
}
