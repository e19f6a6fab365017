//! Records that management writes (dictionary, segment start, notices), and the count of refusals
//! that a worker writes once a second.

use super::encode::{Origin, RecordBuffer, TooLong};
use super::{HEADER_BYTES, Header, Kind, RecordError, entries, fixed};
use crate::ids::NameId;
use crate::limits::RECORD_BYTES_MAX;
use bytemuck::{Pod, Zeroable, bytes_of};

/// Builds a record of any length: header, fixed part, tail, padding.
fn assemble(kind: Kind, origin: &Origin, fixed: &[u8], tail: &[u8]) -> Result<Vec<u8>, TooLong> {
    let length = (HEADER_BYTES + fixed.len() + tail.len()).next_multiple_of(8);
    if length > RECORD_BYTES_MAX {
        return Err(TooLong);
    }
    let mut record = Vec::with_capacity(length);
    let header = origin.header(kind, u32::try_from(length).unwrap_or(u32::MAX));
    record.extend_from_slice(bytes_of(&header));
    record.extend_from_slice(fixed);
    record.extend_from_slice(tail);
    record.resize(length, 0);
    Ok(record)
}

/// The first record of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct SegmentStart {
    /// Random id of the log.
    pub log: [u8; 16],
    /// Chain hash before this record; zeros in the first segment.
    pub chain: [u8; 32],
    /// Number of the segment, from 0.
    pub segment: u64,
    /// Records of the log before this one.
    pub records_before: u64,
}

/// Writes a segment start.
pub fn encode_segment_start(origin: &Origin, start: &SegmentStart) -> Result<Vec<u8>, TooLong> {
    assemble(Kind::SegmentStart, origin, bytes_of(start), &[])
}

impl SegmentStart {
    /// Reads `record`.
    pub fn decode(record: &[u8]) -> Result<(Header, SegmentStart), RecordError> {
        fixed(record, Kind::SegmentStart).map(|(header, start, _)| (header, start))
    }
}

/// Writes dictionary records for `names`: as many as their length asks for.
pub fn encode_dictionary<'a>(
    mut origin: Origin,
    names: impl Iterator<Item = &'a str>,
) -> Result<Vec<Vec<u8>>, TooLong> {
    const ROOM: usize = RECORD_BYTES_MAX - HEADER_BYTES - 8;
    let mut records = Vec::new();
    let mut tail = Vec::new();
    let mut count = 0u64;
    let mut names = names.peekable();
    while let Some(name) = names.next() {
        // Longer names do not come from a configuration; cutting keeps the record readable.
        let bytes = name.as_bytes().get(..name.len().min(4096)).unwrap_or_default();
        tail.extend_from_slice(&NameId::of(name).0.to_le_bytes());
        tail.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(0).to_le_bytes());
        tail.extend_from_slice(bytes);
        count += 1;
        let next = names.peek().map_or(ROOM, |name| 12 + name.len().min(4096));
        if tail.len() + next > ROOM || names.peek().is_none() {
            records.push(assemble(Kind::Dictionary, &origin, &count.to_le_bytes(), &tail)?);
            origin.sequence += 1;
            tail.clear();
            count = 0;
        }
    }
    Ok(records)
}

/// A dictionary record, read.
#[derive(Clone, Debug)]
pub struct DictionaryView {
    /// The header.
    pub header: Header,
    /// Ids and names.
    pub names: Vec<(NameId, String)>,
}

impl DictionaryView {
    /// Reads `record`. A name that is no UTF-8 is read with replacement characters.
    pub fn decode(record: &[u8]) -> Result<DictionaryView, RecordError> {
        let (header, count, mut rest) = fixed::<u64>(record, Kind::Dictionary)?;
        let wrong = RecordError::Lists { kind: header.kind, length: header.length };
        let mut names = Vec::new();
        for _ in 0..count {
            let id = entries::<u64>(&header, &mut rest, 1)?.next().ok_or(wrong)?;
            let length = entries::<u32>(&header, &mut rest, 1)?.next().ok_or(wrong)?;
            let (name, tail) = rest.split_at_checked(length as usize).ok_or(wrong)?;
            rest = tail;
            names.push((NameId(id), String::from_utf8_lossy(name).into_owned()));
        }
        Ok(DictionaryView { header, names })
    }
}

