//! What every process of Sluice does to itself first.

use nix::sys::prctl::set_dumpable;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::{Mode, umask};

/// No core dumps, no tracing by other processes of the user, files for ourselves only. Secrets pass
/// through every process, so failure is an error.
pub fn harden() -> nix::Result<()> {
    umask(Mode::from_bits_truncate(0o077));
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    set_dumpable(false)
}

/// Lifts the bound on open descriptors to what the system allows; connections need it. Where it
/// cannot be lifted the data path refuses connections at the lower bound.
pub fn lift_descriptor_limit() -> nix::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
}
