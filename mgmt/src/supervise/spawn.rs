//! Starts a child with one end of a socket pair at a known descriptor.
#![expect(unsafe_code, reason = "`pre_exec` runs between fork and exec; kept to this file")]

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask};
use sluice_contract::control::SUPERVISOR_FD;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// What is to be started.
#[derive(Clone, Debug)]
pub struct Program {
    /// Name in logs.
    pub name: &'static str,
    /// Executable. A path, so that a newer file is taken at the next start.
    pub path: PathBuf,
    /// Arguments.
    pub arguments: Vec<OsString>,
}

/// Keeps [`SUPERVISOR_FD`] taken in this process as long as the value lives. Were it free, a pipe
/// that `Command` opens for itself could stand there in the child, and be overwritten.
pub struct Placeholder {
    _fd: Option<OwnedFd>,
}

impl Placeholder {
    /// Call before anything else is opened.
    pub fn new() -> io::Result<Placeholder> {
        let null = std::fs::File::open("/dev/null")?;
        if null.as_raw_fd() == SUPERVISOR_FD {
            return Ok(Placeholder { _fd: Some(null.into()) });
        }
        // Inherited from whoever started us, and nothing here closes it.
        let lowest = fcntl(&null, FcntlArg::F_DUPFD_CLOEXEC(SUPERVISOR_FD))?;
        // SAFETY: made by the call above, owned by nobody else.
        let copy = unsafe { <OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(lowest) };
        Ok(Placeholder { _fd: (lowest == SUPERVISOR_FD).then_some(copy) })
    }
}

/// Starts `program`, leaves one end of a new socket pair at [`SUPERVISOR_FD`] in it, and returns
/// the other. Nothing but that and the standard streams is open in the child.
///
/// The child starts with no signal blocked. It ignores the terminal's interrupt and hang-up until
/// it says otherwise: they reach the whole process group, and the supervisor is the one to act.
pub fn spawn(program: &Program) -> io::Result<(Child, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let theirs_raw = theirs.as_raw_fd();
    let prepare = move || -> io::Result<()> {
        // SAFETY: both are open here; the copy at the known number does not close on exec.
        if unsafe { libc::dup2(theirs_raw, SUPERVISOR_FD) } < 0 {
            return Err(io::Error::last_os_error());
        }
        for ignored in [Signal::SIGINT, Signal::SIGHUP] {
            // SAFETY: no handler of ours is installed, only the disposition changes.
            unsafe { signal(ignored, SigHandler::SigIgn) }?;
        }
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
        Ok(())
    };
    let mut command = Command::new(&program.path);
    command.args(&program.arguments).stdin(Stdio::null());
    // SAFETY: the closure makes plain system calls only and allocates nothing.
    unsafe { command.pre_exec(prepare) };
    let child = command.spawn()?;
    Ok((child, ours))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn the_child_finds_its_socket_and_starts_with_clean_signals() {
        let _placeholder = Placeholder::new().unwrap();
        let grep = "exec grep -E '^Sig(Blk|Ign)' /proc/self/status >&3";
        let shell = Program {
            name: "test",
            path: "/bin/sh".into(),
            arguments: vec!["-c".into(), grep.into()],
        };
        let (mut child, mut socket) = spawn(&shell).unwrap();
        assert!(child.wait().unwrap().success());
        socket.set_nonblocking(false).unwrap();
        let mut listed = String::new();
        socket.read_to_string(&mut listed).unwrap();
        let mask = |name: &str| {
            let line = listed.lines().find(|line| line.starts_with(name)).unwrap();
            u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap()
        };
        let bit = |signal: Signal| 1u64 << (signal as i32 - 1);
        assert_eq!(mask("SigBlk"), 0);
        let ignored = bit(Signal::SIGINT) | bit(Signal::SIGHUP);
        assert_eq!(mask("SigIgn") & ignored, ignored);
        assert_eq!(mask("SigIgn") & bit(Signal::SIGTERM), 0);
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        let _placeholder = Placeholder::new().unwrap();
        let program =
            Program { name: "test", path: "/nonexistent/program".into(), arguments: Vec::new() };
        assert_eq!(spawn(&program).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
