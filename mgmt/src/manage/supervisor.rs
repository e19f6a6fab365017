//! Management's end of the supervisor's socket.
//!
//! First the supervisor is told what to make and hands it over, then it is only listened to: it
//! says when to stop, and its death is the end of the stream.

use crate::ipc::blocking::{Arrived, receive_frame, send_frame};
use crate::ipc::nonblocking::Connection;
use crate::ipc::{FrameReader, IpcError, claim_inherited};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use sluice_contract::control::{Kind, Prepare, Prepared, SUPERVISOR_FD};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// Why the supervisor did not hand over what is needed.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// There is no supervisor.
    #[error("no supervisor at descriptor {SUPERVISOR_FD}: `sluice run` starts this")]
    NoSupervisor(#[source] io::Error),
    /// The conversation failed.
    #[error("supervisor: {0}")]
    Ipc(#[from] IpcError),
    /// What was asked for cannot be made.
    #[error("{0}")]
    Refused(String),
    /// Not the descriptors that were announced.
    #[error("the supervisor handed over {found} descriptors where {expected} were expected")]
    Descriptors {
        /// How many came.
        found: usize,
        /// How many should have.
        expected: usize,
    },
}

/// The socket, before anything was said.
pub struct Supervisor(UnixStream);

/// What the supervisor made.
pub struct Handover {
    /// What it says about it.
    pub prepared: Prepared,
    /// For each worker its ring and management's end of its wake pair.
    pub workers: Vec<(OwnedFd, OwnedFd)>,
    /// The eventfd that wakes the audit writer.
    pub audit_wake: OwnedFd,
}

impl Supervisor {
    /// Takes the inherited socket. Call before anything is opened.
    pub fn claim() -> Result<Supervisor, HandoverError> {
        let inherited = claim_inherited(SUPERVISOR_FD).map_err(HandoverError::NoSupervisor)?;
        Ok(Supervisor(inherited.into()))
    }

    /// Asks for `prepare` and waits for it.
    pub fn prepare(&self, prepare: &Prepare) -> Result<Handover, HandoverError> {
        send_frame(&self.0, Kind::Prepare, prepare, &[])?;
        let mut reader = FrameReader::default();
        let mut fds: Vec<OwnedFd> = Vec::new();
        let prepared = loop {
            let Arrived::Frame(frame) = receive_frame(&self.0, &mut reader)? else {
                continue;
            };
            if frame.kind != Kind::Prepared {
                return Err(IpcError::Unexpected(frame.kind).into());
            }
            let prepared: Prepared = frame.json().map_err(IpcError::from)?;
            if let Some(error) = prepared.error {
                return Err(HandoverError::Refused(error));
            }
            fds.extend(frame.fds);
            if fds.len() >= prepared.descriptors {
                break prepared;
            }
        };
        sort(prepared, fds)
    }

    /// Goes on within a runtime.
    pub fn listen(self) -> io::Result<Connection> {
        self.0.set_nonblocking(true)?;
        Ok(Connection::new(tokio::net::UnixStream::from_std(self.0)?))
    }
}

/// Puts the descriptors where they belong.
fn sort(prepared: Prepared, fds: Vec<OwnedFd>) -> Result<Handover, HandoverError> {
    let (found, workers) = (fds.len(), usize::from(prepared.prepare.workers));
    let wrong = HandoverError::Descriptors { found, expected: 2 * workers + 1 };
    let mut fds = fds.into_iter();
    let pairs: Vec<_> = (0..workers).map_while(|_| Some((fds.next()?, fds.next()?))).collect();
    let (Some(audit_wake), None) = (fds.next(), fds.next()) else { return Err(wrong) };
    if pairs.len() != workers {
        return Err(wrong);
    }
    Ok(Handover { prepared, workers: pairs, audit_wake })
}

/// Whether every process that had the workers' ends of these wake pairs is gone. The supervisor
/// has them too, so this tells something only after its death: then, that the data path is gone.
pub fn are_workers_gone(wakes: &[OwnedFd]) -> bool {
    wakes.iter().all(|wake| {
        let mut source = [PollFd::new(wake.as_fd(), PollFlags::empty())];
        let polled = poll(&mut source, PollTimeout::ZERO);
        let [source] = source;
        polled.is_ok() && source.revents().is_some_and(|it| it.contains(PollFlags::POLLHUP))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(workers: u16, descriptors: usize) -> Prepared {
        let prepare = Prepare {
            listeners: vec![],
            workers,
            ring_slots: 16,
            control: "control.sock".into(),
            drain_ms: 1,
        };
        Prepared { prepare, listeners: vec![], error: None, descriptors }
    }

    fn null() -> OwnedFd {
        std::fs::File::open("/dev/null").unwrap().into()
    }

    #[test]
    fn descriptors_are_taken_in_batches() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let fds: Vec<OwnedFd> = (0..141).map(|_| null()).collect();
        let answer = prepared(70, 141);
        for batch in fds.chunks(64) {
            let batch: Vec<_> = batch.iter().map(AsFd::as_fd).collect();
            send_frame(&theirs, Kind::Prepared, &answer, &batch).unwrap();
        }
        let handover = Supervisor(ours).prepare(&answer.prepare).unwrap();
        assert_eq!(handover.workers.len(), 70);
    }

    #[test]
    fn a_refusal_is_told_and_wrong_counts_are_refused() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut answer = prepared(1, 0);
        answer.error = Some("cannot listen".into());
        send_frame(&theirs, Kind::Prepared, &answer, &[]).unwrap();
        let error = Supervisor(ours).prepare(&answer.prepare).err().unwrap();
        assert_eq!(error.to_string(), "cannot listen");
        for count in [0, 2, 4, 6] {
            let fds = (0..count).map(|_| null()).collect();
            let sorted = sort(prepared(1, count), fds);
            assert!(matches!(sorted, Err(HandoverError::Descriptors { .. })), "{count}");
        }
        assert!(sort(prepared(1, 3), (0..3).map(|_| null()).collect()).is_ok());
    }

    #[test]
    fn workers_are_gone_once_nobody_has_their_ends() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let another = theirs.try_clone().unwrap();
        let wakes = [OwnedFd::from(ours)];
        assert!(!are_workers_gone(&wakes));
        drop(theirs);
        assert!(!are_workers_gone(&wakes));
        drop(another);
        assert!(are_workers_gone(&wakes));
    }
}
