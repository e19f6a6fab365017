//! Supervisor, management and data path are killed at random moments, with requests under way on
//! routes of both audit modes: whatever a client was told of is in the log, the log verifies, the
//! node comes back, and nobody is left behind.
//!
//! Rounds: 40, or `SLUICE_KILL_ROUNDS`. Recovery times are printed and bound loosely.
#![cfg(test)]

#[path = "faults/percentile.rs"]
mod percentile;
#[path = "faults/random.rs"]
mod random;

use nix::sys::signal::Signal;
use percentile::told;
use random::{Random, setting};
use sluice_tests::{
    Client, Group, Mock, Node, Response, Setup, alive, chat, chat_stream, post, signal, until,
};
use std::collections::{BTreeMap, HashSet};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const PATH: &str = "/v1/chat/completions";

/// Rounds without a setting.
const ROUNDS: u32 = 40;

/// After so many rounds the node is stopped and its log checked.
const ROUNDS_PER_CHECK: u32 = 10;

/// Clients that ask all the time, and how many of them have to be under way at a kill.
const CLIENTS: usize = 24;
const IN_FLIGHT: usize = 16;

/// A node that is not back after this never comes. What it takes is printed.
const BACK: Duration = Duration::from_secs(30);

/// Until the orphans of a supervisor are gone.
const GONE: Duration = Duration::from_secs(30);

/// Model names, which are routes; and whether to stream.
const KINDS: [(&str, bool); 4] =
    [("sync", false), ("async", false), ("sync-stream", true), ("async-stream", true)];

/// What a few clients ask for: the upstream takes longer than anybody waits for at a kill.
const LONG: &[(&str, bool)] = &[("long", false)];
const LONG_CLIENTS: usize = 2;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Victim {
    Supervisor,
    Management,
    DataPath,
}
use Victim::{DataPath, Management, Supervisor};

/// Who is killed in a round, one after the other. Rings live as long as one process that has them:
/// management together with the supervisor would be one too many, as for any log of one machine.
const VICTIMS: [&[Victim]; 10] = [
    &[Supervisor],
    &[Supervisor],
    &[Supervisor],
    &[Management],
    &[Management],
    &[DataPath],
    &[DataPath],
    &[Management, DataPath],
    &[DataPath, Management],
    &[DataPath, Supervisor],
];

/// What clients share.
struct Crowd {
    address: SocketAddr,
    stop: AtomicBool,
    in_flight: AtomicUsize,
    /// Records that clients were told of.
    told: Mutex<Vec<String>>,
    /// How requests ended.
    ends: Mutex<BTreeMap<String, usize>>,
}

impl Crowd {
    fn start(address: SocketAddr, random: &mut Random) -> (Arc<Crowd>, Vec<JoinHandle<()>>) {
        let crowd = Arc::new(Crowd {
            address,
            stop: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            told: Mutex::default(),
            ends: Mutex::default(),
        });
        let client = |number| {
            let (crowd, random) = (Arc::clone(&crowd), random.fork());
            let kinds: &[_] = if number < LONG_CLIENTS { LONG } else { &KINDS };
            std::thread::spawn(move || crowd.ask(kinds, random))
        };
        let threads = (0..CLIENTS).map(client).collect();
        (crowd, threads)
    }

