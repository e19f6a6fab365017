//! Audit records, byte by byte. `docs/audit-format.md` is the same in prose; a verifier needs only
//! that document.
//!
//! Every record starts with a [`Header`] that lets a reader skip kinds that it does not know and
//! still hash them. All numbers are little-endian, every record's length is a multiple of eight.
//! Decisions and outcomes come from workers through the ring, the others from management. No
//! record holds content or text that a client chose.
//!
//! Decoding treats the bytes as untrusted: lengths and counts are checked, numbers that this build
//! does not know stay numbers.

mod decision;
mod encode;
mod management;
mod outcome;

pub use decision::{DecisionFixed, DecisionRecord, DecisionView};
pub use encode::{Origin, RecordBuffer, TooLong};
pub use management::{
    DictionaryView, Notice, NoticeCode, RefusalCount, RefusalsView, SegmentStart,
    encode_dictionary, encode_notice, encode_refusals, encode_segment_start,
};
pub use outcome::{End, OutcomeFixed, OutcomeRecord, OutcomeView};

use crate::ids::RecordId;
use bytemuck::{Pod, Zeroable};

/// `SLRC` in ASCII.
pub const MAGIC: u32 = u32::from_le_bytes(*b"SLRC");

/// Layout version of every kind in this build.
pub const VERSION: u16 = 1;

/// Bytes of [`Header`].
pub const HEADER_BYTES: usize = size_of::<Header>();

/// The ring and worker of records that management itself writes.
pub const MANAGEMENT_WORKER: u16 = u16::MAX;

/// Kinds of records.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u16)]
pub enum Kind {
    /// What was decided on a request, before it was forwarded.
    Decision = 1,
    /// What came of it.
    Outcome = 2,
    /// Names for [`crate::ids::NameId`]s.
    Dictionary = 3,
    /// The first record of a segment file.
    SegmentStart = 4,
    /// Requests refused before inspection, by source and second.
    Refusals = 5,
    /// Starts, stops, snapshots, losses.
    Notice = 6,
}

impl Kind {
    /// The kind with this number.
    pub const fn from_number(number: u16) -> Option<Kind> {
        match number {
            1 => Some(Kind::Decision),
            2 => Some(Kind::Outcome),
            3 => Some(Kind::Dictionary),
            4 => Some(Kind::SegmentStart),
            5 => Some(Kind::Refusals),
            6 => Some(Kind::Notice),
            _ => None,
        }
    }
}

/// The first 48 bytes of every record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Header {
    /// [`MAGIC`].
    pub magic: u32,
    /// [`Kind`].
    pub kind: u16,
    /// Layout version of the kind.
    pub version: u16,
    /// Bytes of the whole record, header included; a multiple of eight.
    pub length: u32,
    /// Worker, or [`MANAGEMENT_WORKER`].
    pub worker: u16,
    /// Zero.
    pub reserved: u16,
    /// Random number of the ring; it lives as long as the supervisor that made it.
    pub ring: u64,
    /// Random number of the writing process's start.
    pub boot: u64,
    /// Position in the ring, from 0, without gaps. For management: of its own records.
    pub sequence: u64,
    /// Unix time in nanoseconds.
    pub time_ns: u64,
}

const _: () = assert!(HEADER_BYTES == 48);

impl Header {
    /// The id of the record.
    pub const fn id(&self) -> RecordId {
        RecordId { boot: self.boot, worker: self.worker, sequence: self.sequence }
    }
}

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Fewer bytes than the header or the length ask for.
    #[error("cut off: {have} of {need} bytes")]
    Cut {
        /// Bytes there.
        have: usize,
        /// Bytes needed.
        need: usize,
    },
    /// The first four bytes are not [`MAGIC`].
    #[error("bad magic {0:#010x}")]
    Magic(u32),
    /// The length is shorter than the header, too long, or no multiple of eight.
    #[error("bad length {0}")]
    Length(u32),
    /// The kind is not the one asked for.
    #[error("kind {0} where another was expected")]
    Kind(u16),
    /// A list or a fixed part does not fit the length.
    #[error("kind {kind} with {length} bytes does not hold its lists")]
    Lists {
        /// Kind of the record.
        kind: u16,
        /// Its length.
        length: u32,
    },
}

/// Reads the header of the record that starts `bytes`, and checks magic and length. The record may
/// be longer than `bytes`.
pub fn header(bytes: &[u8]) -> Result<Header, RecordError> {
    let head = bytes
        .get(..HEADER_BYTES)
        .ok_or(RecordError::Cut { have: bytes.len(), need: HEADER_BYTES })?;
    let header: Header = bytemuck::pod_read_unaligned(head);
    if header.magic != MAGIC {
        return Err(RecordError::Magic(header.magic));
    }
    let length = header.length as usize;
    let fits = (HEADER_BYTES..=crate::limits::RECORD_BYTES_MAX).contains(&length);
    if !fits || !length.is_multiple_of(8) {
        return Err(RecordError::Length(header.length));
    }
    Ok(header)
}

/// Cuts the first record off `bytes`: header, the record's bytes, and the rest.
pub fn split(bytes: &[u8]) -> Result<(Header, &[u8], &[u8]), RecordError> {
    let header = header(bytes)?;
    let need = header.length as usize;
    match bytes.split_at_checked(need) {
        Some((record, rest)) => Ok((header, record, rest)),
        None => Err(RecordError::Cut { have: bytes.len(), need }),
    }
}

/// Reads the fixed part `T` after the header and returns it with the bytes behind it.
fn fixed<T: Pod>(record: &[u8], kind: Kind) -> Result<(Header, T, &[u8]), RecordError> {
    let (header, record, _) = split(record)?;
    if header.kind != kind as u16 {
        return Err(RecordError::Kind(header.kind));
    }
    let end = HEADER_BYTES + size_of::<T>();
    let wrong = RecordError::Lists { kind: header.kind, length: header.length };
    let body = record.get(HEADER_BYTES..end).ok_or(wrong)?;
    let rest = record.get(end..).ok_or(wrong)?;
    Ok((header, bytemuck::pod_read_unaligned(body), rest))
}

/// One class of a record's facts: what was found and what was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct ClassEntry {
    /// Number of the [`crate::class::Class`].
    pub class: u16,
    /// How often.
    pub count: u16,
    /// [`crate::facts::Origin`] bits.
    pub origins: u16,
    /// Highest confidence, hundredths.
    pub confidence: u8,
    /// Number of the [`crate::decision::Verdict`] for this class.
    pub verdict: u8,
}

/// Reads `count` entries of `T` off the front of `rest`.
fn entries<'a, T: Pod>(
    header: &Header,
    rest: &mut &'a [u8],
    count: usize,
) -> Result<impl ExactSizeIterator<Item = T> + Clone + use<'a, T>, RecordError> {
    let wrong = RecordError::Lists { kind: header.kind, length: header.length };
    let bytes = count.checked_mul(size_of::<T>()).ok_or(wrong)?;
    let (list, tail) = rest.split_at_checked(bytes).ok_or(wrong)?;
    *rest = tail;
    Ok(list.chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned))
}

#[cfg(test)]
mod tests;
