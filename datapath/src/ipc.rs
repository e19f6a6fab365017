//! Frames of the control sockets, read and written with blocking calls on the control thread.

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use sluice_contract::control::{FRAME_HEAD_BYTES, FrameError, Kind, decode_head};
use sluice_contract::limits::FRAME_FDS_MAX;
use std::io::{self, IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

/// A frame and the descriptors that came with it.
pub struct Frame {
    /// What it is.
    pub kind: Kind,
    /// Its payload.
    pub payload: Vec<u8>,
    /// Its descriptors.
    pub descriptors: Vec<OwnedFd>,
}

/// Why no frame came.
#[derive(Debug, thiserror::Error)]
pub enum IpcError {
    /// The other side is gone.
    #[error("the other side closed the socket")]
    Closed,
    /// The socket failed.
    #[error("the socket failed: {0}")]
    Io(#[from] io::Error),
    /// What came is no frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// Reads one frame.
pub fn read(socket: &UnixStream) -> Result<Frame, IpcError> {
    let mut head = [0; FRAME_HEAD_BYTES];
    let mut descriptors = Vec::new();
    let mut filled = 0;
    while filled < head.len() {
        let place = head.get_mut(filled..).unwrap_or_default();
        let count = receive(socket, place, &mut descriptors)?;
        if count == 0 {
            return Err(IpcError::Closed);
        }
        filled += count;
    }
    let (kind, length) = decode_head(head)?;
    let mut payload = vec![0; length];
    (&mut &*socket).read_exact(&mut payload)?;
    Ok(Frame { kind, payload, descriptors })
}

fn receive(
    socket: &UnixStream,
    buffer: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
) -> Result<usize, IpcError> {
    let mut space = nix::cmsg_space!([RawFd; FRAME_FDS_MAX]);
    let mut slices = [IoSliceMut::new(buffer)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut space), flags)
        .map_err(io::Error::from)?;
    for part in message.cmsgs().map_err(io::Error::from)? {
        if let ControlMessageOwned::ScmRights(received) = part {
            descriptors.extend(received.into_iter().map(owned));
        }
    }
    Ok(message.bytes)
}

#[expect(unsafe_code, reason = "descriptors arrive as numbers; this is where they get an owner")]
fn owned(descriptor: RawFd) -> OwnedFd {
    use std::os::fd::FromRawFd;
    // SAFETY: the kernel just made the descriptor for us, nobody else has it.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

/// Writes one frame without descriptors.
pub fn write(socket: &UnixStream, frame: &[u8]) -> io::Result<()> {
    (&mut &*socket).write_all(frame)
}
