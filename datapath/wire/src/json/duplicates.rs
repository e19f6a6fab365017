//! Finds a key that an object has twice, compared as decoded text.
//!
//! Small objects, nearly all there are, cost a few instructions a key: a 64-bit filter over length
//! and outer bytes says when a key may have been seen. Large ones are sorted by hash and then by
//! bytes, so that no choice of keys costs more than a sort.

use super::node::{Children, Kind, Node, NodeId};

/// Keys up to which an object is checked by the filter.
const FILTERED_KEYS_MAX: usize = 24;

/// A key of a large object.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyHash {
    hash: u64,
    id: NodeId,
}

/// `Err` names a key that repeats an earlier one.
pub(super) fn check(
    nodes: &[Node],
    scratch: &[u8],
    sorted: &mut Vec<KeyHash>,
) -> Result<(), NodeId> {
    for (index, node) in nodes.iter().enumerate() {
        if node.kind == Kind::Object {
            #[expect(clippy::cast_possible_truncation, reason = "nodes are bounded by bytes")]
            object(nodes, scratch, NodeId(index as u32), sorted)?;
        }
    }
    Ok(())
}

fn object(
    nodes: &[Node],
    scratch: &[u8],
    object: NodeId,
    sorted: &mut Vec<KeyHash>,
) -> Result<(), NodeId> {
    let mut filter = 0_u64;
    for (count, child) in Children::new(nodes, object).enumerate() {
        let Some(key) = child.key else { break };
        if count == FILTERED_KEYS_MAX {
            return large_object(nodes, scratch, object, sorted);
        }
        let text = text(nodes, scratch, key);
        let bit = 1_u64 << (signature(text) & 63);
        if filter & bit != 0 && seen_before(nodes, scratch, object, key, text) {
            return Err(key);
        }
        filter |= bit;
    }
    Ok(())
}

fn text<'s>(nodes: &[Node], scratch: &'s [u8], id: NodeId) -> &'s [u8] {
    nodes.get(id.index()).map_or(&b""[..], |node| node.text(scratch))
}

fn signature(text: &[u8]) -> usize {
    let first = text.first().copied().unwrap_or_default();
    let last = text.last().copied().unwrap_or_default();
    text.len() ^ usize::from(first) ^ (usize::from(last) << 2)
}

fn seen_before(nodes: &[Node], scratch: &[u8], object: NodeId, key: NodeId, text: &[u8]) -> bool {
    Children::new(nodes, object)
        .map_while(|child| child.key)
        .take_while(|earlier| *earlier < key)
        .any(|earlier| self::text(nodes, scratch, earlier) == text)
}

fn large_object(
    nodes: &[Node],
    scratch: &[u8],
    object: NodeId,
    sorted: &mut Vec<KeyHash>,
) -> Result<(), NodeId> {
    sorted.clear();
    sorted.extend(
        Children::new(nodes, object)
            .map_while(|child| child.key)
            .map(|id| KeyHash { hash: hash(text(nodes, scratch, id)), id }),
    );
    sorted.sort_unstable_by(|a, b| {
        a.hash
            .cmp(&b.hash)
            .then_with(|| text(nodes, scratch, a.id).cmp(text(nodes, scratch, b.id)))
            .then_with(|| a.id.cmp(&b.id))
    });
    let repeated = sorted.array_windows().filter(|[a, b]| {
        a.hash == b.hash && text(nodes, scratch, a.id) == text(nodes, scratch, b.id)
    });
    repeated.map(|[_, b]| b.id).min().map_or(Ok(()), Err)
}

/// FNV-1a; collisions cost a comparison only.
fn hash(text: &[u8]) -> u64 {
    text.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
