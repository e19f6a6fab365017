//! Child processes that end with the run, whatever ends it.
//!
//! A child starts in a process group of its own (an interrupt at the terminal reaches only the
//! harness, which then ends children in order), pinned as asked, its words kept in a file. Dropping
//! it asks it to stop, waits, and kills what is left of its tree, each by process id. Should the
//! harness itself be killed, the kernel stops the child (`spawn`).

use std::{
    fs::File,
    io,
    path::PathBuf,
    process::{Child as StdChild, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};

use super::{error::HarnessError, interrupt, proc::Tree};

mod spawn;

/// How long a child may take to stop before it is killed.
const STOP: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(10);

pub struct Child {
    process: StdChild,
    log: PathBuf,
}

impl Child {
    /// Starts `command` on `cpus`; everything it says goes to the file `log`, unless the caller
    /// takes its standard output.
    pub fn start(
        name: &'static str,
        mut command: Command,
        cpus: &[usize],
        log: PathBuf,
        take_output: bool,
    ) -> Result<Self, HarnessError> {
        let failed = |source| HarnessError::Start { name, source };
        let file = File::create(&log).map_err(failed)?;
        let output = if take_output {
            Stdio::piped()
        } else {
            Stdio::from(file.try_clone().map_err(failed)?)
        };
        command.stdin(Stdio::null()).stdout(output).stderr(Stdio::from(file));
        let process = on_cpus(cpus, || spawn::spawn(&mut command)).map_err(failed)?;
        Ok(Self { process, log })
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.process.id()).unwrap_or(i32::MAX)
    }

    pub fn tree(&self) -> Result<Tree, HarnessError> {
        Tree::of(self.pid()).map_err(HarnessError::io("read /proc"))
    }

    pub fn take_output(&mut self) -> Option<std::process::ChildStdout> {
        self.process.stdout.take()
    }

    /// Its exit, unless it still runs.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>, HarnessError> {
        self.process.try_wait().map_err(HarnessError::io("wait for a child"))
    }

    /// Waits for its end, but not longer than `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<Option<ExitStatus>, HarnessError> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.exited()? {
                return Ok(Some(status));
            }
            if Instant::now() > deadline {
                return Ok(None);
            }
            interrupt::check()?;
            thread::sleep(POLL);
        }
    }

    /// The end of what it said.
    pub fn last_words(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let skipped = lines.len().saturating_sub(15);
        lines.into_iter().skip(skipped).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !matches!(self.process.try_wait(), Ok(None)) {
            return;
        }
        // Known before the root is gone: orphans have another parent.
        let tree = Tree::of(self.pid());
        // Failing to signal means that the process has ended.
        kill(Pid::from_raw(self.pid()), Signal::SIGTERM).ok();
        let deadline = Instant::now() + STOP;
        while matches!(self.process.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                for pid in tree.iter().flat_map(Tree::pids) {
                    kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
                }
                break;
            }
            thread::sleep(POLL);
        }
        // Whoever is left in the group has lost its parent; usually nobody is.
        killpg(Pid::from_raw(self.pid()), Signal::SIGKILL).ok();
        self.process.wait().ok();
    }
}

/// Runs `start` with this thread on `cpus`, which what it starts inherits.
fn on_cpus<T>(cpus: &[usize], start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let this = Pid::from_raw(0);
    let before = sched_getaffinity(this)?;
    let mut wanted = CpuSet::new();
    for &cpu in cpus {
        wanted.set(cpu)?;
    }
    sched_setaffinity(this, &wanted)?;
    let started = start();
    sched_setaffinity(this, &before)?;
    started
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn a_dropped_child_is_gone_with_its_own_and_was_pinned() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 60 & echo started; wait"]);
        let mut child =
            Child::start("sleeper", command, &[0], folder.path().join("log"), true).unwrap();
        let mut started = [0; 8];
        child.take_output().unwrap().read_exact(&mut started).unwrap();
        let tree = child.tree().unwrap();
        assert_eq!(tree.pids().count(), 2);
        let pid = Pid::from_raw(child.pid());
        let cpus = sched_getaffinity(pid).unwrap();
        assert!(cpus.is_set(0).unwrap() && !cpus.is_set(1).unwrap());
        drop(child);
        // An orphan stays a zombie until init, whoever that is here, reaps it.
        let gone = |pid| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.is_empty() || stat.contains(") Z ") || stat.contains(") X ")
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        while !tree.pids().all(gone) {
            assert!(Instant::now() < deadline, "{tree:?} is still there");
        }
    }

    #[test]
    fn last_words_are_the_end_of_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "seq 1 40; echo out >&2; exit 3"]);
        let mut child =
            Child::start("talker", command, &[0], folder.path().join("log"), false).unwrap();
        let status = child.wait(Duration::from_secs(10)).unwrap().unwrap();
        assert_eq!(status.code(), Some(3));
        assert!(child.last_words().ends_with("40\nout"));
        assert!(!child.last_words().contains("\n20\n"));
    }
}
