//! What the results say about where they come from: machine, kernel, commit, date.
//!
//! Everything is read, nothing guessed; what cannot be read is `unknown`.

use std::{
    fs,
    process::Command,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

#[derive(Debug, Clone)]
pub struct Host {
    pub processor: String,
    pub cores: usize,
    pub kernel: String,
    pub nginx: String,
    pub commit: String,
    pub date: String,
}

impl Host {
    pub fn read(nginx: &std::path::Path) -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let nginx = Command::new(nginx).arg("-v").output().ok();
        let nginx = nginx.and_then(|output| {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            said.rsplit_once('/').map(|(_, version)| version.to_owned())
        });
        Self {
            processor: processor(&cpuinfo).unwrap_or("unknown").to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: or_unknown(release.trim()),
            nginx: or_unknown(&nginx.unwrap_or_default()),
            commit: commit(),
            date: date(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()),
        }
    }

    /// Base name of the result files.
    pub fn stem(&self) -> String {
        format!("{}-{}", self.date, self.commit)
    }
}

fn or_unknown(text: &str) -> String {
    if text.is_empty() { "unknown".to_owned() } else { text.to_owned() }
}

fn processor(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, name)| name.trim())
}

/// The short hash, and `-dirty` where the tree is not what was committed.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(hash) = git(&["rev-parse", "--short=10", "HEAD"]) else {
        return "uncommitted".to_owned();
    };
    // The results of an earlier run do not change what is measured.
    let changed = git(&["status", "--porcelain", "--", ":/", ":!/benches/results"]);
    if changed.is_some_and(|files| !files.is_empty()) { format!("{hash}-dirty") } else { hash }
}

/// `YYYY-MM-DD` in UTC, by the usual shift of the year to March.
fn date(since_epoch: Duration) -> String {
    let days = since_epoch.as_secs() / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (1_709_164_800, "2024-02-29"),
            (1_767_225_599, "2025-12-31"),
            (1_795_132_800, "2026-11-20"),
        ] {
            assert_eq!(date(Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn the_processor_is_the_first_model_name() {
        assert_eq!(processor("x: 1\nmodel name\t: Fast One\nmodel name\t: b"), Some("Fast One"));
        assert_eq!(processor(""), None);
    }
}
