//! Runs of base64 or hexadecimal characters that hold text.
//!
//! Most runs are words, paths, identifiers or hashes: the first bytes that a run decodes to tell.
//! Lines of one payload are joined. What decodes to something that is not text is left alone.

use crate::engine::scalar::is_base64;
use crate::text::Text;
use crate::view::{Kind, Writer};
use std::ops::Range;

/// Characters of a run that are decoded to see whether it holds text.
const PROBE: usize = 32;

/// Characters of the longest run that is decoded.
const RUN_CHARACTERS_MAX: usize = 1 << 20;

/// Characters of a line that another line of base64 may follow.
const LINE_CHARACTERS_MIN: usize = 16;

/// Whether the run at `span` decodes to text; the kind, and the span with its further lines and
/// its padding.
pub(crate) fn plausible(text: &Text<'_>, span: Range<usize>) -> Option<(Kind, Range<usize>)> {
    let run = text.slice(span.clone());
    let mut probe = [0_u8; PROBE];
    if let Some(start) = hex_start(run) {
        let digits = run.get(start..)?.get(..PROBE.min(run.len() - start) & !1)?;
        let decoded = decode_hex(digits, &mut probe);
        if is_texty(decoded) {
            let from = span.start + start;
            let end = from + ((span.end - from) & !1);
            return Some((Kind::Hex, from..end.min(from + RUN_CHARACTERS_MAX)));
        }
    }
    let decoded = decode_base64(run.get(..PROBE.min(run.len()))?, &mut probe);
    if !is_texty(decoded) {
        return None;
    }
    let mut end = span.end;
    let mut line = span.end - span.start;
    while line >= LINE_CHARACTERS_MIN
        && line.is_multiple_of(4)
        && end - span.start < RUN_CHARACTERS_MAX
    {
        let next = match (text.byte(end), text.byte(end + 1)) {
            (b'\r', b'\n') | (b'\\', b'n') => end + 2,
            (b'\n' | b' ', _) => end + 1,
            _ => break,
        };
        let next = text.run(next, 64, |byte| byte == b' ' || byte == b'\t');
        let stop = text.run(next, RUN_CHARACTERS_MAX, is_base64);
        // A full line is as long as the one before; a last, shorter one ends in padding, or ends
        // the text and is no word.
        let padded = text.byte(stop) == b'=';
        let is_word = text.slice(next..stop).iter().skip(1).all(u8::is_ascii_lowercase);
        let ends = stop == text.end() && text.byte(end) != b' ' && !is_word;
        if stop == next || !(padded || stop - next == line || ends) {
            break;
        }
        (end, line) = (stop, if padded { 0 } else { stop - next });
    }
    let end = text.run(end, 2, |byte| byte == b'=');
    Some((Kind::Base64, span.start..end.min(span.start + RUN_CHARACTERS_MAX)))
}

/// Where the hexadecimal digits of a run begin: at its start, or after `0x`.
fn hex_start(run: &[u8]) -> Option<usize> {
    let start = if run.starts_with(b"0x") || run.starts_with(b"0X") { 2 } else { 0 };
    run.get(start..)?.iter().all(u8::is_ascii_hexdigit).then_some(start)
}

/// Writes the text that a run of base64 holds, standing for the whole run.
pub(crate) fn write_base64(window: &str, from: usize, writer: &mut Writer<'_>) {
    let mut bits = 0_u32;
    let mut count = 0;
    let bytes = window.bytes().filter_map(sextet).filter_map(move |six| {
        bits = bits << 6 | u32::from(six);
        count += 6;
        (count >= 8).then(|| {
            count -= 8;
            (bits >> count).to_le_bytes()[0]
        })
    });
    write_bytes(bytes, from..from + window.len(), writer);
}

/// Writes the text that a run of hexadecimal digits holds.
pub(crate) fn write_hex(window: &str, from: usize, writer: &mut Writer<'_>) {
    let (pairs, _) = window.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().filter_map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?));
    write_bytes(bytes, from..from + window.len(), writer);
}

