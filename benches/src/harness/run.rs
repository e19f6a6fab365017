//! The whole run, in order: start, check, warm up, measure, write.
//!
//! All subjects run from the beginning, so that a round can go from one to the next without a pause;
//! those that are not being measured are idle. Everything lives in one temporary folder beside the
//! binaries, on the same disk as a real state folder, and goes with the run.

use std::{
    fs,
    io::{self, Write as _},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    chart,
    error::HarnessError,
    host::Host,
    interrupt,
    measure::{Rig, Sample, start_mock},
    nginx,
    options::Options,
    results::{self, Results},
    scenario::Scenario,
    sluice,
    subject::{Certificate, Kind, Subject},
    verify,
};

const WARM_UP_S: f64 = 0.5;
/// Rates that are tried, from the highest down, until all subjects hold one.
const RATES: [f64; 11] = [
    20_000.0, 17_500.0, 15_000.0, 12_500.0, 10_000.0, 8_000.0, 6_000.0, 4_000.0, 2_000.0, 1_000.0,
    500.0,
];
const PROBE_S: f64 = 0.7;
/// An open loop holds when so much of the offered rate was answered ...
const HOLDS_SHARE: f64 = 0.97;
/// ... and no more than one answer in a hundred took longer.
const HOLDS_P99_US: f64 = 50_000.0;

pub fn run(options: &Options) -> Result<(), HarnessError> {
    interrupt::install().map_err(HarnessError::io("block signals"))?;
    let mut bench = Bench::new(options)?;
    say(&format!("mock on {}, subjects: {}", bench.rig.mock_address, bench.names()))?;
    for subject in &bench.subjects {
        verify::verify(subject)?;
    }
    say("every subject answers rightly; measuring")?;
    let mut results = Results::default();
    bench.closed(&mut results)?;
    bench.open(&mut results)?;
    // The idle subjects make room for ones with other workers.
    bench.subjects.clear();
    bench.workers(&mut results)?;
    bench.write(&results)
}

struct Bench<'a> {
    options: &'a Options,
    binaries: PathBuf,
    certificate: Certificate,
    rig: Rig,
    subjects: Vec<Subject>,
    host: Host,
    /// Last, as it is dropped last: children write into it until they end.
    folder: tempfile::TempDir,
}

impl<'a> Bench<'a> {
    fn new(options: &'a Options) -> Result<Self, HarnessError> {
        let own = std::env::current_exe().map_err(HarnessError::io("find the own binary"))?;
        let own_folder = own.parent().map(Path::to_path_buf).unwrap_or_default();
        let binaries = options.bin_dir.clone().unwrap_or(own_folder);
        let binaries = binaries.canonicalize().map_err(HarnessError::io("find the binaries"))?;
        let folder = tempfile::Builder::new()
            .prefix("bench-")
            .tempdir_in(binaries.parent().unwrap_or(&binaries))
            .map_err(HarnessError::io("make a temporary folder"))?;
        let load_cpus = options.load_cpus.clone().unwrap_or_else(|| vec![other_cpu(options)]);
        let certificate = make_certificate(folder.path())?;
        let mock = existing(binaries.join("sluice-mock"))?;
        let (mock, mock_address) = start_mock(&mock, folder.path(), &load_cpus)?;
        let rig = Rig {
            load: existing(binaries.join("sluice-load"))?,
            load_cpus,
            mock,
            mock_address,
            folder: folder.path().to_path_buf(),
            seed: 0,
        };
        let host = Host::read(&options.nginx);
        let subjects = Vec::new();
        let mut bench = Self { options, binaries, certificate, rig, subjects, host, folder };
        for kind in Kind::ALL.into_iter().filter(|&kind| options.wants_subject(kind)) {
            let subject = bench.start(kind, 1, &options.subject_cpus)?;
            bench.subjects.push(subject);
        }
        Ok(bench)
    }

    fn start(&self, kind: Kind, workers: usize, cpus: &[usize]) -> Result<Subject, HarnessError> {
        let upstream = self.rig.mock_address;
        let tls = kind.has_tls().then_some(&self.certificate);
        let folder = self.folder.path().join(format!("{}-{workers}-{}", kind.name(), cpus.len()));
        fs::create_dir_all(&folder).map_err(HarnessError::io("make a subject's folder"))?;
        let [first, second] = free_addresses()?;
        match kind {
            Kind::Direct => {
                Ok(Subject { kind, child: None, plain: upstream, stream: upstream, ca: None })
            }
            Kind::Nginx | Kind::NginxTls => nginx::start(
                kind,
                &nginx::Setup {
                    binary: &existing(self.options.nginx.clone())?,
                    folder: &folder,
                    upstream,
                    plain: first,
                    stream: second,
                    tls,
                    workers,
                    cpus,
                },
            )
            .and_then(wait_until_listening),
            Kind::Sluice | Kind::SluiceSync | Kind::SluiceTls => {
                existing(self.binaries.join("sluice-datapath"))?;
                sluice::start(
                    kind,
                    &sluice::Setup {
                        binary: &existing(self.binaries.join("sluice"))?,
                        folder: &folder,
                        upstream,
                        listener: first,
                        admin: second,
                        tls,
                        sync: kind == Kind::SluiceSync,
                        workers,
                        cpus,
                    },
                )
            }
        }
    }

