//! What a check found: for machines as JSON, for people as text.

use serde::Serialize;
use std::fmt;

/// Problems that one report names; the rest is counted.
pub const PROBLEMS_MAX: usize = 100;

/// The result of a check.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Report {
    /// Whether all holds.
    pub ok: bool,
    /// Id of the log, 32 hex digits.
    pub log: String,
    /// Segment files.
    pub segments: u64,
    /// Records that were read.
    pub records: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Chain hash behind the last record, hex.
    pub chain: String,
    /// Records by kind.
    pub kinds: Kinds,
    /// Decisions without an outcome.
    pub unanswered: u64,
    /// Records of workers that were passed over, as they were no valid records; notices say so.
    pub discarded: u64,
    /// Half-written slots after a kill; nothing is lost with them.
    pub half_written: u64,
    /// Records of workers that are in no segment, as the log was begun later than their ring;
    /// notices say so.
    pub before_log: u64,
    /// The signed head in the log's folder.
    pub head: Option<SignedHead>,
    /// The signed head outside.
    pub outside_head: Option<SignedHead>,
    /// Records behind the newest signed head: their removal could not be seen.
    pub unprotected: u64,
    /// Bytes at the end that are no whole record: a group that is being written, or was when the
    /// node died.
    pub torn_tail_bytes: u64,
    /// What is wrong, in the log's order; the first one is the first bad record.
    pub problems: Vec<Problem>,
    /// Problems beyond those named.
    pub problems_unnamed: u64,
}

/// Records by kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Kinds {
    /// Decisions.
    pub decisions: u64,
    /// Outcomes.
    pub outcomes: u64,
    /// Refusals.
    pub refusals: u64,
    /// Dictionaries.
    pub dictionaries: u64,
    /// Segment starts.
    pub segment_starts: u64,
    /// Notices.
    pub notices: u64,
    /// Kinds or layouts that this build does not know; their place in the chain was checked.
    pub unknown: u64,
}

/// A signed head that was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct SignedHead {
    /// Records that it covers.
    pub records: u64,
    /// Unix time of its signature, seconds.
    pub time: u64,
}

/// Kinds of problems.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// There are no segments.
    NoLog,
    /// The verifier key is missing or no key.
    Key,
    /// There is no signed head.
    HeadMissing,
    /// A head is no signed note of this log under the key.
    HeadInvalid,
    /// The log holds fewer records than a signed head says: it was cut, or rolled back.
    Cut,
    /// The log holds other records than a signed head says.
    Rewritten,
    /// A segment is missing.
    SegmentMissing,
    /// A segment does not start where the one before ends.
    SegmentStart,
    /// The bytes are no record.
    Frame,
    /// The record's fields contradict the format.
    Malformed,
    /// The record does not have the hash that stands behind it.
    Chain,
    /// Records of a ring are missing.
    Gap,
    /// A record of a ring stands twice, or out of order.
    Duplicate,
    /// A ring changed its worker.
    Ring,
    /// An outcome of a decision that is not there, or has one already.
    Outcome,
    /// Records that were acknowledged are not in the log; a notice says so.
    Lost,
}

/// Something that is wrong, and where.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Problem {
    /// What kind.
    pub kind: ProblemKind,
    /// The segment file.
    pub segment: Option<String>,
    /// Index of the record in the log, from 0.
    pub record: Option<u64>,
    /// Byte offset of the record in the segment.
    pub offset: Option<u64>,
    /// Id of the record, as its header says.
    pub id: Option<String>,
    /// What is wrong, in words.
    pub detail: String,
}

impl Report {
    pub(super) fn add(&mut self, problem: Problem) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        } else {
            self.problems_unnamed += 1;
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(record) = self.record {
            write!(f, "record {record}")?;
            if let Some(id) = &self.id {
                write!(f, " ({id})")?;
            }
            write!(f, ", ")?;
        }
        match (&self.segment, self.offset) {
            (Some(segment), Some(offset)) => write!(f, "byte {offset} of {segment}: ")?,
            (Some(segment), None) => write!(f, "{segment}: ")?,
            (None, _) => {}
        }
        f.write_str(&self.detail)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "log {}", self.log)?;
        writeln!(
            f,
            "{} records in {} segments, {} bytes: {} decisions ({} without outcome), {} outcomes",
            self.records,
            self.segments,
            self.bytes,
            self.kinds.decisions,
            self.unanswered,
            self.kinds.outcomes
        )?;
        for (name, head) in [("head", self.head), ("head outside", self.outside_head)] {
            if let Some(head) = head {
                writeln!(f, "{name}: {} records signed at unix time {}", head.records, head.time)?;
            }
        }
        for (count, text) in [
            (self.unprotected, "records behind the signed head, unprotected until the next one"),
            (
                self.torn_tail_bytes,
                "bytes at the end are no whole record: a write under way or cut",
            ),
            (self.discarded, "invalid records of workers were passed over, as notices say"),
            (self.half_written, "half-written slots after a kill, reused without loss"),
            (self.before_log, "records of rings are older than this log, as notices say"),
            (self.kinds.unknown, "records of kinds that this build does not know"),
        ] {
            if count > 0 {
                writeln!(f, "{count} {text}")?;
            }
        }
        for problem in &self.problems {
            writeln!(f, "BAD {problem}")?;
        }
        if self.problems_unnamed > 0 {
            writeln!(f, "BAD {} more", self.problems_unnamed)?;
        }
        f.write_str(if self.ok { "all holds" } else { "the log does NOT hold" })
    }
}
