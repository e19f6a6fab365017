//! Counts the nodes of a large body before anything is allocated for them.
//!
//! The tape costs 24 bytes a node and the index 4 bytes a structural character, so 8 MiB of
//! `1,1,1,` would take hundreds of megabytes. This pass knows strings from the rest and nothing
//! else: it bounds garbage as well as JSON. Bodies shorter than the bound never come here.

use super::{JsonError, JsonErrorKind};
use memchr::memchr2;

/// Refuses a body that would make more than `nodes_max` nodes, or more structural characters than
/// JSON of that many nodes can have.
pub(super) fn check(body: &[u8], nodes_max: usize) -> Result<(), JsonError> {
    let mut nodes = 0_usize;
    let mut marks = 0_usize;
    let mut at = 0_usize;
    let mut in_atom = false;
    while let Some(&byte) = body.get(at) {
        at += 1;
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {
                in_atom = false;
                continue;
            }
            b'"' => {
                nodes += 1;
                in_atom = false;
                at = string_end(body, at);
            }
            b'[' | b'{' => {
                nodes += 1;
                in_atom = false;
            }
            b',' | b':' | b']' | b'}' => {
                marks += 1;
                in_atom = false;
            }
            _ if in_atom => continue,
            _ => {
                nodes += 1;
                in_atom = true;
            }
        }
        // Each node has at most one separator before it and one bracket behind it.
        if nodes > nodes_max || marks > 2 * nodes_max + 2 {
            return Err(JsonError::new(JsonErrorKind::TooManyNodes, at));
        }
    }
    Ok(())
}

/// The offset behind the closing quote of the string whose first byte is at `at`.
fn string_end(body: &[u8], mut at: usize) -> usize {
    loop {
        let rest = body.get(at..).unwrap_or_default();
        match memchr2(b'"', b'\\', rest) {
            None => return body.len(),
            Some(found) if rest.get(found) == Some(&b'"') => return at + found + 1,
            Some(found) => at += found + 2,
        }
    }
}