/// What a notice tells.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum NoticeCode {
    /// Management started; `hash` is zeros.
    ManagementStart = 1,
    /// Management stops in order.
    ManagementStop = 2,
    /// The snapshot `hash` was acknowledged by every worker.
    SnapshotActive = 3,
    /// `value` records of ring `ring`, from position `position`, were no valid records and were
    /// passed over.
    Discarded = 4,
    /// A worker found `value` half-written slots after a kill and reused them.
    HalfWritten = 5,
    /// The log can't be written: `position` is the [`crate::ring::Trouble`], `value` the records
    /// that went back to their rings (none is lost). Written once when a stall begins.
    Refused = 6,
    /// A torn tail of `value` bytes was cut off at start.
    TornTail = 7,
    /// Records of ring `ring` before `position` were lost with the machine or the supervisor.
    RingEnded = 8,
    /// At the start of a segment: ring `ring` is at `position`, and `value` half-written slots of it
    /// were told of.
    RingPosition = 9,
}

impl NoticeCode {
    /// Every code.
    pub const ALL: [NoticeCode; 9] = [
        NoticeCode::ManagementStart,
        NoticeCode::ManagementStop,
        NoticeCode::SnapshotActive,
        NoticeCode::Discarded,
        NoticeCode::HalfWritten,
        NoticeCode::Refused,
        NoticeCode::TornTail,
        NoticeCode::RingEnded,
        NoticeCode::RingPosition,
    ];

    /// The name in listings.
    pub const fn name(self) -> &'static str {
        match self {
            NoticeCode::ManagementStart => "management_start",
            NoticeCode::ManagementStop => "management_stop",
            NoticeCode::SnapshotActive => "snapshot_active",
            NoticeCode::Discarded => "discarded",
            NoticeCode::HalfWritten => "half_written",
            NoticeCode::Refused => "refused",
            NoticeCode::TornTail => "torn_tail",
            NoticeCode::RingEnded => "ring_ended",
            NoticeCode::RingPosition => "ring_position",
        }
    }
}

/// A notice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Notice {
    /// [`NoticeCode`].
    pub code: u32,
    /// Worker that it is about, where it is about one.
    pub worker: u32,
    /// Ring that it is about.
    pub ring: u64,
    /// Position in that ring.
    pub position: u64,
    /// Number that it tells.
    pub value: u64,
    /// Snapshot that it is about.
    pub hash: [u8; 32],
}

/// Writes a notice.
pub fn encode_notice(origin: &Origin, notice: &Notice) -> Result<Vec<u8>, TooLong> {
    assemble(Kind::Notice, origin, bytes_of(notice), &[])
}

impl Notice {
    /// Reads `record`.
    pub fn decode(record: &[u8]) -> Result<(Header, Notice), RecordError> {
        fixed(record, Kind::Notice).map(|(header, notice, _)| (header, notice))
    }
}

/// Refusals of one source in one second.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct RefusalCount {
    /// Keyed hash of the source address; 0 for all sources beyond the bound.
    pub source: u64,
    /// How many.
    pub count: u32,
    /// [`crate::reason::Reason`].
    pub reason: u16,
    /// Zero.
    pub reserved: u16,
}

/// Writes the refusals of one second. `second` is Unix time.
pub fn encode_refusals(
    origin: &Origin,
    second: u64,
    counts: &[RefusalCount],
    buffer: &mut RecordBuffer,
) -> Result<(), TooLong> {
    buffer.start();
    buffer.push(&second)?;
    buffer.push(&(counts.len() as u64))?;
    for count in counts {
        buffer.push(count)?;
    }
    buffer.finish(Kind::Refusals, origin)
}

/// A record of refusals, read.
#[derive(Clone, Debug)]
pub struct RefusalsView {
    /// The header.
    pub header: Header,
    /// Unix time, seconds.
    pub second: u64,
    /// The counts.
    pub counts: Vec<RefusalCount>,
}

impl RefusalsView {
    /// Reads `record`.
    pub fn decode(record: &[u8]) -> Result<RefusalsView, RecordError> {
        let (header, [second, count], mut rest) = fixed::<[u64; 2]>(record, Kind::Refusals)?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let counts = entries(&header, &mut rest, count)?.collect();
        Ok(RefusalsView { header, second, counts })
    }
}
