//! A request to an upstream, until the head of the answer.

use super::{Begun, Failure};
use crate::conn::Connection;
use crate::link::{Link, LinkError, unless_left};
use crate::refusal::Refusal;
use crate::request::Transformed;
use crate::trace::is_sound_state;
use crate::upstream::{Lease, UpstreamError};
use sluice_contract::limits::HEADERS_MAX;
use sluice_contract::metrics::Counter;
use sluice_contract::reason::Reason;
use sluice_contract::snapshot::Credential;
use sluice_wire::http1::{HeadLimits, HeadWriter, Method, ResponseHead, parse_response};
use std::rc::Rc;

/// Bodies up to this are copied behind the head and sent with it; longer ones are sent by
/// themselves.
const COPY_BYTES: usize = 64 << 10;

/// Headers of a client that are passed on. Nothing else is: a header is not inspected, so none may
/// carry what an application chose to put there.
const PASSED: [&[u8]; 8] = [
    b"accept",
    b"user-agent",
    b"openai-organization",
    b"openai-project",
    b"openai-beta",
    b"idempotency-key",
    b"x-stainless-retry-count",
    b"x-stainless-timeout",
];

/// Bytes of a passed header's value; a longer one is left out.
const PASSED_VALUE_BYTES_MAX: usize = 512;

/// Informational heads that may come before the real one.
const INFORMATIONAL_MAX: usize = 8;

/// Sends the request and waits for the answer's head. A pooled connection that turns out to be
/// closed before it answered anything is replaced by a new one, once.
pub(super) async fn exchange(
    connection: &mut Connection,
    transformed: &mut Transformed,
) -> Result<Begun, Failure> {
    let mut fresh = false;
    loop {
        let mut lease = lease(connection, transformed, fresh).await?;
        let reused = lease.reused;
        match try_once(connection, transformed, &mut lease).await {
            Ok(()) => return begun(connection, transformed, lease),
            Err(Tried::Stale) if reused && !fresh => {
                connection.worker.counters.count(Counter::UpstreamRetries);
                fresh = true;
            }
            Err(Tried::Stale) => {
                return Err(Failure::Unreachable(upstream_refusal(
                    transformed,
                    Reason::UpstreamUnreachable,
                    "closed the connection without an answer",
                )));
            }
            Err(Tried::Failed(failure)) => return Err(failure),
        }
    }
}

/// Why one try did not bring a head.
enum Tried {
    /// The connection was closed, and no byte of an answer came.
    Stale,
    /// Anything else.
    Failed(Failure),
}

/// A refusal that names the upstream.
pub(super) fn upstream_refusal(
    transformed: &Transformed,
    reason: Reason,
    what: impl std::fmt::Display,
) -> Refusal {
    let plan = &transformed.admitted.plan().plan;
    let name = plan.snapshot.upstreams.get(transformed.governed.upstream);
    let name = name.map_or("?", |upstream| upstream.name.as_str());
    Refusal::new(reason, format!("upstream `{name}`: {what}"))
}

async fn lease(
    connection: &mut Connection,
    transformed: &Transformed,
    fresh: bool,
) -> Result<Lease, Failure> {
    let plan = Rc::clone(transformed.admitted.plan());
    let pools = Rc::clone(&connection.worker.pools);
    let leasing = pools.lease(&plan.plan, transformed.governed.upstream, fresh);
    let leased = unless_left(&mut connection.link, leasing).await.ok_or(Failure::ClientLeft)?;
    leased.map_err(|error| {
        let reason = match error {
            UpstreamError::AddressRefused => Reason::UpstreamAddressRefused,
            UpstreamError::Busy => Reason::UpstreamBusy,
            UpstreamError::Unresolved | UpstreamError::Unreachable | UpstreamError::Tls => {
                Reason::UpstreamUnreachable
            }
        };
        Failure::Unreachable(upstream_refusal(transformed, reason, error))
    })
}

