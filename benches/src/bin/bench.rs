//! The benchmark harness as a program; see the library's `harness`.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser as _;
use sluice_benches::harness;

fn main() -> ExitCode {
    let Err(error) = harness::run(&harness::Options::parse()) else { return ExitCode::SUCCESS };
    // Its causes, but no backtrace: what fails here is the machine's set-up, or a subject.
    writeln!(io::stderr(), "bench: {:#}", anyhow::Error::from(error)).ok();
    ExitCode::FAILURE
}
