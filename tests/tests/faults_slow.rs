//! Clients and upstreams that take their time, and bodies made to cost as much as they can: the
//! node's memory stays within its bounds, and others are served.
//!
//! How well others are served is printed (P50, P99); on a busy machine nothing can be asked of it.
#![cfg(test)]

#[path = "faults/percentile.rs"]
mod percentile;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nix::sys::socket::{setsockopt, sockopt::RcvBuf};
use percentile::told;
use sluice_tests::{
    Client, Mock, Node, Setup, chat, chat_stream, eventually, forwarded, resident_bytes,
};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const PATH: &str = "/v1/chat/completions";

/// Slow connections of each of four kinds.
const SLOW_EACH: usize = 125;

/// What a slow body says that it will have.
const SLOW_BODY_BYTES: usize = 48 << 10;

/// How much the data path may grow, beside the bound for requests under way.
const GROWTH_BYTES: u64 = 64 << 20;
const IN_FLIGHT_BYTES: u64 = 32 << 20;

/// How long others are measured.
const MEASURED: Duration = Duration::from_secs(4);

/// Clients that are measured.
const OTHERS: usize = 4;

/// Clients with hostile bodies, and how long these are.
const HOSTILE: usize = 16;
const HOSTILE_BYTES: usize = (8 << 20) - (1 << 10);

fn head(length: usize) -> String {
    format!(
        "POST {PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n"
    )
}

fn request(body: &str) -> String {
    head(body.len()) + body
}

/// Others: each client asks on a connection of its own and gets its own text back.
struct Others {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<(Instant, Duration)>>>,
}

impl Others {
    fn start(node: &Node) -> Others {
        let stop = Arc::new(AtomicBool::new(false));
        let client = |number| {
            let (client, stop) = (node.client(), Arc::clone(&stop));
            std::thread::spawn(move || ask(client, number, &stop))
        };
        let threads = (0..OTHERS).map(client).collect();
        Others { stop, threads }
    }

    /// Stops them, and says how long they waited for answers in each phase; each is its name and when
    /// it began.
    fn tell(self, phases: &[(&str, Instant)]) {
        self.stop.store(true, Ordering::Relaxed);
        let times = self.threads.into_iter().flat_map(|thread| thread.join().unwrap());
        let mut phased: Vec<Vec<Duration>> = vec![Vec::new(); phases.len()];
        for (at, took) in times {
            let phase = phases.iter().rposition(|(_, begun)| *begun <= at).unwrap_or(0);
            phased[phase].push(took);
        }
        for ((name, _), times) in phases.iter().zip(phased) {
            eprintln!("faults_slow: {name}: {}", told(&times));
        }
    }
}

fn ask(mut client: Client, number: usize, stop: &AtomicBool) -> Vec<(Instant, Duration)> {
    let mut times = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let text = format!("{number}.{} {}", times.len(), "Hello, world. ".repeat(140));
        let body = chat("mock-echo-body", &text);
        let begun = Instant::now();
        let response = client.chat(&body);
        times.push((begun, begun.elapsed()));
        assert_eq!(forwarded(&response), body);
        std::thread::sleep(Duration::from_millis(5));
    }
    times
}

/// Connections that are slow in every way that there is.
struct Slow {
    /// Who sends one byte after the other, and what is left to send.
    writers: Vec<(TcpStream, Vec<u8>)>,
    /// Who reads a little of a long stream at a time.
    readers: Vec<TcpStream>,
    /// Whose upstream does not answer.
    waiting: Vec<TcpStream>,
}

