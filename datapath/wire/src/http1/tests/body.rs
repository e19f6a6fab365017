//! Bodies, whole and cut.

use crate::http1::*;
use proptest::prelude::*;

/// Feeds `input` in the given cuts; the body, the bytes consumed, and whether it is complete.
fn decode(
    mut decoder: BodyDecoder,
    input: &[u8],
    cuts: &[usize],
) -> Result<(Vec<u8>, usize, bool), BodyError> {
    let mut out = Vec::new();
    let mut at = 0;
    for &cut in cuts.iter().chain([&input.len()]) {
        while at < cut {
            let decoded = decoder.decode(&input[at..cut], &mut out)?;
            at += decoded.consumed;
            if decoded.done {
                assert_eq!(decoder.taken(), out.len() as u64);
                return Ok((out, at, true));
            }
            assert_eq!(at, cut, "all is consumed until the body is done");
        }
    }
    let decoded = decoder.decode(&[], &mut out)?;
    Ok((out, at, decoded.done))
}

fn chunked(input: &[u8]) -> Result<(Vec<u8>, usize, bool), BodyError> {
    decode(BodyDecoder::new(Framing::Chunked, 1000), input, &[])
}

#[test]
fn chunked_bodies() {
    let cases: [(&[u8], &[u8], usize); 5] = [
        (b"5\r\nhello\r\n0\r\n\r\nGET", b"hello", 15),
        (b"a\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n", b"0123456789x", 26),
        (b"00000A\r\n0123456789\r\n000\r\n\r\n", b"0123456789", 27),
        (b"1\r\na\r\n0\r\nTrailer: x\r\nOther:y\r\n\r\n!", b"a", 32),
        (b"0\r\n\r\n", b"", 5),
    ];
    for (input, body, consumed) in cases {
        let shown = String::from_utf8_lossy(input);
        assert_eq!(chunked(input), Ok((body.to_vec(), consumed, true)), "{shown:?}");
    }
    assert_eq!(chunked(b"5\r\nhel").unwrap(), (b"hel".to_vec(), 6, false));
}

#[test]
fn bad_chunks() {
    use BodyError as E;
    let long_trailer = format!("0\r\nX: {}\r\n\r\n", "a".repeat(9000));
    let cases: [(&[u8], E); 26] = [
        (b"\r\nhello", E::BadChunkSize),
        (b"g\r\n", E::BadChunkSize),
        (b"-1\r\n", E::BadChunkSize),
        (b"+1\r\n", E::BadChunkSize),
        (b"0x1\r\n", E::BadChunkSize),
        (b" 1\r\n", E::BadChunkSize),
        (b"1g\r\n", E::BadChunkSize),
        (b"1\n", E::BadChunkSize),
        (b"1_0\r\n", E::BadChunkSize),
        (b"0000000000000001\r\n", E::BadChunkSize),
        (b"ffffffffffffffff1\r\n", E::BadChunkSize),
        (b"1;ext\r\n", E::ChunkExtension),
        (b"1;ext=\"a\r\nb\"\r\n", E::ChunkExtension),
        (b"1 ;ext\r\n", E::ChunkExtension),
        (b"1 \r\n", E::ChunkExtension),
        (b"1\t\r\n", E::ChunkExtension),
        (b"1\rx", E::BadChunkEnd),
        (b"1\r\r\n", E::BadChunkEnd),
        (b"1\r\nab\r\n", E::BadChunkEnd),
        (b"1\r\na\n", E::BadChunkEnd),
        (b"1\r\na\rx", E::BadChunkEnd),
        (b"0\r\nX\r\n\r\n", E::BadTrailer),
        (b"0\r\n X: a\r\n\r\n", E::BadTrailer),
        (b"0\r\nX: a\n\r\n", E::BadTrailer),
        (b"0\r\n\rx", E::BadTrailer),
        (long_trailer.as_bytes(), E::TrailersTooLarge),
    ];
    for (input, error) in cases {
        let shown = String::from_utf8_lossy(input);
        assert_eq!(chunked(input), Err(error), "{shown:?}");
        assert!(matches!(error.status(), 400 | 431));
    }
}

