//! What a check needs to know of each kind of record, by the offsets of the document.

use super::reader::{HEADER, Header, number};
use sha2::{Digest, Sha256};

/// The worker of management's own records.
pub(super) const MANAGEMENT: u16 = 0xffff;

/// Notices that say something about a ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RingNotice {
    /// `count` positions from `position` were passed over.
    Discarded { count: u64 },
    /// `count` half-written slots were found.
    HalfWritten { count: u64 },
    /// Positions below are not in this log.
    Ended,
    /// Positions below are in earlier segments.
    Position,
}

/// A record, as far as a check needs it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Body {
    Decision,
    Outcome { decision: u64 },
    Dictionary,
    SegmentStart { log: [u8; 16], chain: [u8; 32], segment: u64, records_before: u64 },
    Refusals,
    Notice { ring: u64, worker: u64, position: u64, about: Option<RingNotice> },
    Unknown,
}

/// Reads the body of `record`. The error says what contradicts the format.
pub(super) fn body(header: &Header, record: &[u8]) -> Result<Body, &'static str> {
    if header.reserved != 0 {
        return Err("reserved bytes of the header are not zero");
    }
    if header.version != 1 || !(1..=6).contains(&header.kind) {
        return Ok(Body::Unknown);
    }
    let of_management = matches!(header.kind, 3 | 4 | 6);
    if of_management != (header.worker == MANAGEMENT) {
        return Err("the kind does not fit the worker");
    }
    let rest = record.get(HEADER..).unwrap_or_default();
    let (body, used) = match header.kind {
        1 => {
            let lists = number(rest, 286, 1) + number(rest, 287, 1) + number(rest, 288, 1);
            (Body::Decision, 296 + 8 * lists)
        }
        2 => {
            let lists = number(rest, 164, 1) + number(rest, 165, 1);
            (Body::Outcome { decision: number(rest, 64, 8) }, 168 + 8 * lists)
        }
        3 => (Body::Dictionary, dictionary(rest)?),
        4 => (segment_start(rest), 64),
        5 => (Body::Refusals, number(rest, 8, 8).saturating_mul(16).saturating_add(16)),
        _ => (notice(rest), 64),
    };
    let length = rest.len() as u64;
    if used > length || length - used >= 8 {
        return Err("the length does not fit the lists");
    }
    Ok(body)
}

/// Checks that every id is that of its name. Returns the bytes that the names take.
fn dictionary(rest: &[u8]) -> Result<u64, &'static str> {
    let mut at = 8;
    for _ in 0..number(rest, 0, 8) {
        let length = usize::try_from(number(rest, at + 8, 4)).unwrap_or(usize::MAX);
        let end = (at + 12).saturating_add(length);
        let name = rest.get(at + 12..end).ok_or("a name is longer than the record")?;
        let digest = Sha256::digest(name);
        let id = digest.iter().take(8).fold(0, |id, byte| id << 8 | u64::from(*byte));
        // Names are cut to 4,096 bytes in the record, their ids are not.
        if id != number(rest, at, 8) && length < 4096 {
            return Err("a name does not have its id");
        }
        at = end;
    }
    Ok(at as u64)
}

fn segment_start(rest: &[u8]) -> Body {
    let log = rest.first_chunk().copied().unwrap_or_default();
    let chain = rest.get(16..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default();
    Body::SegmentStart {
        log,
        chain,
        segment: number(rest, 48, 8),
        records_before: number(rest, 56, 8),
    }
}

fn notice(rest: &[u8]) -> Body {
    let count = number(rest, 24, 8);
    let about = match number(rest, 0, 4) {
        4 => Some(RingNotice::Discarded { count }),
        5 => Some(RingNotice::HalfWritten { count }),
        8 => Some(RingNotice::Ended),
        9 => Some(RingNotice::Position),
        _ => None,
    };
    Body::Notice {
        worker: number(rest, 4, 4),
        ring: number(rest, 8, 8),
        position: number(rest, 16, 8),
        about,
    }
}
