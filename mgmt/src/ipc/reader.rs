//! Cuts frames out of a stream of bytes and descriptors. No I/O.

use super::IpcError;
use sluice_contract::control::{self, FRAME_HEAD_BYTES, FrameError, Kind};
use sluice_contract::limits::FRAME_FDS_MAX;
use std::os::fd::OwnedFd;

/// Bytes that are read at a time at most; a head that lies about its length costs no more memory
/// than what really came.
const READ_BYTES_MAX: usize = 64 << 10;

/// A frame, read.
#[derive(Debug)]
pub struct Frame {
    /// What it is.
    pub kind: Kind,
    /// Its payload.
    pub payload: Vec<u8>,
    /// The descriptors that came beside it.
    pub fds: Vec<OwnedFd>,
}

impl Frame {
    /// Reads the JSON payload.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, FrameError> {
        control::decode(&self.payload)
    }
}

/// The frame under construction.
#[derive(Debug, Default)]
pub struct FrameReader {
    head: Vec<u8>,
    /// Kind and length, once the head is complete.
    known: Option<(Kind, usize)>,
    payload: Vec<u8>,
    fds: Vec<OwnedFd>,
}

impl FrameReader {
    /// How many bytes may be read next: never beyond the current frame, never zero.
    pub fn wants(&self) -> usize {
        match self.known {
            None => FRAME_HEAD_BYTES.saturating_sub(self.head.len()),
            Some((_, length)) => length.saturating_sub(self.payload.len()).clamp(1, READ_BYTES_MAX),
        }
    }

    /// Whether a frame has begun.
    pub fn is_within_frame(&self) -> bool {
        !self.head.is_empty()
    }

    /// Takes what was read: at most [`FrameReader::wants`] bytes, not none. Returns the frame that
    /// they complete.
    pub fn feed(&mut self, bytes: &[u8], fds: Vec<OwnedFd>) -> Result<Option<Frame>, IpcError> {
        if !fds.is_empty() {
            if self.is_within_frame() || fds.len() > FRAME_FDS_MAX {
                return Err(IpcError::Descriptors);
            }
            self.fds = fds;
        }
        let length = if let Some((_, length)) = self.known {
            self.payload.extend_from_slice(bytes);
            length
        } else {
            self.head.extend_from_slice(bytes);
            let Ok(head) = <[u8; FRAME_HEAD_BYTES]>::try_from(self.head.as_slice()) else {
                return Ok(None);
            };
            let (kind, length) = control::decode_head(head)?;
            self.known = Some((kind, length));
            length
        };
        if self.payload.len() < length {
            return Ok(None);
        }
        let whole = std::mem::take(self);
        Ok(whole.known.map(|(kind, _)| Frame { kind, payload: whole.payload, fds: whole.fds }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sluice_contract::control::encode_head;
    use sluice_contract::limits::FRAME_BYTES_MAX;

    fn frame(kind: Kind, payload: &[u8]) -> Vec<u8> {
        let mut bytes = encode_head(kind, payload.len()).unwrap().to_vec();
        bytes.extend_from_slice(payload);
        bytes
    }

    /// Feeds `stream` in pieces as a socket would: at most `cut` bytes and at most what is wanted.
    fn read_all(stream: &[u8], cuts: &[usize]) -> Vec<(Kind, Vec<u8>)> {
        let mut reader = FrameReader::default();
        let (mut rest, mut found, mut cuts) = (stream, Vec::new(), cuts.iter().cycle());
        while !rest.is_empty() {
            let take = cuts.next().copied().unwrap_or(1).clamp(1, reader.wants()).min(rest.len());
            let (now, later) = rest.split_at(take);
            rest = later;
            if let Some(frame) = reader.feed(now, Vec::new()).unwrap() {
                found.push((frame.kind, frame.payload));
            }
        }
        assert!(!reader.is_within_frame());
        found
    }

    proptest! {
        #[test]
        fn frames_cut_anywhere_read_the_same(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..6),
            cuts in proptest::collection::vec(1usize..400, 1..20),
        ) {
            let stream: Vec<u8> =
                payloads.iter().flat_map(|payload| frame(Kind::Public, payload)).collect();
            let found = read_all(&stream, &cuts);
            let sent: Vec<_> = payloads.into_iter().map(|p| (Kind::Public, p)).collect();
            prop_assert_eq!(found, sent);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut reader = FrameReader::default();
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let (now, later) = rest.split_at(reader.wants().min(rest.len()));
                rest = later;
                if reader.feed(now, Vec::new()).is_err() {
                    break;
                }
                prop_assert!(reader.payload.capacity() <= 2 * READ_BYTES_MAX);
            }
        }
    }

    #[test]
    fn an_empty_payload_is_complete_with_its_head() {
        assert_eq!(read_all(&frame(Kind::Stop, b""), &[8]), [(Kind::Stop, vec![])]);
    }

    #[test]
    fn a_head_beyond_the_bound_is_refused_before_its_payload() {
        let mut head = encode_head(Kind::Public, 0).unwrap();
        head[..4].copy_from_slice(&u32::try_from(FRAME_BYTES_MAX + 1).unwrap().to_le_bytes());
        let refused = FrameReader::default().feed(&head, Vec::new());
        assert!(matches!(refused, Err(IpcError::Frame(FrameError::TooLong(_)))));
    }

    #[test]
    fn descriptors_within_a_frame_are_refused() {
        let null = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let mut reader = FrameReader::default();
        let bytes = frame(Kind::Public, b"ab");
        assert!(reader.feed(&bytes[..3], vec![null()]).unwrap().is_none());
        assert!(matches!(reader.feed(&bytes[3..4], vec![null()]), Err(IpcError::Descriptors)));
        let many = (0..=FRAME_FDS_MAX).map(|_| null()).collect();
        let refused = FrameReader::default().feed(&bytes[..3], many);
        assert!(matches!(refused, Err(IpcError::Descriptors)));
    }
}