#[test]
fn bodies_are_bounded() {
    let too_large = BodyError::TooLarge { limit: 4 };
    assert_eq!(too_large.status(), 413);
    let limited = |framing| BodyDecoder::new(framing, 4);
    assert!(decode(limited(Framing::Length(4)), b"12345", &[]).is_ok());
    assert_eq!(limited(Framing::Length(5)).check_declared(), Err(too_large));
    assert_eq!(decode(limited(Framing::Length(5)), b"1", &[]), Err(too_large));
    assert_eq!(decode(limited(Framing::Chunked), b"5\r\n", &[]), Err(too_large));
    assert_eq!(decode(limited(Framing::Chunked), b"3\r\nabc\r\n2\r\nd", &[]), Err(too_large));
    assert_eq!(decode(limited(Framing::Chunked), b"fffffffffffffff\r\n", &[]), Err(too_large));
    let until_close = BodyDecoder::for_response(ResponseFraming::UntilClose, 4);
    assert_eq!(decode(until_close, b"12345", &[]), Err(too_large));
}

#[test]
fn lengths_and_closes() {
    assert!(BodyDecoder::new(Framing::None, 0).is_done());
    assert!(BodyDecoder::new(Framing::Length(0), 0).is_done());
    assert!(BodyDecoder::for_response(ResponseFraming::None, 0).is_done());
    let length = BodyDecoder::new(Framing::Length(3), 9);
    assert_eq!(length.remaining(), Some(3));
    assert_eq!(decode(length, b"abcdef", &[2]), Ok((b"abc".to_vec(), 3, true)));
    assert_eq!(decode(length, b"ab", &[]), Ok((b"ab".to_vec(), 2, false)));
    let mut half = length;
    half.decode(b"ab", &mut Vec::new()).unwrap();
    assert_eq!((half.remaining(), half.finish()), (Some(1), Err(BodyError::Truncated)));
    let mut close = BodyDecoder::for_response(ResponseFraming::UntilClose, 9);
    assert_eq!(decode(close, b"abc", &[1]), Ok((b"abc".to_vec(), 3, false)));
    assert_eq!(close.finish(), Ok(()));
    assert!(close.is_done());
    let mut chunked = BodyDecoder::for_response(ResponseFraming::Chunked, 9);
    assert_eq!(chunked.finish(), Err(BodyError::Truncated));
}

proptest! {
    /// Any cut gives the same body and the same error.
    #[test]
    fn cuts_change_nothing(
        parts in prop::collection::vec(prop_oneof![
            4 => prop::collection::vec(any::<u8>(), 1..20).prop_map(|data| {
                let mut chunk = format!("{:x}\r\n", data.len()).into_bytes();
                chunk.extend_from_slice(&data);
                chunk.extend_from_slice(b"\r\n");
                chunk
            }),
            1 => prop::sample::select(vec![&b"0\r\n\r\n"[..], b"0\r\nA: b\r\n\r\n", b"1", b"\r\n", b"\n", b";", b"ff\r\n"])
                .prop_map(<[u8]>::to_vec),
        ], 0..8),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        limit in 1..60_u64,
    ) {
        let input = parts.concat();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
        cuts.sort_unstable();
        let decoder = BodyDecoder::new(Framing::Chunked, limit);
        let whole = decode(decoder, &input, &[]);
        prop_assert_eq!(decode(decoder, &input, &cuts), whole.clone());
        let bytewise: Vec<usize> = (0..input.len()).collect();
        prop_assert_eq!(decode(decoder, &input, &bytewise), whole);
    }

    /// What the writers write, the decoder reads.
    #[test]
    fn written_chunks_are_read(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..6)) {
        let mut wire = Vec::new();
        for chunk in &chunks {
            if !chunk.is_empty() {
                write_chunk_header(&mut wire, chunk.len());
                wire.extend_from_slice(chunk);
                wire.extend_from_slice(b"\r\n");
            }
        }
        write_last_chunk(&mut wire);
        let expected = (chunks.concat(), wire.len(), true);
        prop_assert_eq!(chunked(&wire), Ok(expected));
    }
}
