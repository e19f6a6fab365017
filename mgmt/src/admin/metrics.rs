//! Prometheus text from the workers' counters, the audit writer's and management's own.
//!
//! Workers' metrics carry the contract's names and are sums over workers; what shows how load
//! spreads is told by worker too, under `sluice_worker_...`, so that no sum counts twice. Names of
//! what only management knows stand here.

use crate::manage::vitals::{View, Vitals};
use sluice_contract::decision::Verdict;
use sluice_contract::metrics::{
    ADDED, ADDED_AT, ADDED_BOUNDS_US, Counter, MetricKind, REFUSALS, STATUSES, STATUSES_AT,
    VERDICTS, refusal_index, verdict_index,
};
use sluice_contract::reason::Reason;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters that are told by worker as well, with their names there.
const BY_WORKER: [(Counter, &str); 5] = [
    (Counter::Requests, "sluice_worker_requests_total"),
    (Counter::Connections, "sluice_worker_connections_total"),
    (Counter::ConnectionsOpen, "sluice_worker_connections_open"),
    (Counter::RequestsInFlight, "sluice_worker_requests_in_flight"),
    (Counter::AuditRingUsed, "sluice_worker_audit_ring_used"),
];

/// All metrics, as Prometheus reads them.
pub fn render(vitals: &Vitals) -> String {
    let mut page = Page(String::with_capacity(16 << 10));
    let view = vitals.view();
    workers(&mut page, vitals, &view);
    added(&mut page, vitals);
    audit(&mut page, vitals);
    node(&mut page, vitals, &view);
    page.0
}

/// The text under construction.
struct Page(String);

impl Page {
    /// Starts a metric.
    fn metric(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}").ok();
    }

    /// One value, with labels.
    fn value(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.0.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let open = if index == 0 { '{' } else { ',' };
            write!(self.0, "{open}{label}=\"{text}\"").ok();
        }
        let close = if labels.is_empty() { "" } else { "}" };
        writeln!(self.0, "{close} {value}").ok();
    }

    /// A metric with one value and no labels.
    fn single(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.metric(name, kind, help);
        self.value(name, &[], value);
    }
}

const fn kind_name(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
    }
}

fn workers(page: &mut Page, vitals: &Vitals, view: &View) {
    for counter in Counter::ALL {
        // One figure for the node, not one a worker: management has it first hand.
        let value = match counter {
            Counter::Canaries => view.applied.as_ref().map_or(0, |it| it.canaries.into()),
            Counter::CanariesPassed => {
                view.applied.as_ref().map_or(0, |it| it.canaries_passed.into())
            }
            Counter::ObserveRoutes => {
                view.snapshot.as_ref().map_or(0, |snapshot| snapshot.observing.len() as u64)
            }
            counter => vitals.total(*counter as usize),
        };
        page.single(counter.metric(), kind_name(counter.kind()), counter.help(), value);
    }
    for (counter, name) in BY_WORKER {
        page.metric(name, kind_name(counter.kind()), counter.help());
        for (worker, value) in vitals.per_worker(counter as usize).enumerate() {
            page.value(name, &[("worker", &worker.to_string())], value);
        }
    }
    page.metric(REFUSALS, "counter", "Requests refused, by reason.");
    for reason in Reason::ALL {
        let value = vitals.total(refusal_index(*reason));
        page.value(REFUSALS, &[("reason", reason.code())], value);
    }
    page.metric(VERDICTS, "counter", "Requests, by verdict.");
    for verdict in Verdict::ALL {
        let value = vitals.total(verdict_index(verdict));
        page.value(VERDICTS, &[("verdict", verdict.name())], value);
    }
    page.metric(STATUSES, "counter", "Answers, by class of status; `none` where none was sent.");
    for (class, name) in ["none", "1xx", "2xx", "3xx", "4xx", "5xx"].into_iter().enumerate() {
        page.value(STATUSES, &[("class", name)], vitals.total(STATUSES_AT + class));
    }
}

