//! What to compare, for how long, where.

use std::path::PathBuf;

use super::subject::Kind;
use crate::ring;

/// Measures Sluice against nginx as a bare reverse proxy and against the mock alone.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "bench")]
pub struct Options {
    /// Fewer and shorter rounds: about two minutes.
    #[arg(long)]
    pub quick: bool,
    /// Subjects; all when left out.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub subjects: Vec<Kind>,
    /// Only scenarios whose name begins with one of these.
    #[arg(long, value_delimiter = ',')]
    pub scenarios: Vec<String>,
    /// Rounds of each scenario; the median counts.
    #[arg(long)]
    pub rounds: Option<usize>,
    /// Seconds of each measurement.
    #[arg(long)]
    pub seconds: Option<f64>,
    /// Where the binaries are; this program's own folder when left out.
    #[arg(long)]
    pub bin_dir: Option<PathBuf>,
    /// Where results go.
    #[arg(long, default_value = "benches/results")]
    pub out: PathBuf,
    #[arg(long, default_value = "/usr/sbin/nginx")]
    pub nginx: PathBuf,
    /// Cores of the subject.
    #[arg(long, default_value = "0", value_parser = ring::parse_cpus)]
    pub subject_cpus: std::vec::Vec<usize>,
    /// Cores of the mock and the load generator; the machine's second core when left out.
    #[arg(long, value_parser = ring::parse_cpus)]
    pub load_cpus: Option<std::vec::Vec<usize>>,
}

impl Options {
    pub fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 3 } else { 7 }).max(1)
    }

    pub fn seconds(&self) -> f64 {
        self.seconds.unwrap_or(if self.quick { 1.0 } else { 3.0 })
    }

    pub fn wants_subject(&self, kind: Kind) -> bool {
        self.subjects.is_empty() || self.subjects.contains(&kind)
    }

    pub fn wants_scenario(&self, name: &str) -> bool {
        self.scenarios.is_empty() || self.scenarios.iter().any(|start| name.starts_with(start))
    }
}
