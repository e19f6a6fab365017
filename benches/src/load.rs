//! The load generator: realistic chat requests, a closed or an open loop, honest latencies.
//!
//! `body` prepares a pool of requests and makes each one different as it is sent, `schedule` says
//! when an open loop's requests are due, `client` sends one and reads its answer over `transport`,
//! `worker` drives the connections of a thread, and `run` gathers the threads' figures. In an open
//! loop a latency counts from the moment the request was due, so that a stall of the subject is
//! charged to every request that it delayed (no coordinated omission).

mod answer;
mod body;
mod client;
mod figures;
mod histogram;
mod options;
mod prose;
mod queue;
mod random;
mod run;
mod schedule;
mod timer;
mod transport;
mod worker;

pub use body::sample_body;
pub use figures::Figures;
pub use options::{Arrivals, Options};
pub use run::run;
pub use transport::tls_config;