/// The histogram of the time that Sluice adds.
fn added(page: &mut Page, vitals: &Vitals) {
    page.metric(ADDED, "histogram", "Time that Sluice added to a request.");
    let bucket = format!("{ADDED}_bucket");
    let mut below = 0u64;
    for (index, bound_us) in ADDED_BOUNDS_US.into_iter().enumerate() {
        below = below.saturating_add(vitals.total(ADDED_AT + index));
        page.value(&bucket, &[("le", &seconds(bound_us))], below);
    }
    let sum_at = ADDED_AT + ADDED_BOUNDS_US.len() + 1;
    // The buckets are read one by one while workers count on, so the last one is what they say
    // together: a histogram whose count lies below a bucket is none.
    below = below.saturating_add(vitals.total(sum_at - 1));
    page.value(&bucket, &[("le", "+Inf")], below);
    page.value(&format!("{ADDED}_sum"), &[], seconds(vitals.total(sum_at)));
    page.value(&format!("{ADDED}_count"), &[], below);
}

/// Microseconds as seconds, exactly.
fn seconds(us: u64) -> String {
    let text = format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn audit(page: &mut Page, vitals: &Vitals) {
    let writer = vitals.writer();
    let counters: [(&str, &str, &AtomicU64); 9] = [
        ("sluice_audit_written_records_total", "Records made durable.", &writer.records),
        ("sluice_audit_written_bytes_total", "Bytes made durable.", &writer.bytes),
        (
            "sluice_audit_groups_total",
            "Groups made durable; one write and sync each.",
            &writer.groups,
        ),
        (
            "sluice_audit_stalls_total",
            "Times that the writer stopped taking records.",
            &writer.stalls,
        ),
        ("sluice_audit_write_errors_total", "Writes and syncs that failed.", &writer.write_errors),
        (
            "sluice_audit_half_written_total",
            "Half-written slots found after a kill.",
            &writer.half_written,
        ),
        (
            "sluice_audit_discarded_total",
            "Records passed over, as they were no valid records.",
            &writer.discarded,
        ),
        ("sluice_audit_heads_total", "Signed heads written.", &writer.heads),
        (
            "sluice_audit_head_errors_total",
            "Signed heads that could not be written.",
            &writer.head_errors,
        ),
    ];
    let gauges: [(&str, &str, &AtomicU64); 6] = [
        ("sluice_audit_log_records", "Records in the log.", &writer.log_records),
        (
            "sluice_audit_head_records",
            "Records that the last signed head covers.",
            &writer.head_records,
        ),
        ("sluice_audit_segment", "Number of the segment that is written.", &writer.segment),
        ("sluice_audit_group_records", "Records of the last group.", &writer.group_records),
        (
            "sluice_audit_lag_microseconds",
            "Age of the first record of the last group once durable.",
            &writer.lag_us,
        ),
        ("sluice_audit_sync_microseconds", "Time of the last write and sync.", &writer.sync_us),
    ];
    for (name, help, value) in counters {
        page.single(name, "counter", help, value.load(Ordering::Relaxed));
    }
    for (name, help, value) in gauges {
        page.single(name, "gauge", help, value.load(Ordering::Relaxed));
    }
    let (full, failing) = (&writer.disk_full, &writer.failing);
    let help = "Whether the disk is full, or under its watermark.";
    page.single("sluice_audit_disk_full", "gauge", help, full.load(Ordering::Relaxed).into());
    let help = "Whether the log cannot be written.";
    page.single("sluice_audit_failing", "gauge", help, failing.load(Ordering::Relaxed).into());
}

fn node(page: &mut Page, vitals: &Vitals, view: &View) {
    let counts = &vitals.counts;
    let counters: [(&str, &str, &AtomicU64); 8] = [
        (
            "sluice_snapshots_applied_total",
            "Snapshots that came into force.",
            &counts.snapshots_applied,
        ),
        (
            "sluice_snapshots_refused_total",
            "Configurations and snapshots that were refused.",
            &counts.snapshots_refused,
        ),
        ("sluice_keys_applied_total", "Key sets that came into force.", &counts.keys_applied),
        ("sluice_admin_requests_total", "Requests to the management port.", &counts.admin_requests),
        (
            "sluice_admin_refused_total",
            "Requests and connections to the management port that were refused.",
            &counts.admin_refused,
        ),
        (
            "sluice_control_refused_total",
            "Connections to the control socket that were refused.",
            &counts.control_refused,
        ),
        ("sluice_tail_lost_total", "Lines that readers of a tail missed.", &counts.tail_lost),
        (
            "sluice_tail_dropped_total",
            "Records that the tail dropped, as it was too slow.",
            &counts.tail_dropped,
        ),
    ];
    for (name, help, value) in counters {
        page.single(name, "counter", help, value.load(Ordering::Relaxed));
    }
    let help = "Starts of the data path since the management process started.";
    page.single("sluice_data_path_starts_total", "counter", help, view.data_path_starts);
    let help = "Start of the management process, Unix time.";
    page.single("sluice_management_start_seconds", "gauge", help, vitals.started());
    let help = "Whether the node is ready.";
    page.single("sluice_ready", "gauge", help, vitals.problems().is_empty().into());
    page.metric("sluice_info", "gauge", "What runs, as labels.");
    let hash = view.applied.as_ref().map(|it| it.snapshot.to_string()).unwrap_or_default();
    let (driver, steering) = view
        .data_path
        .as_ref()
        .map_or(("", ""), |hello| (hello.driver.as_str(), hello.steering.as_str()));
    let labels = [
        ("version", env!("CARGO_PKG_VERSION")),
        ("snapshot", &hash),
        ("driver", driver),
        ("steering", steering),
        ("workers", &vitals.workers().to_string()),
    ];
    page.value("sluice_info", &labels, 1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manage::vitals::tests::{ready_view, vitals};
    use std::collections::{HashMap, HashSet};

    /// Reads the page as Prometheus would: every sample follows its own metric's help and type.
    fn read(page: &str) -> HashMap<String, f64> {
        let mut samples = HashMap::new();
        let (mut seen, mut current, mut kind) = (HashSet::new(), String::new(), String::new());
        for line in page.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap();
                assert!(help.ends_with('.') && seen.insert(name.to_owned()), "{line}");
                name.clone_into(&mut current);
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, of) = rest.split_once(' ').unwrap();
                assert_eq!(name, current);
                assert_eq!(of == "counter", name.ends_with("_total"), "{line}");
                of.clone_into(&mut kind);
            } else {
                let (series, value) = line.rsplit_once(' ').unwrap();
                let name = series.split('{').next().unwrap();
                let base = if kind == "histogram" {
                    name.trim_end_matches("_bucket")
                        .trim_end_matches("_sum")
                        .trim_end_matches("_count")
                } else {
                    name
                };
                assert_eq!(base, current, "{line}");
                assert!(samples.insert(series.to_owned(), value.parse().unwrap()).is_none());
            }
        }
        samples
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "small whole numbers are exact")]
    fn the_page_reads_back() {
        let (vitals, sender) = vitals(2);
        sender.send_replace(ready_view());
        let samples = read(&render(&vitals));
        assert_eq!(samples["sluice_ready"], 1.0);
        assert_eq!(samples["sluice_canaries_passed"], 3.0);
        assert_eq!(samples["sluice_observe_routes"], 1.0);
        assert_eq!(samples["sluice_refusals_total{reason=\"blocked_by_policy\"}"], 0.0);
        assert_eq!(samples["sluice_worker_requests_total{worker=\"1\"}"], 0.0);
        assert_eq!(samples["sluice_responses_total{class=\"2xx\"}"], 0.0);
        for counter in Counter::ALL {
            assert!(samples.contains_key(counter.metric()), "{counter:?}");
        }
        sender.send_replace(View::default());
        assert_eq!(read(&render(&vitals))["sluice_ready"], 0.0);
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "small whole numbers are exact")]
    fn the_histogram_adds_up() {
        let (vitals, _sender) = vitals(2);
        let set = |index: usize, value| vitals.set_for_test(ADDED_AT + index, value);
        for index in 0..=ADDED_BOUNDS_US.len() {
            set(index, 1);
        }
        set(ADDED_BOUNDS_US.len() + 1, 1_500_000);
        let samples = read(&render(&vitals));
        assert_eq!(samples["sluice_added_seconds_bucket{le=\"0.00005\"}"], 2.0);
        assert_eq!(samples["sluice_added_seconds_bucket{le=\"1.6384\"}"], 28.0);
        assert_eq!(samples["sluice_added_seconds_bucket{le=\"+Inf\"}"], 30.0);
        assert_eq!(samples["sluice_added_seconds_count"], 30.0);
        assert_eq!(samples["sluice_added_seconds_sum"], 3.0);
    }

    #[test]
    fn labels_are_escaped() {
        let mut page = Page(String::new());
        page.value("x", &[("a", "q\"\\\n"), ("b", "c")], 1);
        assert_eq!(page.0, "x{a=\"q\\\"\\\\\\n\",b=\"c\"} 1\n");
    }
}
