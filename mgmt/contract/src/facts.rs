//! Facts: what is known of a content, without the content.
//!
//! Detectors turn content into facts, policy turns facts into a decision, the record keeps the
//! facts, so anyone can decide again. Facts are fixed-size and `Clone` without allocation.

use crate::class::Class;
use crate::limits::FACT_CLASSES_MAX;
use arrayvec::ArrayVec;

/// Where a text stands in a request or a response.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Origin {
    /// A system prompt.
    System = 0,
    /// A developer message.
    Developer = 1,
    /// A user message, or a text whose place says nothing else.
    User = 2,
    /// A message of the model: history, or the response.
    Assistant = 3,
    /// What a tool answered.
    ToolResult = 4,
    /// Arguments of a tool call.
    ToolCall = 5,
    /// Name, description or schema of a tool.
    ToolDefinition = 6,
    /// A document given as context.
    Document = 7,
    /// An attachment: file name, image address.
    Attachment = 8,
    /// Any other field.
    Metadata = 9,
    /// A key of an object.
    Key = 10,
}

impl Origin {
    /// Every origin, by number.
    pub const ALL: [Origin; 11] = [
        Origin::System,
        Origin::Developer,
        Origin::User,
        Origin::Assistant,
        Origin::ToolResult,
        Origin::ToolCall,
        Origin::ToolDefinition,
        Origin::Document,
        Origin::Attachment,
        Origin::Metadata,
        Origin::Key,
    ];

    /// The bit of this origin in [`ClassFact::origins`].
    pub const fn bit(self) -> u16 {
        1 << self as u16
    }

    /// The name in policies, `sluice inspect` and the log.
    pub const fn name(self) -> &'static str {
        match self {
            Origin::System => "system",
            Origin::Developer => "developer",
            Origin::User => "user",
            Origin::Assistant => "assistant",
            Origin::ToolResult => "tool_result",
            Origin::ToolCall => "tool_call",
            Origin::ToolDefinition => "tool_definition",
            Origin::Document => "document",
            Origin::Attachment => "attachment",
            Origin::Metadata => "metadata",
            Origin::Key => "key",
        }
    }

    /// The origin called `name`.
    pub fn by_name(name: &str) -> Option<Origin> {
        Origin::ALL.into_iter().find(|origin| origin.name() == name)
    }

    /// Whether the text comes from a third party: neither the operator, nor the user, nor the
    /// model wrote it. Attack thresholds are stricter there.
    pub const fn is_third_party(self) -> bool {
        matches!(self, Origin::ToolResult | Origin::Document | Origin::Attachment)
    }
}

/// A calibrated score of a whole request or response.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Score {
    /// Instructions that override the operator's.
    Injection = 0,
    /// A persona or scheme that lifts the model's rules.
    Jailbreak = 1,
    /// Asking for the system prompt.
    PromptLeak = 2,
    /// Carrying data out by links, images or requests.
    Exfiltration = 3,
    /// Payloads and look-alike addresses.
    MaliciousCode = 4,
    /// Abusive language.
    Toxicity = 5,
    /// A plain request for harm.
    Harmful = 6,
    /// Program text.
    SourceCode = 7,
    /// The highest of injection, jailbreak and prompt leak in texts of a third party.
    IndirectInjection = 8,
    /// One figure for all of them.
    Risk = 9,
}

/// Number of places in [`Scores`]; the ones without a [`Score`] are zero.
pub const SCORES: usize = 16;

impl Score {
    /// Every score, by number.
    pub const ALL: [Score; 10] = [
        Score::Injection,
        Score::Jailbreak,
        Score::PromptLeak,
        Score::Exfiltration,
        Score::MaliciousCode,
        Score::Toxicity,
        Score::Harmful,
        Score::SourceCode,
        Score::IndirectInjection,
        Score::Risk,
    ];

    /// The name in policies, `sluice inspect` and the log.
    pub const fn name(self) -> &'static str {
        match self {
            Score::Injection => "injection",
            Score::Jailbreak => "jailbreak",
            Score::PromptLeak => "prompt_leak",
            Score::Exfiltration => "exfiltration",
            Score::MaliciousCode => "malicious_code",
            Score::Toxicity => "toxicity",
            Score::Harmful => "harmful",
            Score::SourceCode => "source_code",
            Score::IndirectInjection => "indirect_injection",
            Score::Risk => "risk",
        }
    }
}

/// Scores in hundredths, 0..=100. Quantised, so that decisions can be cached and repeated.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Scores(pub [u8; SCORES]);

