//! One child: running, waiting for its next start, or stopped.

use super::backoff::Backoff;
use super::spawn::{Program, spawn};
use crate::ipc::blocking::{Arrived, receive_frame, send_empty, send_frame};
use crate::ipc::{Frame, FrameReader, IpcError};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sluice_contract::control::{Kind, Prepared};
use sluice_contract::limits::FRAME_FDS_MAX;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Instant;

/// A child and what is known of it.
pub struct Child {
    program: Program,
    backoff: Backoff,
    state: State,
    starts: u64,
}

enum State {
    Stopped,
    Waiting(Instant),
    Running(Process),
}

struct Process {
    child: std::process::Child,
    started: Instant,
    /// Gone once the child closed its end or said something wrong.
    socket: Option<UnixStream>,
    reader: FrameReader,
}

impl Child {
    /// A child that is not started.
    pub fn new(program: Program) -> Child {
        Child { program, backoff: Backoff::default(), state: State::Stopped, starts: 0 }
    }

    /// How often it was started.
    pub fn starts(&self) -> u64 {
        self.starts
    }

    /// Its executable, to show.
    pub fn path(&self) -> String {
        self.program.path.display().to_string()
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        matches!(self.state, State::Running(_))
    }

    /// Whether it neither runs nor will.
    pub fn is_stopped(&self) -> bool {
        matches!(self.state, State::Stopped)
    }

    /// When it is to be started again.
    pub fn due(&self) -> Option<Instant> {
        match self.state {
            State::Waiting(due) => Some(due),
            State::Stopped | State::Running(_) => None,
        }
    }

    /// Starts it. Where it never ran an error is final, otherwise it is tried again later.
    pub fn start(&mut self, now: Instant) -> io::Result<()> {
        match spawn(&self.program) {
            Ok((child, socket)) => {
                tracing::info!(pid = child.id(), program = self.program.name, "child started");
                self.starts += 1;
                self.state = State::Running(Process {
                    child,
                    started: now,
                    socket: Some(socket),
                    reader: FrameReader::default(),
                });
                Ok(())
            }
            Err(error) if self.starts == 0 => Err(error),
            Err(error) => {
                let due = self.backoff.next(now, now);
                tracing::error!(program = self.program.name, %error, "child cannot be started");
                self.state = State::Waiting(due);
                Ok(())
            }
        }
    }

    /// Lets it wait for its next start, at `due`.
    pub fn start_at(&mut self, due: Instant) {
        if !self.is_running() {
            self.state = State::Waiting(due);
        }
    }

    /// Gives up a start that it waits for.
    pub fn forget(&mut self) {
        if !self.is_running() {
            self.state = State::Stopped;
        }
    }

    /// Looks whether it ended; then it is stopped, and this is how it ended and when it may be
    /// started again.
    pub fn reap(&mut self, now: Instant) -> Option<(ExitStatus, Instant)> {
        let State::Running(running) = &mut self.state else { return None };
        let status = match running.child.try_wait() {
            Ok(status) => status?,
            Err(error) => {
                tracing::error!(program = self.program.name, %error, "cannot wait for child");
                return None;
            }
        };
        let due = self.backoff.next(running.started, now);
        self.state = State::Stopped;
        let (program, code, signal) = (self.program.name, status.code(), status.signal());
        if status.success() {
            tracing::info!(program, "child ended in order");
        } else {
            tracing::warn!(program, code, signal, "child ended");
        }
        Some((status, due))
    }

    /// Its socket, to wait for.
    pub fn socket(&self) -> Option<BorrowedFd<'_>> {
        match &self.state {
            State::Running(running) => running.socket.as_ref().map(AsFd::as_fd),
            State::Stopped | State::Waiting(_) => None,
        }
    }

    /// The next frame from it, if there is a whole one. A child that breaks the rules is killed;
    /// one that closed its end is not listened to any more.
    pub fn receive(&mut self) -> Option<Frame> {
        let State::Running(running) = &mut self.state else { return None };
        let socket = running.socket.as_ref()?;
        match receive_frame(socket, &mut running.reader) {
            Ok(Arrived::Frame(frame)) => Some(frame),
            Ok(Arrived::Nothing) => None,
            Err(IpcError::Closed) => {
                running.socket = None;
                None
            }
            Err(error) => {
                tracing::error!(program = self.program.name, %error, "child breaks the rules");
                running.socket = None;
                self.kill();
                None
            }
        }
    }

    /// Tells it what was made, with descriptors. A child that does not take it is killed.
    pub fn prepare(&mut self, prepared: &Prepared, fds: &[BorrowedFd<'_>]) {
        let State::Running(Process { socket: Some(socket), .. }) = &self.state else { return };
        let sent = if fds.is_empty() {
            send_frame(socket, Kind::Prepared, prepared, &[])
        } else {
            let mut batches = fds.chunks(FRAME_FDS_MAX);
            batches.try_for_each(|fds| send_frame(socket, Kind::Prepared, prepared, fds))
        };
        if let Err(error) = sent {
            tracing::error!(program = self.program.name, %error, "child takes no descriptors");
            self.kill();
        }
    }

    /// Asks it to stop in order.
    pub fn stop(&mut self) {
        let State::Running(running) = &self.state else { return };
        let told = running.socket.as_ref().map(|socket| send_empty(socket, Kind::Stop));
        if !matches!(told, Some(Ok(()))) {
            self.signal(Signal::SIGTERM);
        }
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
    }

    /// Sends it a signal. It is not reaped elsewhere, so its number is still its own.
    pub fn signal(&self, signal: Signal) {
        let State::Running(running) = &self.state else { return };
        let Ok(pid) = i32::try_from(running.child.id()) else { return };
        if let Err(error) = kill(Pid::from_raw(pid), signal) {
            tracing::warn!(program = self.program.name, %error, "cannot signal child");
        }
    }
}
