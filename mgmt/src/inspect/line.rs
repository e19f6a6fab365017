//! One line of `sluice inspect --jsonl`: reading it, and writing its answer.

use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize};
use sluice_contract::facts::Origin;
use sluice_detectors::Inspection;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};

/// A line.
#[derive(Deserialize)]
pub struct Line {
    /// Whatever the caller knows it by; null without.
    #[serde(default)]
    pub id: serde_json::Value,
    /// What to inspect.
    #[serde(deserialize_with = "text")]
    pub text: String,
    /// Where it comes from; a user without.
    #[serde(default)]
    pub origin: Origins,
}

/// Where a text comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origins {
    /// A place that this build knows.
    Known(Origin),
    /// Another word.
    Unknown,
}

impl Default for Origins {
    fn default() -> Origins {
        Origins::Known(Origin::User)
    }
}

impl<'de> Deserialize<'de> for Origins {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Origins, D::Error> {
        let name = Option::<String>::deserialize(deserializer)?;
        Ok(match name {
            Some(name) => Origin::by_name(&name).map_or(Origins::Unknown, Origins::Known),
            None => Origins::default(),
        })
    }
}

impl Line {
    /// Reads a line. Bytes that are not UTF-8 are read as U+FFFD.
    pub fn parse(line: &[u8]) -> Result<Line, serde_json::Error> {
        // Borrows where the bytes are UTF-8 as they are.
        serde_json::from_str(&String::from_utf8_lossy(line))
    }
}

/// A JSON string as it may be: asked for as bytes, `serde_json` passes half surrogate pairs on in
/// the three bytes that UTF-8 would give them (WTF-8); U+FFFD, which takes their place, has three
/// bytes too.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct Text;
    impl Visitor<'_> for Text {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<String, E> {
            self.visit_byte_buf(bytes.to_vec())
        }

        fn visit_byte_buf<E: Error>(self, mut bytes: Vec<u8>) -> Result<String, E> {
            replace_surrogates(&mut bytes);
            String::from_utf8(bytes).map_err(E::custom)
        }
    }
    deserializer.deserialize_bytes(Text)
}

/// In valid UTF-8, 0xED is never followed by 0xA0 or more.
fn replace_surrogates(bytes: &mut [u8]) {
    const REPLACEMENT: [u8; 3] = [0xef, 0xbf, 0xbd];
    let mut rest = bytes;
    while let Some(at) = rest.windows(3).position(|w| matches!(w, [0xed, 0xa0..=0xff, _])) {
        let Some((half, after)) = rest.get_mut(at..).and_then(|r| r.split_at_mut_checked(3)) else {
            return;
        };
        half.copy_from_slice(&REPLACEMENT);
        rest = after;
    }
}

/// The answer to a line.
#[derive(Serialize)]
struct Answer<'a> {
    id: &'a serde_json::Value,
    findings: Vec<Finding>,
    scores: BTreeMap<&'static str, f64>,
    flags: Vec<&'static str>,
}

#[derive(Serialize)]
struct Finding {
    class: &'static str,
    start: usize,
    end: usize,
    confidence: f64,
}

/// Writes the answer to the line `id`.
pub fn answer(
    output: &mut dyn Write,
    id: &serde_json::Value,
    inspection: &Inspection,
) -> io::Result<()> {
    let hundredths = |n: u8| f64::from(n) / 100.0;
    let findings = inspection.findings.iter().map(|finding| Finding {
        class: finding.class,
        start: finding.start,
        end: finding.end,
        confidence: hundredths(finding.confidence),
    });
    let answer = Answer {
        id,
        findings: findings.collect(),
        scores: inspection.scores.iter().map(|(name, score)| (*name, hundredths(*score))).collect(),
        flags: inspection.flags.clone(),
    };
    serde_json::to_writer(&mut *output, &answer)?;
    output.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_are_read() {
        let line = Line::parse(br#"{"id":"a","text":"x\u00e9","origin":"tool_result"}"#).unwrap();
        assert_eq!((line.text.as_str(), line.id.as_str()), ("xé", Some("a")));
        assert_eq!(line.origin, Origins::Known(Origin::ToolResult));
        let line = Line::parse(br#"{"text":"","origin":null,"label":1}"#).unwrap();
        assert_eq!((line.id.is_null(), line.origin), (true, Origins::default()));
        let line = Line::parse(br#"{"text":"","origin":"elsewhere"}"#).unwrap();
        assert_eq!(line.origin, Origins::Unknown);
        for bad in ["", "{}", "[1]", r#"{"text":1}"#, r#"{"text":"x"} y"#] {
            assert!(Line::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_one_character() {
        let text = |line: &str| Line::parse(line.as_bytes()).unwrap().text;
        assert_eq!(text(r#"{"text":"a\ud83db"}"#), "a\u{fffd}b");
        assert_eq!(text(r#"{"text":"\ud83d\ud83d\udc00\udc00"}"#), "\u{fffd}🐀\u{fffd}");
        assert_eq!(text(r#"{"text":"\ud7ff한\ue000"}"#), "\u{d7ff}한\u{e000}");
        let line = Line::parse(b"{\"text\":\"a\xffb\"}").unwrap();
        assert_eq!(line.text, "a\u{fffd}b");
    }

    proptest! {
        #[test]
        fn every_utf16_string_is_read_with_its_length(units in proptest::collection::vec(any::<u16>(), 0..16)) {
            let escaped: String = units.iter().fold(String::new(), |text, unit| {
                format!("{text}\\u{unit:04x}")
            });
            let expected: String = char::decode_utf16(units.iter().copied())
                .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect();
            let line = format!("{{\"text\":\"{escaped}\"}}");
            prop_assert_eq!(Line::parse(line.as_bytes()).unwrap().text, expected);
        }
    }
}