impl Slow {
    fn start(node: &Node) -> Slow {
        let mut slow = Slow { writers: Vec::new(), readers: Vec::new(), waiting: Vec::new() };
        for _ in 0..SLOW_EACH {
            let long = head(SLOW_BODY_BYTES).replacen(
                "\r\n",
                &format!("\r\nx: {}\r\n", "a".repeat(8000)),
                1,
            );
            slow.writers.push((connect(node.address), long.into_bytes()));
            let mut body = connect(node.address);
            body.write_all(head(SLOW_BODY_BYTES).as_bytes()).unwrap();
            let text = chat("mock", &"a".repeat(SLOW_BODY_BYTES));
            slow.writers.push((body, text.into_bytes()));
            let mut reader = connect(node.address);
            setsockopt(&reader, RcvBuf, &4096).unwrap();
            reader.write_all(request(&chat_stream("mock-big-50", "Hello.")).as_bytes()).unwrap();
            slow.readers.push(reader);
            let mut waiting = connect(node.address);
            waiting.write_all(request(&chat("mock-hang", "Hello.")).as_bytes()).unwrap();
            slow.waiting.push(waiting);
        }
        slow
    }

    /// A tenth of them moves a little: by a byte or, so that buffers are in use, a few hundred.
    fn step(&mut self, turn: usize) {
        for (number, (stream, left)) in self.writers.iter_mut().enumerate() {
            if number % 10 != turn % 10 {
                continue;
            }
            let count = if number % 4 == 0 { 200 } else { 1 };
            let piece: Vec<u8> = left.drain(..count.min(left.len().saturating_sub(1))).collect();
            stream.write_all(&piece).unwrap();
        }
        let mut buffer = [0; 512];
        for reader in self.readers.iter_mut().skip(turn % 10).step_by(10) {
            let read = loop {
                match reader.read(&mut buffer) {
                    // A machine that was stopped and goes on.
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    read => break read.unwrap(),
                }
            };
            assert!(read > 0, "the stream goes on");
        }
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

#[test]
fn slow_connections_cost_little_and_hold_nobody_up() {
    let mock = Mock::start();
    let limits =
        ["head", "body", "send", "upstream"].map(|of| format!("{of}_timeout_ms = 300000\n"));
    let limits = format!("{}in_flight_bytes = {IN_FLIGHT_BYTES}\ndrain_ms = 0\n", limits.concat());
    let mut node = Node::start(Setup::to_mock(&mock, "internal", "").limits(&limits));
    let data_path = node.group().data_path().unwrap();
    let (mut most, mut turn) = (0, 0);
    let others = Others::start(&node);
    let alone = Instant::now();
    std::thread::sleep(MEASURED);
    let before = resident_bytes(data_path);

    let coming = Instant::now();
    let mut slow = Slow::start(&node);
    let connections = 4 * SLOW_EACH + OTHERS;
    eventually("slow connections are there", || {
        turn += 1;
        slow.step(turn);
        let metrics = node.metrics();
        metrics.count("sluice_connections_open") == connections as u64
            && metrics.count("sluice_requests_in_flight") >= 3 * SLOW_EACH as u64
    });
    let there = Instant::now();
    while there.elapsed() < MEASURED {
        turn += 1;
        slow.step(turn);
        most = most.max(resident_bytes(data_path));
        std::thread::sleep(Duration::from_millis(10));
    }
    let metrics = node.metrics();
    assert_eq!(metrics.count("sluice_connections_open"), connections as u64, "none was closed");
    let beside = "beside 500 slow connections";
    others.tell(&[("alone", alone), ("as 500 slow connections come", coming), (beside, there)]);
    let grown = most.saturating_sub(before);
    eprintln!(
        "faults_slow: memory {:.1} MB before, {:.1} MB more with them, {:.1} MB in flight",
        mb(before),
        mb(grown),
        mb(metrics.count("sluice_in_flight_bytes"))
    );
    assert!(grown <= GROWTH_BYTES + IN_FLIGHT_BYTES, "{before} bytes before, {grown} more");
    drop(slow);
    eventually("nothing is left of them", || {
        let metrics = node.metrics();
        metrics.count("sluice_connections_open") == 0
            && metrics.count("sluice_in_flight_bytes") == 0
    });
    node.stop();
    node.assert_verifies();
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn mb(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Bodies of the greatest length that are hard to parse, to decode, to count.
fn hostile() -> [(&'static str, String); 4] {
    let fill = |piece: &str| piece.repeat(HOSTILE_BYTES / piece.len());
    let mut nested = "password = hunter2 ".repeat(HOSTILE_BYTES / 60);
    while nested.len() * 4 / 3 < HOSTILE_BYTES {
        nested = STANDARD.encode(nested);
    }
    let digits = "4111 1111 1111 1112 ";
    [
        (
            "escapes",
            format!(
                r#"{{"model":"mock","messages":[{{"role":"user","content":"{}"}}]}}"#,
                fill(r"\u0034")
            ),
        ),
        ("nested base64", chat("mock", &nested)),
        ("empty lists", format!(r#"{{"model":"mock","messages":[{}[]]}}"#, fill("[],"))),
        ("candidates", chat("mock", &fill(digits))),
    ]
}

#[test]
fn hostile_bodies_hold_nobody_up() {
    let mock = Mock::start();
    let mut node = Node::start(
        Setup::to_mock(&mock, "external", "audit = \"async\"").limits("drain_ms = 1000\n"),
    );
    let others = Others::start(&node);
    let alone = Instant::now();
    std::thread::sleep(MEASURED);

    let then = Instant::now();
    let stop = Arc::new(AtomicBool::new(false));
    let ends: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
    let bodies = Arc::new(hostile());
    let client = |number: usize| {
        let (bodies, ends, stop) = (Arc::clone(&bodies), Arc::clone(&ends), Arc::clone(&stop));
        let address = node.address;
        std::thread::spawn(move || {
            yield_to_others();
            let (name, body) = &bodies[number % bodies.len()];
            while !stop.load(Ordering::Relaxed) {
                let end = post(address, body, &stop);
                *ends.lock().unwrap().entry(format!("{name}: {end}")).or_default() += 1;
            }
        })
    };
    let threads: Vec<_> = (0..HOSTILE).map(client).collect();
    std::thread::sleep(MEASURED * 2);
    others.tell(&[("alone", alone), ("beside 16 clients with hostile bodies", then)]);
    stop.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().unwrap();
    }
    let ends = ends.lock().unwrap();
    eprintln!("faults_slow: hostile bodies ended so: {ends:?}");
    let metrics = node.metrics();
    assert_eq!(metrics.count("sluice_panics_total"), 0);
    let fine = |end: &&String| {
        ["200", "400", "403", "503", "cut", "left"].iter().any(|fine| end.ends_with(fine))
    };
    assert!(ends.keys().all(|end| fine(&end)), "{ends:?}");
    assert_eq!(node.chat(chat("mock", "Hello.")).status, 200);
    node.stop();
    node.assert_verifies();
}

/// Gives this thread the lowest priority: hostile clients are elsewhere, and what they cost
/// themselves is not the node's doing.
fn yield_to_others() {
    let thread = nix::unistd::gettid().to_string();
    let renice = std::process::Command::new("renice").args(["-n", "19", "-p", &thread]).output();
    assert!(renice.is_ok_and(|renice| renice.status.success()), "a thread may be slower");
}

/// Posts `body`; the status, or how else it ended. Leaves when it is time to.
fn post(address: SocketAddr, body: &str, stop: &AtomicBool) -> String {
    let Ok(mut client) = Client::try_connect(address) else { return "cut".to_owned() };
    // The node may refuse and close before it has read all.
    client.try_send(request(body).as_bytes()).ok();
    client.set_patience(Duration::from_millis(100));
    loop {
        match client.read_head() {
            Ok(head) => return head.status.to_string(),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                if stop.load(Ordering::Relaxed) {
                    return "left".to_owned();
                }
            }
            Err(_) => return "cut".to_owned(),
        }
    }
}
