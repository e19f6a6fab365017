//! How the node is: read by probes, metrics, `sluice status` and the banner.
//!
//! Counters come from the rings' memory, the writer's from its own, the rest is a [`View`] that the
//! node publishes whenever it changes. Nothing here waits or locks for long, and nothing changes
//! anything.

use serde::{Deserialize, Serialize};
use sluice_audit::writer::WriterStats;
use sluice_contract::control::{Applied, Hello};
use sluice_contract::decision::Verdict;
use sluice_contract::ids::SnapshotHash;
use sluice_contract::metrics::{Counter, refusal_index, verdict_index};
use sluice_contract::reason::Reason;
use sluice_contract::ring::Ring;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// What the node knows of its data path and its snapshot.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The data path, while it is connected.
    pub data_path: Option<Hello>,
    /// What it runs on, while it is connected.
    pub applied: Option<Applied>,
    /// The snapshot that it is to run on.
    pub snapshot: Option<SnapshotView>,
    /// Why it does not, where it was refused.
    pub refused: Option<String>,
    /// Starts of the data path since management's own.
    pub data_path_starts: u64,
    /// Addresses that are listened on.
    pub listeners: Vec<SocketAddr>,
    /// All stops in order.
    pub stopping: bool,
}

/// A snapshot, in short.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SnapshotView {
    /// Hash of the public part.
    pub hash: SnapshotHash,
    /// Version of the secret part.
    pub secrets: u64,
    /// Routes.
    pub routes: usize,
    /// Names of the routes that only observe.
    pub observing: Vec<String>,
}

/// What management counts itself.
#[derive(Debug, Default)]
pub struct Counts {
    /// Requests to the management port.
    pub admin_requests: AtomicU64,
    /// Requests and connections to the management port that were refused.
    pub admin_refused: AtomicU64,
    /// Connections to the control socket that were refused.
    pub control_refused: AtomicU64,
    /// Snapshots that came into force.
    pub snapshots_applied: AtomicU64,
    /// Configurations and snapshots that were refused.
    pub snapshots_refused: AtomicU64,
    /// Key sets that came into force.
    pub keys_applied: AtomicU64,
    /// Lines that readers of a tail missed.
    pub tail_lost: AtomicU64,
    /// Records that the tail dropped, as it was slower than the audit writer.
    pub tail_dropped: AtomicU64,
}

/// How the node is.
pub struct Vitals {
    /// What management counts itself.
    pub counts: Arc<Counts>,
    rings: Vec<Ring>,
    writer: Arc<WriterStats>,
    writer_runs: AtomicBool,
    log: String,
    started: u64,
    view: watch::Receiver<View>,
}

impl Vitals {
    /// Looks at `rings`, at the writer of the log `log` by `writer`, and at `view`.
    pub fn new(
        rings: Vec<Ring>,
        writer: Arc<WriterStats>,
        log: String,
        counts: Arc<Counts>,
        view: watch::Receiver<View>,
    ) -> Vitals {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        Vitals { counts, rings, writer, writer_runs: AtomicBool::new(true), log, started, view }
    }

    /// The writer's thread has ended.
    pub fn writer_ended(&self) {
        self.writer_runs.store(false, Ordering::Release);
    }

    /// What the audit writer counts.
    pub fn writer(&self) -> &WriterStats {
        &self.writer
    }

    /// Unix time of management's start, seconds.
    pub fn started(&self) -> u64 {
        self.started
    }

    /// What the node knows now.
    pub fn view(&self) -> View {
        self.view.borrow().clone()
    }

    /// Workers.
    pub fn workers(&self) -> usize {
        self.rings.len()
    }

    /// Counter `index` of each worker.
    pub fn per_worker(&self, index: usize) -> impl Iterator<Item = u64> {
        let read =
            move |ring: &Ring| ring.counter(index).map_or(0, |it| it.load(Ordering::Relaxed));
        self.rings.iter().map(read)
    }

    /// Counter `index` of all workers together.
    pub fn total(&self, index: usize) -> u64 {
        self.per_worker(index).fold(0, u64::saturating_add)
    }

    /// Whether workers served anything before this management started.
    pub fn has_served(&self) -> bool {
        self.total(Counter::Connections as usize) > 0
    }