/// Writes bytes as text, as far as they are text; UTF-16 that spells ASCII as well.
fn write_bytes(bytes: impl Iterator<Item = u8>, from: Range<usize>, writer: &mut Writer<'_>) {
    let mut text = writer.decoder(from);
    let mut good = 0_u32;
    let mut bad = 0_u32;
    for byte in bytes {
        if byte == 0 {
            continue;
        }
        let printable = byte >= 0x20 && byte != 0x7F || matches!(byte, b'\t' | b'\n' | b'\r');
        if printable {
            good += 1;
        } else {
            bad += 1;
        }
        text.push(byte);
    }
    text.finish(bad * 10 <= good);
}

/// Decodes what fits into `out`.
fn decode_base64<'a>(run: &[u8], out: &'a mut [u8]) -> &'a [u8] {
    let mut length = 0;
    for (four, place) in run.chunks(4).zip(out.chunks_mut(3)) {
        let bits =
            four.iter().fold(0_u32, |bits, byte| bits << 6 | u32::from(sextet(*byte).unwrap_or(0)));
        let bits = bits << (6 * (4 - four.len()));
        let [_, bytes @ ..] = bits.to_be_bytes();
        let count = (four.len() * 6 / 8).min(place.len());
        for (to, byte) in place.iter_mut().zip(bytes).take(count) {
            *to = byte;
        }
        length += count;
    }
    out.get(..length).unwrap_or(&[])
}

fn decode_hex<'a>(digits: &[u8], out: &'a mut [u8]) -> &'a [u8] {
    let (pairs, _) = digits.as_chunks::<2>();
    let mut length = 0;
    for (pair, place) in pairs.iter().zip(out.iter_mut()) {
        *place = nibble(pair[0]).unwrap_or(0) << 4 | nibble(pair[1]).unwrap_or(0);
        length += 1;
    }
    out.get(..length).unwrap_or(&[])
}

fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

fn nibble(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Whether the first decoded bytes look like text: nearly all printable ASCII, or UTF-8, or ASCII
/// in UTF-16.
fn is_texty(bytes: &[u8]) -> bool {
    if bytes.len() < 7 {
        return false;
    }
    let wide = bytes.iter().skip(1).step_by(2).all(|byte| *byte == 0);
    let plain =
        bytes.iter().filter(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t')).count();
    if wide {
        return plain * 2 >= bytes.len() - 1;
    }
    if plain == bytes.len() {
        return true;
    }
    // The probe may end inside of a character.
    let utf8 = match std::str::from_utf8(bytes) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none() && error.valid_up_to() + 4 > bytes.len(),
    };
    utf8 && bytes.iter().all(|byte| *byte >= 0x20 || matches!(byte, b'\n' | b'\r' | b'\t'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(run: &str) -> Option<(Kind, Range<usize>)> {
        let text = Text::new(run.as_bytes(), 0..run.len(), &[], "");
        plausible(&text, 0..text.run(0, usize::MAX, is_base64))
    }

    #[test]
    fn text_is_told_from_words_and_hashes() {
        assert_eq!(check("NDExMSAxMTExIDExMTEgMTExMQ=="), Some((Kind::Base64, 0..28)));
        assert_eq!(check("343131312031313131"), Some((Kind::Hex, 0..18)));
        assert_eq!(check("0x343131312031313131"), Some((Kind::Hex, 2..20)));
        assert_eq!(check("NAAxADEAMQAgADEAMQAxADEA").map(|found| found.0), Some(Kind::Base64));
        for run in [
            "internationalization",
            "usr/local/lib/python3",
            "d41d8cd98f00b204e9800998ecf8427e",
            "getElementsByClassName",
            "some_long_identifier_name",
        ] {
            assert_eq!(check(run), None, "{run}");
        }
    }

    #[test]
    fn wrapped_lines_are_one_run() {
        let lines = "dGhlIHF1aWNrIGJy\nb3duIGZveCBqdW1w\ncyBvdmVy";
        assert_eq!(check(lines), Some((Kind::Base64, 0..lines.len())));
        assert_eq!(check("dGhlIHF1aWNrIGJy and more"), Some((Kind::Base64, 0..16)));
        assert_eq!(check("dGhlIHF1aWNrIGJy\nEnd"), Some((Kind::Base64, 0..16)));
    }
}
