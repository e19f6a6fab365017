//! Processes as `/proc` shows them: who belongs together, who is alive, what they hold.
//!
//! A node's supervisor leads a process group of its own; its children stay in it whoever their
//! parent is later, so that orphans are found and ended too.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// One process of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Process id.
    pub pid: i32,
    /// Name, as the kernel keeps it: at most fifteen bytes.
    pub name: String,
}

/// The process group that `leader` leads or led.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    leader: i32,
}

impl Group {
    /// The group of `leader`.
    pub fn of(leader: u32) -> Group {
        Group { leader: i32::try_from(leader).unwrap() }
    }

    /// Its leader.
    pub fn leader(self) -> i32 {
        self.leader
    }

    /// Everyone in it who is alive.
    pub fn members(self) -> Vec<Member> {
        let entries = fs::read_dir("/proc").unwrap().flatten();
        entries
            .filter_map(|entry| {
                let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
                let stat = Stat::of(pid)?;
                (stat.group == self.leader && !stat.is_dead)
                    .then_some(Member { pid, name: stat.name })
            })
            .collect()
    }

    /// The process of the data path; `None` while there is none.
    pub fn data_path(self) -> Option<i32> {
        let members = self.members();
        members.into_iter().find(|member| member.name.starts_with("sluice-datap")).map(|m| m.pid)
    }

    /// The management process; `None` while there is none.
    pub fn management(self) -> Option<i32> {
        let members = self.members().into_iter();
        let mut others =
            members.filter(|member| member.pid != self.leader && member.name == "sluice");
        // A child has the supervisor's name until it runs its own program.
        others.find(|member| is_management(member.pid)).map(|member| member.pid)
    }

    /// Ends everyone in it, at once.
    pub fn end(self) {
        let ended = crate::until(Duration::from_secs(10), || {
            let members = self.members();
            for member in &members {
                // It has ended already where this fails.
                kill(Pid::from_raw(member.pid), Signal::SIGKILL).ok();
            }
            members.is_empty().then_some(())
        });
        assert!(ended.is_some(), "processes do not end: {:?}", self.members());
    }
}

fn is_management(pid: i32) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).nth(1) == Some(b"manage")
}

/// What `/proc/PID/stat` says.
struct Stat {
    name: String,
    is_dead: bool,
    group: i32,
}

impl Stat {
    fn of(pid: i32) -> Option<Stat> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (before, after) = text.rsplit_once(')')?;
        let (_, name) = before.split_once('(')?;
        let mut fields = after.split_whitespace();
        let state = fields.next()?;
        let group = fields.nth(1)?.parse().ok()?;
        Some(Stat { name: name.to_owned(), is_dead: matches!(state, "Z" | "X"), group })
    }
}

/// Whether `pid` is alive.
pub fn alive(pid: i32) -> bool {
    Stat::of(pid).is_some_and(|stat| !stat.is_dead)
}

/// Sends `signal` to `pid`; false where there is no such process.
pub fn signal(pid: i32, signal: Signal) -> bool {
    kill(Pid::from_raw(pid), signal).is_ok()
}

/// Open descriptors of `pid`; `None` where we may not look.
pub fn descriptors(pid: i32) -> Option<usize> {
    Some(fs::read_dir(Path::new("/proc").join(pid.to_string()).join("fd")).ok()?.count())
}

/// Resident memory of `pid`.
pub fn resident_bytes(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").trim().parse().unwrap();
    kilobytes * 1024
}
