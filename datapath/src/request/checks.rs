//! The checks that a head alone allows: path, content type, who.

use super::{Identified, Received};
use crate::conn::Connection;
use crate::govern::opaque_id;
use crate::identity::UnknownCaller;
use crate::refusal::Refusal;
use sluice_contract::limits::SESSION_BYTES_MAX;
use sluice_contract::reason::Reason;
use sluice_wire::dialects::openai;
use sluice_wire::http1::{Framing, RequestHead};
use std::net::IpAddr;

/// Finds the endpoint and the caller.
pub fn identify(
    connection: &Connection,
    received: Received,
) -> Result<Identified, Box<(Received, Refusal)>> {
    match check(connection, &received) {
        Ok((endpoint, caller, session)) => Ok(Identified { received, endpoint, caller, session }),
        Err(mut refusal) => {
            // A body that was announced and will not be read would be taken for the next request.
            refusal.closes |= connection.exchange.head.framing != Framing::None;
            Err(Box::new((received, refusal)))
        }
    }
}

fn check(
    connection: &Connection,
    received: &Received,
) -> Result<(openai::Endpoint, usize, Option<u64>), Refusal> {
    let head = &connection.exchange.head;
    let buffer = connection.link.received();
    let plan = &received.plan.plan;
    let endpoint = openai::route(head.method, head.path(buffer))?;
    if plan.identity.is_anonymous() {
        only_from_here(head, buffer)?;
    }
    if endpoint.has_body() {
        check_body_headers(head, buffer, plan.identity.is_anonymous())?;
    }
    let now = crate::clock::unix_seconds();
    let caller = plan.identity.find(credential(head, buffer, plan.passes_credentials()), now);
    let caller = caller.map_err(|error| {
        let advice = match error {
            UnknownCaller::Missing => "send it as `Authorization: Bearer KEY` or `x-api-key: KEY`",
            UnknownCaller::Unknown => "check it, or make one with `sluice key new`",
            UnknownCaller::Expired => "make a new one with `sluice key rotate`",
        };
        Refusal::new(Reason::InvalidApiKey, format!("{error}; {advice}"))
    })?;
    let session = head.x_sluice_session.map(|span| {
        let name = span.of(buffer);
        let name = name.get(..SESSION_BYTES_MAX).unwrap_or(name);
        opaque_id(plan, "session", name)
    });
    Ok((endpoint, caller, session))
}

/// Where the operator's credentials stand behind every request, a web page must not be able to
/// spend them: only names of this machine, no foreign origin.
fn only_from_here(head: &RequestHead, buffer: &[u8]) -> Result<(), Refusal> {
    let host = head.host.map(|span| span.of(buffer)).unwrap_or_default();
    if !is_loopback_authority(host) {
        return Err(Refusal::new(
            Reason::ForeignOrigin,
            "without api keys only loopback hosts are served; make a key with `sluice key new`",
        ));
    }
    let Some(origin) = head.origin.map(|span| span.of(buffer)) else { return Ok(()) };
    let authority = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
    if authority.is_some_and(is_loopback_authority) {
        return Ok(());
    }
    Err(Refusal::new(
        Reason::ForeignOrigin,
        "without api keys requests of foreign web pages are refused; make a key with `sluice key new`",
    ))
}

/// Whether `authority` (`host[:port]`) is a loopback name or address.
fn is_loopback_authority(authority: &[u8]) -> bool {
    let Ok(authority) = std::str::from_utf8(authority) else { return false };
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn check_body_headers(
    head: &RequestHead,
    buffer: &[u8],
    must_be_json: bool,
) -> Result<(), Refusal> {
    if head.framing == Framing::None {
        return Err(Refusal::new(
            Reason::LengthRequired,
            "a body is missing; send one with a content-length, or chunked",
        ));
    }
    let media_type = |span: sluice_wire::http1::Span| {
        let value = span.of(buffer);
        let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
        value.get(..end).unwrap_or_default().trim_ascii()
    };
    let is_json = match head.content_type {
        Some(span) => media_type(span).eq_ignore_ascii_case(b"application/json"),
        None => !must_be_json,
    };
    if !is_json {
        return Err(Refusal::new(
            Reason::UnsupportedMediaType,
            "the content type must be application/json",
        ));
    }
    let is_plain = head
        .content_encoding
        .is_none_or(|span| span.of(buffer).trim_ascii().eq_ignore_ascii_case(b"identity"));
    if !is_plain {
        return Err(Refusal::new(
            Reason::UnsupportedMediaType,
            "encoded request bodies are not taken; send it without content-encoding",
        ));
    }
    Ok(())
}

/// The credential that says who calls. Where an upstream takes the caller's own, that one travels
/// in the usual headers and Sluice's key in `x-sluice-key`.
fn credential<'b>(head: &RequestHead, buffer: &'b [u8], passes: bool) -> Option<&'b [u8]> {
    if let Some(span) = head.x_sluice_key {
        return Some(span.of(buffer).trim_ascii());
    }
    if passes {
        return None;
    }
    if let Some(span) = head.authorization {
        return bearer(span.of(buffer));
    }
    head.x_api_key.or(head.api_key).map(|span| span.of(buffer).trim_ascii())
}

/// The token of `Bearer TOKEN`.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.trim_ascii().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_told_from_look_alikes() {
        for host in
            ["localhost", "LOCALHOST:8080", "127.0.0.1:80", "[::1]:8080", "127.9.9.9", "localhost."]
        {
            assert!(is_loopback_authority(host.as_bytes()), "{host}");
        }
        for host in [
            "",
            "evil.com",
            "localhost.evil.com",
            "127.0.0.1.nip.io",
            "10.0.0.1",
            "[::2]",
            "0.0.0.0",
        ] {
            assert!(!is_loopback_authority(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn bearers_are_read() {
        assert_eq!(bearer(b"Bearer slk_x"), Some(&b"slk_x"[..]));
        assert_eq!(bearer(b"bearer  slk_x "), Some(&b"slk_x"[..]));
        assert_eq!(bearer(b"Basic abc"), None);
        assert_eq!(bearer(b"Bearer"), None);
    }
}
