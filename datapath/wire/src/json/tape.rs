//! The fast front end: `simd-json`'s structural index says where everything starts, its tape how
//! long each decoded string is.
//!
//! `simd-json` has checked grammar, UTF-8, escapes and depth by the time nodes are made, so the
//! walk only pairs what it found. The token before a structural character ends where the white
//! space before that character begins; this gives the end of strings and numbers without
//! rescanning them. INVARIANT: tape and nodes have the same order, a node for each tape entry.

use super::JsonLimits;
use super::node::{Kind, Node};
use simd_json::tape::Node as TapeNode;
use simd_json::{Buffers, Tape};

/// Bytes behind the body that the vector code may read.
pub(super) const PADDING: usize = simd_json::INPUT_PADDING;

/// `simd-json` does not take this body; the scanner has the last word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused;

/// Reusable state of `simd-json`.
pub(super) struct TapeFront {
    buffers: Buffers,
    depth: usize,
    tape: Vec<TapeNode<'static>>,
}

impl Default for TapeFront {
    fn default() -> Self {
        let depth = JsonLimits::default().depth;
        Self { buffers: Buffers::with_max_depth(0, depth), depth, tape: Vec::new() }
    }
}

impl TapeFront {
    /// Parses the body in `scratch` (padded), decoding its strings in place, into `nodes`.
    pub(super) fn fill(
        &mut self,
        body: &[u8],
        scratch: &mut [u8],
        limits: &JsonLimits,
        nodes: &mut Vec<Node>,
        open: &mut Vec<u32>,
    ) -> Result<(), Refused> {
        if self.depth != limits.depth {
            self.depth = limits.depth;
            self.buffers = Buffers::with_max_depth(body.len(), limits.depth);
        }
        let mut tape = Tape(std::mem::take(&mut self.tape)).reset();
        let parsed = simd_json::fill_tape_padded(scratch, body.len(), &mut self.buffers, &mut tape);
        let walked = match parsed {
            Ok(()) => walk(body, self.buffers.structural_indexes(), &tape.0, limits, nodes, open),
            Err(_) => Err(Refused),
        };
        self.tape = tape.reset().0;
        walked
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the body is bounded below 4 GiB")]
fn walk(
    body: &[u8],
    structurals: &[u32],
    tape: &[TapeNode<'_>],
    limits: &JsonLimits,
    nodes: &mut Vec<Node>,
    open: &mut Vec<u32>,
) -> Result<(), Refused> {
    if tape.len() > limits.nodes {
        return Err(Refused);
    }
    nodes.clear();
    open.clear();
    nodes.reserve(tape.len());
    let mut key_next = false;
    let mut in_object = false;
    let ends = structurals.iter().copied().skip(1).chain([body.len() as u32]);
    for (&start, following) in structurals.iter().zip(ends) {
        let index = nodes.len() as u32;
        let Some(&byte) = body.get(start as usize) else { return Err(Refused) };
        let (kind, raw_start, raw_end, text_len) = match byte {
            b',' => {
                key_next = in_object;
                continue;
            }
            b':' => {
                key_next = false;
                continue;
            }
            b'}' | b']' => {
                let closed = open.pop().and_then(|index| nodes.get_mut(index as usize));
                let Some(node) = closed else { return Err(Refused) };
                node.raw_end = start + 1;
                node.next = index;
                in_object = open
                    .last()
                    .and_then(|&index| nodes.get(index as usize))
                    .is_some_and(|node| node.kind == Kind::Object);
                continue;
            }
            b'{' | b'[' => {
                open.push(index);
                in_object = byte == b'{';
                key_next = in_object;
                let kind = if in_object { Kind::Object } else { Kind::Array };
                (kind, start, start, 0)
            }
            b'"' => {
                let Some(TapeNode::String(text)) = tape.get(nodes.len()) else {
                    return Err(Refused);
                };
                let kind = if key_next { Kind::Key } else { Kind::String };
                (kind, start + 1, token_end(body, start, following) - 1, text.len() as u32)
            }
            _ => {
                let kind = match byte {
                    b't' => Kind::True,
                    b'f' => Kind::False,
                    b'n' => Kind::Null,
                    _ => Kind::Number,
                };
                let end = token_end(body, start, following);
                (kind, start, end, end - start)
            }
        };
        nodes.push(Node { kind, raw_start, raw_end, text_len, next: index + 1 });
    }
    // INVARIANT: one node for each tape entry, and every container closed.
    if nodes.len() == tape.len() && open.is_empty() { Ok(()) } else { Err(Refused) }
}

/// Where the token that starts at `start` ends: before the white space before `following`.
fn token_end(body: &[u8], start: u32, following: u32) -> u32 {
    let token = body.get(start as usize..following as usize).unwrap_or_default();
    let spaces =
        token.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count();
    #[expect(clippy::cast_possible_truncation, reason = "at most `following`")]
    let spaces = spaces as u32;
    following - spaces
}
