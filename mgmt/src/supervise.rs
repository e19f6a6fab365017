//! `sluice run`: the supervisor.
//!
//! It parses no traffic and no configuration. It makes what must outlive the other processes
//! ([`made`]), passes it down, restarts children with back-off, and stops them in order: first the
//! data path, so that requests in flight are finished, then management, so that their records are.
//!
//! INVARIANT: no child outlives it for longer than it takes to drain: each holds one end of a
//! socket pair whose other end only the supervisor has, and stops at its end. Records that were
//! acknowledged live in rings that it holds; it does not exit in order before management has
//! emptied them.

mod backoff;
mod child;
mod harden;
mod made;
mod spawn;
mod stopping;

pub use harden::harden;

use crate::cli::options::RunOptions;
use child::Child;
use made::Made;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use sluice_contract::control::{Kind, Prepare};
use spawn::{Placeholder, Program};
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{ExitCode, ExitStatus};
use std::time::{Duration, Instant};
use stopping::Phase;

/// Name of the data path's executable, beside our own.
const DATA_PATH: &str = "sluice-datapath";

/// What management exits with where the configuration is at fault; it has said why.
pub const EXIT_CONFIGURATION: u8 = 2;

/// Signals that the supervisor acts on.
const SIGNALS: [Signal; 4] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGCHLD];

/// Why the supervisor cannot do its work.
#[derive(Debug, thiserror::Error)]
enum SuperviseError {
    /// A system call that has to work did not.
    #[error("{what}: {cause}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        cause: io::Error,
    },
    /// A child was never started.
    #[error("cannot start `{path}`: {cause}")]
    Start {
        /// Its executable.
        path: String,
        /// Why.
        cause: io::Error,
    },
}

fn system<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> SuperviseError {
    move |cause| SuperviseError::System { what, cause: cause.into() }
}

