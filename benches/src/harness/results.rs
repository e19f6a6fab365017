//! From samples to rows, and from rows to the CSV and the printed table.
//!
//! Every figure is the median of a scenario's rounds. The ratio to nginx is the median of the rounds'
//! ratios, as two measurements of the same round share the machine's mood; TLS is compared with TLS.
//! The CSV's columns are fixed: scripts read them.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{
    host::Host,
    measure::Sample,
    scenario::{Loop, Scenario},
    subject::Kind,
};

pub const COLUMNS: &str = "scenario,subject,requests,cpu_us_per_request,requests_per_s,p50_us,\
                           p99_us,memory_mb,ratio_to_nginx";

/// What this product promises, as the highest ratio to nginx.
const RATIO_BARS: [(&str, Kind, f64); 4] = [
    ("chat-2k", Kind::Sluice, 1.5),
    ("chat-2k", Kind::SluiceSync, 1.8),
    ("chat-32k", Kind::Sluice, 3.0),
    ("chat-32k", Kind::SluiceSync, 3.0),
];
/// ... and what it may add to a request's latency in an open loop, in milliseconds.
const ADDED_P50_BAR_MS: f64 = 8.0;
const ADDED_P99_BAR_MS: f64 = 50.0;

/// All rounds of one subject in one scenario.
#[derive(Debug, Clone)]
pub struct Series {
    pub scenario: Scenario,
    pub kind: Kind,
    pub samples: Vec<Sample>,
}

#[derive(Debug, Clone)]
pub struct Row {
    pub scenario: Scenario,
    pub kind: Kind,
    pub requests: u64,
    pub cpu_us: f64,
    pub per_second: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub memory_mb: f64,
    pub ratio: Option<f64>,
    pub first_event_p50_us: f64,
    pub load_cpu_us: f64,
    pub mock_cpu_us: f64,
}

#[derive(Debug, Default)]
pub struct Results {
    series: Vec<Series>,
}

impl Results {
    pub fn add(&mut self, scenario: &Scenario, kind: Kind, sample: Sample) {
        let known = |series: &&mut Series| series.scenario == *scenario && series.kind == kind;
        if let Some(series) = self.series.iter_mut().find(known) {
            series.samples.push(sample);
        } else {
            let scenario = scenario.clone();
            self.series.push(Series { scenario, kind, samples: vec![sample] });
        }
    }

    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// In the order of first measurement.
    pub fn rows(&self) -> Vec<Row> {
        self.series.iter().map(|series| self.row(series)).collect()
    }

    fn row(&self, series: &Series) -> Row {
        let of = |field: fn(&Sample) -> f64| median(series.samples.iter().map(field));
        Row {
            scenario: series.scenario.clone(),
            kind: series.kind,
            requests: series.samples.iter().map(|sample| sample.requests).sum(),
            cpu_us: of(|sample| sample.cpu_us),
            per_second: of(|sample| sample.per_second),
            p50_us: of(|sample| sample.p50_us),
            p99_us: of(|sample| sample.p99_us),
            memory_mb: of(|sample| sample.memory_mb),
            ratio: self.ratio(series),
            first_event_p50_us: of(|sample| sample.first_event_p50_us),
            load_cpu_us: of(|sample| sample.load_cpu_us),
            mock_cpu_us: of(|sample| sample.mock_cpu_us),
        }
    }

    fn ratio(&self, series: &Series) -> Option<f64> {
        let yardstick = self.series.iter().find(|other| {
            other.scenario == series.scenario && other.kind == series.kind.yardstick()
        })?;
        let pairs = series.samples.iter().zip(&yardstick.samples);
        Some(median(pairs.map(|(sample, nginx)| sample.cpu_us / nginx.cpu_us)))
    }

