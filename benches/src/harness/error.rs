//! Why a benchmark could not be run or must not be believed.

use std::{io, path::PathBuf, process::ExitStatus};

use thiserror::Error;

#[derive(Debug, Error)]
pub enum HarnessError {
    #[error("`{}` is missing: build it first (`make bench` does)", .0.display())]
    MissingBinary(PathBuf),
    #[error("cannot {action}")]
    Io { action: &'static str, source: io::Error },
    #[error("cannot start {name}")]
    Start { name: &'static str, source: io::Error },
    #[error("{name} is not ready; its last words:\n{log}")]
    NotReady { name: &'static str, log: String },
    #[error("{name} ended at its start ({status}); its last words:\n{log}")]
    Ended { name: &'static str, status: ExitStatus, log: String },
    #[error("{name} answers wrongly, so that timing it would mean nothing: {what}")]
    Wrong { name: &'static str, what: String },
    #[error("a process of {name} ended or was replaced while it was measured")]
    Replaced { name: &'static str },
    #[error("the load generator failed on {name}: {what}")]
    Load { name: &'static str, what: String },
    #[error("{errors} of {name}'s answers in {scenario} were wrong: {kinds}")]
    Errors { name: &'static str, scenario: String, errors: u64, kinds: String },
    #[error("interrupted")]
    Interrupted,
}

impl HarnessError {
    /// For `map_err`: names what was tried.
    pub fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}
