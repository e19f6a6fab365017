//! Frames on the Unix sockets between the processes, and what is in them.
//!
//! ```text
//!  | length u32 | kind u16 | version u16 | payload: length bytes |     little-endian
//! ```
//!
//! Descriptors travel beside the first byte of a frame (`SCM_RIGHTS`). The length is checked before
//! anything is allocated; an unknown kind or version closes the connection. Three conversations use
//! these frames:
//!
//! - supervisor and management, over an inherited socket pair: [`Kind::Prepare`],
//!   [`Kind::Prepared`], [`Kind::Stop`];
//! - data path and management, over the control socket: [`Kind::Hello`], [`Kind::Public`],
//!   [`Kind::Secret`], [`Kind::Applied`], [`Kind::Refused`], [`Kind::Drain`];
//! - command line and management, over the same: [`Kind::Command`], [`Kind::Reply`],
//!   [`Kind::Line`].

use crate::ids::SnapshotHash;
use crate::limits::FRAME_BYTES_MAX;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Bytes before the payload.
pub const FRAME_HEAD_BYTES: usize = 8;

/// Version of the frames.
pub const FRAME_VERSION: u16 = 1;

/// Descriptor at which the supervisor leaves its socket for a child.
pub const SUPERVISOR_FD: i32 = 3;

/// What a frame is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u16)]
pub enum Kind {
    /// Management to supervisor: sockets and rings to make ([`Prepare`]).
    Prepare = 1,
    /// Supervisor to a child: they are made, here they are ([`Prepared`] and descriptors).
    Prepared = 2,
    /// Supervisor to a child: stop in order. Empty.
    Stop = 3,
    /// Data path to management ([`Hello`]).
    Hello = 16,
    /// Management to data path: a snapshot's public part, with its sections' descriptors.
    Public = 17,
    /// Management to data path: the secret part that goes with the last public one. Applies both.
    Secret = 18,
    /// Data path to management: every worker runs on it ([`Applied`]).
    Applied = 19,
    /// Data path to management: refused whole, the old one stays ([`Refused`]).
    Refused = 20,
    /// Command line to management ([`Command`]).
    Command = 32,
    /// Management to command line ([`Reply`]).
    Reply = 33,
    /// Management to command line: one line of a tail, text.
    Line = 34,
}

impl Kind {
    fn from_number(number: u16) -> Option<Kind> {
        const ALL: [Kind; 11] = [
            Kind::Prepare,
            Kind::Prepared,
            Kind::Stop,
            Kind::Hello,
            Kind::Public,
            Kind::Secret,
            Kind::Applied,
            Kind::Refused,
            Kind::Command,
            Kind::Reply,
            Kind::Line,
        ];
        ALL.into_iter().find(|kind| *kind as u16 == number)
    }
}

/// Why bytes are no frame.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Longer than [`FRAME_BYTES_MAX`].
    #[error("frame of {0} bytes is longer than {FRAME_BYTES_MAX}")]
    TooLong(usize),
    /// A kind that this build does not know.
    #[error("unknown frame kind {0}")]
    Kind(u16),
    /// A version that this build does not speak.
    #[error("frame version {0}, this build speaks {FRAME_VERSION}")]
    Version(u16),
    /// The payload is not what the kind says.
    #[error("frame payload does not parse: {0}")]
    Payload(String),
}

/// Writes the head of a frame with a payload of `length` bytes.
pub fn encode_head(kind: Kind, length: usize) -> Result<[u8; FRAME_HEAD_BYTES], FrameError> {
    let bytes = u32::try_from(length).ok().filter(|_| length <= FRAME_BYTES_MAX);
    let bytes = u64::from(bytes.ok_or(FrameError::TooLong(length))?);
    let (kind, version) = (u64::from(kind as u16), u64::from(FRAME_VERSION));
    Ok((bytes | kind << 32 | version << 48).to_le_bytes())
}

/// Reads the head of a frame: its kind and the bytes of its payload, within the bound.
pub fn decode_head(head: [u8; FRAME_HEAD_BYTES]) -> Result<(Kind, usize), FrameError> {
    let head = u64::from_le_bytes(head);
    let length = (head & 0xffff_ffff) as usize;
    let kind = u16::try_from(head >> 32 & 0xffff).unwrap_or(0);
    let version = u16::try_from(head >> 48).unwrap_or(0);
    if version != FRAME_VERSION {
        return Err(FrameError::Version(version));
    }
    if length > FRAME_BYTES_MAX {
        return Err(FrameError::TooLong(length));
    }
    Ok((Kind::from_number(kind).ok_or(FrameError::Kind(kind))?, length))
}

