//! Writers, read back by the parsers.

use crate::http1::*;
use proptest::prelude::*;

#[test]
fn heads_as_written() {
    let mut out = Vec::new();
    let mut head = HeadWriter::request(&mut out, Method::Post, b"/v1/x?y", b"a:80");
    head.header(b"x-a", b"b c").content_length(12);
    assert_eq!(head.finish(), Ok(()));
    assert_eq!(
        out,
        b"POST /v1/x?y HTTP/1.1\r\nhost: a:80\r\nx-a: b c\r\ncontent-length: 12\r\n\r\n"
    );
    out.clear();
    let mut head = HeadWriter::response(&mut out, 429);
    head.header_number(b"retry-after", 3).chunked();
    assert_eq!(head.finish(), Ok(()));
    assert_eq!(
        out,
        b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 3\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    out.clear();
    write_response_head(&mut out, 799, []).unwrap();
    assert_eq!(out, b"HTTP/1.1 799 \r\n\r\n");
}

#[test]
fn chunk_sizes() {
    for (length, text) in
        [(0, ""), (1, "1\r\n"), (15, "f\r\n"), (16, "10\r\n"), (65_535, "ffff\r\n")]
    {
        let mut out = Vec::new();
        write_chunk_header(&mut out, length);
        assert_eq!(out, text.as_bytes());
    }
}

#[test]
fn nothing_can_be_injected() {
    let bad_values: [&[u8]; 5] = [b"a\r\nb: c", b"a\rb", b"a\nb", b"a\0", b"\x7f"];
    for value in bad_values {
        let mut out = b"before".to_vec();
        let result = write_response_head(&mut out, 200, [(&b"x"[..], value)]);
        assert_eq!((result, &out[..]), (Err(WriteError::BadValue), &b"before"[..]));
        let result = write_request_head(&mut out, Method::Get, b"/", value, []);
        assert_eq!((result, &out[..]), (Err(WriteError::BadValue), &b"before"[..]));
    }
    let bad_names: [&[u8]; 5] = [b"", b"a b", b"a:", b"a\r\n", b"\xe9"];
    for name in bad_names {
        let mut out = Vec::new();
        let result = write_response_head(&mut out, 200, [(name, &b"x"[..])]);
        assert_eq!((result, out.len()), (Err(WriteError::BadName), 0));
    }
    let bad_targets: [&[u8]; 4] = [b"", b"/a b", b"/\r\n", b"/\xe9"];
    for target in bad_targets {
        let mut out = Vec::new();
        let result = write_request_head(&mut out, Method::Get, target, b"a", []);
        assert_eq!((result, out.len()), (Err(WriteError::BadTarget), 0));
    }
}

proptest! {
    /// A head that was written is read back as it was meant, or was not written.
    #[test]
    fn written_heads_are_read(
        headers in prop::collection::vec(("x-[a-z]{1,9}|[ -~]{0,3}", prop::collection::vec(any::<u8>(), 0..12)), 0..6),
    ) {
        let pairs = headers.iter().map(|(name, value)| (name.as_bytes(), &value[..]));
        let mut out = Vec::new();
        if write_response_head(&mut out, 200, pairs).is_ok() {
            let mut head = ResponseHead::new();
            let length = parse_response(&out, &HeadLimits::default(), &mut head);
            prop_assert_eq!(length, Ok(Some(out.len())));
            prop_assert_eq!(head.headers.len(), headers.len());
            for ((name, value), (wanted, bytes)) in head.headers.iter(&out).zip(&headers) {
                prop_assert_eq!(name, wanted.as_bytes());
                prop_assert_eq!(value, bytes.trim_ascii());
            }
        } else {
            prop_assert!(out.is_empty());
        }
    }
}