    /// Every round of everything, with where it was measured.
    pub fn to_json(&self, host: &Host, command: &str) -> Value {
        let series: Vec<Value> = self
            .series
            .iter()
            .map(|series| {
                let rounds: Vec<Value> = series
                    .samples
                    .iter()
                    .map(|sample| {
                        json!({
                            "requests": sample.requests, "cpu_us": sample.cpu_us,
                            "per_second": sample.per_second, "p50_us": sample.p50_us,
                            "p99_us": sample.p99_us,
                            "first_event_p50_us": sample.first_event_p50_us,
                            "first_event_p99_us": sample.first_event_p99_us,
                            "lag_p99_us": sample.lag_p99_us, "memory_mb": sample.memory_mb,
                            "load_cpu_us": sample.load_cpu_us, "mock_cpu_us": sample.mock_cpu_us,
                        })
                    })
                    .collect();
                json!({
                    "scenario": series.scenario.name, "subject": series.kind.name(),
                    "rounds": rounds,
                })
            })
            .collect();
        json!({
            "processor": host.processor, "cores": host.cores, "kernel": host.kernel,
            "nginx": host.nginx, "commit": host.commit, "date": host.date, "command": command,
            "series": series,
        })
    }
}

/// The middle value, or the mean of the two in the middle; 0 of nothing.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let at = |index: usize| values.get(index).copied().unwrap_or_default();
    if values.len() % 2 == 1 {
        at(middle)
    } else {
        f64::midpoint(at(middle.saturating_sub(1)), at(middle))
    }
}

pub fn csv(rows: &[Row]) -> String {
    let mut out = format!("{COLUMNS}\n");
    for row in rows {
        let ratio = row.ratio.map(|ratio| format!("{ratio:.3}")).unwrap_or_default();
        // Names hold neither commas nor quotes, and writing to a string cannot fail.
        writeln!(
            out,
            "{},{},{},{:.2},{:.0},{:.1},{:.1},{:.1},{ratio}",
            row.scenario.name,
            row.kind.name(),
            row.requests,
            row.cpu_us,
            row.per_second,
            row.p50_us,
            row.p99_us,
            row.memory_mb,
        )
        .ok();
    }
    out
}

/// For the terminal: the CSV's figures, what each subject adds to the mock's latency, and what the
/// measuring itself cost.
pub fn table(rows: &[Row]) -> String {
    let mut out = format!(
        "{:<20} {:<12} {:>9} {:>8} {:>9} {:>9} {:>9} {:>9} {:>8} {:>8} {:>6} {:>6}\n",
        "scenario",
        "subject",
        "cpu us/rq",
        "x nginx",
        "rq/s",
        "p50 us",
        "p99 us",
        "first us",
        "+p50 us",
        "rss MB",
        "load",
        "mock",
    );
    let mut last = "";
    for row in rows {
        if !last.is_empty() && last != row.scenario.name {
            out.push('\n');
        }
        last = &row.scenario.name;
        let direct = direct(rows, row).filter(|_| row.kind != Kind::Direct);
        let ratio = row.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        let added = direct.map(|direct| format!("{:.0}", row.p50_us - direct.p50_us));
        writeln!(
            out,
            "{:<20} {:<12} {:>9.2} {:>8} {:>9.0} {:>9.0} {:>9.0} {:>9.0} {:>8} {:>8.1} {:>6.1} {:>6.1}",
            row.scenario.name,
            row.kind.name(),
            row.cpu_us,
            ratio,
            row.per_second,
            row.p50_us,
            row.p99_us,
            row.first_event_p50_us,
            added.unwrap_or_default(),
            row.memory_mb,
            row.load_cpu_us,
            row.mock_cpu_us,
        )
        .ok();
    }
    out
}