    fn names(&self) -> String {
        self.subjects.iter().map(|subject| subject.kind.name()).collect::<Vec<_>>().join(", ")
    }

    /// Rounds of one scenario, subject after subject: A B C A B C.
    fn interleave(
        &mut self,
        scenario: &Scenario,
        results: &mut Results,
    ) -> Result<(), HarnessError> {
        for round in 1..=self.options.rounds() {
            say(&format!("{} round {round}", scenario.name))?;
            for subject in self.subjects.iter().filter(|subject| scenario.concerns(subject.kind)) {
                interrupt::check()?;
                let sample = self.rig.measure(subject, scenario, self.options.seconds())?;
                results.add(scenario, subject.kind, sample);
            }
        }
        Ok(())
    }

    fn warm_up(&mut self, scenario: &Scenario) -> Result<(), HarnessError> {
        for subject in &self.subjects {
            self.rig.measure(subject, scenario, WARM_UP_S)?;
        }
        Ok(())
    }

    fn closed(&mut self, results: &mut Results) -> Result<(), HarnessError> {
        for scenario in Scenario::all_closed() {
            if self.options.wants_scenario(&scenario.name) {
                self.warm_up(&scenario)?;
                self.interleave(&scenario, results)?;
            }
        }
        Ok(())
    }

    /// At 10,000 and 20,000 requests a second, or at the most that all subjects hold.
    fn open(&mut self, results: &mut Results) -> Result<(), HarnessError> {
        if !self.options.wants_scenario("open") {
            return Ok(());
        }
        for stream in [false, true] {
            let Some(most) = self.highest_rate(stream)? else {
                say("no open loop: the subjects hold none of the rates")?;
                continue;
            };
            let what = if stream { "streams" } else { "whole answers" };
            say(&format!("all subjects hold {most} {what} a second"))?;
            let mut rates = vec![most.min(10_000.0), most.min(20_000.0)];
            rates.dedup();
            for rate in rates {
                self.interleave(&Scenario::open(rate, stream), results)?;
            }
        }
        Ok(())
    }

    fn highest_rate(&mut self, stream: bool) -> Result<Option<f64>, HarnessError> {
        for rate in RATES {
            let scenario = Scenario::open(rate, stream);
            let mut all = true;
            for subject in &self.subjects {
                interrupt::check()?;
                let mut sample = self.rig.try_measure(subject, &scenario, PROBE_S)?;
                if !holds(&sample, rate) {
                    // Once more: another program's moment of work is not the subject's limit.
                    sample = self.rig.try_measure(subject, &scenario, PROBE_S)?;
                }
                if !holds(&sample, rate) {
                    say(&format!(
                        "{} does not hold {rate}/s: {:.0}/s, p99 {:.1} ms, {} errors",
                        subject.kind.name(),
                        sample.per_second,
                        sample.p99_us / 1000.0,
                        sample.errors
                    ))?;
                    all = false;
                    break;
                }
            }
            if all {
                return Ok(Some(rate));
            }
        }
        Ok(None)
    }

    /// One worker against two, with subject, mock and load on all cores.
    fn workers(&mut self, results: &mut Results) -> Result<(), HarnessError> {
        let cores: Vec<usize> = (0..self.host.cores).collect();
        let kinds: Vec<Kind> = [Kind::Nginx, Kind::Sluice]
            .into_iter()
            .filter(|&kind| self.options.wants_subject(kind))
            .collect();
        if cores.len() < 2 || kinds.is_empty() || !self.options.wants_scenario("workers") {
            return Ok(());
        }
        self.rig.load_cpus.clone_from(&cores);
        let mock = existing(self.binaries.join("sluice-mock"))?;
        (self.rig.mock, self.rig.mock_address) = start_mock(&mock, self.folder.path(), &cores)?;
        for workers in [1, 2] {
            for &kind in &kinds {
                let subject = self.start(kind, workers, &cores)?;
                self.subjects.push(subject);
            }
            let scenario = Scenario::workers(workers);
            self.warm_up(&scenario)?;
            self.interleave(&scenario, results)?;
            self.subjects.clear();
        }
        Ok(())
    }