/// A whole frame with a JSON payload.
pub fn encode<T: Serialize>(kind: Kind, payload: &T) -> Result<Vec<u8>, FrameError> {
    let payload =
        serde_json::to_vec(payload).map_err(|error| FrameError::Payload(error.to_string()))?;
    let mut frame = encode_head(kind, payload.len())?.to_vec();
    frame.extend_from_slice(&payload);
    Ok(frame)
}

/// Reads a JSON payload.
pub fn decode<T: DeserializeOwned>(payload: &[u8]) -> Result<T, FrameError> {
    serde_json::from_slice(payload).map_err(|error| FrameError::Payload(error.to_string()))
}

/// What the supervisor is to make.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Prepare {
    /// Listening addresses; one socket of each for each worker.
    pub listeners: Vec<SocketAddr>,
    /// Workers.
    pub workers: u16,
    /// Slots of a ring.
    pub ring_slots: u32,
    /// Control socket of management, for the data path.
    pub control: std::path::PathBuf,
    /// How long the data path may take to stop.
    pub drain_ms: u64,
}

/// What the supervisor made. The descriptors come in this order: for each worker its ring, its
/// wake socket's end for this child; then the eventfd that wakes the audit writer; then, for the
/// data path only, for each listener one socket a worker.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Prepared {
    /// What was asked for.
    pub prepare: Prepare,
    /// Addresses bound, with the real ports.
    pub listeners: Vec<SocketAddr>,
    /// Why a listener could not be made; then nothing was made.
    pub error: Option<String>,
    /// Descriptors that follow in further frames of the same kind, this frame's included.
    pub descriptors: usize,
}

/// The data path says who it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// Version of the program.
    pub program: String,
    /// Its boot number.
    pub boot: u64,
    /// Its process.
    pub pid: u32,
    /// Workers.
    pub workers: u16,
    /// I/O driver: `io_uring (defer_taskrun)`, `io_uring (coop_taskrun)`, `epoll`.
    pub driver: String,
    /// How connections find their worker: `cpu`, `hash`.
    pub steering: String,
}

/// Every worker runs on a snapshot.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Applied {
    /// The snapshot.
    pub snapshot: SnapshotHash,
    /// Version of the secret part.
    pub secrets: u64,
    /// Canaries that were caught.
    pub canaries_passed: u32,
    /// Canaries.
    pub canaries: u32,
}

/// A snapshot was refused; the old one stays.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Refused {
    /// The snapshot.
    pub snapshot: Option<SnapshotHash>,
    /// Why.
    pub reason: String,
}

/// What the command line asks of management.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "command")]
pub enum Command {
    /// Read the configuration again.
    Reload,
    /// Read the key file again.
    ReloadKeys,
    /// How are things?
    Status,
    /// Send a [`Kind::Line`] for each request from now on.
    Tail {
        /// JSON lines instead of text.
        json: bool,
    },
}

/// What management answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Reply {
    /// Whether it was done.
    pub ok: bool,
    /// What to show.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_frame_reads_back() {
        let frame = encode(Kind::Command, &Command::Tail { json: true }).unwrap();
        let (kind, length) = decode_head(frame[..8].try_into().unwrap()).unwrap();
        assert_eq!((kind, length), (Kind::Command, frame.len() - 8));
        assert_eq!(decode::<Command>(&frame[8..]), Ok(Command::Tail { json: true }));
    }

    #[test]
    fn bounds_hold() {
        assert!(encode_head(Kind::Public, FRAME_BYTES_MAX + 1).is_err());
        let mut head = encode_head(Kind::Public, 1).unwrap();
        head[6] = 9;
        assert_eq!(decode_head(head), Err(FrameError::Version(9)));
        let mut head = encode_head(Kind::Public, 1).unwrap();
        head[3] = 0xff;
        assert!(matches!(decode_head(head), Err(FrameError::TooLong(_))));
    }

    proptest! {
        #[test]
        fn any_head_is_read_or_refused(head in any::<[u8; 8]>()) {
            if let Ok((kind, length)) = decode_head(head) {
                prop_assert_eq!(encode_head(kind, length).unwrap(), head);
            }
        }
    }
}
