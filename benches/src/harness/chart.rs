//! The results as a chart: an SVG of horizontal bars, readable by itself.
//!
//! One panel each for CPU time, for latency at a fixed rate and for throughput by workers; a group a
//! scenario, a bar a subject, the figure beside it. Written by hand: it is a few rectangles and
//! texts, and a committed file must not change with a library's version.

use std::fmt::Write as _;

use super::{host::Host, results::Row, scenario::Loop, subject::Kind};

const WIDTH: f64 = 980.0;
const MARGIN: f64 = 32.0;
/// Where bars begin, right of the subjects' names.
const BARS_X: f64 = 150.0;
/// The longest bar; what remains is for its figure.
const BARS_WIDTH: f64 = 560.0;
const BAR: f64 = 16.0;
const BAR_STEP: f64 = 22.0;

struct Bar {
    kind: Kind,
    value: f64,
    /// A longer, paler bar behind: the 99th percentile behind the median.
    behind: Option<f64>,
    label: String,
}

struct Group {
    title: String,
    bars: Vec<Bar>,
}

struct Panel {
    title: &'static str,
    groups: Vec<Group>,
}

pub fn svg(rows: &[Row], host: &Host) -> String {
    let panels = panels(rows);
    let mut body = String::new();
    let mut y = 96.0;
    for panel in panels.iter().filter(|panel| !panel.groups.is_empty()) {
        y = draw_panel(&mut body, panel, y);
    }
    let height = y + 28.0;
    let subtitle = escape(&format!(
        "{} · {} cores · Linux {} · nginx {} · commit {} · {}",
        host.processor, host.cores, host.kernel, host.nginx, host.commit, host.date
    ));
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" font-family="Inter, 'DejaVu Sans', Helvetica, Arial, sans-serif" font-size="13" fill="#1f2933">
<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>
<text x="{MARGIN}" y="42" font-size="22" font-weight="600">Sluice against nginx as a bare reverse proxy</text>
<text x="{MARGIN}" y="64" font-size="12" fill="#616e7c">{subtitle}</text>
{body}<text x="{MARGIN}" y="{foot}" font-size="11" fill="#616e7c">Medians of interleaved rounds. CPU time is user and system time of all processes of the subject. Ratios compare TLS with TLS.</text>
</svg>
"##,
        foot = height - 14.0
    )
}

fn panels(rows: &[Row]) -> [Panel; 3] {
    let workers = |row: &&Row| row.scenario.name.starts_with("workers-");
    // With one connection there is nothing but latency to see, and a core that is mostly idle.
    let latency =
        |row: &&Row| matches!(row.scenario.traffic, Loop::Open(_)) || row.scenario.connections == 1;
    [
        Panel {
            title: "CPU time a request, in microseconds (less is better)",
            groups: groups(rows.iter().filter(|row| !workers(row) && !latency(row)), |row| Bar {
                kind: row.kind,
                value: row.cpu_us,
                behind: None,
                label: match row.ratio.filter(|_| row.kind != row.kind.yardstick()) {
                    Some(ratio) if row.kind != Kind::Direct => {
                        format!(
                            "{:.1} µs · {ratio:.2} × {}",
                            row.cpu_us,
                            row.kind.yardstick().name()
                        )
                    }
                    _ => format!("{:.1} µs", row.cpu_us),
                },
            }),
        },
        Panel {
            title: "Latency in milliseconds, from the time that a request was due: P50, and P99 paler",
            groups: groups(rows.iter().filter(latency), |row| Bar {
                kind: row.kind,
                value: row.p50_us / 1000.0,
                behind: Some(row.p99_us / 1000.0),
                label: format!("{:.2} · {:.2} ms", row.p50_us / 1000.0, row.p99_us / 1000.0),
            }),
        },
        Panel {
            title: "Requests a second by workers (more is better)",
            groups: groups(rows.iter().filter(workers), |row| Bar {
                kind: row.kind,
                value: row.per_second,
                behind: None,
                label: format!("{:.0}/s · {:.1} µs", row.per_second, row.cpu_us),
            }),
        },
    ]
}

