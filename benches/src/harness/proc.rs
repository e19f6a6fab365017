//! What `/proc` and the process clocks tell about a tree of processes: CPU time and memory.
//!
//! CPU time comes from each process's CPU clock, in nanoseconds and with the threads that have
//! ended; `/proc/PID/stat` counts in ticks of 10 ms, which would be a per cent of a short run.
//! Time that the kernel spends in a process's name (system calls, loopback packets, io_uring
//! workers) is in it; time of kernel threads is not, for any subject.

use std::{collections::BTreeSet, fs, io, time::Duration};

use nix::{
    time::ClockId,
    unistd::{Pid, SysconfVar, sysconf},
};

/// A process and all its descendants at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree(BTreeSet<i32>);

impl Tree {
    pub fn of(root: i32) -> io::Result<Self> {
        let mut processes = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
            // A process that ended in between has no file any more.
            let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
            if let Some(parent) = parent_of(&stat) {
                processes.push((pid, parent));
            }
        }
        Ok(Self(descendants(root, &processes)))
    }

    /// User and system time of all of them.
    pub fn cpu_time(&self) -> io::Result<Duration> {
        self.0.iter().try_fold(Duration::ZERO, |sum, &pid| {
            let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(pid))?;
            Ok(sum + Duration::from(clock.now()?))
        })
    }

    /// Resident memory of all of them; pages that they share count in each.
    pub fn resident_bytes(&self) -> io::Result<u64> {
        let page = sysconf(SysconfVar::PAGE_SIZE)?.and_then(|size| u64::try_from(size).ok());
        let mut pages = 0;
        for pid in &self.0 {
            pages += resident_pages(&fs::read_to_string(format!("/proc/{pid}/statm"))?)
                .ok_or(io::ErrorKind::InvalidData)?;
        }
        Ok(pages * page.unwrap_or(4096))
    }

    pub fn pids(&self) -> impl Iterator<Item = i32> {
        self.0.iter().copied()
    }
}

/// `root` and everything below it, given (process, parent) in any order.
fn descendants(root: i32, processes: &[(i32, i32)]) -> BTreeSet<i32> {
    let mut tree = BTreeSet::from([root]);
    loop {
        let before = tree.len();
        tree.extend(
            processes
                .iter()
                .filter(|(_, up)| tree.contains(up))
                .map(|&(pid, _)| pid)
                .collect::<Vec<_>>(),
        );
        if tree.len() == before {
            return tree;
        }
    }
}

/// The parent in a `stat` line; the command's name before it may hold spaces and parentheses.
fn parent_of(stat: &str) -> Option<i32> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The second field of a `statm` line.
fn resident_pages(statm: &str) -> Option<u64> {
    statm.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_lines_are_read_after_the_name() {
        assert_eq!(parent_of("12 (nginx: worker) S 11 11 0 0 -1"), Some(11));
        assert_eq!(parent_of("12 (a) b) (c) R 7 1"), Some(7));
        assert_eq!(parent_of("12 nonsense"), None);
        assert_eq!(parent_of(""), None);
    }

    #[test]
    fn statm_lines_give_resident_pages() {
        assert_eq!(resident_pages("3481 1023 800 1 0 2 0\n"), Some(1023));
        assert_eq!(resident_pages("3481"), None);
    }

    #[test]
    fn descendants_are_found_in_any_order() {
        let processes = [(5, 4), (4, 2), (2, 1), (9, 1), (3, 2)];
        assert_eq!(descendants(2, &processes), BTreeSet::from([2, 3, 4, 5]));
        assert_eq!(descendants(77, &processes), BTreeSet::from([77]));
    }

    #[test]
    fn this_process_has_used_time_and_memory() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(Tree::of(own).unwrap().pids().any(|pid| pid == own));
        // Without the children of tests that run beside this one.
        let tree = Tree(BTreeSet::from([own]));
        assert!(tree.cpu_time().unwrap() > Duration::ZERO);
        assert!(tree.resident_bytes().unwrap() > 100_000);
    }
}