/// What was promised against what was measured.
pub fn verdicts(rows: &[Row]) -> String {
    let word = |holds: bool| if holds { "holds" } else { "MISSED" };
    let mut lines = Vec::new();
    for (scenario, kind, bar) in RATIO_BARS {
        let row = rows.iter().find(|row| row.scenario.name == scenario && row.kind == kind);
        if let Some(ratio) = row.and_then(|row| row.ratio) {
            let (word, name) = (word(ratio <= bar), kind.name());
            lines.push(format!(
                "{word}: {name} at {scenario} costs {ratio:.2} times nginx (bar {bar})"
            ));
        }
    }
    let open = |row: &&Row| row.kind.is_sluice() && matches!(row.scenario.traffic, Loop::Open(_));
    for row in rows.iter().filter(open) {
        if let Some(direct) = direct(rows, row) {
            let p50 = (row.p50_us - direct.p50_us) / 1000.0;
            let p99 = (row.p99_us - direct.p99_us) / 1000.0;
            lines.push(format!(
                "{}: {} at {} adds {p50:.2} ms at P50 and {p99:.2} ms at P99 (bars {ADDED_P50_BAR_MS} and {ADDED_P99_BAR_MS})",
                word(p50 <= ADDED_P50_BAR_MS && p99 < ADDED_P99_BAR_MS),
                row.kind.name(),
                row.scenario.name,
            ));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

/// The mock alone under the same traffic.
fn direct<'a>(rows: &'a [Row], row: &Row) -> Option<&'a Row> {
    rows.iter().find(|other| other.scenario == row.scenario && other.kind == Kind::Direct)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(cpu_us: f64, p50_us: f64) -> Sample {
        Sample { requests: 10, cpu_us, p50_us, per_second: 100.4, ..Sample::default() }
    }

    fn results() -> Results {
        let scenario = &Scenario::all_closed()[0];
        let mut results = Results::default();
        // The machine got twice as slow in the second round, for all.
        for (slowness, ours) in [(1.0, 12.0), (2.0, 24.0), (1.0, 13.0)] {
            results.add(scenario, Kind::Direct, sample(5.0 * slowness, 40.0));
            results.add(scenario, Kind::Nginx, sample(10.0 * slowness, 100.0));
            results.add(scenario, Kind::Sluice, sample(ours, 90.0));
        }
        results
    }

    #[test]
    fn the_csv_has_the_fixed_columns_and_a_row_a_subject() {
        let csv = csv(&results().rows());
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(
            lines[0],
            "scenario,subject,requests,cpu_us_per_request,requests_per_s,p50_us,p99_us,memory_mb,ratio_to_nginx"
        );
        assert_eq!(lines[2], "chat-2k,nginx,30,10.00,100,100.0,0.0,0.0,1.000");
        assert!(lines[3].starts_with("chat-2k,sluice,30,13.00,") && lines[3].ends_with(",1.200"));
        assert_eq!(lines.len(), 4);
    }

    #[test]
    fn without_nginx_there_is_no_ratio() {
        let mut results = Results::default();
        results.add(&Scenario::all_closed()[0], Kind::SluiceTls, sample(1.0, 1.0));
        assert!(csv(&results.rows()).ends_with(",\n"));
        assert!(verdicts(&results.rows()).is_empty());
    }

    #[test]
    fn promises_are_judged_by_the_ratio() {
        assert_eq!(
            verdicts(&results().rows()),
            "holds: sluice at chat-2k costs 1.20 times nginx (bar 1.5)\n"
        );
        let open = Scenario::open(10_000.0, true);
        let mut results = Results::default();
        results.add(&open, Kind::Direct, sample(1.0, 100.0));
        results.add(&open, Kind::SluiceTls, sample(1.0, 9_000.0));
        assert!(verdicts(&results.rows()).starts_with(
            "MISSED: sluice-tls at open-10000-stream adds 8.90 ms at P50 and 0.00 ms at P99"
        ));
    }

    #[test]
    fn the_table_says_what_a_subject_adds() {
        let table = table(&results().rows());
        let ours = table.lines().last().unwrap();
        // Added to the mock's median of 40 microseconds.
        assert_eq!(ours.split_whitespace().nth(8), Some("50"));
    }

    #[test]
    fn medians() {
        assert!((median([3.0, 1.0, 2.0].into_iter()) - 2.0).abs() < 1e-9);
        assert!((median([4.0, 1.0, 2.0, 3.0].into_iter()) - 2.5).abs() < 1e-9);
        assert!(median(std::iter::empty()).abs() < 1e-9);
    }
}
