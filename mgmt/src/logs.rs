//! Structured logs on standard error: readable on a terminal, JSON lines otherwise.
//!
//! Nothing is logged per request at `info`; that is the audit record's work. No field ever holds a
//! payload, a prompt or a key.

use std::io::IsTerminal;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt;

/// Starts logging for this process. A second call changes nothing.
pub fn start() {
    let to_terminal = std::io::stderr().is_terminal();
    let lines = fmt().with_max_level(LevelFilter::INFO).with_writer(std::io::stderr);
    let started = if to_terminal {
        lines.compact().with_target(false).try_init()
    } else {
        lines.json().flatten_event(true).with_target(true).try_init()
    };
    // Only a second start fails, and the first one stands.
    drop(started);
}
