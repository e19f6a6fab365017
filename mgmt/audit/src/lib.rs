//! The audit log: what every decision and its outcome are proven by.
//!
//! `writer` takes records out of the workers' rings and makes them durable: hash-chained, in
//! segment files, with a signed head at least once a second. `verify` checks a log by the document
//! `docs/audit-format.md` alone and shares no code with the writer. `list` joins decisions and
//! outcomes into rows for people.
//!
//! INVARIANT: a record is acknowledged only after it is on disk; recovery goes on after the last
//! record that is, so that neither a gap nor a duplicate can come from a crash of any process.

mod append;
mod chain;
mod durable;
mod error;
mod group;
mod head;
mod key;
mod log;
mod note;
mod segment;
mod storage;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod vectors;

pub mod list;
pub mod verify;
pub mod writer;

pub use error::AuditError;
pub use head::HEAD_INTERVAL;
pub use verify::VerifierKey;