impl Scores {
    /// The score in hundredths.
    pub fn of(&self, score: Score) -> u8 {
        self.0.get(score as usize).copied().unwrap_or(0)
    }

    /// Raises `score` to `hundredths` (at most 100) where it is lower.
    pub fn raise(&mut self, score: Score, hundredths: u8) {
        if let Some(place) = self.0.get_mut(score as usize) {
            *place = (*place).max(hundredths.min(100));
        }
    }

    /// Raises every score to that of `other`.
    pub fn raise_all(&mut self, other: &Scores) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine = (*mine).max(theirs);
        }
    }
}

/// Flags of a set of facts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Flags(pub u32);

impl Flags {
    /// More findings or classes than the bounds hold: what was not counted is unknown, so policy
    /// must block.
    pub const OVERFLOW: Flags = Flags(1);
    /// Content that could not be inspected (images, audio, files, token arrays).
    pub const OPAQUE: Flags = Flags(1 << 1);
    /// A view was built: the text was not plain.
    pub const NORMALISED: Flags = Flags(1 << 2);
    /// The response ended before it was complete.
    pub const TRUNCATED: Flags = Flags(1 << 3);

    /// Whether all flags of `other` are set.
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Sets the flags of `other`.
    pub fn set(&mut self, other: Flags) {
        self.0 |= other.0;
    }
}

/// One class that was found.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ClassFact {
    /// The class.
    pub class: Class,
    /// How often, saturating.
    pub count: u16,
    /// Origins it was found in, one [`Origin::bit`] each.
    pub origins: u16,
    /// Highest confidence, in hundredths.
    pub confidence: u8,
}

/// What is known of one content.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Facts {
    /// Classes found, by rising number.
    pub classes: ArrayVec<ClassFact, FACT_CLASSES_MAX>,
    /// Scores.
    pub scores: Scores,
    /// Flags.
    pub flags: Flags,
    /// Bytes of inspected text, saturating.
    pub text_bytes: u32,
    /// Inspected texts, saturating.
    pub texts: u32,
    /// Bytes of opaque content, saturating.
    pub opaque_bytes: u32,
}

impl Facts {
    /// Empties the facts.
    pub fn clear(&mut self) {
        *self = Facts::default();
    }

    /// Counts one occurrence of `class`. A class beyond [`FACT_CLASSES_MAX`] sets
    /// [`Flags::OVERFLOW`].
    pub fn add(&mut self, class: Class, origin: Origin, confidence: u8) {
        match self.classes.binary_search_by_key(&class, |fact| fact.class) {
            Ok(index) => {
                if let Some(fact) = self.classes.get_mut(index) {
                    fact.count = fact.count.saturating_add(1);
                    fact.origins |= origin.bit();
                    fact.confidence = fact.confidence.max(confidence);
                }
            }
            Err(index) => {
                let fact = ClassFact { class, count: 1, origins: origin.bit(), confidence };
                if self.classes.try_insert(index, fact).is_err() {
                    self.flags.set(Flags::OVERFLOW);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::CLASSES;

    #[test]
    fn classes_are_counted_in_order() {
        let mut facts = Facts::default();
        facts.add(Class::EMAIL, Origin::User, 90);
        facts.add(Class::PAYMENT_CARD, Origin::User, 99);
        facts.add(Class::EMAIL, Origin::ToolResult, 95);
        let found: Vec<_> =
            facts.classes.iter().map(|f| (f.class, f.count, f.confidence)).collect();
        assert_eq!(found, [(Class::PAYMENT_CARD, 1, 99), (Class::EMAIL, 2, 95)]);
        assert_eq!(facts.classes[1].origins, Origin::User.bit() | Origin::ToolResult.bit());
    }

    #[test]
    fn too_many_classes_overflow() {
        let mut facts = Facts::default();
        for n in 0..=FACT_CLASSES_MAX {
            facts.add(Class(u16::try_from(n).unwrap()), Origin::User, 1);
        }
        assert!(facts.flags.has(Flags::OVERFLOW));
        assert!(CLASSES.len() > FACT_CLASSES_MAX, "the bound can be reached");
    }

    #[test]
    fn names_read_back() {
        for origin in Origin::ALL {
            assert_eq!(Origin::by_name(origin.name()), Some(origin));
            assert_eq!(Origin::ALL[origin as usize], origin);
        }
        for score in Score::ALL {
            assert_eq!(Score::ALL[score as usize], score);
        }
    }
}
