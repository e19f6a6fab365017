//! One text, inspected for a person or a scoring tool: owned results, offsets in code points.

use crate::batch::Batch;
use crate::finding::Report;
use crate::scanner::Scanner;
use sluice_contract::facts::{Flags, Origin, Score};

/// A finding in code points of the text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InspectedFinding {
    /// The name of its class.
    pub class: &'static str,
    /// First code point.
    pub start: usize,
    /// The code point after the last.
    pub end: usize,
    /// Confidence in hundredths.
    pub confidence: u8,
}

/// What one text holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Inspection {
    /// Findings by start.
    pub findings: Vec<InspectedFinding>,
    /// Scores in hundredths by name, those that this build computes.
    pub scores: Vec<(&'static str, u8)>,
    /// Flags: `block` where the built-in policy would refuse, `overflow`, `normalised`.
    pub flags: Vec<&'static str>,
}

/// Scores that this build computes.
const COMPUTED: [Score; 5] =
    [Score::Injection, Score::Jailbreak, Score::PromptLeak, Score::IndirectInjection, Score::Risk];

/// Inspects one text as the data path would.
pub fn inspect_text(scanner: &mut Scanner, text: &str, origin: Origin) -> Inspection {
    let mut batch = Batch::default();
    batch.add(origin, None, text);
    let mut report = Report::default();
    scanner.scan(&batch, &mut report);
    let mut points = CodePoints { text, byte: 0, point: 0 };
    let findings = report
        .findings
        .iter()
        .map(|finding| InspectedFinding {
            class: finding.class.name(),
            start: points.at(finding.start as usize),
            end: points.at(finding.end as usize),
            confidence: finding.confidence,
        })
        .collect();
    let scores = COMPUTED.map(|score| (score.name(), report.scores.of(score))).to_vec();
    let flags = [
        (report.blocks(), "block"),
        (report.flags.has(Flags::OVERFLOW), "overflow"),
        (report.flags.has(Flags::NORMALISED), "normalised"),
    ];
    let flags = flags.into_iter().filter(|(set, _)| *set).map(|(_, name)| name).collect();
    Inspection { findings, scores, flags }
}

/// Turns rising byte offsets into code points.
struct CodePoints<'a> {
    text: &'a str,
    byte: usize,
    point: usize,
}

impl CodePoints<'_> {
    fn at(&mut self, byte: usize) -> usize {
        let passed = self.text.get(self.byte..byte).map_or(0, |part| part.chars().count());
        self.byte = byte.max(self.byte);
        self.point += passed;
        self.point
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::Pack;
    use std::sync::Arc;

    #[test]
    fn offsets_are_code_points() {
        let mut scanner = Scanner::new(Arc::new(Pack::compile().unwrap())).unwrap();
        let text = "Größe: 4111 1111 1111 1111 – a@example.com";
        let found = inspect_text(&mut scanner, text, Origin::User);
        let spans: Vec<_> = found.findings.iter().map(|f| (f.class, f.start, f.end)).collect();
        assert_eq!(spans, [("payment_card", 7, 26), ("email", 29, 42)]);
        assert!(found.flags.is_empty());
    }
}
