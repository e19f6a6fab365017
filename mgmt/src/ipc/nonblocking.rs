//! Frames over a socket for tokio.

use super::{Frame, FrameReader, IpcError, receive, send};
use sluice_contract::control;
use sluice_contract::control::Kind;
use std::io;
use std::os::fd::BorrowedFd;
use tokio::io::Interest;
use tokio::net::UnixStream;

/// A connection that carries frames.
pub struct Connection {
    socket: UnixStream,
    reader: FrameReader,
    buffer: Vec<u8>,
}

impl Connection {
    /// Takes a connected socket.
    pub fn new(socket: UnixStream) -> Connection {
        Connection { socket, reader: FrameReader::default(), buffer: Vec::new() }
    }

    /// The next frame. May be dropped while it waits: what was read is kept.
    pub async fn receive(&mut self) -> Result<Frame, IpcError> {
        loop {
            self.buffer.resize(self.reader.wants(), 0);
            let (socket, buffer) = (&self.socket, &mut self.buffer);
            let received = socket.async_io(Interest::READABLE, || receive(socket, buffer)).await;
            let (bytes, fds) = match received {
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return Err(IpcError::Closed);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                received => received?,
            };
            if bytes == 0 {
                let within = self.reader.is_within_frame();
                return Err(if within { IpcError::Cut } else { IpcError::Closed });
            }
            let bytes = self.buffer.get(..bytes).unwrap_or_default();
            if let Some(frame) = self.reader.feed(bytes, fds)? {
                return Ok(frame);
            }
        }
    }

    /// Sends a frame with a JSON payload. Not to be dropped half-way.
    pub async fn send<T: serde::Serialize>(&self, kind: Kind, payload: &T) -> Result<(), IpcError> {
        self.write(&control::encode(kind, payload)?, &[]).await
    }

    /// Sends a frame with these bytes as payload, and descriptors. Not to be dropped half-way.
    pub async fn send_bytes(
        &self,
        kind: Kind,
        payload: &[u8],
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), IpcError> {
        self.write(&control::encode_head(kind, payload.len())?, fds).await?;
        self.write(payload, &[]).await
    }

    async fn write(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), IpcError> {
        let (mut rest, mut fds) = (bytes, fds);
        while !rest.is_empty() {
            let sent =
                self.socket.async_io(Interest::WRITABLE, || send(&self.socket, rest, fds)).await?;
            rest = rest.get(sent..).unwrap_or_default();
            fds = &[];
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_contract::control::Command;
    use std::os::fd::AsFd;
    use std::time::Duration;

    fn on_a_runtime<T>(task: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(task)
    }

    #[test]
    fn frames_larger_than_the_socket_pass_with_descriptors() {
        on_a_runtime(async {
            let (left, right) = UnixStream::pair().unwrap();
            let (left, mut right) = (Connection::new(left), Connection::new(right));
            let payload: Vec<u8> = (0..3_000_000u32).map(|n| n.to_le_bytes()[0]).collect();
            let null = std::fs::File::open("/dev/null").unwrap();
            let fds = [null.as_fd(), null.as_fd()];
            let (sent, frame) =
                tokio::join!(left.send_bytes(Kind::Public, &payload, &fds), right.receive());
            sent.unwrap();
            let frame = frame.unwrap();
            assert_eq!((frame.kind, frame.fds.len()), (Kind::Public, 2));
            assert!(frame.payload == payload);
        });
    }

    #[test]
    fn a_receive_that_is_dropped_loses_nothing() {
        on_a_runtime(async {
            let (left, right) = UnixStream::pair().unwrap();
            let mut right = Connection::new(right);
            let frame = control::encode(Kind::Command, &Command::Status).unwrap();
            for byte in &frame[..frame.len() - 1] {
                left.writable().await.unwrap();
                left.try_write(&[*byte]).unwrap();
                let none = tokio::time::timeout(Duration::from_millis(1), right.receive()).await;
                assert!(none.is_err());
            }
            left.try_write(&frame[frame.len() - 1..]).unwrap();
            assert_eq!(right.receive().await.unwrap().json(), Ok(Command::Status));
        });
    }
}