/// `sluice run`.
pub fn run(options: &RunOptions) -> ExitCode {
    let supervised =
        Placeholder::new().map_err(system("cannot reserve a descriptor")).and_then(|placeholder| {
            let mut supervisor = Supervisor::new(options)?;
            let code = supervisor.run();
            drop(placeholder);
            code
        });
    match supervised {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

struct Supervisor {
    signals: SignalFd,
    management: Child,
    data_path: Child,
    made: Option<Made>,
    phase: Phase,
    /// Management cannot start, and has said why. Nothing was served, so no record is left.
    hopeless: bool,
    /// Standard error was a terminal at start: if it goes away, so do we.
    had_terminal: bool,
}

impl Supervisor {
    fn new(options: &RunOptions) -> Result<Supervisor, SuperviseError> {
        // Read before `harden`: afterwards /proc is closed to us unless we are root.
        let own = std::env::current_exe().map_err(system("cannot find our own executable"))?;
        let data_path = own.parent().unwrap_or(Path::new("/")).join(DATA_PATH);
        harden().map_err(system("cannot protect this process"))?;
        if let Err(error) = harden::lift_descriptor_limit() {
            tracing::warn!(%error, "bound on open descriptors stays");
        }
        let mask: SigSet = SIGNALS.into_iter().collect();
        mask.thread_block().map_err(system("cannot block signals"))?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let signals =
            SignalFd::with_flags(&mask, flags).map_err(system("cannot receive signals"))?;
        let arguments = std::iter::once("manage".into()).chain(options.arguments()).collect();
        Ok(Supervisor {
            signals,
            management: Child::new(Program { name: "management", path: own, arguments }),
            data_path: Child::new(Program {
                name: "data path",
                path: data_path,
                arguments: Vec::new(),
            }),
            made: None,
            phase: Phase::start(),
            hopeless: false,
            had_terminal: io::stderr().is_terminal(),
        })
    }

    /// One loop over signals, children's sockets and deadlines, until all is stopped.
    fn run(&mut self) -> Result<ExitCode, SuperviseError> {
        self.management.start_at(Instant::now());
        loop {
            let now = Instant::now();
            self.start_due(now)?;
            if let Some(code) = self.advance(now) {
                return Ok(code);
            }
            self.wait(Instant::now())?;
            let now = Instant::now();
            self.take_signals(now)?;
            self.listen_to_management(now);
            while let Some(frame) = self.data_path.receive() {
                tracing::warn!(kind = ?frame.kind, "the data path has nothing to say here");
            }
        }
    }

    fn start_due(&mut self, now: Instant) -> Result<(), SuperviseError> {
        if self.management.due().is_some_and(|due| due <= now) {
            let started = self.management.start(now);
            started
                .map_err(|cause| SuperviseError::Start { path: self.management.path(), cause })?;
        }
        if self.data_path.due().is_some_and(|due| due <= now)
            && let Some(made) = &self.made
        {
            // Where this fails we exit, and management with us: nothing was served yet.
            let started = self.data_path.start(now);
            started
                .map_err(|cause| SuperviseError::Start { path: self.data_path.path(), cause })?;
            let fds = made.for_data_path();
            self.data_path.prepare(&made.prepared(fds.len()), &fds);
        }
        Ok(())
    }

    /// Sleeps until a signal, a frame or the next deadline.
    fn wait(&self, now: Instant) -> Result<(), SuperviseError> {
        let deadlines = [self.management.due(), self.data_path.due(), self.phase.deadline()];
        let timeout = match deadlines.into_iter().flatten().min() {
            // Rounded up, so that the loop does not come round before its time.
            Some(due) => due.saturating_duration_since(now) + Duration::from_micros(999),
            None => Duration::MAX,
        };
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
        let sources =
            [Some(self.signals.as_fd()), self.management.socket(), self.data_path.socket()];
        let mut sources: Vec<PollFd<'_>> =
            sources.into_iter().flatten().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        match poll(&mut sources, timeout) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(system("cannot wait for events")(error)),
        }
    }

    fn take_signals(&mut self, now: Instant) -> Result<(), SuperviseError> {
        while let Some(info) = self.signals.read_signal().map_err(system("cannot read a signal"))? {
            match i32::try_from(info.ssi_signo).ok().and_then(|n| Signal::try_from(n).ok()) {
                Some(Signal::SIGTERM | Signal::SIGINT) => self.stop(now),
                Some(Signal::SIGHUP) if self.had_terminal && !io::stderr().is_terminal() => {
                    self.stop(now);
                }
                Some(Signal::SIGHUP) => self.management.signal(Signal::SIGHUP),
                // Several ends can share one signal, so both children are looked at below.
                _ => {}
            }
        }
        if let Some((status, due)) = self.management.reap(now) {
            self.management_ended(status, due, now);
        }
        if let Some((_, due)) = self.data_path.reap(now)
            && self.phase.restarts_data_path()
        {
            self.data_path.start_at(due);
        }
        Ok(())
    }

    /// Management ended. At its first start a fault that it explained itself ends it all; later,
    /// as for any other end, it is started again.
    fn management_ended(&mut self, status: ExitStatus, due: Instant, now: Instant) {
        if self.management.starts() == 1 && status.code() == Some(EXIT_CONFIGURATION.into()) {
            self.hopeless = true;
            self.stop(now);
        } else if self.phase.restarts_management(status.success(), self.made.is_some()) {
            self.management.start_at(due);
        }
    }

    fn listen_to_management(&mut self, now: Instant) {
        while let Some(frame) = self.management.receive() {
            let asked = match (frame.kind, frame.json::<Prepare>()) {
                (Kind::Prepare, Ok(asked)) => asked,
                (kind, _) => {
                    tracing::error!(?kind, "management says what makes no sense here");
                    self.management.kill();
                    return;
                }
            };
            self.prepare(asked, now);
        }
    }

    /// Makes what is asked for, unless it is there, and hands it over.
    fn prepare(&mut self, asked: Prepare, now: Instant) {
        let drain = Duration::from_millis(asked.drain_ms);
        let checked = match self.made.take() {
            Some(made) => {
                let fits = made.check(&asked);
                self.made = Some(made);
                fits
            }
            None => Made::new(asked.clone()).map(|made| self.made = Some(made)),
        };
        match (checked, &self.made) {
            (Ok(()), Some(made)) => {
                let fds = made.for_management();
                self.management.prepare(&made.prepared(fds.len()), &fds);
                self.phase.set_drain(drain);
                if self.phase.is_closing() {
                    self.management.stop();
                } else if self.phase.restarts_data_path() && self.data_path.is_stopped() {
                    self.data_path.start_at(now);
                }
            }
            (Err(error), _) => self.management.prepare(&made::refused(asked, &error), &[]),
            (Ok(()), None) => {}
        }
    }

    /// Begins to stop; asked again, requests in flight are not waited for any more.
    fn stop(&mut self, now: Instant) {
        if self.phase.begin(now) {
            if !self.hopeless {
                tracing::info!("stopping");
            }
            self.data_path.forget();
            self.data_path.stop();
        }
    }

    /// Takes the next step of stopping, where it is time.
    fn advance(&mut self, now: Instant) -> Option<ExitCode> {
        if self.phase.is_overdue(now) {
            let late =
                if self.phase.is_closing() { &mut self.management } else { &mut self.data_path };
            tracing::error!("child does not stop in time and is killed");
            late.kill();
            self.phase.extend(now);
        }
        if self.hopeless && self.data_path.is_stopped() {
            return Some(ExitCode::FAILURE);
        }
        if self.phase.is_draining() && self.data_path.is_stopped() {
            self.phase.close(now);
            if self.management.is_running() {
                self.management.stop();
            } else if self.made.is_some() {
                // The rings may hold records that were acknowledged.
                self.management.start_at(now);
            } else {
                self.management.forget();
            }
        }
        if self.phase.is_closing() && self.management.is_stopped() {
            return Some(self.phase.exit_code());
        }
        None
    }
}
