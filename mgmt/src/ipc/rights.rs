//! One `sendmsg` or `recvmsg`, with descriptors.
//!
//! The only thing that needs `unsafe` is to take ownership of descriptors that the kernel made for
//! us: those that came in a message, and the one that the supervisor left at a known number.
#![expect(unsafe_code, reason = "descriptors that the kernel hands over are raw numbers")]

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use sluice_contract::limits::FRAME_FDS_MAX;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Sends some of `bytes`, with `fds` beside the first of them. Returns how many went.
pub fn send(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let messages = if raw.is_empty() { &[] } else { rights.as_slice() };
    let socket = socket.as_fd().as_raw_fd();
    Ok(sendmsg::<()>(socket, &[IoSlice::new(bytes)], messages, MsgFlags::MSG_NOSIGNAL, None)?)
}

/// Receives into `bytes`. Returns how many came (0 at the end) and the descriptors beside them,
/// which close on exec. More than [`FRAME_FDS_MAX`] descriptors are an error.
pub fn receive(socket: impl AsFd, bytes: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = nix::cmsg_space!([RawFd; FRAME_FDS_MAX]);
    let mut parts = [IoSliceMut::new(bytes)];
    let socket = socket.as_fd().as_raw_fd();
    let message = recvmsg::<()>(socket, &mut parts, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
    let truncated = message.flags.contains(MsgFlags::MSG_CTRUNC);
    let mut fds = Vec::new();
    // Errors where the control data was cut; the kernel has closed what did not fit.
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(raw) = control {
            // SAFETY: the kernel made these descriptors for this message; nobody else owns them.
            fds.extend(raw.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    if truncated {
        return Err(Errno::ENOBUFS.into());
    }
    Ok((message.bytes, fds))
}

/// Takes the descriptor that the parent left at `number`, and closes it on exec from now on. Call
/// once, before anything else could have been opened there.
pub fn claim_inherited(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: only looked at; `F_SETFD` refuses a number at which nothing is open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    fcntl(borrowed, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    // SAFETY: open, by the call above; it is the parent's present, which nothing in this process
    // has taken before.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
