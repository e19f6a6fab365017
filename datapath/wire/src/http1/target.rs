//! Request targets and hosts (RFC 9112 3.2, RFC 3986), to the character.
//!
//! Origin form, absolute form (where its authority is the `Host`), and `*` for `OPTIONS`. A target
//! is never rewritten: what is not in the grammar is refused, so no later reader decodes it
//! otherwise. Dot segments and percent-encodings are left alone; routes compare exact paths.

use super::class;
use super::headers::Span;
use super::method::Method;

/// Why a target is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TargetError {
    /// It is not in the grammar.
    Malformed,
    /// Its authority is not the `Host`.
    OtherHost,
}

/// Ranges within the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TargetParts {
    pub(super) path: Span,
    pub(super) query: Option<Span>,
}

/// Splits `target` into path and query.
pub(super) fn parse(
    target: &[u8],
    method: Method,
    host: Option<&[u8]>,
) -> Result<TargetParts, TargetError> {
    if target == b"*" {
        return match method {
            Method::Options => Ok(TargetParts { path: span(0, 1), query: None }),
            _ => Err(TargetError::Malformed),
        };
    }
    let path_start = match target.first() {
        Some(b'/') => 0,
        _ => authority_end(target, host)?,
    };
    let rest = target.get(path_start..).unwrap_or_default();
    if !class::is_path_and_query(rest) {
        return Err(TargetError::Malformed);
    }
    let question = memchr::memchr(b'?', rest).map(|at| path_start + at);
    Ok(TargetParts {
        path: span(path_start, question.unwrap_or(target.len())),
        query: question.map(|at| span(at + 1, target.len())),
    })
}

#[expect(clippy::cast_possible_truncation, reason = "a target is part of a head, below 4 GiB")]
fn span(start: usize, end: usize) -> Span {
    Span { start: start as u32, end: end as u32 }
}

/// Checks `http://authority` at the start of an absolute target; where its path begins.
fn authority_end(target: &[u8], host: Option<&[u8]>) -> Result<usize, TargetError> {
    let scheme = [&b"http://"[..], b"https://"]
        .into_iter()
        .find(|scheme| {
            target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        })
        .ok_or(TargetError::Malformed)?;
    let rest = target.get(scheme.len()..).unwrap_or_default();
    let length = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let authority = rest.get(..length).unwrap_or_default();
    if !is_host(authority) {
        return Err(TargetError::Malformed);
    }
    match host {
        Some(host) if host.eq_ignore_ascii_case(authority) => Ok(scheme.len() + length),
        Some(_) | None => Err(TargetError::OtherHost),
    }
}

/// True for `host [ ":" port ]` with at least one character of host, and no user part.
pub(super) fn is_host(host: &[u8]) -> bool {
    let (name, port) = match host.first() {
        Some(b'[') => {
            let Some(close) = memchr::memchr(b']', host) else { return false };
            let (address, after) = host.split_at(close + 1);
            let inner = address.get(1..close).unwrap_or_default();
            if inner.is_empty()
                || !inner
                    .iter()
                    .all(|&byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
            {
                return false;
            }
            match after.split_first() {
                None => return true,
                Some((b':', port)) => (address, port),
                Some(_) => return false,
            }
        }
        Some(_) => match memchr::memchr(b':', host) {
            Some(colon) => {
                let (name, port) = host.split_at(colon);
                (name, port.get(1..).unwrap_or_default())
            }
            None => (host, &b""[..]),
        },
        None => return false,
    };
    let is_name = name.first() == Some(&b'[') || class::is_registered_name(name);
    is_name && port.len() <= 5 && port.iter().all(u8::is_ascii_digit)
}
