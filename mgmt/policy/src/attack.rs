//! The operating points of attack detection: from which scores on a request is an attack.
//!
//! Two booleans in the context come from this table, so that policies need not repeat numbers and
//! the numbers can follow the detectors' calibration. *High* is where blocking is safe: at most
//! 0.05 % of benign conversations, because agents resend their history and one false hit would
//! brick a session. *Medium* is where telling is worth it. Texts of third parties (tool results,
//! documents, attachments) have no business giving instructions, so their points are lower.

use sluice_contract::facts::{Score, Scores};

/// The operating points of one score, in hundredths.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OperatingPoints {
    /// The score.
    pub score: Score,
    /// From here on `context.attack_medium`.
    pub medium: u8,
    /// From here on `context.attack_high`.
    pub high: u8,
}

/// The operating points of every score that makes an attack. The others (prompt leak,
/// exfiltration, toxicity and so on) are for policies to compare on their own.
pub const OPERATING_POINTS: [OperatingPoints; 3] = [
    OperatingPoints { score: Score::Injection, medium: 50, high: 90 },
    OperatingPoints { score: Score::Jailbreak, medium: 50, high: 90 },
    OperatingPoints { score: Score::IndirectInjection, medium: 40, high: 80 },
];

/// Whether any score is at its high point.
pub fn is_high(scores: &Scores) -> bool {
    OPERATING_POINTS.iter().any(|points| scores.of(points.score) >= points.high)
}

/// Whether any score is at its medium point or above.
pub fn is_medium(scores: &Scores) -> bool {
    OPERATING_POINTS.iter().any(|points| scores.of(points.score) >= points.medium)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn third_party_text_is_judged_more_strictly() {
        let mut scores = Scores::default();
        assert!(!is_medium(&scores));
        scores.raise(Score::Injection, 89);
        assert!(is_medium(&scores) && !is_high(&scores));
        scores.raise(Score::IndirectInjection, 80);
        assert!(is_high(&scores));
    }

    #[test]
    fn high_implies_medium() {
        assert!(OPERATING_POINTS.iter().all(|points| points.medium <= points.high));
    }
}
