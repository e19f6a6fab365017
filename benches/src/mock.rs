//! The mock upstream: OpenAI-compatible, fast enough never to be the bottleneck, faulty on demand.
//!
//! Flow: `connection` reads requests, `answer` turns one into a plan (bytes, pauses, hang-ups) and
//! `connection` carries the plan out. Everything that decides is sans-I/O. Ordinary answers are
//! copied from templates rendered once a thread; a model named `mock-...` (`fault`) selects an
//! answer that shows what was received or that breaks the protocol in one named way.

mod answer;
mod body;
mod connection;
mod fault;
mod framed;
mod gzip;
mod openai;
mod plan;
mod response;
mod server;
mod stats;
mod streamed;
mod template;

pub use server::{Options, Server, run, start};
