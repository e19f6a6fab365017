//! Both front ends against each other, against `serde_json`, and against the spans they give.

use super::*;
use proptest::prelude::*;
use serde_json::Value;

/// JSON text with all the ways of writing that the grammar has.
pub(crate) fn json_text() -> impl Strategy<Value = String> {
    let space = prop::sample::select(vec!["", "", "", " ", "\n", "\t ", "\r\n  "]);
    let number = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_filter("finite", |x| x.is_finite()).prop_map(|x| format!("{x:e}")),
        prop::sample::select(vec![
            "0",
            "-0",
            "1e400",
            "-1E+999",
            "0.000",
            "18446744073709551616",
            "4111111111111111",
            "123456789012345678901234567890",
            "1e-5",
            "3.14159265358979",
        ])
        .prop_map(str::to_owned),
    ];
    let leaf = prop_oneof![
        3 => string_literal(),
        1 => number,
        1 => prop::sample::select(vec!["true", "false", "null", "[]", "{}", "[ ]"])
            .prop_map(str::to_owned),
    ];
    let tree = leaf.prop_recursive(5, 60, 8, move |inner| {
        let space = space.clone();
        let item = (space.clone(), inner.clone(), space.clone());
        let member = (space.clone(), string_literal(), space.clone(), item.clone());
        prop_oneof![
            prop::collection::vec(item, 0..8).prop_map(|items| {
                let items: Vec<String> =
                    items.into_iter().map(|(a, value, b)| format!("{a}{value}{b}")).collect();
                format!("[{}]", items.join(","))
            }),
            prop::collection::vec(member, 0..8).prop_map(|members| {
                let members: Vec<String> = members
                    .into_iter()
                    .map(|(a, key, b, (c, value, d))| format!("{a}{key}{b}:{c}{value}{d}"))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    });
    let around = prop::sample::select(vec!["", " ", "\n\n", "\t"]);
    (around.clone(), tree, around).prop_map(|(a, tree, b)| format!("{a}{tree}{b}"))
}

/// A string literal with plain text, multi-byte text and every kind of escape.
fn string_literal() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z ,.:{}\\[\\]]{0,12}",
        1 => "[é中😀\u{200b}\u{202e}]{1,3}",
        1 => prop::sample::select(vec![
            "\\n", "\\\"", "\\\\", "\\/", "\\b", "\\f", "\\r", "\\t", "\\u0000", "\\u00e9",
            "\\u200B", "\\ud83d\\ude00", "\\uD83D\\uDE00", "\\ud83d", "\\ude00", "\\ud83dx",
            "\\ud83d\\ud83d\\ude00", "\\uDBFF\\uDFFF", "\\ud83d\\n",
        ])
        .prop_map(str::to_owned),
        1 => prop::sample::select(vec!["role", "content", "4111111111111111"])
            .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

fn limits() -> JsonLimits {
    JsonLimits { depth: 64, nodes: 10_000, bytes: 1 << 20 }
}

fn parse(body: &[u8]) -> Result<Document, JsonError> {
    let mut document = Document::new();
    document.parse(body, &limits()).map(|()| document)
}

/// Both front ends give the same nodes and texts, or the same error.
fn assert_front_ends_agree(body: &[u8]) -> Result<Document, JsonError> {
    let mut scalar = Document::new();
    let scalar_result = scalar.parse_scalar(body, &limits());
    let mut fast = Document::new();
    let fast_result = fast.parse(body, &limits());
    assert_eq!(fast_result, scalar_result, "{:?}", String::from_utf8_lossy(body));
    fast_result?;
    assert_eq!(fast.nodes(), scalar.nodes(), "{:?}", String::from_utf8_lossy(body));
    for index in 0..fast.nodes().len() {
        let id = NodeId(u32::try_from(index).unwrap());
        assert_eq!(fast.text(id), scalar.text(id));
        assert!(std::str::from_utf8(fast.text(id)).is_ok());
        assert_eq!(fast.path(id), scalar.path(id));
    }
    Ok(fast)
}

/// Grammar alone, by another reader.
fn is_json(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_ok()
        && serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}

fn assert_same_value(document: &Document, id: NodeId, value: &Value) {
    match value {
        Value::Null => assert_eq!(document.kind(id), Kind::Null),
        Value::Bool(true) => assert_eq!(document.kind(id), Kind::True),
        Value::Bool(false) => assert_eq!(document.kind(id), Kind::False),
        Value::Number(number) => {
            assert_eq!(document.kind(id), Kind::Number);
            let text = std::str::from_utf8(document.text(id)).unwrap();
            let again: serde_json::Number = serde_json::from_str(text).unwrap();
            assert_eq!(&again, number);
        }
        Value::String(text) => assert_eq!(document.text_str(id), Some(text.as_str())),
        Value::Array(items) => {
            let elements: Vec<NodeId> = document.elements(id).collect();
            assert_eq!(elements.len(), items.len());
            for (element, item) in elements.into_iter().zip(items) {
                assert_same_value(document, element, item);
            }
        }
        Value::Object(members) => {
            assert_eq!(document.children(id).count(), members.len());
            for (key, member) in members {
                assert_same_value(document, document.get(id, key.as_bytes()).unwrap(), member);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn generated_documents(text in json_text()) {
        prop_assert!(is_json(text.as_bytes()));
        match assert_front_ends_agree(text.as_bytes()) {
            Ok(document) => {
                if let Ok(value) = serde_json::from_str::<Value>(&text) {
                    assert_same_value(&document, document.root(), &value);
                }
            }
            Err(error) => {
                let duplicate = matches!(error.kind, JsonErrorKind::DuplicateKey { .. });
                prop_assert!(duplicate, "{error} {text}");
            }
        }
    }

    #[test]
    fn mutated_documents(
        text in json_text(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..4),
    ) {
        let mut body = text.into_bytes();
        for (at, byte, how) in changes {
            let at = at.index(body.len().max(1)).min(body.len());
            match how {
                0 if at < body.len() => body[at] = byte,
                1 if at < body.len() => drop(body.remove(at)),
                _ => body.insert(at, byte),
            }
        }
        match assert_front_ends_agree(&body) {
            Ok(_) => prop_assert!(is_json(&body)),
            Err(JsonError { kind: JsonErrorKind::DuplicateKey { .. }, .. }) => {
                prop_assert!(is_json(&body));
            }
            Err(error) => {
                prop_assert!(!is_json(&body), "{error} {:?}", String::from_utf8_lossy(&body));
                prop_assert!(error.offset <= body.len());
            }
        }
    }

    #[test]
    fn soup_of_tokens(tokens in prop::collection::vec(prop::sample::select(vec![
        "{", "}", "[", "]", ",", ":", "\"a\"", "\"b\"", "1", "0", "-", "true", "null", " ", "\\",
        "\"", "01", "1.", "\0", "\u{b}", "é", "tru", "1e", "\"\\u12\"", "\"\\ud800\"",
    ]), 0..12)) {
        let body = tokens.concat().into_bytes();
        let accepted = match assert_front_ends_agree(&body) {
            Ok(_) | Err(JsonError { kind: JsonErrorKind::DuplicateKey { .. }, .. }) => true,
            Err(_) => false,
        };
        prop_assert_eq!(accepted, is_json(&body), "{:?}", String::from_utf8_lossy(&body));
    }

    /// Each character of a string maps to the raw bytes that mean it.
    #[test]
    fn offsets_map_back(text in json_text()) {
        let Ok(document) = parse(text.as_bytes()) else { return Ok(()) };
        for index in 0..document.nodes().len() {
            let id = NodeId(u32::try_from(index).unwrap());
            let node = *document.node(id).unwrap();
            let Some(decoded) = document.text_str(id) else { continue };
            let mut cursor = document.raw_cursor(text.as_bytes(), id);
            for (at, character) in decoded.char_indices() {
                let range = at..at + character.len_utf8();
                let raw = document.raw_range(text.as_bytes(), id, range.clone());
                prop_assert_eq!(cursor.floor(range.start), raw.start);
                prop_assert_eq!(cursor.ceil(range.end), raw.end);
                prop_assert_eq!(document.raw_offset(text.as_bytes(), id, at), raw.start);
                prop_assert!(node.raw_start as usize <= raw.start);
                prop_assert!(raw.end <= node.raw_end as usize);
                // The raw bytes alone, as a literal, mean the character.
                let literal = format!("\"{}\"", text.get(raw).unwrap());
                let alone = parse(literal.as_bytes()).unwrap();
                let expected = character.to_string();
                prop_assert_eq!(alone.text(alone.root()), expected.as_bytes());
            }
            let whole = document.raw_range(text.as_bytes(), id, 0..decoded.len());
            if !decoded.is_empty() {
                prop_assert_eq!(whole, node.raw());
            }
        }
    }

    /// A half of an escape gives the whole escape.
    #[test]
    fn ranges_cover_whole_escapes(text in string_literal(), from in 0..40_usize, len in 1..9_usize) {
        let document = parse(text.as_bytes()).unwrap();
        let decoded_len = document.text(document.root()).len();
        let start = from.min(decoded_len);
        let end = (start + len).min(decoded_len);
        let raw = document.raw_range(text.as_bytes(), document.root(), start..end);
        // What is left without the range is a string still: no escape was cut in two.
        let mut rest = text.clone().into_bytes();
        rest.drain(raw.clone());
        if let Err(error) = parse(&rest) {
            prop_assert_eq!(error.kind, JsonErrorKind::InvalidUtf8);
        }
        prop_assert!(raw.start <= raw.end);
    }
}

#[test]
fn spans_of_a_request() {
    let body = br#" {"model" : "gpt", "messages":[{"content":"a\nb"}], "n": 12 } "#;
    let document = assert_front_ends_agree(body).unwrap();
    let root = document.root();
    assert_eq!(document.node(root).unwrap().raw(), 1..body.len() - 1);
    let n = document.get(root, b"n").unwrap();
    assert_eq!(&body[document.node(n).unwrap().raw()], b"12");
    assert_eq!(document.as_u64(n), Some(12));
    let messages = document.get(root, b"messages").unwrap();
    let first = document.elements(messages).next().unwrap();
    let content = document.get(first, b"content").unwrap();
    assert_eq!(document.text(content), b"a\nb");
    assert_eq!(&body[document.node(content).unwrap().raw()], b"a\\nb");
    assert_eq!(&body[document.node(content).unwrap().raw_token()], b"\"a\\nb\"");
    assert!(document.node(content).unwrap().has_escapes());
    assert_eq!(document.path(content), "messages[0].content");
    assert_eq!(document.path(root), "");
}

#[test]
fn keys_that_are_content_are_not_in_paths() {
    let body = br#"{"metadata":{"4111111111111111":{"a-b":[1]},"ssn 123":2}}"#;
    let document = parse(body).unwrap();
    let metadata = document.get(document.root(), b"metadata").unwrap();
    let card = document.get(metadata, b"4111111111111111").unwrap();
    let inner = document.elements(document.get(card, b"a-b").unwrap()).next().unwrap();
    assert_eq!(document.path(inner), "metadata.<key 0>.a-b[0]");
    let ssn = document.get(metadata, b"ssn 123").unwrap();
    assert_eq!(document.path(ssn), "metadata.<key 1>");
}

#[test]
fn what_simd_json_refuses_is_parsed() {
    for body in ["18446744073709551616", "1e400", r#""\ud83d""#, r#"["\ude00",-1e999]"#] {
        let document = assert_front_ends_agree(body.as_bytes()).unwrap();
        assert!(!document.nodes().is_empty());
    }
    let document = parse(br#""\ud83d!""#).unwrap();
    assert_eq!(document.text_str(document.root()), Some("\u{fffd}!"));
}

#[test]
fn errors_say_what_and_where() {
    let cases: [(&[u8], JsonErrorKind, usize); 12] = [
        (b"", JsonErrorKind::Syntax, 0),
        (b"  ", JsonErrorKind::Syntax, 2),
        (b"{} x", JsonErrorKind::TrailingData, 3),
        (b"{\"a\":1,}", JsonErrorKind::Syntax, 7),
        (b"[1,]", JsonErrorKind::Syntax, 3),
        (b"[1 2]", JsonErrorKind::Syntax, 3),
        (b"\"a\x01\"", JsonErrorKind::Syntax, 2),
        (b"\"\\x\"", JsonErrorKind::Syntax, 1),
        (b"\"\xff\"", JsonErrorKind::InvalidUtf8, 1),
        (b"[0\0]", JsonErrorKind::Syntax, 2),
        (b"\xef\xbb\xbf{}", JsonErrorKind::Syntax, 0),
        (
            br#"{"a":{"role":1,"r\u006fle":2}}"#,
            JsonErrorKind::DuplicateKey { path: "a.role".to_owned() },
            16,
        ),
    ];
    for (body, kind, offset) in cases {
        let error = assert_front_ends_agree(body).unwrap_err();
        assert_eq!(error, JsonError::new(kind, offset), "{:?}", String::from_utf8_lossy(body));
    }
}

#[test]
fn depth_is_bounded() {
    for (depth, fine) in [(64, true), (65, false)] {
        let body = "[".repeat(depth) + &"]".repeat(depth);
        let result = assert_front_ends_agree(body.as_bytes());
        assert_eq!(result.is_ok(), fine);
        if let Err(error) = result {
            assert_eq!(error.kind, JsonErrorKind::TooDeep);
        }
    }
    let open = "[{\"a\":".repeat(100_000);
    assert!(matches!(
        parse(open.as_bytes()),
        Err(JsonError { kind: JsonErrorKind::TooManyNodes | JsonErrorKind::TooDeep, .. })
    ));
}

#[test]
fn nodes_are_bounded_before_they_are_made() {
    let limits = JsonLimits { depth: 16, nodes: 1000, bytes: 1 << 22 };
    let bombs = [
        format!("[{}1]", "1,".repeat(500_000)),
        "\"\" ".repeat(500_000),
        "1 ".repeat(500_000),
        ",".repeat(1_000_000),
        "]".repeat(1_000_000),
        "[".repeat(1_000_000),
        format!("[{}\"\"]", "\"\",".repeat(300_000)),
    ];
    for bomb in bombs {
        let mut document = Document::new();
        let error = document.parse(bomb.as_bytes(), &limits).unwrap_err();
        assert_eq!(error.kind, JsonErrorKind::TooManyNodes);
        assert_eq!(document.scratch.capacity(), 0);
        assert_eq!(document.nodes.capacity(), 0);
    }
    // Separators within strings do not count.
    let prose = format!("[\"{}\"]", "1,[{:\\\"".repeat(10_000));
    let mut document = Document::new();
    assert_eq!(document.parse(prose.as_bytes(), &limits), Ok(()));
    // Exactly at the bound, one over.
    let exact = format!("[{}1]", "1,".repeat(998));
    assert_eq!(document.parse(exact.as_bytes(), &limits), Ok(()));
    assert_eq!(document.nodes().len(), 1000);
    let over = format!("[{}1]", "1,".repeat(999));
    assert!(document.parse(over.as_bytes(), &limits).is_err());
    assert!(document.nodes().is_empty());
}

#[test]
fn large_objects_are_checked_for_duplicates() {
    let members: Vec<String> = (0..2000).map(|i| format!("\"key{i}\":{i}")).collect();
    let body = format!("{{{}}}", members.join(","));
    assert!(assert_front_ends_agree(body.as_bytes()).is_ok());
    let body = format!("{{{},\"key\\u0034\":0}}", members.join(","));
    let error = assert_front_ends_agree(body.as_bytes()).unwrap_err();
    assert_eq!(error.kind, JsonErrorKind::DuplicateKey { path: "key4".to_owned() });
    // At the edge between the two ways of checking.
    for count in 20..30 {
        let members: Vec<String> = (0..count).map(|i| format!("\"k{i}\":{i}")).collect();
        let body = format!("{{{},\"k0\":0}}", members.join(","));
        assert!(parse(body.as_bytes()).is_err());
    }
}

#[test]
fn a_document_is_reused() {
    let mut document = Document::new();
    for body in [&br#"{"a":"x\ny"}"#[..], b"[1e400]", b"{", b"[]"] {
        drop(document.parse(body, &limits()));
        match parse(body) {
            Ok(fresh) => assert_eq!(document.nodes(), fresh.nodes()),
            Err(_) => assert!(document.nodes().is_empty()),
        }
    }
    let shallow = JsonLimits { depth: 1, ..limits() };
    assert!(document.parse(b"[[]]", &shallow).is_err());
    assert!(document.parse(b"[[]]", &limits()).is_ok());
    document.shrink(16);
    assert!(document.nodes().is_empty());
}

#[test]
fn bodies_are_bounded() {
    let limits = JsonLimits { bytes: 4, ..limits() };
    let mut document = Document::new();
    assert!(document.parse(b"1234", &limits).is_ok());
    let error = document.parse(b"12345", &limits).unwrap_err();
    assert_eq!((error.kind.clone(), error.status()), (JsonErrorKind::TooLarge, 413));
}

proptest! {
    #[test]
    fn no_edits_no_change(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut splice = Splice::new();
        splice.build(body.len(), []).unwrap();
        prop_assert_eq!(splice.to_vec(&body), body.clone());
        prop_assert_eq!(splice.len(), body.len());
    }

    /// Edited strings say what they were told to, and all else is as it was, byte for byte.
    #[test]
    fn edits_change_what_they_name(
        text in json_text(),
        picks in prop::collection::vec((any::<prop::sample::Index>(), 0..30_usize, 0..9_usize, "\\PC{0,9}|[\"\\\\\n\u{1}]{1,4}"), 1..5),
    ) {
        let Ok(document) = parse(text.as_bytes()) else { return Ok(()) };
        let strings: Vec<NodeId> = (0..document.nodes().len())
            .map(|index| NodeId(u32::try_from(index).unwrap()))
            .filter(|id| document.kind(*id) == Kind::String)
            .collect();
        if strings.is_empty() { return Ok(()) }
        let mut edits = std::collections::BTreeMap::new();
        for (pick, from, len, replacement) in &picks {
            let id = strings[pick.index(strings.len())];
            let decoded = document.text_str(id).unwrap();
            let floor = |mut at: usize| { while !decoded.is_char_boundary(at) { at -= 1 } at };
            let start = floor((*from).min(decoded.len()));
            let end = floor((start + len).min(decoded.len()));
            edits.insert(id, (start..end, replacement.clone()));
        }
        let mut splice = Splice::new();
        splice.build(text.len(), edits.iter().map(|(id, (range, replacement))| Edit {
            range: document.raw_range(text.as_bytes(), *id, range.clone()),
            text: replacement.as_bytes(),
            replacement: Replacement::InString,
        })).unwrap();
        let edited = splice.to_vec(text.as_bytes());
        prop_assert_eq!(splice.len(), edited.len());
        let after = parse(&edited).unwrap();
        prop_assert_eq!(after.nodes().len(), document.nodes().len());
        for index in 0..document.nodes().len() {
            let id = NodeId(u32::try_from(index).unwrap());
            match edits.get(&id) {
                Some((range, replacement)) => {
                    let mut expected = document.text_str(id).unwrap().to_owned();
                    expected.replace_range(range.clone(), replacement);
                    prop_assert_eq!(after.text_str(id), Some(expected.as_str()));
                }
                None if !document.node(id).unwrap().is_container() => {
                    let old = &text.as_bytes()[document.node(id).unwrap().raw()];
                    let new = &edited[after.node(id).unwrap().raw()];
                    prop_assert_eq!(old, new);
                }
                None => {}
            }
        }
    }
}

#[test]
fn numbers_are_replaced_by_strings() {
    let body = br#"{"card":4111111111111111,"b":[1,2]}"#;
    let document = parse(body).unwrap();
    let card = document.get(document.root(), b"card").unwrap();
    let mut splice = Splice::new();
    let edit = Edit {
        range: document.node(card).unwrap().raw_token(),
        text: b"[\"card\"]",
        replacement: Replacement::Value,
    };
    splice.build(body.len(), [edit]).unwrap();
    assert_eq!(splice.to_vec(body), br#"{"card":"[\"card\"]","b":[1,2]}"#);
    assert_eq!(splice.pieces().len(), 3);
}

#[test]
fn bad_edits_are_refused() {
    let edit = |range| Edit { range, text: b"x", replacement: Replacement::Raw };
    let mut splice = Splice::new();
    assert_eq!(splice.build(9, [edit(3..5), edit(4..6)]), Err(SpliceError::Overlap(1)));
    assert!(splice.is_empty() && splice.pieces().is_empty());
    assert_eq!(splice.build(9, [edit(3..10)]), Err(SpliceError::OutOfRange(0)));
    assert_eq!(splice.build(9, [edit(3..5), edit(5..5)]), Ok(()));
    assert_eq!(splice.to_vec(b"012345678"), b"012xx5678");
}
