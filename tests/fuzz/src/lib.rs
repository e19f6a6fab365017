//! What each fuzz target checks, as plain functions of bytes that panic where a promise is broken.
//!
//! One file a crate under test, so that the crate's own tests can include it and replay the
//! committed seeds with the pinned toolchain.

pub mod contract;
pub mod wire;
