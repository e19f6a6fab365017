//! Checks of a statement that Cedar cannot make: annotations, class names, words, ranges.

use super::{Checked, Mention, Mentioned, is_forbid};
use crate::cuts::Comparison;
use crate::error::LoadReason;
use crate::reads::{children, comparison, context_path};
use crate::schema::enforcement_name;
use crate::suggest::did_you_mean;
use cedar_policy::Policy;
use cedar_policy::pst::{Clause, Expr, Literal, Template as Body};
use sluice_contract::class::{CLASSES, Class};
use sluice_contract::decision::Verdict;
use sluice_contract::facts::Origin;
use sluice_contract::snapshot::{Enforcement, Trust};

/// Annotations that mean something.
const ANNOTATIONS: [&str; 5] = ["id", "enforce", "reason", "advice", "note"];

impl Checked<'_> {
    /// Checks the annotations; what a match does.
    pub(super) fn annotations(&mut self, policy: &Policy) -> Verdict {
        for (key, _) in policy.annotations() {
            if !ANNOTATIONS.contains(&key) {
                let at = self.find(&format!("@{key}"));
                let suggestion = did_you_mean(key, ANNOTATIONS);
                self.error(at, LoadReason::UnknownAnnotation(key.to_owned()), suggestion);
            }
        }
        let forbids = is_forbid(policy.effect());
        let Some(name) = policy.annotation("enforce") else {
            return if forbids { Verdict::Block } else { Verdict::Allow };
        };
        let at = self.find("@enforce");
        if !forbids {
            self.error(at, LoadReason::EnforceOnPermit, None);
            return Verdict::Allow;
        }
        let possible = Verdict::ALL
            .into_iter()
            .filter(|verdict| verdict.is_supported() && *verdict != Verdict::Allow)
            .map(Verdict::name);
        match Verdict::by_name(name) {
            None => {
                let suggestion = did_you_mean(name, possible);
                self.error(at, LoadReason::UnknownObligation(name.to_owned()), suggestion);
                Verdict::Block
            }
            Some(Verdict::Allow) => {
                let suggestion = "leave it out, or use `alert`".to_owned();
                self.error(at, LoadReason::ForbidThatAllows, Some(suggestion));
                Verdict::Block
            }
            Some(verdict) if !verdict.is_supported() => {
                let known: Vec<_> = possible.collect();
                let suggestion = format!("it can: {}", known.join(", "));
                self.error(at, LoadReason::UnsupportedObligation(verdict), Some(suggestion));
                Verdict::Block
            }
            Some(verdict) => verdict,
        }
    }

    /// Checks the classes that the policy names, and notes what only the configuration knows.
    pub(super) fn entities(&mut self, policy: &Policy) {
        for uid in policy.entity_literals() {
            let name = uid.id().unescaped();
            let of = uid.type_name().to_string();
            let at = self.find(&format!("{of}::\"{name}\""));
            match of.as_str() {
                "Class" if Class::by_name(name).is_none() => {
                    let suggestion = did_you_mean(name, CLASSES.iter().map(|row| row.name));
                    self.error(at, LoadReason::UnknownClass(name.to_owned()), suggestion);
                }
                "Target" => self.mention(at, Mentioned::Target, name),
                "Provider" => self.mention(at, Mentioned::Provider, name),
                _ => {}
            }
        }
    }

    /// Checks what the policy compares the context with.
    pub(super) fn expressions(&mut self, body: &Body) {
        for clause in body.clauses() {
            let (Clause::When(expr) | Clause::Unless(expr)) = clause;
            self.expression(expr);
        }
    }

    fn expression(&mut self, expr: &Expr) {
        if let Some((number, comparison, literal)) = comparison(expr) {
            let most = number.most();
            // The lowest number on the far side of the comparison has to be one that occurs.
            let decides = match comparison {
                Comparison::AtLeast => (1..=i64::from(most)).contains(&literal),
                Comparison::Above => (0..i64::from(most)).contains(&literal),
                Comparison::Equal => (0..=i64::from(most)).contains(&literal),
            };
            if !decides {
                let at = self.find(number.name());
                let reason = LoadReason::OutOfRange { field: number.name(), literal, most };
                self.warn(at, reason, None);
            }
        }
        if let Expr::BinaryOp { left, right, .. } = expr {
            self.words(left, right);
            self.words(right, left);
        }
        for child in children(expr).unwrap_or_default() {
            self.expression(child);
        }
    }

    /// Checks the strings in `other` against the words that the attribute `field` can hold.
    fn words(&mut self, field: &Expr, other: &Expr) {
        let trusts = [Trust::Internal, Trust::External].map(Trust::name);
        let enforcements = [Enforcement::Enforce, Enforcement::Observe].map(enforcement_name);
        let origins = Origin::ALL.map(Origin::name);
        let (field, known): (_, &[&'static str]) = match context_path(field).as_deref() {
            Some(["target", "trust"]) => ("target.trust", &trusts),
            Some(["enforcement"]) => ("enforcement", &enforcements),
            Some(["origins"]) => ("origins", &origins),
            Some(["route"]) => return self.mentions(other, Mentioned::Route),
            Some(["target", "name"]) => return self.mentions(other, Mentioned::Target),
            Some(["target", "provider"]) => return self.mentions(other, Mentioned::Provider),
            _ => return,
        };
        for word in strings(other) {
            if !known.contains(&word) {
                let at = self.find_word(word);
                let suggestion = did_you_mean(word, known.iter().copied());
                let reason = LoadReason::UnknownWord { field, word: word.to_owned() };
                self.error(at, reason, suggestion);
            }
        }
    }

    fn mentions(&mut self, names: &Expr, what: Mentioned) {
        for name in strings(names) {
            self.mention(self.find_word(name), what, name);
        }
    }

    fn mention(&mut self, at: usize, what: Mentioned, name: &str) {
        let (line, column) = self.position(at);
        let mention =
            Mention { file: self.source.file.clone(), line, column, what, name: name.to_owned() };
        if !self.mentions.contains(&mention) {
            self.mentions.push(mention);
        }
    }
}

/// The strings of a literal or of a set of literals.
fn strings(expr: &Expr) -> Vec<&str> {
    match expr {
        Expr::Literal(Literal::String(word)) => vec![word.as_str()],
        Expr::Set(parts) => parts.iter().flat_map(|part| strings(part)).collect(),
        _ => Vec::new(),
    }
}
