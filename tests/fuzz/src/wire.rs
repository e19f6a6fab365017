//! Promises of the wire codecs: no panic, the same result for every cut, the same reading as other
//! parsers, and nothing left out of inspection.

use serde_json::Value;
use sluice_wire::dialects::openai::{Endpoint, RequestView};
use sluice_wire::dialects::{OpaqueKind, is_long_number, is_protocol_word};
use sluice_wire::http1::{
    BodyDecoder, BodyError, Framing, HeadLimits, Headers, RequestHead, ResponseHead, parse_request,
    parse_response, write_request_head,
};
use sluice_wire::json::{Document, JsonErrorKind, JsonLimits, Kind, NodeId, Splice};
use sluice_wire::sse::SseParser;
use std::collections::HashSet;

const HEAD_LIMITS: HeadLimits = HeadLimits { head_bytes: 4096, target_bytes: 512, headers: 32 };
const JSON_LIMITS: JsonLimits = JsonLimits { depth: 100, nodes: 20_000, bytes: 1 << 20 };

/// Request and response heads: cuts change nothing, and what is passed on reads as what came in.
pub fn http1_head(data: &[u8]) {
    let mut whole = RequestHead::new();
    let result = parse_request(data, &HEAD_LIMITS, &mut whole);
    let mut cut = RequestHead::new();
    let mut last = Ok(None);
    for end in 0..=data.len() {
        last = parse_request(&data[..end], &HEAD_LIMITS, &mut cut);
        if last != Ok(None) {
            break;
        }
    }
    assert_eq!(last, result, "the cut head differs from the whole one");
    if let Ok(Some(length)) = result {
        assert!(length <= data.len() && data[..length].ends_with(b"\r\n\r\n"));
        assert_eq!(format!("{whole:?}"), format!("{cut:?}"));
        sound_headers(&whole.headers, &data[..length]);
        forwarded_reads_the_same(&whole, data);
    }

    let mut whole = ResponseHead::new();
    let result = parse_response(data, &HEAD_LIMITS, &mut whole);
    let mut cut = ResponseHead::new();
    let mut last = Ok(None);
    for end in 0..=data.len() {
        last = parse_response(&data[..end], &HEAD_LIMITS, &mut cut);
        if last != Ok(None) {
            break;
        }
    }
    assert_eq!(last, result, "the cut head differs from the whole one");
    if let Ok(Some(length)) = result {
        assert_eq!(format!("{whole:?}"), format!("{cut:?}"));
        sound_headers(&whole.headers, &data[..length]);
    }
}

fn sound_headers(headers: &Headers, head: &[u8]) {
    let crlf = head.windows(2).filter(|pair| *pair == b"\r\n").count();
    let ends = head.iter().filter(|byte| matches!(byte, b'\r' | b'\n')).count();
    assert_eq!(ends, 2 * crlf, "a line end is no CRLF");
    for (name, value) in headers.iter(head) {
        assert!(!name.is_empty() && name.iter().all(u8::is_ascii_graphic));
        assert!(!name.contains(&b':'));
        assert!(value.iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f)));
    }
}

/// A head written out of a parsed one is accepted, and means the same.
fn forwarded_reads_the_same(head: &RequestHead, data: &[u8]) {
    let path = head.path(data);
    assert!(path.first() == Some(&b'/') || path == b"*");
    assert!(path.iter().all(u8::is_ascii_graphic) && !path.contains(&b'?'));
    let Some(host) = head.host else { return };
    let mut target = path.to_vec();
    if let Some(query) = head.query(data) {
        target.push(b'?');
        target.extend_from_slice(query);
    }
    let headers =
        head.headers.end_to_end(data).filter(|(name, _)| !name.eq_ignore_ascii_case(b"host"));
    let headers: Vec<(&[u8], &[u8])> = headers.collect();
    let mut out = Vec::new();
    write_request_head(&mut out, head.method, &target, host.of(data), headers.iter().copied())
        .expect("what was parsed can be written");
    let mut again = RequestHead::new();
    let limits = HeadLimits { head_bytes: 1 << 16, target_bytes: 1 << 12, headers: 128 };
    assert_eq!(parse_request(&out, &limits, &mut again), Ok(Some(out.len())));
    assert_eq!((again.path(&out), again.query(&out)), (path, head.query(data)));
    assert_eq!(again.framing, Framing::None, "a framing header was passed on");
    let read: Vec<(&[u8], &[u8])> = again.headers.iter(&out).skip(1).collect();
    assert_eq!(read, headers);
}

