//! Bytes to findings. Pure: no I/O, no clock, no threads, no logging, no knowledge of HTTP or
//! policy.
//!
//! A [`Batch`] holds every text of one request in one buffer. A [`Scanner`] passes over it once
//! for literals (Hyperscan, or a filter of our own with AVX-512) and once with a SIMD classifier,
//! and hands what they point at to validators written by hand; only candidates pay. Where a cheap
//! test says that a text is not plain, *views* of it (folded, unescaped, decoded) are built and
//! scanned the same way, and every finding in a view is mapped back to the bytes that were sent.
//! The [`Report`] has findings, scores and flags; it never holds content.
//!
//! Rules are data (`packs/`), validators are code (`identifiers/`, `secrets/`, `attacks.rs`).
#![warn(missing_docs)]

mod attacks;
mod batch;
mod canary;
mod checks;
mod engine;
mod finding;
mod identifiers;
mod inspect;
mod pack;
mod packs;
mod scanner;
mod secrets;
mod text;
mod view;
mod views;

pub use batch::{BATCH_BYTES_MAX, Batch, TextMeta};
pub use canary::{Canary, Expect, canaries};
pub use finding::{Finding, HIGH, HIGH_THIRD_PARTY, Layer, MEDIUM, Report};
pub use inspect::{InspectedFinding, Inspection, inspect_text};
pub use pack::{Pack, PackError};
pub use scanner::Scanner;
