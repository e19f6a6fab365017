//! What a scan found: findings, scores, flags. No content, only classes, places and figures.

use crate::batch::Batch;
use sluice_contract::class::Class;
use sluice_contract::facts::{Facts, Flags, Score, Scores};

/// The high-confidence operating point of a score, in hundredths: the built-in policy blocks.
pub const HIGH: u8 = 90;

/// The high-confidence operating point for texts of a third party (tool results, documents).
pub const HIGH_THIRD_PARTY: u8 = 80;

/// The medium operating point of a score, in hundredths: the built-in policy alerts.
pub const MEDIUM: u8 = 50;

/// The layer of detection that a finding comes from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Layer {
    /// A literal or a form says it.
    Lexical = 0,
    /// A checksum, a structure or a context word confirms it.
    Validated = 1,
    /// A trained model says it.
    Statistical = 2,
    /// Several findings together say it.
    Behavioural = 3,
}

/// One thing that was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Its class.
    pub class: Class,
    /// How sure the detector is, in hundredths.
    pub confidence: u8,
    /// The layer it comes from.
    pub layer: Layer,
    /// Index of the text in the batch.
    pub text: u32,
    /// First byte within the text as it was sent, whatever view it was found in.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

/// What one scan found. Reusable: clearing keeps the memory.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Findings by text and start; those of one text do not overlap.
    pub findings: Vec<Finding>,
    /// The highest scores of all texts.
    pub scores: Scores,
    /// The scores of each text of the batch.
    pub text_scores: Vec<Scores>,
    /// Flags.
    pub flags: Flags,
    /// Findings of hidden content that lie under another finding: they count, their span is its.
    pub(crate) shadowed: Vec<Finding>,
}

impl Report {
    /// Empties the report and keeps its memory.
    pub fn clear(&mut self) {
        self.findings.clear();
        self.scores = Scores::default();
        self.text_scores.clear();
        self.flags = Flags::default();
        self.shadowed.clear();
    }

    /// Adds what was found in `batch` to `facts`.
    pub fn facts(&self, batch: &Batch, facts: &mut Facts) {
        for finding in self.findings.iter().chain(&self.shadowed) {
            facts.add(finding.class, batch.origin(finding.text as usize), finding.confidence);
        }
        facts.scores.raise_all(&self.scores);
        facts.flags.set(self.flags);
        let saturated = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        facts.text_bytes = facts.text_bytes.saturating_add(saturated(batch.bytes()));
        facts.texts = facts.texts.saturating_add(saturated(batch.texts().len()));
    }

    /// Whether the built-in policy would refuse the content, instead of redacting or passing it:
    /// an attack over the high operating point, or more findings than the bounds hold.
    pub fn blocks(&self) -> bool {
        self.flags.has(Flags::OVERFLOW)
            || self.scores.of(Score::Injection) >= HIGH
            || self.scores.of(Score::Jailbreak) >= HIGH
            || self.scores.of(Score::IndirectInjection) >= HIGH_THIRD_PARTY
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_contract::facts::Origin;

    #[test]
    fn facts_count_what_lies_under_another_finding() {
        let mut batch = Batch::default();
        batch.add(Origin::ToolResult, None, "0123456789");
        let finding = |class, start, end| Finding {
            class,
            confidence: 90,
            layer: Layer::Validated,
            text: 0,
            start,
            end,
        };
        let report = Report {
            findings: vec![finding(Class::US_SSN, 0, 9)],
            shadowed: vec![finding(Class::INVISIBLE_TEXT, 2, 5)],
            ..Report::default()
        };
        let mut facts = Facts::default();
        report.facts(&batch, &mut facts);
        let classes: Vec<_> = facts.classes.iter().map(|f| (f.class, f.origins)).collect();
        let bit = Origin::ToolResult.bit();
        assert_eq!(classes, [(Class::US_SSN, bit), (Class::INVISIBLE_TEXT, bit)]);
        assert_eq!((facts.texts, facts.text_bytes), (1, 10));
        assert!(!report.blocks());
    }

    #[test]
    fn a_high_score_blocks_and_a_medium_one_does_not() {
        let mut report = Report::default();
        report.scores.raise(Score::Injection, MEDIUM);
        assert!(!report.blocks());
        report.scores.raise(Score::Jailbreak, HIGH);
        assert!(report.blocks());
    }
}
