//! Decisions: what is to be done with a content, and on whose word.

use crate::class::Class;
use crate::ids::NameId;
use crate::limits::{FACT_CLASSES_MAX, RECORD_POLICIES_MAX};
use arrayvec::ArrayVec;

/// What is done, from the mildest to the strictest. The order is that of the numbers: the verdict
/// of a whole is the highest of its parts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[repr(u8)]
pub enum Verdict {
    /// Passes unchanged.
    #[default]
    Allow = 0,
    /// Passes unchanged, and tells.
    Alert = 1,
    /// A part of each finding is hidden.
    Mask = 2,
    /// Each finding is replaced by a typed tag.
    Redact = 3,
    /// Each finding is replaced by a surrogate that can be restored.
    Pseudonymize = 4,
    /// Waits for a person.
    RequireApproval = 5,
    /// Does not pass.
    Block = 6,
}

impl Verdict {
    /// Every verdict, by number.
    pub const ALL: [Verdict; 7] = [
        Verdict::Allow,
        Verdict::Alert,
        Verdict::Mask,
        Verdict::Redact,
        Verdict::Pseudonymize,
        Verdict::RequireApproval,
        Verdict::Block,
    ];

    /// The name in `@enforce`, headers and the log.
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Allow => "allow",
            Verdict::Alert => "alert",
            Verdict::Mask => "mask",
            Verdict::Redact => "redact",
            Verdict::Pseudonymize => "pseudonymize",
            Verdict::RequireApproval => "require_approval",
            Verdict::Block => "block",
        }
    }

    /// The verdict called `name`.
    pub fn by_name(name: &str) -> Option<Verdict> {
        Verdict::ALL.into_iter().find(|verdict| verdict.name() == name)
    }

    /// The verdict with this number.
    pub fn from_number(number: u8) -> Option<Verdict> {
        Verdict::ALL.get(usize::from(number)).copied()
    }

    /// Whether this build can carry it out. A policy that asks for one that it cannot is refused
    /// when it is loaded, never weakened.
    pub const fn is_supported(self) -> bool {
        !matches!(self, Verdict::Pseudonymize | Verdict::RequireApproval)
    }

    /// Whether findings are rewritten.
    pub const fn rewrites(self) -> bool {
        matches!(self, Verdict::Mask | Verdict::Redact | Verdict::Pseudonymize)
    }
}

/// What is done with one class.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ClassAction {
    /// The class.
    pub class: Class,
    /// What is done.
    pub verdict: Verdict,
}

/// The answer of policy to one set of facts for one target.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Decision {
    /// The strictest of the parts.
    pub verdict: Verdict,
    /// What is done with each class found, in the order of the facts.
    pub classes: ArrayVec<ClassAction, FACT_CLASSES_MAX>,
    /// Ids of the policies that determined the verdict, the strictest first, without repeats.
    pub policies: ArrayVec<NameId, RECORD_POLICIES_MAX>,
    /// A policy could not be evaluated; the verdict is then a block.
    pub errored: bool,
}

impl Decision {
    /// What is done with `class`.
    pub fn of(&self, class: Class) -> Verdict {
        self.classes
            .iter()
            .find(|action| action.class == class)
            .map_or(Verdict::Allow, |action| action.verdict)
    }

    /// Adds a determining policy, unless it is there or the list is full.
    pub fn add_policy(&mut self, policy: NameId) {
        // At the bound the first ones stand: they are the ones that decided.
        if !self.policies.is_full() && !self.policies.contains(&policy) {
            self.policies.push(policy);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_read_back() {
        for (number, verdict) in Verdict::ALL.into_iter().enumerate() {
            assert_eq!(verdict as usize, number);
            assert_eq!(Verdict::by_name(verdict.name()), Some(verdict));
        }
        assert_eq!(Verdict::from_number(7), None);
    }

    #[test]
    fn the_strictest_wins() {
        assert!(Verdict::Block > Verdict::Redact && Verdict::Redact > Verdict::Alert);
    }
}
