//! A precise timer on the ring: a timer descriptor, read as a file.
//!
//! The runtime's own timers tick once a millisecond, which would bunch an open loop's requests by
//! tens. A timer descriptor wakes at the microsecond.

use std::{
    fs, io,
    os::fd::AsFd as _,
    time::{Duration, Instant},
};

use monoio::fs::File;
use nix::sys::{
    time::TimeSpec,
    timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
};

pub struct Timer {
    descriptor: TimerFd,
    /// The same descriptor, as the runtime reads it.
    file: File,
    read: Vec<u8>,
}

impl Timer {
    pub fn new() -> io::Result<Self> {
        let descriptor = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC)?;
        let file = File::from_std(fs::File::from(descriptor.as_fd().try_clone_to_owned()?))?;
        Ok(Self { descriptor, file, read: Vec::with_capacity(8) })
    }

    pub async fn wait_until(&mut self, when: Instant) -> io::Result<()> {
        let left = when.saturating_duration_since(Instant::now());
        // A setting of zero would stop the timer.
        let left = left.max(Duration::from_nanos(1));
        self.descriptor
            .set(Expiration::OneShot(TimeSpec::from_duration(left)), TimerSetTimeFlags::empty())?;
        let (result, read) = self.file.read_at(std::mem::take(&mut self.read), 0).await;
        self.read = read;
        result.map(drop)
    }
}
