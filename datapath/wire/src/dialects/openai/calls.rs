//! Tool calls, in what a model said: names, and arguments that are JSON in a string.

use crate::dialects::{Origin, Texts};
use crate::json::{Document, Kind, NodeId};

/// `tool_calls`: the arguments are JSON in a string.
pub(super) fn tool_calls(texts: &mut Texts, document: &Document, calls: NodeId, key: NodeId) {
    if document.kind(calls) != Kind::Array {
        texts.subtree(document, calls, Origin::ToolCall, Some(key));
        return;
    }
    for call in document.elements(calls) {
        if document.kind(call) != Kind::Object {
            texts.subtree(document, call, Origin::ToolCall, Some(key));
            continue;
        }
        for child in document.children(call) {
            let (Some(inner), value) = (child.key, child.value) else { continue };
            match document.text(inner) {
                b"function" | b"custom" => function(texts, document, value, inner),
                _ => {
                    texts.key(document, inner, Some(key));
                    texts.subtree(document, value, Origin::Metadata, Some(inner));
                }
            }
        }
    }
}

/// `{"name": ..., "arguments": "..."}`.
pub(super) fn function(texts: &mut Texts, document: &Document, function: NodeId, key: NodeId) {
    if document.kind(function) != Kind::Object {
        texts.subtree(document, function, Origin::ToolCall, Some(key));
        return;
    }
    for child in document.children(function) {
        let (Some(inner), value) = (child.key, child.value) else { continue };
        match (document.text(inner), document.kind(value)) {
            (b"arguments", Kind::String) => {
                texts.nested_json(document, value, Origin::ToolCall, Some(inner));
            }
            (_, Kind::String) => {
                texts.key(document, inner, Some(key));
                texts.string(document, value, Origin::ToolCall, Some(inner));
            }
            _ => {
                texts.key(document, inner, Some(key));
                texts.subtree(document, value, Origin::ToolCall, Some(inner));
            }
        }
    }
}
