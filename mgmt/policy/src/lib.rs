//! Facts to decision: Cedar policies, loaded, checked, composed for each route, and asked.
//!
//! ```text
//! sources ─load─► Engine ─compose─► RoutePolicy ─decide(Question, DecisionCache)─► &Decision
//! ```
//!
//! Pure: a decision is a function of the facts, the principal, the route, the target and the
//! policies' text. No I/O, no clock, no threads. Cedar is the only judge; what this crate adds is
//! that obligations ride on `forbid`s, that whatever is not permitted or cannot be evaluated is
//! blocked, and that decisions are remembered by their exact inputs. `POLICY.md` is the operator's
//! side of it.
//!
//! It does not know what a finding looks like, and carries out nothing.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod ask;
mod attack;
mod cache;
mod cuts;
mod engine;
mod error;
mod field;
#[cfg(test)]
mod fixture;
mod inputs;
mod preset;
mod question;
mod reads;
mod route;
mod schema;
mod source;
mod statement;
mod suggest;

pub use attack::{OPERATING_POINTS, OperatingPoints};
pub use cache::{CacheStats, DecisionCache};
pub use engine::{ERRORED, Engine, NO_PERMIT, OVERFLOW, OWN_WORDS, PolicyInfo, UNKNOWN_CLASS};
pub use error::{ComposeError, LoadError, LoadReason};
pub use preset::{preset, preset_names};
pub use question::{Direction, PrincipalRef, Question, QuestionKeys, RouteRef, TargetRef};
pub use route::{Explanation, RoutePolicy};
pub use schema::{Action, SCHEMA};
pub use sluice_contract::snapshot::{Enforcement, PolicyText as PolicySource, Trust};
pub use statement::{Mention, Mentioned};
