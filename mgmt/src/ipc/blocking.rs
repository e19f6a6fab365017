//! Frames over a socket for code without a runtime: the supervisor, the command line, and
//! management before its runtime starts.

use super::{Frame, FrameReader, IpcError, receive, send};
use sluice_contract::control::{self, Kind};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// Sends a frame. On a non-blocking socket a frame that does not fit at once is an error.
pub fn send_frame<T: serde::Serialize>(
    socket: impl AsFd,
    kind: Kind,
    payload: &T,
    fds: &[BorrowedFd<'_>],
) -> Result<(), IpcError> {
    send_bytes(socket, &control::encode(kind, payload)?, fds)
}

/// Sends a frame without payload.
pub fn send_empty(socket: impl AsFd, kind: Kind) -> Result<(), IpcError> {
    send_bytes(socket, &control::encode_head(kind, 0)?, &[])
}

fn send_bytes(socket: impl AsFd, frame: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), IpcError> {
    let mut rest = frame;
    let mut fds = fds;
    while !rest.is_empty() {
        let sent = match send(&socket, rest, fds) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            sent => sent?,
        };
        rest = rest.get(sent..).unwrap_or_default();
        fds = &[];
    }
    Ok(())
}

/// What one look at a non-blocking socket gave.
#[derive(Debug)]
pub enum Arrived {
    /// A whole frame.
    Frame(Frame),
    /// Nothing more for now.
    Nothing,
}

/// Reads until a frame is complete or, on a non-blocking socket, until nothing more is there.
pub fn receive_frame(socket: impl AsFd, reader: &mut FrameReader) -> Result<Arrived, IpcError> {
    loop {
        let mut buffer = vec![0; reader.wants()];
        let (bytes, fds) = match receive(&socket, &mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Ok(Arrived::Nothing);
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                return Err(IpcError::Closed);
            }
            received => received?,
        };
        if bytes == 0 {
            let within = reader.is_within_frame();
            return Err(if within { IpcError::Cut } else { IpcError::Closed });
        }
        if let Some(frame) = reader.feed(buffer.get(..bytes).unwrap_or_default(), fds)? {
            return Ok(Arrived::Frame(frame));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_contract::control::Command;
    use std::fs::File;
    use std::io::{Read, Seek, SeekFrom, Write};
    use std::os::unix::net::UnixStream;

    #[test]
    fn descriptors_arrive_with_their_frame() {
        let (left, right) = UnixStream::pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"passed on").unwrap();
        send_frame(&left, Kind::Command, &Command::Status, &[]).unwrap();
        send_frame(&left, Kind::Command, &Command::Reload, &[file.as_fd()]).unwrap();
        send_empty(&left, Kind::Stop).unwrap();
        let mut reader = FrameReader::default();
        let mut next = || match receive_frame(&right, &mut reader).unwrap() {
            Arrived::Frame(frame) => frame,
            Arrived::Nothing => panic!("a frame was sent"),
        };
        assert!(next().fds.is_empty());
        let mut second = next();
        assert_eq!(second.json::<Command>(), Ok(Command::Reload));
        let mut passed = File::from(second.fds.pop().unwrap());
        let mut text = String::new();
        passed.seek(SeekFrom::Start(0)).unwrap();
        passed.read_to_string(&mut text).unwrap();
        assert_eq!(text, "passed on");
        assert_eq!(next().kind, Kind::Stop);
        drop(left);
        assert!(matches!(receive_frame(&right, &mut reader), Err(IpcError::Closed)));
    }

    #[test]
    fn an_end_within_a_frame_is_told_apart() {
        let (mut left, right) = UnixStream::pair().unwrap();
        left.write_all(&control::encode_head(Kind::Public, 10).unwrap()).unwrap();
        left.write_all(b"abc").unwrap();
        drop(left);
        let mut reader = FrameReader::default();
        assert!(matches!(receive_frame(&right, &mut reader), Err(IpcError::Cut)));
    }

    #[test]
    fn a_quiet_socket_gives_nothing() {
        let (mut left, right) = UnixStream::pair().unwrap();
        right.set_nonblocking(true).unwrap();
        let mut reader = FrameReader::default();
        left.write_all(&control::encode_head(Kind::Stop, 0).unwrap()[..5]).unwrap();
        assert!(matches!(receive_frame(&right, &mut reader), Ok(Arrived::Nothing)));
        left.write_all(&control::encode_head(Kind::Stop, 0).unwrap()[5..]).unwrap();
        assert!(matches!(receive_frame(&right, &mut reader), Ok(Arrived::Frame(_))));
    }

    #[test]
    fn too_many_descriptors_are_refused_by_the_receiver() {
        let (left, right) = UnixStream::pair().unwrap();
        let null = File::open("/dev/null").unwrap();
        let many: Vec<_> = std::iter::repeat_n(null.as_fd(), 65).collect();
        send_frame(&left, Kind::Command, &Command::Status, &many).unwrap();
        let mut reader = FrameReader::default();
        assert!(matches!(receive_frame(&right, &mut reader), Err(IpcError::Socket(_))));
    }
}