    /// Why the node is not ready; empty where it is.
    pub fn problems(&self) -> Vec<String> {
        let view = self.view.borrow();
        let mut problems = problems_of(&view);
        if !self.writer_runs.load(Ordering::Acquire) {
            problems.push("the audit writer has ended".to_owned());
        }
        if self.writer.disk_full.load(Ordering::Relaxed) {
            problems.push("the audit log's disk is full, or under its watermark".to_owned());
        }
        if self.writer.failing.load(Ordering::Relaxed) {
            problems.push("the audit log cannot be written".to_owned());
        }
        problems
    }

    /// All of it, for `/status`.
    pub fn status(&self) -> Status {
        let problems = self.problems();
        let view = self.view();
        let load = |of: &AtomicU64| of.load(Ordering::Relaxed);
        let named = |name: &'static str, index: usize| {
            Some((name.to_owned(), self.total(index))).filter(|(_, count)| *count > 0)
        };
        let verdicts = Verdict::ALL.iter();
        let refusals = Reason::ALL.iter();
        Status {
            ready: problems.is_empty(),
            problems,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: self.started,
            listeners: view.listeners,
            data_path: view.data_path,
            data_path_starts: view.data_path_starts,
            snapshot: view.applied.as_ref().map(|applied| applied.snapshot),
            canaries: view.applied.as_ref().map(|it| (it.canaries_passed, it.canaries)),
            routes: view.snapshot.as_ref().map_or(0, |snapshot| snapshot.routes),
            observing: view.snapshot.map(|snapshot| snapshot.observing).unwrap_or_default(),
            requests: self.total(Counter::Requests as usize),
            requests_in_flight: self.total(Counter::RequestsInFlight as usize),
            connections_open: self.total(Counter::ConnectionsOpen as usize),
            verdicts: verdicts.filter_map(|it| named(it.name(), verdict_index(*it))).collect(),
            refusals: refusals.filter_map(|it| named(it.code(), refusal_index(*it))).collect(),
            audit: AuditStatus {
                log: self.log.clone(),
                records: load(&self.writer.log_records),
                head_records: load(&self.writer.head_records),
                waiting: self.total(Counter::AuditRingUsed as usize),
                lag_us: load(&self.writer.lag_us),
                sync_us: load(&self.writer.sync_us),
                disk_full: self.writer.disk_full.load(Ordering::Relaxed),
                failing: self.writer.failing.load(Ordering::Relaxed),
            },
        }
    }
}

/// What keeps data path and snapshot from being ready.
fn problems_of(view: &View) -> Vec<String> {
    let mut problems = Vec::new();
    if view.stopping {
        problems.push("stopping".to_owned());
    }
    if let Some(reason) = &view.refused {
        problems.push(format!("the data path refused the snapshot: {reason}"));
    }
    match (&view.data_path, &view.applied) {
        (None, _) => problems.push("the data path is not connected".to_owned()),
        (Some(_), None) => problems.push("the data path has no snapshot in force yet".to_owned()),
        (Some(_), Some(applied)) if applied.canaries_passed < applied.canaries => {
            let (passed, all) = (applied.canaries_passed, applied.canaries);
            problems.push(format!("only {passed} of {all} canaries were caught"));
        }
        (Some(_), Some(_)) => {}
    }
    problems
}

/// What `/status` and `sluice status` tell.
#[derive(Debug, Serialize, Deserialize)]
pub struct Status {
    /// Whether requests are served as they should be.
    pub ready: bool,
    /// Why not.
    pub problems: Vec<String>,
    /// Version of the program.
    pub version: String,
    /// Start of management, Unix time in seconds.
    pub started: u64,
    /// Addresses that are listened on.
    pub listeners: Vec<SocketAddr>,
    /// The data path, while it is connected.
    pub data_path: Option<Hello>,
    /// Starts of the data path since management's own.
    pub data_path_starts: u64,
    /// Snapshot in force.
    pub snapshot: Option<SnapshotHash>,
    /// Canaries caught, and canaries.
    pub canaries: Option<(u32, u32)>,
    /// Routes.
    pub routes: usize,
    /// Routes that only observe.
    pub observing: Vec<String>,
    /// Requests that reached the decision.
    pub requests: u64,
    /// Requests in flight.
    pub requests_in_flight: u64,
    /// Client connections open.
    pub connections_open: u64,
    /// Requests by verdict.
    pub verdicts: BTreeMap<String, u64>,
    /// Refusals by reason.
    pub refusals: BTreeMap<String, u64>,
    /// The audit log.
    pub audit: AuditStatus,
}

