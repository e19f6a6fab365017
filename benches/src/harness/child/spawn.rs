#![expect(unsafe_code, reason = "`pre_exec` is the only way to set a parent-death signal")]
//! Starting a process that does not outlive the harness.
//!
//! Two things happen between fork and exec, both plain system calls on constants: the kernel is asked
//! to stop the child when the harness's main thread ends, and the signals that the harness blocks
//! for itself are let through again. Only the main thread may call this: the parent-death signal is
//! bound to the thread that forked.

use std::{
    io,
    os::unix::process::CommandExt as _,
    process::{Child, Command},
};

use nix::sys::{
    prctl,
    signal::{SigSet, Signal},
};

pub fn spawn(command: &mut Command) -> io::Result<Child> {
    command.process_group(0);
    let in_child = || {
        prctl::set_pdeathsig(Signal::SIGTERM)?;
        SigSet::empty().thread_set_mask()?;
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes two async-signal-safe system calls; it
    // neither allocates nor locks, and it captures nothing.
    unsafe {
        command.pre_exec(in_child);
    }
    command.spawn()
}
