//! Events, whole and cut.

use super::*;
use proptest::prelude::*;

/// An event with its own bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Owned {
    raw: Vec<u8>,
    data: Vec<u8>,
    event: Vec<u8>,
    has_data: bool,
    complete: bool,
}

impl From<Event<'_>> for Owned {
    fn from(event: Event<'_>) -> Self {
        Self {
            raw: event.raw.to_vec(),
            data: event.data.to_vec(),
            event: event.event.to_vec(),
            has_data: event.has_data,
            complete: event.complete,
        }
    }
}

fn split(chunks: &[&[u8]]) -> Vec<Owned> {
    let mut events = Vec::new();
    let mut parser = SseParser::new(1000);
    for chunk in chunks {
        parser.push(chunk, |event| events.push(Owned::from(event))).unwrap();
    }
    parser.finish(|event| events.push(Owned::from(event)));
    events
}

/// The standard's algorithm, line by line over the whole stream: data and type of what a client
/// would dispatch.
fn dispatched(stream: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let text = stream.strip_prefix(BOM).unwrap_or(stream);
    let mut lines = vec![Vec::new()];
    let mut rest = text.iter().peekable();
    while let Some(&byte) = rest.next() {
        match byte {
            b'\r' => {
                rest.next_if(|next| **next == b'\n');
                lines.push(Vec::new());
            }
            b'\n' => lines.push(Vec::new()),
            _ => lines.last_mut().unwrap().push(byte),
        }
    }
    lines.pop();
    let (mut events, mut data, mut event) = (Vec::new(), None::<Vec<u8>>, Vec::new());
    for line in lines {
        if line.is_empty() {
            if let Some(mut data) = data.take() {
                data.pop();
                events.push((data, std::mem::take(&mut event)));
            }
            event.clear();
            continue;
        }
        let (name, value) = field(&line);
        match name {
            b"data" => {
                let data = data.get_or_insert_with(Vec::new);
                data.extend_from_slice(value);
                data.push(b'\n');
            }
            b"event" => event = value.to_vec(),
            _ => {}
        }
    }
    events
}

#[test]
fn a_stream_of_a_provider() {
    let stream = b": hello\n\ndata: {\"a\":1}\n\nevent: ping\ndata:x\ndata:  y\ndata\nid: 3\n\ndata: [DONE]\n\n";
    let events = split(&[stream]);
    let seen: Vec<(&[u8], &[u8], bool)> =
        events.iter().map(|event| (&event.data[..], &event.event[..], event.has_data)).collect();
    assert_eq!(
        seen,
        [
            (&b""[..], &b""[..], false),
            (b"{\"a\":1}", b"", true),
            (b"x\n y\n", b"ping", true),
            (b"[DONE]", b"", true),
        ]
    );
    assert!(events.iter().all(|event| event.complete));
}

#[test]
fn line_ends_and_marks() {
    for stream in [
        &b"\xef\xbb\xbfdata: a\r\n\r\ndata: b\r\n\r\n"[..],
        b"data: a\r\rdata: b\r\r",
        b"data: a\n\r\ndata: b\r\n\n",
        b"\n\r\r\ndata:a\r\n\rdata:b\n\n",
    ] {
        let data: Vec<Vec<u8>> =
            split(&[stream]).into_iter().filter(|e| e.has_data).map(|e| e.data).collect();
        assert_eq!(data, [b"a", b"b"], "{:?}", String::from_utf8_lossy(stream));
    }
}

#[test]
fn what_has_no_end_is_handed_out_as_such() {
    let events = split(&[b"data: a\n\ndata: b\nda", b"ta: c"]);
    assert_eq!(events.len(), 2);
    assert!(events[0].complete && !events[1].complete);
    assert_eq!(events[1].data, b"b\nc");
    let mut parser = SseParser::new(100);
    parser.push(b"data: b", |_| panic!("not complete")).unwrap();
    assert_eq!(parser.pending(), b"data: b");
}

#[test]
fn events_are_bounded() {
    let error = Err(SseError::TooLarge { limit: 16 });
    let mut parser = SseParser::new(16);
    assert_eq!(parser.push(b"data: 12345678\n\n", |_| {}), Ok(()));
    assert_eq!(parser.push(b"data: 123456789\n\n", |_| {}), error);
    parser.clear();
    assert_eq!(parser.push(b"data: 12345678901", |_| {}), error);
    parser.clear();
    assert_eq!(parser.push(b"data: 1234567890", |_| {}), Ok(()));
    assert_eq!(parser.push(b"1", |_| {}), error);
}

proptest! {
    /// However it is cut, a stream gives the same events, and their raw bytes are the stream.
    #[test]
    fn cuts_change_nothing(
        parts in prop::collection::vec(prop::sample::select(vec![
            "data: a", "data:", "data", "event: x", ": c", "id: 1", "\n", "\n", "\r", "\r\n", "\r\n",
            "\u{feff}", "é", ":", " ", "dat",
        ]), 0..30),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let stream = parts.concat().into_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.sort_unstable();
        let mut chunks = Vec::new();
        let mut at = 0;
        for cut in cuts {
            chunks.push(&stream[at..cut]);
            at = cut;
        }
        chunks.push(&stream[at..]);
        let whole = split(&[&stream]);
        prop_assert_eq!(&split(&chunks), &whole);
        let raw: Vec<u8> = whole.iter().flat_map(|event| event.raw.clone()).collect();
        prop_assert_eq!(&raw, &stream);
        let complete: Vec<(Vec<u8>, Vec<u8>)> = whole
            .into_iter()
            .filter(|event| event.complete && event.has_data)
            .map(|event| (event.data, event.event))
            .collect();
        prop_assert_eq!(complete, dispatched(&stream));
    }
}