async fn try_once(
    connection: &mut Connection,
    transformed: &mut Transformed,
    lease: &mut Lease,
) -> Result<(), Tried> {
    let Some(link) = lease.link() else { return Err(Tried::Stale) };
    let limit_ms = transformed.admitted.plan().plan.snapshot.limits.upstream_timeout_ms;
    let clock = connection.worker.clock;
    link.watch().kill_at(clock.millis() + limit_ms);
    let message = build(link.outgoing(), transformed, connection).map_err(Tried::Failed)?;
    let separate = (transformed.body().len() > COPY_BYTES).then(|| transformed.lend_body());
    let sending = async {
        let sent = link.send(message).await;
        match (sent, separate) {
            (Ok(()), Some((buffer, body))) => {
                let (sent, buffer) = link.send_part(buffer, body.start, body.end).await;
                (sent, Some(buffer))
            }
            (sent, separate) => (sent, separate.map(|(buffer, _)| buffer)),
        }
    };
    let sent = unless_left(&mut connection.link, sending).await;
    // An upstream may answer and close before it read everything: then the answer is there to be
    // read although sending failed.
    let (sent, lent) = sent.ok_or(Tried::Failed(Failure::ClientLeft))?;
    if let Some(buffer) = lent {
        transformed.return_body(buffer);
    }
    link.watch().wake_at(clock.millis() + limit_ms);
    let head = read_head(connection, transformed, link).await;
    match (head, sent) {
        (Ok(()), _) => Ok(()),
        (Err(Tried::Failed(_)), Err(LinkError::Expired)) => {
            Err(Tried::Failed(Failure::Refused(upstream_refusal(
                transformed,
                Reason::UpstreamTimeout,
                "did not take the request in time",
            ))))
        }
        (Err(tried), _) => Err(tried),
    }
}

/// Writes the request: head, and body where it is short.
fn build(
    mut message: Vec<u8>,
    transformed: &Transformed,
    connection: &Connection,
) -> Result<Vec<u8>, Failure> {
    let admitted = &transformed.admitted;
    let plan = &admitted.plan().plan;
    let index = transformed.governed.upstream;
    let (Some(upstream), Some(prepared)) =
        (plan.snapshot.upstreams.get(index), plan.upstreams.get(index))
    else {
        let refusal = Refusal::new(Reason::Internal, "the upstream is not there");
        return Err(Failure::Refused(refusal));
    };
    let path = admitted.identified.endpoint.path();
    let client = &connection.exchange.head;
    let raw_head = admitted.raw_head();
    let body = transformed.body();

    let mut target = arrayvec::ArrayVec::<u8, 1024>::new();
    let fits = target.try_extend_from_slice(upstream.base_path.as_bytes()).is_ok()
        && target.try_extend_from_slice(path.as_bytes()).is_ok();
    if !fits {
        let refusal = Refusal::new(Reason::Internal, "the upstream's path is too long");
        return Err(Failure::Refused(refusal));
    }
    let mut head = HeadWriter::request(&mut message, Method::Post, &target, &prepared.host);
    head.header(b"content-type", b"application/json");
    head.content_length(body.len() as u64);
    head.header(b"accept-encoding", b"identity");
    match upstream.credential {
        Credential::None => {}
        Credential::Key => {
            if let Some(authorization) = &prepared.authorization {
                head.header(b"authorization", authorization);
            }
        }
        Credential::Client => {
            for (name, span) in [
                (&b"authorization"[..], client.authorization),
                (b"x-api-key", client.x_api_key),
                (b"api-key", client.api_key),
            ] {
                if let Some(span) = span {
                    head.header(name, span.of(raw_head));
                }
            }
        }
    }
    head.header(b"x-request-id", &admitted.trace().request_id);
    head.header(b"traceparent", &admitted.trace().parent);
    if let Some(state) = client.tracestate.map(|span| span.of(raw_head))
        && is_sound_state(state)
    {
        head.header(b"tracestate", state);
    }
    for (name, value) in client.headers.end_to_end(raw_head) {
        let known = PASSED.iter().any(|known| known.eq_ignore_ascii_case(name));
        if known && value.len() <= PASSED_VALUE_BYTES_MAX {
            head.header(name, value);
        }
    }
    if let Err(error) = head.finish() {
        let refusal = upstream_refusal(transformed, Reason::Internal, error);
        return Err(Failure::Refused(refusal));
    }
    if body.len() <= COPY_BYTES {
        message.extend_from_slice(body);
    }
    Ok(message)
}

