//! The data path: everything between a client's bytes and an upstream's, and nothing else.
//!
//! Read [`request`] for the life of a request, [`worker`] for what a core owns, [`boot`] for how
//! the process comes to be.

mod answer;
mod audit;
pub mod boot;
mod canary;
mod clock;
mod conn;
mod control;
mod counters;
mod deadline;
mod echo;
mod forward;
mod govern;
mod identity;
mod io;
mod ipc;
mod link;
mod models;
mod plan;
mod refusal;
mod request;
mod side;
mod signal;
mod tls;
mod trace;
mod upstream;
mod worker;