/// Rows of one scenario become one group, in order.
fn groups<'a>(rows: impl Iterator<Item = &'a Row>, bar: impl Fn(&Row) -> Bar) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for row in rows {
        let title = format!("{}: {}", row.scenario.name, row.scenario.title);
        match groups.last_mut().filter(|group| group.title == title) {
            Some(group) => group.bars.push(bar(row)),
            None => groups.push(Group { title, bars: vec![bar(row)] }),
        }
    }
    groups
}

/// Draws from `y` downward and returns where the next panel begins.
fn draw_panel(out: &mut String, panel: &Panel, mut y: f64) -> f64 {
    let bars = || panel.groups.iter().flat_map(|group| &group.bars);
    let longest = bars().map(|bar| bar.behind.unwrap_or(bar.value).max(bar.value));
    let scale = BARS_WIDTH / longest.fold(f64::MIN_POSITIVE, f64::max);
    y += 22.0;
    text(out, MARGIN, y, r#"font-size="15" font-weight="600""#, panel.title);
    y += 8.0;
    for group in &panel.groups {
        y += 24.0;
        text(out, MARGIN, y, r##"font-size="12" font-weight="600" fill="#3e4c59""##, &group.title);
        y += 8.0;
        for bar in &group.bars {
            draw_bar(out, bar, y, scale);
            y += BAR_STEP;
        }
    }
    y + 18.0
}

fn draw_bar(out: &mut String, bar: &Bar, y: f64, scale: f64) {
    let mut rectangle = |value: f64, opacity: f64| {
        let width = (value * scale).max(1.0);
        writeln!(
            out,
            r#"<rect x="{BARS_X}" y="{y:.1}" width="{width:.1}" height="{BAR}" rx="2" fill="{}" fill-opacity="{opacity}"/>"#,
            color(bar.kind)
        )
        .ok();
        width
    };
    let behind = bar.behind.map_or(0.0, |value| rectangle(value, 0.3));
    let width = rectangle(bar.value, 1.0).max(behind);
    let baseline = y + BAR - 4.0;
    text(out, BARS_X - 8.0, baseline, r#"text-anchor="end""#, bar.kind.name());
    text(out, BARS_X + width + 8.0, baseline, r##"fill="#3e4c59""##, &bar.label);
}

fn text(out: &mut String, x: f64, y: f64, attributes: &str, text: &str) {
    // Writing to a string cannot fail.
    writeln!(out, r#"<text x="{x:.1}" y="{y:.1}" {attributes}>{}</text>"#, escape(text)).ok();
}

/// Distinct for people who see red and green alike.
fn color(kind: Kind) -> &'static str {
    match kind {
        Kind::Direct => "#9aa5b1",
        Kind::Nginx => "#486581",
        Kind::NginxTls => "#829ab1",
        Kind::Sluice => "#d9730d",
        Kind::SluiceSync => "#a84300",
        Kind::SluiceTls => "#f0a94e",
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{measure::Sample, results::Results, scenario::Scenario};

    #[test]
    fn every_measured_subject_is_in_the_chart() {
        let mut results = Results::default();
        let mut scenarios = Scenario::all_closed();
        scenarios.extend([Scenario::open(10_000.0, true), Scenario::workers(2)]);
        let mut cpu_us = 10.0;
        for scenario in &scenarios {
            cpu_us += 1.0;
            for kind in Kind::ALL {
                let sample = Sample {
                    requests: 1,
                    cpu_us,
                    p50_us: 80.0,
                    p99_us: 900.0,
                    ..Sample::default()
                };
                results.add(scenario, kind, sample);
            }
        }
        let host = Host {
            processor: "A & B <C>".to_owned(),
            cores: 2,
            kernel: "6".to_owned(),
            nginx: "1".to_owned(),
            commit: "c".to_owned(),
            date: "d".to_owned(),
        };
        let svg = svg(&results.rows(), &host);
        assert!(svg.contains("A &amp; B &lt;C&gt;"));
        for scenario in &scenarios {
            assert!(svg.contains(&format!("{}: ", scenario.name)), "{}", scenario.name);
        }
        // Two scenarios show two percentiles.
        let bars = svg.matches("rx=\"2\"").count();
        assert_eq!(bars, Kind::ALL.len() * (scenarios.len() + 2));
        assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
    }
}
