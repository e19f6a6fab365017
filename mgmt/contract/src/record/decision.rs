//! The decision record: who asked what of which target, what was found, what was decided.

use super::encode::{Origin, RecordBuffer, TooLong};
use super::{ClassEntry, Header, Kind, RecordError, entries, fixed};
use crate::decision::Decision;
use crate::facts::{Facts, SCORES};
use bytemuck::{Pod, Zeroable};

/// The fixed part, after the header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct DecisionFixed {
    /// SHA-256 of the snapshot's public part.
    pub snapshot: [u8; 32],
    /// Keyed BLAKE3 of the request body as received; zeros where the route takes none.
    pub request_received: [u8; 32],
    /// Keyed BLAKE3 of the request body as sent; equal to `request_received` where nothing was
    /// changed, zeros where nothing was sent.
    pub request_sent: [u8; 32],
    /// Trace id of W3C trace context.
    pub trace_id: [u8; 16],
    /// Request id: our own, or the keyed hash of the client's ([`Self::FLAG_CLIENT_REQUEST_ID`]).
    pub request_id: [u8; 16],
    /// Version of the secret part (and of the commitment key in it).
    pub secrets: u64,
    /// Opaque id of the principal.
    pub principal: u64,
    /// Opaque id of the tenant.
    pub tenant: u64,
    /// Opaque id of the application.
    pub application: u64,
    /// Opaque id of the user; 0 where there is none.
    pub user: u64,
    /// Opaque id of the team; 0 where there is none.
    pub team: u64,
    /// Opaque id of the project; 0 where there is none.
    pub project: u64,
    /// Opaque id of the use case; 0 where there is none.
    pub use_case: u64,
    /// Keyed hash of the session.
    pub session: u64,
    /// Name of the route.
    pub route: u64,
    /// Model asked for: a name that the configuration knows, else a keyed hash
    /// ([`Self::FLAG_MODEL_HASHED`]).
    pub model: u64,
    /// Name of the upstream.
    pub target: u64,
    /// Name of the upstream's region; 0 where there is none.
    pub region: u64,
    /// Facts: bytes of text inspected.
    pub text_bytes: u32,
    /// Facts: texts inspected.
    pub texts: u32,
    /// Facts: bytes that could not be inspected.
    pub opaque_bytes: u32,
    /// [`crate::facts::Flags`].
    pub fact_flags: u32,
    /// Bytes of the body received.
    pub received_bytes: u32,
    /// Bytes of the body sent.
    pub sent_bytes: u32,
    /// Output tokens that the client allows; 0 where it does not say.
    pub max_tokens: u32,
    /// The flags of this record.
    pub flags: u32,
    /// Scores, hundredths, by [`crate::facts::Score`].
    pub scores: [u8; SCORES],
    /// [`crate::decision::Verdict`] carried out.
    pub verdict: u8,
    /// Verdict that policy gave; differs from `verdict` under observe.
    pub decided: u8,
    /// 0 internal, 1 external.
    pub trust: u8,
    /// Number of the upstream kind ([`crate::snapshot::UpstreamKind`]).
    pub provider: u8,
    /// Number of the endpoint ([`crate::snapshot::Endpoint`]).
    pub endpoint: u8,
    /// Attempt at a target, from 0.
    pub attempt: u8,
    /// Entries of the class list.
    pub classes: u8,
    /// Entries of the policy list.
    pub policies: u8,
    /// Entries of the group list.
    pub groups: u8,
    /// Zero.
    pub reserved: [u8; 7],
}

const _: () = assert!(size_of::<DecisionFixed>() == 296);

impl DecisionFixed {
    /// The request id is a keyed hash of the client's own.
    pub const FLAG_CLIENT_REQUEST_ID: u32 = 1;
    /// The model is a keyed hash.
    pub const FLAG_MODEL_HASHED: u32 = 1 << 1;
    /// The client asked for a stream.
    pub const FLAG_STREAM: u32 = 1 << 2;
    /// The route observes: `verdict` is `allow` or `alert`, `decided` what would have been.
    pub const FLAG_OBSERVE: u32 = 1 << 3;
    /// The route's audit is `sync`.
    pub const FLAG_SYNC: u32 = 1 << 4;
    /// A policy could not be evaluated.
    pub const FLAG_POLICY_ERROR: u32 = 1 << 5;
    /// A record before this one was passed over because audit was unavailable and the route fails
    /// open.
    pub const FLAG_UNRECORDED_BEFORE: u32 = 1 << 6;
    /// Opaque content is allowed by the route.
    pub const FLAG_ALLOW_OPAQUE: u32 = 1 << 7;