    /// One client: asks until all stop, on one connection for as long as that lives.
    fn ask(&self, kinds: &[(&str, bool)], mut random: Random) {
        let mut connected: Option<Client> = None;
        while !self.stop.load(Ordering::Relaxed) {
            let connection = connected.take().map_or_else(|| Client::try_connect(self.address), Ok);
            let Ok(client) = connection else {
                std::thread::sleep(Duration::from_millis(5));
                continue;
            };
            let (model, stream) = random.one_of(kinds);
            let body = if stream { chat_stream(model, "Hello.") } else { chat(model, "Hello.") };
            let request = format!(
                "POST {PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                 content-length: {}\r\n\r\n{body}",
                body.len()
            );
            self.in_flight.fetch_add(1, Ordering::SeqCst);
            let end = self.exchange(client, request.as_bytes(), stream);
            self.in_flight.fetch_sub(1, Ordering::SeqCst);
            let how = match end {
                Ok((client, how)) => {
                    connected = client;
                    how
                }
                // A request that nobody ever answers.
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    "never".to_owned()
                }
                Err(error) if error.kind() == ErrorKind::InvalidData => error.to_string(),
                Err(_) => "cut".to_owned(),
            };
            *self.ends.lock().unwrap().entry(how).or_default() += 1;
        }
    }

    /// One request. Of a stream the record counts as told with the head.
    fn exchange(
        &self,
        mut client: Client,
        request: &[u8],
        stream: bool,
    ) -> io::Result<(Option<Client>, String)> {
        client.try_send(request)?;
        if !stream {
            let response = client.try_response(false)?;
            self.note(&response);
            return Ok((Some(client), how(&response)));
        }
        let mut response = client.read_head()?;
        self.note(&response);
        if response.header("transfer-encoding").is_none() {
            let length: usize = response.header("content-length").unwrap().parse().unwrap();
            while client.received().len() < length {
                if client.read_some()? == 0 {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
            }
            response.body = client.received()[..length].to_vec();
            return Ok((None, how(&response)));
        }
        loop {
            let chunk = client.chunk()?;
            if chunk.is_empty() {
                return Ok((Some(client), how(&response)));
            }
            response.body.extend(chunk);
        }
    }

    fn note(&self, head: &Response) {
        if let Some(record) = head.header("x-sluice-record") {
            self.told.lock().unwrap().push(record.to_owned());
        }
    }

    /// Stops the clients; gives what they were told.
    fn end(&self, threads: Vec<JoinHandle<()>>) -> (Vec<String>, BTreeMap<String, usize>) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().unwrap();
        }
        (
            std::mem::take(&mut self.told.lock().unwrap()),
            std::mem::take(&mut self.ends.lock().unwrap()),
        )
    }
}

/// An answer in one word: what may come beside 200 is a refusal for want of the audit.
fn how(response: &Response) -> String {
    let text = response.text();
    match response.status {
        200 if text.ends_with("data: [DONE]\n\n") || text.ends_with('}') => "200".to_owned(),
        200 => format!("200 that ends with {:?}", text.lines().next_back()),
        status => format!("{status} {}", response.error("code")),
    }
}

/// Recovery times by victims, and times until the orphans of a supervisor are gone.
#[derive(Default)]
struct Times {
    back: BTreeMap<Vec<Victim>, Vec<Duration>>,
    gone: Vec<Duration>,
}

fn setup(plain: &Mock, paced: &Mock) -> Setup {
    let route = |name: &str, upstream: &str, model: &str, audit: &str| {
        format!(
            "[[route]]\nname = \"{name}\"\nmodels = [\"{name}\"]\naudit = \"{audit}\"\n\
             targets = [{{ upstream = \"{upstream}\", model = \"{model}\" }}]\n"
        )
    };
    let rest = plain.upstream("plain", "external")
        + &paced.upstream("paced", "external")
        + &route("sync", "plain", "mock-slow-40", "sync")
        + &route("async", "plain", "mock-slow-40", "async")
        + &route("sync-stream", "paced", "paced", "sync")
        + &route("async-stream", "paced", "paced", "async")
        + &route("long", "plain", "mock-slow-4000", "async")
        + &route("probe", "plain", "mock", "sync");
    // Each worker has a ring, and both are to be found again.
    Setup { rest, ..Setup::default() }.workers(2)
}

fn pid_of(group: Group, victim: Victim) -> Option<i32> {
    match victim {
        Supervisor => Some(group.leader()),
        Management => group.management(),
        DataPath => group.data_path(),
    }
}

