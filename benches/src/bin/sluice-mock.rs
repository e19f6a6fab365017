//! The mock upstream as a program; see the library's `mock`.

use clap::Parser as _;
use sluice_benches::mock;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    Ok(mock::run(&mock::Options::parse())?)
}