    /// All zeros, to build upon.
    pub const ZERO: DecisionFixed = DecisionFixed {
        snapshot: [0; 32],
        request_received: [0; 32],
        request_sent: [0; 32],
        trace_id: [0; 16],
        request_id: [0; 16],
        secrets: 0,
        principal: 0,
        tenant: 0,
        application: 0,
        user: 0,
        team: 0,
        project: 0,
        use_case: 0,
        session: 0,
        route: 0,
        model: 0,
        target: 0,
        region: 0,
        text_bytes: 0,
        texts: 0,
        opaque_bytes: 0,
        fact_flags: 0,
        received_bytes: 0,
        sent_bytes: 0,
        max_tokens: 0,
        flags: 0,
        scores: [0; SCORES],
        verdict: 0,
        decided: 0,
        trust: 0,
        provider: 0,
        endpoint: 0,
        attempt: 0,
        classes: 0,
        policies: 0,
        groups: 0,
        reserved: [0; 7],
    };
}

/// Everything a decision record is made of. What `facts` and `decision` say is taken from them;
/// the matching fields of `fixed` are overwritten.
#[derive(Clone, Copy, Debug)]
pub struct DecisionRecord<'a> {
    /// The fixed part.
    pub fixed: DecisionFixed,
    /// Facts of the request.
    pub facts: &'a Facts,
    /// The decision on them.
    pub decision: &'a Decision,
    /// Opaque ids of the principal's groups.
    pub groups: &'a [u64],
}

impl DecisionRecord<'_> {
    /// Writes the record into `buffer`.
    pub fn encode(&self, origin: &Origin, buffer: &mut RecordBuffer) -> Result<(), TooLong> {
        let mut fixed = self.fixed;
        fixed.text_bytes = self.facts.text_bytes;
        fixed.texts = self.facts.texts;
        fixed.opaque_bytes = self.facts.opaque_bytes;
        fixed.fact_flags = self.facts.flags.0;
        fixed.scores = self.facts.scores.0;
        fixed.decided = self.decision.verdict as u8;
        if self.decision.errored {
            fixed.flags |= DecisionFixed::FLAG_POLICY_ERROR;
        }
        fixed.classes = u8::try_from(self.facts.classes.len()).unwrap_or(u8::MAX);
        fixed.policies = u8::try_from(self.decision.policies.len()).unwrap_or(u8::MAX);
        fixed.groups = u8::try_from(self.groups.len()).unwrap_or(u8::MAX);
        buffer.start();
        buffer.push(&fixed)?;
        push_classes(buffer, self.facts, self.decision)?;
        for policy in &self.decision.policies {
            buffer.push(&policy.0)?;
        }
        for group in self.groups.iter().take(usize::from(fixed.groups)) {
            buffer.push(group)?;
        }
        buffer.finish(Kind::Decision, origin)
    }
}

/// Writes one [`ClassEntry`] for each class of `facts`, with what `decision` does to it.
pub(super) fn push_classes(
    buffer: &mut RecordBuffer,
    facts: &Facts,
    decision: &Decision,
) -> Result<(), TooLong> {
    for fact in &facts.classes {
        buffer.push(&ClassEntry {
            class: fact.class.0,
            count: fact.count,
            origins: fact.origins,
            confidence: fact.confidence,
            verdict: decision.of(fact.class) as u8,
        })?;
    }
    Ok(())
}

/// A decision record, read.
#[derive(Clone, Debug)]
pub struct DecisionView {
    /// The header.
    pub header: Header,
    /// The fixed part.
    pub fixed: DecisionFixed,
    /// Classes found and what was done.
    pub classes: Vec<ClassEntry>,
    /// Determining policies.
    pub policies: Vec<u64>,
    /// Groups of the principal.
    pub groups: Vec<u64>,
}

impl DecisionView {
    /// Reads `record`.
    pub fn decode(record: &[u8]) -> Result<DecisionView, RecordError> {
        let (header, fixed, mut rest) = fixed::<DecisionFixed>(record, Kind::Decision)?;
        let classes = entries(&header, &mut rest, usize::from(fixed.classes))?.collect();
        let policies = entries(&header, &mut rest, usize::from(fixed.policies))?.collect();
        let groups = entries(&header, &mut rest, usize::from(fixed.groups))?.collect();
        Ok(DecisionView { header, fixed, classes, policies, groups })
    }
}
