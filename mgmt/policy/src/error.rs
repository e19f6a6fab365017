//! Why policies were not loaded or not composed, in terms of the operator's files.
//!
//! Loading reports everything that is wrong at once; each error stands at a file, line and column.

use crate::schema::Action;
use sluice_contract::decision::Verdict;
use std::fmt;

/// One thing that is wrong, or worth a look, in a policy file.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct LoadError {
    /// The file, as the source named it.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong.
    pub reason: LoadReason,
    /// What to do about it.
    pub suggestion: Option<String>,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.reason)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, " ({suggestion})"),
            None => Ok(()),
        }
    }
}

/// What can be wrong in a policy file.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LoadReason {
    /// Cedar cannot read it; its own words.
    #[error("{0}")]
    Syntax(String),
    /// It does not fit the schema; the validator's own words.
    #[error("{0}")]
    Schema(String),
    /// A template, which nothing here fills in.
    #[error("a policy template: `?principal` and `?resource` have no meaning here")]
    Template,
    /// An annotation that means nothing.
    #[error("unknown annotation `@{0}`")]
    UnknownAnnotation(String),
    /// An `@enforce` that is no obligation.
    #[error("unknown obligation `{0}`")]
    UnknownObligation(String),
    /// An obligation that this build cannot carry out.
    #[error("this build cannot carry out `@enforce(\"{}\")`", .0.name())]
    UnsupportedObligation(Verdict),
    /// `@enforce` on a permit.
    #[error("`@enforce` on a permit: only a `forbid` carries an obligation")]
    EnforceOnPermit,
    /// `@enforce("allow")`.
    #[error("a `forbid` cannot allow")]
    ForbidThatAllows,
    /// An obligation that rewrites findings, on a question that is about none.
    #[error("`@enforce(\"{}\")` rewrites findings, and `{}` is not about one class", .verdict.name(), .action.name())]
    RewriteOfWhole {
        /// The obligation.
        verdict: Verdict,
        /// The question.
        action: Action,
    },
    /// A question that this build does not ask.
    #[error("this build does not ask `{}`: the policy would do nothing", .0.name())]
    NotAsked(Action),
    /// A class that this build does not know.
    #[error("unknown class `{0}`")]
    UnknownClass(String),
    /// A word that the context never holds.
    #[error("`context.{field}` is never `{word}`")]
    UnknownWord {
        /// The attribute.
        field: &'static str,
        /// The word.
        word: String,
    },
    /// A comparison that is always true or always false.
    #[error("`context.{field}` is at most {most}: comparing it with {literal} decides nothing")]
    OutOfRange {
        /// The attribute.
        field: &'static str,
        /// The comparison's number.
        literal: i64,
        /// The highest that the attribute can be.
        most: u32,
    },
    /// A name that cannot be part of a policy's id.
    #[error("`{0}` cannot name a {1}: only letters, digits, `.`, `_` and `-` can")]
    BadName(String, &'static str),
    /// Two policies of a set with one id.
    #[error("the id `{id}` is taken by the policy at {file}:{line}")]
    DuplicateId {
        /// The id.
        id: String,
        /// The first policy's file.
        file: String,
        /// The first policy's line.
        line: u32,
    },
    /// Two policies whose ids share a number in the audit log.
    #[error("the id `{0}` has the number of another id in the audit log")]
    AmbiguousId(String),
}

/// Why sets could not be composed to a route's policy.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ComposeError {
    /// No source belongs to the set.
    #[error("unknown policy set `{set}`")]
    UnknownSet {
        /// The name asked for.
        set: String,
        /// The nearest name that is known.
        nearest: Option<String>,
    },
    /// Cedar refused to put policies into one set; its own words.
    #[error("{0}")]
    Cedar(String),
}
