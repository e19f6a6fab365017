//! The outcome record: what came of a decision. Tied to it by boot, worker and sequence.

use super::decision::push_classes;
use super::encode::{Origin, RecordBuffer, TooLong};
use super::{ClassEntry, Header, Kind, RecordError, entries, fixed};
use crate::decision::Decision;
use crate::facts::{Facts, SCORES};
use bytemuck::{Pod, Zeroable};

/// How a request ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum End {
    /// Answered in full.
    Complete = 0,
    /// Blocked by policy before it was forwarded.
    Blocked = 1,
    /// The response was blocked by policy.
    ResponseBlocked = 2,
    /// The client left.
    ClientLeft = 3,
    /// The upstream failed: unreachable, protocol, cut.
    UpstreamFailed = 4,
    /// A time-out of the upstream.
    UpstreamTimeout = 5,
    /// The client did not read.
    ClientTimeout = 6,
    /// Our own fault.
    Internal = 7,
    /// Not forwarded: the audit could not take the record in time.
    AuditUnavailable = 8,
}

impl End {
    /// Every end, by number.
    pub const ALL: [End; 9] = [
        End::Complete,
        End::Blocked,
        End::ResponseBlocked,
        End::ClientLeft,
        End::UpstreamFailed,
        End::UpstreamTimeout,
        End::ClientTimeout,
        End::Internal,
        End::AuditUnavailable,
    ];

    /// The name in `audit list`.
    pub const fn name(self) -> &'static str {
        match self {
            End::Complete => "complete",
            End::Blocked => "blocked",
            End::ResponseBlocked => "response_blocked",
            End::ClientLeft => "client_left",
            End::UpstreamFailed => "upstream_failed",
            End::UpstreamTimeout => "upstream_timeout",
            End::ClientTimeout => "client_timeout",
            End::Internal => "internal",
            End::AuditUnavailable => "audit_unavailable",
        }
    }

    /// The end with this number.
    pub fn from_number(number: u8) -> Option<End> {
        End::ALL.get(usize::from(number)).copied()
    }
}

/// The fixed part, after the header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct OutcomeFixed {
    /// Keyed BLAKE3 of the response body as received; zeros where none came.
    pub response_received: [u8; 32],
    /// Keyed BLAKE3 of the response body as released to the client; for a stream, over what was
    /// released.
    pub response_released: [u8; 32],
    /// Sequence of the decision record in the same ring.
    pub decision: u64,
    /// Name of the upstream that answered; 0 where none did.
    pub target: u64,
    /// Cost in millionths of the configured currency; 0 where unknown.
    pub cost_micros: u64,
    /// Bytes of the response body released.
    pub response_bytes: u64,
    /// Prompt tokens by the upstream's own count.
    pub prompt_tokens: u32,
    /// Completion tokens.
    pub completion_tokens: u32,
    /// Prompt tokens read from the provider's cache.
    pub cached_tokens: u32,
    /// From the first byte of the request to the last of the answer, microseconds.
    pub total_us: u32,
    /// From the first byte of the request to the decision, microseconds.
    pub decided_us: u32,
    /// Waiting for the audit's commit, microseconds.
    pub audit_wait_us: u32,
    /// From forwarding to the first byte of the upstream's answer, microseconds.
    pub first_byte_us: u32,
    /// Response facts: bytes of text inspected.
    pub text_bytes: u32,
    /// Response facts: texts inspected.
    pub texts: u32,
    /// Response facts: [`crate::facts::Flags`].
    pub fact_flags: u32,
    /// Status sent to the client; 0 where none was sent.
    pub status: u16,
    /// Status of the upstream; 0 where none came.
    pub upstream_status: u16,
    /// The flags of this record.
    pub flags: u32,
    /// Response scores, hundredths.
    pub scores: [u8; SCORES],
    /// [`End`].
    pub end: u8,
    /// [`crate::decision::Verdict`] on the response, carried out.
    pub verdict: u8,
    /// Verdict that policy gave on the response.
    pub decided: u8,
    /// Attempts made at targets.
    pub attempts: u8,
    /// Entries of the class list.
    pub classes: u8,
    /// Entries of the policy list.
    pub policies: u8,
    /// Number of the [`crate::reason::Reason`] where the request was refused, low byte; else 0.
    pub reason: u8,
    /// Zero.
    pub reserved: u8,
}

const _: () = assert!(size_of::<OutcomeFixed>() == 168);

impl OutcomeFixed {
    /// The response was a stream.
    pub const FLAG_STREAM: u32 = 1;
    /// The response passed without being inspected (a stream, until streams are inspected).
    pub const FLAG_UNINSPECTED: u32 = 1 << 1;
}

/// Everything an outcome record is made of. What `facts` and `decision` say is taken from them.
#[derive(Clone, Copy, Debug)]
pub struct OutcomeRecord<'a> {
    /// The fixed part.
    pub fixed: OutcomeFixed,
    /// Facts of the response.
    pub facts: &'a Facts,
    /// The decision on them.
    pub decision: &'a Decision,
}

impl OutcomeRecord<'_> {
    /// Writes the record into `buffer`.
    pub fn encode(&self, origin: &Origin, buffer: &mut RecordBuffer) -> Result<(), TooLong> {
        let mut fixed = self.fixed;
        fixed.text_bytes = self.facts.text_bytes;
        fixed.texts = self.facts.texts;
        fixed.fact_flags = self.facts.flags.0;
        fixed.scores = self.facts.scores.0;
        fixed.decided = self.decision.verdict as u8;
        fixed.classes = u8::try_from(self.facts.classes.len()).unwrap_or(u8::MAX);
        fixed.policies = u8::try_from(self.decision.policies.len()).unwrap_or(u8::MAX);
        buffer.start();
        buffer.push(&fixed)?;
        push_classes(buffer, self.facts, self.decision)?;
        for policy in &self.decision.policies {
            buffer.push(&policy.0)?;
        }
        buffer.finish(Kind::Outcome, origin)
    }
}

/// An outcome record, read.
#[derive(Clone, Debug)]
pub struct OutcomeView {
    /// The header.
    pub header: Header,
    /// The fixed part.
    pub fixed: OutcomeFixed,
    /// Classes found in the response and what was done.
    pub classes: Vec<ClassEntry>,
    /// Determining policies.
    pub policies: Vec<u64>,
}

impl OutcomeView {
    /// Reads `record`.
    pub fn decode(record: &[u8]) -> Result<OutcomeView, RecordError> {
        let (header, fixed, mut rest) = fixed::<OutcomeFixed>(record, Kind::Outcome)?;
        let classes = entries(&header, &mut rest, usize::from(fixed.classes))?.collect();
        let policies = entries(&header, &mut rest, usize::from(fixed.policies))?.collect();
        Ok(OutcomeView { header, fixed, classes, policies })
    }
}
