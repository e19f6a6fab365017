//! Sleeping on the eventfd that workers and commands write to.
//!
//! This is a plain `poll`: the thread has nothing in flight on its ring when it sleeps, `poll`
//! takes the time-out of a nap with it, and it works whether the eventfd blocks or not (io_uring
//! answers a read of a nonblocking one with EAGAIN instead of waiting).

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// Waits until the eventfd was written to, or `limit` is over, and empties it. Returns whether it
/// was written to.
pub(super) fn wait(wake: &OwnedFd, limit: Option<Duration>) -> bool {
    let timeout = match limit {
        None => PollTimeout::NONE,
        Some(limit) => {
            let millis = limit.as_micros().div_ceil(1000);
            PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)
        }
    };
    let mut fds = [PollFd::new(wake.as_fd(), PollFlags::POLLIN)];
    match poll(&mut fds, timeout) {
        Ok(ready) if ready > 0 => {
            let mut count = [0; 8];
            // Somebody else may not read it, so what `poll` saw is there.
            nix::unistd::read(wake, &mut count).is_ok()
        }
        // A signal (EINTR) is as good as a time-out: the caller looks again.
        Ok(_) | Err(_) => false,
    }
}
