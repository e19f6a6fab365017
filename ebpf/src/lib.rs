//! Kernel programs and their loaders.
//!
//! Steering needs no privilege in the form that is here: a classic BPF program on a group of
//! `SO_REUSEPORT` listeners that answers with the CPU that received the connection. The eBPF programs
//! (steering with draining and weights, shield, egress enforcement) are loaded beside it where the
//! kernel and the privilege are there.

mod steer;

pub use steer::{SteerError, steer_by_cpu};