    fn write(&self, results: &Results) -> Result<(), HarnessError> {
        if results.is_empty() {
            return say("nothing was measured");
        }
        let rows = results.rows();
        fs::create_dir_all(&self.options.out)
            .map_err(HarnessError::io("make the results' folder"))?;
        let command = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
        let file =
            |extension: &str| self.options.out.join(format!("{}.{extension}", self.host.stem()));
        let write = |extension: &str, text: String| {
            fs::write(file(extension), text).map_err(HarnessError::io("write the results"))
        };
        write("csv", results::csv(&rows))?;
        write("svg", chart::svg(&rows, &self.host))?;
        write("json", format!("{:#}\n", results.to_json(&self.host, &command)))?;
        let text = format!(
            "{}\n{}results: {} (and .svg, .json)\n",
            results::table(&rows),
            results::verdicts(&rows),
            file("csv").display()
        );
        io::stdout().write_all(text.as_bytes()).map_err(HarnessError::io("write to the terminal"))
    }
}

#[expect(clippy::cast_precision_loss, reason = "rates and counts are small")]
fn holds(sample: &Sample, rate: f64) -> bool {
    // Few requests of a random schedule may fall short of the rate by chance.
    let expected = rate * PROBE_S;
    let chance = 3.0 * expected.sqrt();
    sample.errors == 0
        && sample.requests as f64 >= expected * HOLDS_SHARE - chance
        && sample.per_second >= rate * HOLDS_SHARE - chance / PROBE_S
        && sample.p99_us <= HOLDS_P99_US
}

fn existing(path: PathBuf) -> Result<PathBuf, HarnessError> {
    if path.is_file() { Ok(path) } else { Err(HarnessError::MissingBinary(path)) }
}

/// Progress, apart from the results on standard output.
fn say(text: &str) -> Result<(), HarnessError> {
    writeln!(io::stderr(), "bench: {text}").map_err(HarnessError::io("write to the terminal"))
}

/// A core that the subject is not on, where there is one.
fn other_cpu(options: &Options) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (0..cores).rev().find(|cpu| !options.subject_cpus.contains(cpu)).unwrap_or(0)
}

/// Two ports of loopback that nobody uses now.
fn free_addresses() -> Result<[SocketAddr; 2], HarnessError> {
    let listener = || TcpListener::bind("127.0.0.1:0");
    let find = || -> io::Result<_> {
        // Both are held until both are known, so that they differ.
        let (first, second) = (listener()?, listener()?);
        Ok([first.local_addr()?, second.local_addr()?])
    };
    find().map_err(HarnessError::io("find a free port"))
}

fn wait_until_listening(mut subject: Subject) -> Result<Subject, HarnessError> {
    let name = subject.kind.name();
    for _ in 0..100 {
        if verify::is_listening(subject.plain) && verify::is_listening(subject.stream) {
            return Ok(subject);
        }
        interrupt::check()?;
        if let Some(child) = &mut subject.child
            && child.exited()?.is_some()
        {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let log = subject.child.as_ref().map(super::child::Child::last_words).unwrap_or_default();
    Err(HarnessError::NotReady { name, log })
}

fn make_certificate(folder: &Path) -> Result<Certificate, HarnessError> {
    let made =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])
            .map_err(|error| HarnessError::Io {
                action: "make a certificate",
                source: io::Error::other(error),
            })?;
    let files =
        Certificate { certificate: folder.join("certificate.pem"), key: folder.join("key.pem") };
    fs::write(&files.certificate, made.cert.pem())
        .and_then(|()| fs::write(&files.key, made.signing_key.serialize_pem()))
        .map_err(HarnessError::io("write the certificate"))?;
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_holds_without_errors_shortfall_or_long_tails() {
        let good =
            Sample { requests: 7000, per_second: 10_000.0, p99_us: 900.0, ..Sample::default() };
        assert!(holds(&good, 10_000.0));
        assert!(!holds(&Sample { errors: 1, ..good.clone() }, 10_000.0));
        assert!(!holds(&Sample { per_second: 9000.0, ..good.clone() }, 10_000.0));
        assert!(!holds(&Sample { p99_us: 60_000.0, ..good.clone() }, 10_000.0));
        assert!(!holds(&good, 20_000.0));
    }

    #[test]
    fn certificates_are_good_for_a_client() {
        let folder = tempfile::tempdir().unwrap();
        let files = make_certificate(folder.path()).unwrap();
        assert!(crate::load::tls_config(&files.certificate).is_ok());
    }
}
