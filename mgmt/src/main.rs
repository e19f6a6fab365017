//! The `sluice` command: supervisor, management and command line in one binary.

mod admin;
mod banner;
mod cli;
mod client;
mod config;
mod identity;
mod inspect;
mod ipc;
mod logs;
mod manage;
mod publish;
mod supervise;
mod tail;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::run()
}
