//! Ctrl-C and SIGTERM end the run in order: children are stopped, nothing half-written stays.
//!
//! The signals are blocked in every thread and taken by one that waits for them and sets a flag; the
//! places that wait for anything ask for it. No handler runs, so no handler can do wrong.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use nix::sys::signal::{SigSet, Signal};

use super::error::HarnessError;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// To be called before any other thread starts, as threads inherit what is blocked.
pub fn install() -> io::Result<()> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        signals.add(signal);
    }
    signals.thread_block()?;
    thread::Builder::new().name("interrupt".to_owned()).spawn(move || {
        while signals.wait().is_err() {}
        INTERRUPTED.store(true, Ordering::Relaxed);
    })?;
    Ok(())
}

pub fn check() -> Result<(), HarnessError> {
    if INTERRUPTED.load(Ordering::Relaxed) { Err(HarnessError::Interrupted) } else { Ok(()) }
}
