//! What the mock is going to do for one request, as data.
//!
//! Made by `answer`, carried out by `connection`; being data, it can be checked without a socket.

use std::time::Duration;

/// What the operator chose for ordinary answers.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    pub chunks: usize,
    pub chunk_delay: Duration,
    pub delay: Duration,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    Write(Vec<u8>),
    Repeat {
        piece: Vec<u8>,
        times: u64,
    },
    Pause(Duration),
    /// Wait, reading nothing, until the client goes.
    Stall,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Plan {
    /// The answer is in the caller's buffer; the connection goes on.
    Whole,
    Steps {
        steps: Vec<Step>,
        close: bool,
    },
    /// The client asked for the counters, which only the server has.
    Stats,
    /// The client followed a redirect.
    Redirected,
}