/// Kills `victims`, and waits until the node is back, with processes of its own.
fn kill(node: &mut Node, victims: &[Victim], random: &mut Random, times: &mut Times) {
    let before = node.group();
    let mut killed = Vec::new();
    let mut begun = Instant::now();
    for (number, victim) in victims.iter().enumerate() {
        if number > 0 {
            random.sleep_ms(0..60);
        }
        // The second of two may be between two lives.
        let Some(pid) = pid_of(before, *victim) else { continue };
        begun = Instant::now();
        assert!(signal(pid, Signal::SIGKILL), "{victim:?} runs");
        killed.push(pid);
    }
    if victims.contains(&Supervisor) {
        node.restart();
    }
    let back = until(BACK, || {
        std::thread::sleep(Duration::from_millis(10));
        let group = node.group();
        let is_new = |pid: Option<i32>| pid.is_some_and(|pid| !killed.contains(&pid));
        (is_new(group.management()) && is_new(group.data_path()) && node.is_ready())
            .then_some(())?;
        let answer = post(node.address, PATH, chat("probe", "Hello."))?;
        (answer.status == 200).then(|| begun.elapsed())
    });
    let back = back.unwrap_or_else(|| panic!("the node is not back after {victims:?}"));
    times.back.entry(victims.to_vec()).or_default().push(back);
    if victims.contains(&Supervisor) {
        let gone = until(GONE, || before.members().is_empty().then(|| begun.elapsed()));
        let left = before.members();
        before.end();
        times.gone.push(gone.unwrap_or_else(|| panic!("orphans of the supervisor: {left:?}")));
    }
    assert!(killed.iter().all(|pid| !alive(*pid)), "killed processes live");
}

/// With the node stopped: the log verifies, no record is in it twice, and all that clients were told
/// of are there.
fn check(node: &Node, told: &[String]) -> usize {
    node.assert_verifies();
    let rows = node.rows();
    let record = |row: &serde_json::Value| row["record"].as_str().unwrap().to_owned();
    let logged: HashSet<String> = rows.iter().map(record).collect();
    assert_eq!(logged.len(), rows.len(), "a record stands twice");
    let lost: Vec<&String> = told.iter().filter(|record| !logged.contains(*record)).collect();
    assert!(lost.is_empty(), "{} of {} records are lost: {lost:?}", lost.len(), told.len());
    rows.len()
}

#[test]
fn killed_processes_lose_no_record() {
    let mut random = Random::new("faults_kill");
    let rounds = setting("SLUICE_KILL_ROUNDS", ROUNDS);
    let (plain, paced) = (Mock::start(), Mock::with(&["--chunks", "8", "--chunk-delay-ms", "8"]));
    let mut node = Node::start(setup(&plain, &paced));
    let (mut times, mut told_of, mut ends) = (Times::default(), Vec::new(), BTreeMap::new());
    let mut done = 0;
    while done < rounds {
        let (crowd, threads) = Crowd::start(node.address, &mut random);
        for _ in 0..ROUNDS_PER_CHECK.min(rounds - done) {
            random.sleep_ms(0..400);
            let busy = || (crowd.in_flight.load(Ordering::SeqCst) >= IN_FLIGHT).then_some(());
            assert!(until(BACK, busy).is_some(), "requests are under way");
            let victims = random.one_of(&VICTIMS);
            kill(&mut node, victims, &mut random, &mut times);
            done += 1;
        }
        let (told, ended) = crowd.end(threads);
        told_of.extend(told);
        for (how, count) in ended {
            *ends.entry(how).or_insert(0) += count;
        }
        assert_eq!(node.metrics().count("sluice_panics_total"), 0);
        assert_eq!(node.stop().code(), Some(0));
        let rows = check(&node, &told_of);
        eprintln!("after {done} kills: {} records told of, {rows} in the log", told_of.len());
        if done < rounds {
            node.restart();
        }
    }
    for (victims, times) in &times.back {
        eprintln!("back after {victims:?}: {}", told(times));
    }
    eprintln!("orphans of a supervisor gone: {}", told(&times.gone));
    eprintln!("requests: {ends:?}");
    let fine = |how: &&String| matches!(how.as_str(), "200" | "cut" | "503 \"audit_unavailable\"");
    let odd: Vec<&String> = ends.keys().filter(|how| !fine(how)).collect();
    assert!(odd.is_empty(), "{odd:?}");
    assert!(ends["200"] > 0);
}
