//! The load generator as a program; see the library's `load`.

use clap::Parser as _;
use sluice_benches::load;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    Ok(load::run(&load::Options::parse())?)
}
