//! Names the place of a node for error messages: `messages[2].content`.
//!
//! Computed by walking down from the top, since only errors and findings ask for it. A key may be
//! content (a card number as a key), so only keys that look like names are written out.

use super::Document;
use super::node::{Kind, NodeId};

/// The longest key that is written out.
const NAME_BYTES_MAX: usize = 64;

pub(super) fn path(document: &Document, id: NodeId) -> String {
    let mut path = String::new();
    let mut at = document.root();
    while at < id {
        let mut position = 0_usize;
        let mut inside = None;
        for child in document.children(at) {
            let next = document.node(child.value).map_or(u32::MAX, |node| node.next);
            if id.0 < next {
                inside = Some(child);
                break;
            }
            position += 1;
        }
        let Some(child) = inside else { break };
        match child.key {
            Some(key) => push_key(&mut path, document.text(key), position),
            None => push_number(&mut path, "[", position, ']'),
        }
        if document.kind(id) == Kind::Key && child.key == Some(id) {
            break;
        }
        at = child.value;
    }
    path
}

fn push_key(path: &mut String, key: &[u8], position: usize) {
    let is_name = key.len() <= NAME_BYTES_MAX
        && key.first().is_some_and(|first| first.is_ascii_alphabetic() || *first == b'_')
        && key
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'$'));
    if !path.is_empty() {
        path.push('.');
    }
    match std::str::from_utf8(key) {
        Ok(name) if is_name => path.push_str(name),
        _ => push_number(path, "<key ", position, '>'),
    }
}

fn push_number(path: &mut String, before: &str, number: usize, after: char) {
    path.push_str(before);
    path.push_str(itoa::Buffer::new().format(number));
    path.push(after);
}
