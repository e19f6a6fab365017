//! The measuring side of Sluice: a mock upstream, a load generator and the harness that drives both.
//!
//! `http` and `ring` are what the two network programs share: a minimal HTTP/1.1 reader and pinned
//! io_uring threads. `mock` answers as an OpenAI-compatible upstream and can misbehave on demand,
//! which is why the end-to-end tests use it too. `load` asks, in a closed or an open loop. `harness`
//! starts subjects (nginx, Sluice), measures their CPU time and writes the results.
//! Nothing of Sluice depends on this crate, and it shares no code with the data path: a bug in our
//! own codec must not be able to hide itself here.

pub mod harness;
pub mod http;
pub mod load;
pub mod mock;
pub mod nonce;
pub mod ring;
