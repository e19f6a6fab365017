//! Cheap facts about one chunk of a stream, without parsing it.
//!
//! A quote within a JSON string is escaped, so `"usage":` can only be a key. Most chunks have
//! neither: they cost one search each.

use crate::dialects::Usage;
use memchr::memmem::Finder;
use std::sync::LazyLock;

// PERF: a searcher costs more to build than to use on one chunk.
static USAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"usage\""));
static FINISH_REASON: LazyLock<Finder<'static>> =
    LazyLock::new(|| Finder::new(b"\"finish_reason\""));

/// The token counts of a chunk that has them.
pub fn chunk_usage(data: &[u8]) -> Option<Usage> {
    let object = values(&USAGE, data).find(|value| value.first() == Some(&b'{'))?;
    let object = object.get(..object_len(object)?)?;
    let count =
        |key: &[u8]| values(&Finder::new(key), object).find_map(leading_number).unwrap_or_default();
    Some(Usage {
        prompt_tokens: count(b"\"prompt_tokens\""),
        completion_tokens: count(b"\"completion_tokens\""),
        total_tokens: count(b"\"total_tokens\""),
        cached_tokens: count(b"\"cached_tokens\""),
    })
}

/// Why the choice of a chunk ended, where it did.
pub fn chunk_finish_reason(data: &[u8]) -> Option<&[u8]> {
    let reason = values(&FINISH_REASON, data).find_map(|value| value.strip_prefix(b"\""))?;
    reason.get(..memchr::memchr(b'"', reason)?)
}

/// What stands behind each key of this name and its colon. A string value that happens to be the
/// same word is no key.
fn values<'d>(key: &Finder<'_>, data: &'d [u8]) -> impl Iterator<Item = &'d [u8]> {
    key.find_iter(data).filter_map(|at| {
        let rest = data.get(at + key.needle().len()..)?.trim_ascii_start();
        Some(rest.strip_prefix(b":")?.trim_ascii_start())
    })
}

/// Bytes of the object at the start of `data`; its strings are passed over.
fn object_len(data: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for (at, &byte) in data.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' => depth += 1,
            b'}' if depth == 1 => return Some(at + 1),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn leading_number(data: &[u8]) -> Option<u64> {
    let length = data.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(data.get(..length)?).ok()?.parse().ok()
}
