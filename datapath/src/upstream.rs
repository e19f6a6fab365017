//! Upstreams of one worker: names to addresses, connections made, kept and taken.

pub mod address;
mod pool;
pub mod resolver;

pub use pool::{Lease, Pools, UpstreamError};
