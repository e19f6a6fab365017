//! Answers to clients: heads with what a governed answer carries, and bodies that are at hand.

use crate::govern::Governed;
use crate::refusal::Refusal;
use crate::trace::Trace;
use sluice_contract::decision::Verdict;
use sluice_contract::ids::RecordId;
use sluice_wire::http1::{HeadWriter, ResponseHead};
use std::io::Write as _;

/// How long a client should wait before it tries again, seconds.
const RETRY_AFTER_SECONDS: u64 = 1;

/// What a governed answer says of itself.
#[derive(Clone, Copy)]
pub struct Governance<'a> {
    /// The decision's record.
    pub record: Option<RecordId>,
    /// What the stages made of the request.
    pub request: &'a Governed,
    /// The verdict to show: the stricter of request and response.
    pub verdict: Verdict,
}

/// An upstream's head, parsed, and the bytes that it was parsed from.
#[derive(Clone, Copy)]
pub struct UpstreamHead<'a> {
    /// The parsed head.
    pub head: &'a ResponseHead,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// Headers of an upstream that are ours to write, or nobody's business.
const NOT_PASSED: [&[u8]; 8] = [
    b"content-length",
    b"content-type",
    b"content-encoding",
    b"set-cookie",
    b"x-request-id",
    b"x-should-retry",
    b"alt-svc",
    b"strict-transport-security",
];

/// Passes an upstream's end-to-end headers on.
pub fn pass_headers(out: &mut HeadWriter<'_>, upstream: &UpstreamHead<'_>) {
    for (name, value) in upstream.head.headers.end_to_end(upstream.bytes) {
        let ours = name.get(..9).is_some_and(|start| start.eq_ignore_ascii_case(b"x-sluice-"));
        if !ours && !NOT_PASSED.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            out.header(name, value);
        }
    }
}

/// An answer whose body is at hand.
pub struct Reply<'a> {
    /// Status.
    pub status: u16,
    /// Ids.
    pub trace: &'a Trace,
    /// Content type.
    pub content_type: &'a [u8],
    /// Body.
    pub body: std::borrow::Cow<'a, [u8]>,
    /// What is said of the decision, where there was one.
    pub governance: Option<Governance<'a>>,
    /// Whether the client may send the same again; only errors say so.
    pub may_retry: Option<bool>,
    /// `Allow`, for a 405.
    pub allow: Option<&'static str>,
    /// The upstream's head, whose end-to-end headers are passed on.
    pub upstream: Option<UpstreamHead<'a>>,
}

impl<'a> Reply<'a> {
    /// The answer that `refusal` is.
    pub fn refusal(
        trace: &'a Trace,
        refusal: &Refusal,
        governance: Option<Governance<'a>>,
    ) -> Reply<'a> {
        let mut body = Vec::with_capacity(512);
        let record = governance.and_then(|governance| governance.record);
        let record = record.map(|record| record.to_string());
        refusal.write_body(&mut body, record.as_deref());
        Reply {
            status: refusal.reason.status(),
            trace,
            content_type: b"application/json",
            body: body.into(),
            governance,
            may_retry: Some(refusal.reason.may_retry()),
            allow: refusal.allow,
            upstream: None,
        }
    }

    /// A JSON answer.
    pub fn json(
        trace: &'a Trace,
        status: u16,
        body: &'a [u8],
        governance: Option<Governance<'a>>,
    ) -> Reply<'a> {
        Reply {
            status,
            trace,
            content_type: b"application/json",
            body: body.into(),
            governance,
            may_retry: None,
            allow: None,
            upstream: None,
        }
    }
}

/// Writes what every answer carries.
pub fn common(head: &mut HeadWriter<'_>, trace: &Trace, governance: Option<&Governance<'_>>) {
    head.header(b"x-request-id", &trace.request_id);
    let Some(governance) = governance else { return };
    if let Some(record) = governance.record {
        let mut text = arrayvec::ArrayVec::<u8, 64>::new();
        // Sixteen, five and twenty digits and two dashes always fit.
        write!(text, "{record}").ok();
        head.header(b"x-sluice-record", &text);
    }
    head.header(b"x-sluice-verdict", governance.verdict.name().as_bytes());
    let request = governance.request;
    if request.is_observed() {
        head.header(b"x-sluice-would", request.decision.verdict.name().as_bytes());
    }
    if !request.facts.classes.is_empty() {
        let mut text = arrayvec::ArrayVec::<u8, 1024>::new();
        for fact in &request.facts.classes {
            let separator = if text.is_empty() { "" } else { "," };
            // A list that does not fit is cut at a class.
            let mark = text.len();
            if write!(text, "{separator}{}={}", fact.class.name(), fact.count).is_err() {
                text.truncate(mark);
                break;
            }
        }
        head.header(b"x-sluice-findings", &text);
    }
}

/// How an answer is sent.
#[derive(Clone, Copy)]
pub struct Manner {
    /// The connection ends with it.
    pub closes: bool,
    /// 0 or 1: the client's HTTP/1.x.
    pub minor_version: u8,
    /// The request was a HEAD: the head of the answer is all that is sent.
    pub is_head: bool,
}

impl Manner {
    /// Says what becomes of the connection, where the version does not say it.
    pub fn connection(self, head: &mut HeadWriter<'_>) {
        if self.closes {
            head.header(b"connection", b"close");
        } else if self.minor_version == 0 {
            head.header(b"connection", b"keep-alive");
        }
    }
}

/// Writes `reply` whole.
pub fn write(out: &mut Vec<u8>, reply: &Reply<'_>, manner: Manner) {
    let start = out.len();
    let mut head = HeadWriter::response(out, reply.status);
    head.header(b"content-type", reply.content_type);
    head.content_length(reply.body.len() as u64);
    common(&mut head, reply.trace, reply.governance.as_ref());
    if let Some(may_retry) = reply.may_retry {
        head.header(b"x-should-retry", if may_retry { b"true" } else { b"false" });
        if may_retry {
            head.header_number(b"retry-after", RETRY_AFTER_SECONDS);
        }
    }
    if let Some(allow) = reply.allow {
        head.header(b"allow", allow.as_bytes());
    }
    if let Some(upstream) = &reply.upstream {
        pass_headers(&mut head, upstream);
    }
    manner.connection(&mut head);
    if head.finish().is_err() {
        // Only an upstream's header could be malformed, and those were parsed; should one be, the
        // client gets an answer all the same.
        out.truncate(start);
        out.extend_from_slice(
            b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        );
        return;
    }
    if !manner.is_head {
        out.extend_from_slice(&reply.body);
    }
}