/// How the audit log is.
#[derive(Debug, Serialize, Deserialize)]
pub struct AuditStatus {
    /// Id of the log.
    pub log: String,
    /// Records in it.
    pub records: u64,
    /// Records that the last signed head covers.
    pub head_records: u64,
    /// Records in the rings that are not on disk.
    pub waiting: u64,
    /// How old the oldest record of the last group was, microseconds.
    pub lag_us: u64,
    /// How long the last write and sync took, microseconds.
    pub sync_us: u64,
    /// The disk is full, or under its watermark.
    pub disk_full: bool,
    /// The log cannot be written.
    pub failing: bool,
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Vitals over fresh rings, for tests of what reads them.
    pub fn vitals(workers: usize) -> (Vitals, watch::Sender<View>) {
        let rings = (0..workers)
            .map(|number| Ring::open(Ring::create(16, number as u64).unwrap()).unwrap())
            .collect();
        let (sender, view) = watch::channel(View::default());
        (Vitals::new(rings, Arc::default(), "0".repeat(32), Arc::default(), view), sender)
    }

    /// What a data path on a snapshot looks like.
    pub fn ready_view() -> View {
        View {
            data_path: Some(Hello {
                program: "0.1.0".into(),
                boot: 7,
                pid: 8,
                workers: 2,
                driver: "io_uring (defer_taskrun)".into(),
                steering: "hash".into(),
            }),
            applied: Some(Applied {
                snapshot: SnapshotHash::of(b"s"),
                secrets: 1,
                canaries_passed: 3,
                canaries: 3,
            }),
            snapshot: Some(SnapshotView {
                hash: SnapshotHash::of(b"s"),
                secrets: 1,
                routes: 1,
                observing: vec!["trial".into()],
            }),
            ..View::default()
        }
    }

    impl Vitals {
        /// Sets counter `index` of every worker.
        pub fn set_for_test(&self, index: usize, value: u64) {
            for ring in &self.rings {
                ring.counter(index).unwrap().store(value, Ordering::Relaxed);
            }
        }
    }

    #[test]
    fn readiness_follows_every_part() {
        let (vitals, sender) = vitals(2);
        let says = |word: &str| {
            let problems = vitals.problems();
            assert!(problems.iter().any(|problem| problem.contains(word)), "{problems:?}");
        };
        says("not connected");
        sender.send_replace(View { applied: None, ..ready_view() });
        says("no snapshot");
        sender.send_replace(ready_view());
        assert_eq!(vitals.problems(), Vec::<String>::new());
        let mut blind = ready_view();
        blind.applied.as_mut().unwrap().canaries_passed = 2;
        sender.send_replace(blind);
        says("2 of 3 canaries");
        sender.send_replace(View { refused: Some("bad".into()), ..ready_view() });
        says("refused the snapshot: bad");
        sender.send_replace(ready_view());
        vitals.writer.disk_full.store(true, Ordering::Relaxed);
        says("full");
        vitals.writer.disk_full.store(false, Ordering::Relaxed);
        vitals.writer.failing.store(true, Ordering::Relaxed);
        says("cannot be written");
        vitals.writer.failing.store(false, Ordering::Relaxed);
        assert!(vitals.status().ready);
        vitals.writer_ended();
        says("writer has ended");
    }

    #[test]
    fn status_sums_over_workers_and_reads_back() {
        let (vitals, sender) = vitals(2);
        sender.send_replace(ready_view());
        vitals.set_for_test(Counter::Requests as usize, 4);
        vitals.set_for_test(verdict_index(Verdict::Redact), 3);
        let text = serde_json::to_string(&vitals.status()).unwrap();
        let status: Status = serde_json::from_str(&text).unwrap();
        assert_eq!((status.requests, status.verdicts["redact"]), (8, 6));
        assert_eq!(status.observing, ["trial"]);
        assert!(status.refusals.is_empty());
    }
}
