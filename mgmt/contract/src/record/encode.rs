//! The buffer that a record is built in: fixed size, reused, no allocation.

use super::{HEADER_BYTES, Header, Kind, MAGIC, VERSION};
use crate::limits::RING_RECORD_BYTES_MAX;
use bytemuck::{NoUninit, bytes_of};

/// The record does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record longer than {RING_RECORD_BYTES_MAX} bytes")]
pub struct TooLong;

/// A record under construction.
pub struct RecordBuffer {
    bytes: Box<[u8; RING_RECORD_BYTES_MAX]>,
    length: usize,
}

impl Default for RecordBuffer {
    fn default() -> Self {
        RecordBuffer { bytes: Box::new([0; RING_RECORD_BYTES_MAX]), length: 0 }
    }
}

impl RecordBuffer {
    /// The finished record.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// Starts a record; the length is filled in by [`RecordBuffer::finish`].
    pub(super) fn start(&mut self) {
        self.length = HEADER_BYTES;
    }

    pub(super) fn push<T: NoUninit>(&mut self, value: &T) -> Result<(), TooLong> {
        let value = bytes_of(value);
        let end = self.length + value.len();
        let place = self.bytes.get_mut(self.length..end).ok_or(TooLong)?;
        place.copy_from_slice(value);
        self.length = end;
        Ok(())
    }

    pub(super) fn finish(&mut self, kind: Kind, origin: &Origin) -> Result<(), TooLong> {
        let padded = self.length.next_multiple_of(8);
        self.bytes.get_mut(self.length..padded).ok_or(TooLong)?.fill(0);
        self.length = padded;
        let header = origin.header(kind, u32::try_from(padded).unwrap_or(u32::MAX));
        match self.bytes.get_mut(..HEADER_BYTES) {
            Some(head) => head.copy_from_slice(bytes_of(&header)),
            None => return Err(TooLong),
        }
        Ok(())
    }
}

/// Who writes the record, and when.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// Worker, or [`super::MANAGEMENT_WORKER`].
    pub worker: u16,
    /// Random number of the ring.
    pub ring: u64,
    /// Random number of the process's start.
    pub boot: u64,
    /// Position of the record.
    pub sequence: u64,
    /// Unix time in nanoseconds.
    pub time_ns: u64,
}

impl Origin {
    /// The header of a record of `length` bytes.
    pub fn header(&self, kind: Kind, length: u32) -> Header {
        Header {
            magic: MAGIC,
            kind: kind as u16,
            version: VERSION,
            length,
            worker: self.worker,
            reserved: 0,
            ring: self.ring,
            boot: self.boot,
            sequence: self.sequence,
            time_ns: self.time_ns,
        }
    }
}