/// Chunked bodies: cuts change nothing, and nothing behind the end is taken.
pub fn http1_chunked(data: &[u8]) {
    let Some((&first, input)) = data.split_first() else { return };
    let decoder = BodyDecoder::new(Framing::Chunked, u64::from(first) * 4);
    let whole = decode(decoder, input, usize::MAX);
    for step in [1, 2, usize::from(first % 13) + 3] {
        assert_eq!(decode(decoder, input, step), whole, "cut in steps of {step}");
    }
    if let Ok((body, consumed, true)) = whole {
        assert!(body.len() < consumed && consumed <= input.len());
        assert_eq!(decode(decoder, &input[..consumed], usize::MAX), Ok((body, consumed, true)));
        let (_, _, done) = decode(decoder, &input[..consumed - 1], usize::MAX).unwrap();
        assert!(!done, "done before its last byte");
    }
}

fn decode(
    mut decoder: BodyDecoder,
    input: &[u8],
    step: usize,
) -> Result<(Vec<u8>, usize, bool), BodyError> {
    let mut out = Vec::new();
    let mut at = 0;
    for piece in input.chunks(step) {
        let decoded = decoder.decode(piece, &mut out)?;
        at += decoded.consumed;
        if decoded.done {
            return Ok((out, at, true));
        }
        assert_eq!(decoded.consumed, piece.len());
    }
    Ok((out, at, false))
}

/// JSON: the two front ends agree, `serde_json` agrees, offsets map back.
pub fn json_spans(data: &[u8]) {
    let mut document = Document::new();
    let result = document.parse(data, &JSON_LIMITS);
    let mut scalar = Document::new();
    let scalar_result = scalar.parse_scalar(data, &JSON_LIMITS);
    let is_json = std::str::from_utf8(data).is_ok()
        && serde_json::from_slice::<serde::de::IgnoredAny>(data).is_ok();
    match &result {
        Ok(()) => assert!(is_json, "taken, but no JSON"),
        Err(error) => {
            assert!(error.offset <= data.len().max(JSON_LIMITS.bytes));
            let bounded = !matches!(
                error.kind,
                JsonErrorKind::Syntax | JsonErrorKind::TrailingData | JsonErrorKind::InvalidUtf8
            );
            assert!(bounded || !is_json, "refused, but JSON: {error}");
        }
    }
    // The count of large bodies may see a bound before the scanner sees another fault.
    if data.len() <= JSON_LIMITS.nodes {
        assert_eq!(result, scalar_result);
    }
    if result.is_err() {
        return;
    }
    assert_eq!(document.nodes(), scalar.nodes());
    for (index, node) in document.nodes().iter().enumerate() {
        let id = NodeId(u32::try_from(index).unwrap());
        assert_eq!(document.text(id), scalar.text(id));
        assert!(node.raw().end <= data.len() && node.next as usize > index);
        if matches!(node.kind, Kind::String | Kind::Key) {
            assert_eq!(data[node.raw_token().start], b'"');
            assert_eq!(data[node.raw_token().end - 1], b'"');
            offsets_map_back(&document, data, id);
        }
    }
    if let Ok(value) = serde_json::from_slice::<Value>(data) {
        same_value(&document, document.root(), &value);
    }
    let mut splice = Splice::new();
    splice.build(data.len(), []).unwrap();
    assert_eq!(splice.to_vec(data), data);
}

fn offsets_map_back(document: &Document, data: &[u8], id: NodeId) {
    let text = document.text_str(id).expect("texts are UTF-8");
    let node = document.node(id).unwrap();
    let mut cursor = document.raw_cursor(data, id);
    let mut behind = node.raw_start as usize;
    for (at, character) in text.char_indices() {
        let raw = cursor.floor(at)..cursor.ceil(at + character.len_utf8());
        assert_eq!(raw.start, behind, "raw ranges of characters are gapless");
        assert!(raw.start < raw.end && raw.end <= node.raw_end as usize);
        behind = raw.end;
    }
    assert_eq!(behind, node.raw_end as usize);
    if !text.is_empty() {
        assert_eq!(document.raw_range(data, id, 0..text.len()), node.raw());
    }
}