/// Reads heads until one that is no informational one.
async fn read_head(
    connection: &mut Connection,
    transformed: &Transformed,
    link: &mut Link,
) -> Result<(), Tried> {
    let limits = HeadLimits {
        head_bytes: transformed.admitted.plan().plan.snapshot.limits.head_bytes,
        target_bytes: 0,
        headers: HEADERS_MAX,
    };
    let protocol = |what: &dyn std::fmt::Display| {
        Tried::Failed(Failure::Refused(upstream_refusal(
            transformed,
            Reason::UpstreamProtocol,
            what,
        )))
    };
    connection.exchange.response_head.clear();
    let mut informational = 0;
    loop {
        if !link.received().is_empty() {
            let head = &mut connection.exchange.response_head;
            let parsed = parse_response(link.received(), &limits, head);
            if let Some(bytes) = parsed.map_err(|error| protocol(&error))? {
                let is_final = !head.is_informational();
                if head.status == 101 {
                    return Err(protocol(&"switched protocols"));
                }
                let stored = &mut connection.exchange.upstream_head;
                stored.clear();
                stored.extend_from_slice(link.received().get(..bytes).unwrap_or_default());
                link.consume(bytes);
                if is_final {
                    return Ok(());
                }
                connection.exchange.response_head.clear();
                informational += 1;
                if informational > INFORMATIONAL_MAX {
                    return Err(protocol(&"too many informational answers"));
                }
                continue;
            }
        }
        let more = unless_left(&mut connection.link, link.more()).await;
        match more.ok_or(Tried::Failed(Failure::ClientLeft))? {
            Ok(_) => {}
            Err(LinkError::Expired) => {
                return Err(Tried::Failed(Failure::Refused(upstream_refusal(
                    transformed,
                    Reason::UpstreamTimeout,
                    "did not answer in time",
                ))));
            }
            Err(LinkError::Closed | LinkError::Broken)
                if link.received().is_empty() && informational == 0 =>
            {
                return Err(Tried::Stale);
            }
            Err(error) => return Err(protocol(&error)),
        }
    }
}

/// Checks a head, and what may follow it.
fn begun(
    connection: &Connection,
    transformed: &Transformed,
    lease: Lease,
) -> Result<Begun, Failure> {
    let head: &ResponseHead = &connection.exchange.response_head;
    let bytes = &connection.exchange.upstream_head;
    if (300..400).contains(&head.status) {
        return Err(Failure::Refused(Refusal::new(
            Reason::UpstreamRedirect,
            "the upstream answers with a redirect, which is never followed; \
             set `url` to where it points",
        )));
    }
    let encoding = head.content_encoding.map(|span| span.of(bytes).trim_ascii());
    if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"identity")) {
        return Err(Failure::Refused(Refusal::new(
            Reason::UpstreamEncoded,
            "the upstream's answer is encoded although it was asked for identity",
        )));
    }
    let is_stream = head.is_event_stream && head.status < 300;
    // Streams pass without being inspected, so none may be slipped in where an answer was asked for
    // that is.
    if is_stream && !transformed.governed.stream {
        return Err(Failure::Refused(upstream_refusal(
            transformed,
            Reason::UpstreamUninspectable,
            "answered with a stream although none was asked for",
        )));
    }
    Ok(Begun {
        lease,
        framing: head.framing(Method::Post),
        is_stream,
        keeps_alive: head.keep_alive,
    })
}
