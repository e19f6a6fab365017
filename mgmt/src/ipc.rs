//! Frames over Unix sockets, with descriptors beside them.
//!
//! `contract::control` says what a frame is; this module moves frames: [`FrameReader`] cuts them
//! out of the bytes as they come, [`blocking`] and [`nonblocking`] carry them over a socket for
//! threads and for tokio.
//!
//! INVARIANT: never more than the rest of the current frame is read from the socket, so descriptors
//! that come along belong to the frame whose first byte is read; nothing is allocated on the word
//! of a head alone.

pub mod blocking;
pub mod nonblocking;
mod peer;
mod reader;
mod rights;

pub use peer::check_peer;
pub use reader::{Frame, FrameReader};
pub use rights::{claim_inherited, receive, send};

use sluice_contract::control::{FrameError, Kind};
use std::io;

/// Why a conversation over a socket ended.
#[derive(Debug, thiserror::Error)]
pub enum IpcError {
    /// The socket failed.
    #[error("the socket failed: {0}")]
    Socket(#[from] io::Error),
    /// The other side closed between two frames.
    #[error("the other side closed the connection")]
    Closed,
    /// The other side closed within a frame.
    #[error("the other side closed the connection within a frame")]
    Cut,
    /// What came is no frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// Descriptors came that do not belong to the first byte of a frame, or too many of them.
    #[error("unexpected descriptors")]
    Descriptors,
    /// A frame of another kind was expected.
    #[error("unexpected frame of kind {0:?}")]
    Unexpected(Kind),
    /// Nothing came in time.
    #[error("no answer in time")]
    TimedOut,
}

impl From<tokio::time::error::Elapsed> for IpcError {
    fn from(_: tokio::time::error::Elapsed) -> IpcError {
        IpcError::TimedOut
    }
}