fn same_value(document: &Document, id: NodeId, value: &Value) {
    match value {
        Value::Null => assert_eq!(document.kind(id), Kind::Null),
        Value::Bool(true) => assert_eq!(document.kind(id), Kind::True),
        Value::Bool(false) => assert_eq!(document.kind(id), Kind::False),
        Value::Number(_) => assert_eq!(document.kind(id), Kind::Number),
        Value::String(text) => assert_eq!(document.text_str(id), Some(text.as_str())),
        Value::Array(items) => {
            let elements: Vec<NodeId> = document.elements(id).collect();
            assert_eq!(elements.len(), items.len());
            for (element, item) in elements.into_iter().zip(items) {
                same_value(document, element, item);
            }
        }
        Value::Object(members) => {
            assert_eq!(document.children(id).count(), members.len());
            for child in document.children(id) {
                let key = document.text_str(child.key.unwrap()).unwrap();
                same_value(document, child.value, &members[key]);
            }
        }
    }
}

/// Server-sent events: cuts change nothing, and the raw bytes are the stream.
pub fn sse(data: &[u8]) {
    let whole = events(data, usize::MAX);
    for step in [1, 2, 3, 7] {
        assert_eq!(events(data, step), whole, "cut in steps of {step}");
    }
    if let Some(events) = whole {
        let raw: Vec<u8> = events.iter().flat_map(|event| event.0.clone()).collect();
        assert_eq!(raw, data);
        for (raw, payload, _) in &events {
            assert!(payload.len() <= raw.len());
        }
    }
}

/// Raw bytes, data and type of each event; nothing where an event is too large.
type Events = Vec<(Vec<u8>, Vec<u8>, Vec<u8>)>;

fn events(data: &[u8], step: usize) -> Option<Events> {
    let mut parser = SseParser::new(512);
    let mut events = Vec::new();
    for piece in data.chunks(step) {
        parser
            .push(piece, |event| {
                assert!(event.complete && (event.has_data || event.data.is_empty()));
                events.push((event.raw.to_vec(), event.data.to_vec(), event.event.to_vec()));
            })
            .ok()?;
    }
    parser.finish(|event| {
        events.push((event.raw.to_vec(), event.data.to_vec(), event.event.to_vec()));
    });
    Some(events)
}

/// Requests: every string, key and long number that `serde_json` sees is inspected or is opaque.
pub fn openai_request(data: &[u8]) {
    let Some((&first, body)) = data.split_first() else { return };
    let endpoint = match first % 3 {
        0 => Endpoint::ChatCompletions,
        1 => Endpoint::Completions,
        _ => Endpoint::Embeddings,
    };
    let mut document = Document::new();
    if document.parse(body, &JSON_LIMITS).is_err() {
        return;
    }
    let mut view = RequestView::new();
    if view.read(endpoint, &document, body).is_err() {
        return;
    }
    let mut inspected: HashSet<&[u8]> = HashSet::new();
    let mut seen = HashSet::new();
    for text in view.texts() {
        assert!(!view.pieces(text).is_empty());
        for piece in view.pieces(text) {
            assert!(seen.insert(*piece), "a string is in two texts");
            inspected.insert(document.text(*piece));
        }
    }
    let mut opaque: HashSet<&[u8]> = HashSet::new();
    for part in view.opaque() {
        if part.bytes > 0 && part.kind != OpaqueKind::Tokens {
            opaque.insert(document.text(part.node));
            is_binary(document.text(part.node));
        }
    }
    let covered =
        |text: &[u8]| inspected.contains(text) || opaque.contains(text) || is_protocol_word(text);
    for node in document.nodes() {
        let digits = node.text(document.scratch());
        if node.kind == Kind::Number && is_long_number(digits) {
            assert!(covered(digits), "a number is not inspected");
        }
    }
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        let mut rest = vec![&value];
        while let Some(value) = rest.pop() {
            match value {
                Value::String(text) => assert!(covered(text.as_bytes()), "not inspected: {text:?}"),
                Value::Array(items) => rest.extend(items),
                Value::Object(members) => {
                    for (key, member) in members {
                        assert!(covered(key.as_bytes()), "a key is not inspected: {key:?}");
                        rest.push(member);
                    }
                }
                Value::Null | Value::Bool(_) | Value::Number(_) => {}
            }
        }
    }
    let mut said = Vec::new();
    sluice_wire::dialects::openai::last_user_text(&document, &mut said);
}

/// What skips inspection is base64, with or without the head of a data URL.
fn is_binary(text: &[u8]) {
    let data = text.rsplit(|byte| *byte == b',').next().unwrap();
    let digits = data.len() - data.iter().rev().take_while(|byte| **byte == b'=').count();
    assert!(data.len() % 4 == 0 && !data.is_empty() && data.len() - digits <= 2);
    let fine = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    assert!(data[..digits].iter().all(fine), "not base64, and not inspected");
}
