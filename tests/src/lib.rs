//! The harness of the end-to-end and fault tests: real binaries, real sockets, real files.
//!
//! A test starts what it needs ([`Node`], [`Mock`], [`Upstream`]), each at an address of its own, so
//! that tests run beside each other, and talks to it with [`Client`], which sends any bytes that it
//! is given. Whatever was started ends when its value is dropped, by process id, a failing test
//! included. Everything here panics where a test could not go on: that is how a test fails.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a harness fails its test by a panic that says where"
)]

mod address;
mod binaries;
mod certificates;
mod check;
mod http;
mod metrics;
mod mock;
mod node;
mod process;
mod prompt;
mod upstream;

pub use address::{loopback, port_of};
pub use binaries::{Outcome, binary, repository, run, sluice};
pub use certificates::Certificates;
pub use check::{eventually, is_root, skip, until};
pub use http::{Client, Response, get, post};
pub use metrics::Metrics;
pub use mock::Mock;
pub use node::{Node, Setup};
pub use process::{Group, alive, descriptors, resident_bytes, signal};
pub use prompt::{chat, chat_stream, forwarded, replaced, text_of};
pub use upstream::Upstream;
