//! Content parts of a message: texts, images, sound and files.
//!
//! Text parts of one message are one text, whatever stands between them, so that nothing hides
//! across a seam. A part that claims to be binary and is not is text.

use crate::dialects::{OpaqueKind, Origin, Texts, base64, is_protocol_word};
use crate::json::{Document, Kind, NodeId};

/// Content parts: their texts as one, then whatever else is in them.
pub(super) fn content_parts(
    texts: &mut Texts,
    document: &Document,
    parts: NodeId,
    origin: Origin,
    key: NodeId,
) {
    let mark = texts.begin();
    for part in document.elements(parts) {
        for text in part_text(document, part) {
            if !document.text(text).is_empty() {
                texts.piece(text);
            }
        }
    }
    texts.end(mark, origin, Some(key), false);
    for part in document.elements(parts) {
        match document.kind(part) {
            Kind::Object => self::part(texts, document, part, origin, key),
            Kind::String => {}
            _ => texts.subtree(document, part, origin, Some(key)),
        }
    }
}

/// The members of a part other than its text.
fn part(texts: &mut Texts, document: &Document, part: NodeId, origin: Origin, enclosing: NodeId) {
    for child in document.children(part) {
        let (Some(key), value) = (child.key, child.value) else { continue };
        let name = document.text(key);
        let kind = match name {
            _ if is_part_text(document, name, value) => continue,
            b"image_url" | b"input_image" => Some(OpaqueKind::Image),
            b"input_audio" | b"audio_url" => Some(OpaqueKind::Audio),
            b"video_url" => Some(OpaqueKind::Video),
            b"file" => Some(OpaqueKind::File),
            _ => None,
        };
        texts.key(document, key, Some(enclosing));
        match kind {
            Some(kind) => attachment(texts, document, value, kind, key),
            // A text that is no string, or a field that we do not know.
            None if name == b"text" => {
                texts.subtree(document, value, origin, Some(key));
            }
            None => texts.subtree(document, value, Origin::Metadata, Some(key)),
        }
    }
}

/// `{"url": ...}`, `{"data": ...}`, `{"file_data": ...}`, or the string itself.
fn attachment(
    texts: &mut Texts,
    document: &Document,
    value: NodeId,
    kind: OpaqueKind,
    key: NodeId,
) {
    if document.kind(value) != Kind::Object {
        attached(texts, document, value, kind, key, b"url");
        return;
    }
    for child in document.children(value) {
        let (Some(inner), value) = (child.key, child.value) else { continue };
        texts.key(document, inner, Some(key));
        attached(texts, document, value, kind, inner, document.text(inner));
    }
}

fn attached(
    texts: &mut Texts,
    document: &Document,
    value: NodeId,
    kind: OpaqueKind,
    key: NodeId,
    name: &[u8],
) {
    if document.kind(value) != Kind::String {
        texts.subtree(document, value, Origin::Attachment, Some(key));
        return;
    }
    let text = document.text(value);
    let binary = match name {
        b"url" | b"file_data" | b"data" => base64::binary_data_url(text),
        _ => None,
    };
    let binary = binary.or_else(|| match name {
        b"file_data" | b"data" => base64::decoded_len(text),
        _ => None,
    });
    if let Some(bytes) = binary {
        texts.add_opaque(kind, bytes, value);
        return;
    }
    match name {
        // What the provider fetches is not in the body, whatever the scheme; a data URL is.
        b"url" if !text.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"data:")) => {
            texts.add_opaque(OpaqueKind::RemoteImage, 0, value);
        }
        b"file_id" => texts.add_opaque(OpaqueKind::File, 0, value),
        _ => {}
    }
    if !is_protocol_word(text) {
        texts.string(document, value, Origin::Attachment, Some(key));
    }
}

/// The strings of a part that read as the message's text.
pub(super) fn part_text(document: &Document, part: NodeId) -> impl Iterator<Item = NodeId> {
    let bare = (document.kind(part) == Kind::String).then_some(part);
    let members = document.children(part).filter_map(|child| {
        let name = document.text(child.key?);
        is_part_text(document, name, child.value).then_some(child.value)
    });
    bare.into_iter().chain(members)
}

fn is_part_text(document: &Document, name: &[u8], value: NodeId) -> bool {
    matches!(name, b"text" | b"refusal") && document.kind(value) == Kind::String
}
