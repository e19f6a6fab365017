//! Requests end at random moments: the client leaves within its head, its body, its wait or its
//! stream, the upstream dies, nobody answers. Nothing is left of them, and clients that behave get
//! their own bytes, all of them, and no others. On io_uring and on epoll.
//!
//! 2,000 on each, or `SLUICE_CANCELS`.
#![cfg(test)]

#[path = "faults/random.rs"]
mod random;

use nix::sys::socket::{setsockopt, sockopt::Linger};
use random::{Random, setting};
use sluice_tests::{
    Client, Mock, Node, Setup, chat, chat_stream, descriptors, eventually, forwarded, until,
};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const CANCELS: u32 = 2000;

/// Clients that leave, at a time; and clients that don't.
const LEAVING: usize = 16;
const HONEST: usize = 4;

/// Time-outs of the node. Long enough for clients that behave on a busy machine.
const TIMEOUT_MS: u64 = 4000;

/// One in so many waits for a time-out.
const WAITS_OUT: u64 = 100;

/// Bodies above 256 KiB are inspected on a thread of their own.
const LONG_BODY: usize = 300 << 10;

/// How a request ends before its time.
#[derive(Clone, Copy, Debug)]
enum Way {
    InHead,
    InBody,
    InChunks,
    InLongBody,
    WhileInspected,
    WhileWaiting,
    AboutTheAnswer,
    InStream,
    InBigStream,
    WithAnotherBehind,
    UpstreamDies,
    UpstreamDiesInStream,
    NobodyAnswers,
}

const WAYS: [Way; 12] = [
    Way::InHead,
    Way::InBody,
    Way::InChunks,
    Way::InLongBody,
    Way::WhileInspected,
    Way::WhileWaiting,
    Way::AboutTheAnswer,
    Way::InStream,
    Way::InBigStream,
    Way::WithAnotherBehind,
    Way::UpstreamDies,
    Way::UpstreamDiesInStream,
];

fn request(body: &str) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn chunked(body: &str) -> String {
    let (first, second) = body.split_at(body.len() / 2);
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n\
         {:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
        first.len(),
        second.len()
    )
}

/// A client that does not see its request through.
struct Leaver {
    random: Random,
    stream: TcpStream,
}

impl Leaver {
    fn connect(address: SocketAddr, random: Random) -> Leaver {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Leaver { random, stream }
    }

    /// Sends `bytes` in pieces; the node may have closed before.
    fn send(&mut self, bytes: &[u8]) {
        let cut = self.cut(bytes);
        let (first, second) = bytes.split_at(cut);
        self.stream.write_all(first).and_then(|()| self.stream.write_all(second)).ok();
    }

    /// A place in `bytes`, not at the end.
    fn cut(&mut self, bytes: &[u8]) -> usize {
        usize::try_from(self.random.within(0..bytes.len() as u64)).unwrap()
    }

    /// Sends a part of `bytes` that begins before `from` and ends behind it.
    fn send_part(&mut self, bytes: &[u8], from: usize) {
        let end = from + self.cut(&bytes[from..]);
        self.send(&bytes[..end.max(1)]);
    }

    /// Reads up to so many bytes.
    fn read(&mut self, bytes: u64) {
        std::io::copy(&mut (&self.stream).take(bytes), &mut std::io::sink()).ok();
    }

    /// Reads to the end and gives it: the node answers or closes, whatever the upstream does.
    fn read_all(&mut self) -> Vec<u8> {
        let mut received = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return received,
                Ok(count) => received.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return received,
                Err(error) => panic!("{error}: {}", String::from_utf8_lossy(&received)),
            }
        }
    }

    fn go(mut self, way: Way) {
        let hello = |model: &str| request(&chat(model, "Hello."));
        let long = || request(&chat("mock-hang", &"Hello, world. ".repeat(LONG_BODY / 14)));
        match way {
            Way::InHead => self.send_part(&hello("mock")[..100].to_owned().into_bytes(), 0),
            Way::InBody => {
                let bytes = request(&chat("mock", &"Hello. ".repeat(2000)));
                self.send_part(bytes.as_bytes(), bytes.find("{\"").unwrap());
            }
            Way::InChunks => {
                let bytes = chunked(&chat("mock", &"Hello. ".repeat(2000)));
                self.send_part(bytes.as_bytes(), bytes.find("\r\n\r\n").unwrap());
            }
            Way::InLongBody => self.send_part(long().as_bytes(), 1000),
            Way::WhileInspected => {
                self.send(long().as_bytes());
                self.random.sleep_ms(0..6);
            }
            Way::WhileWaiting => {
                self.send(hello("mock-hang").as_bytes());
                self.random.sleep_ms(0..30);
            }
            Way::AboutTheAnswer => {
                self.send(hello("mock-slow-10").as_bytes());
                self.random.sleep_ms(5..25);
            }
            Way::InStream => {
                self.send(request(&chat_stream("paced", "Hello.")).as_bytes());
                let bytes = self.random.within(0..2500);
                self.read(bytes);
            }
            Way::InBigStream => {
                self.send(request(&chat_stream("mock-big-1", "Hello.")).as_bytes());
                let bytes = self.random.within(0..1 << 20);
                self.read(bytes);
            }
            Way::WithAnotherBehind => {
                let both = hello("mock-slow-5") + &hello("mock-hang");
                self.send(both.as_bytes());
                self.random.sleep_ms(0..15);
            }
            Way::UpstreamDies => {
                self.send(&closing(&hello("mock-die")));
                let answer = self.read_all();
                assert!(
                    answer.starts_with(b"HTTP/1.1 502 "),
                    "{}",
                    String::from_utf8_lossy(&answer)
                );
            }
            Way::UpstreamDiesInStream => {
                self.send(&closing(&request(&chat_stream("mock-die-stream", "Hello."))));
                let answer = self.read_all();
                // It ends, and never as if it were whole.
                let is_cut =
                    answer.starts_with(b"HTTP/1.1 200 ") && !answer.ends_with(b"0\r\n\r\n");
                assert!(is_cut, "{}", String::from_utf8_lossy(&answer));
            }
            Way::NobodyAnswers => {
                self.send(&closing(&hello("mock-hang")));
                let answer = self.read_all();
                assert!(
                    answer.starts_with(b"HTTP/1.1 504 "),
                    "{}",
                    String::from_utf8_lossy(&answer)
                );
                return;
            }
        }
        if self.random.next() % 2 == 0 {
            // A reset rather than an end.
            let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
            setsockopt(&self.stream, Linger, &linger).unwrap();
        }
    }
}

/// `request`, as the last one of its connection.
fn closing(request: &str) -> Vec<u8> {
    request.replacen("\r\n", "\r\nconnection: close\r\n", 1).into_bytes()
}

/// A client that behaves, on one connection: each request has a text of its own, which the upstream
/// says back.
fn behave(mut client: Client, mut random: Random, stop: &AtomicBool) -> u32 {
    let mut done = 0;
    while !stop.load(Ordering::Relaxed) {
        let nonce = format!("{:016x}", random.next());
        let words = usize::try_from(random.within(1..400)).unwrap();
        let text = [nonce.as_str()].repeat(words).join(" ");
        let stream = random.next() % 2 == 0;
        let model = "mock-echo-body";
        let body = if stream { chat_stream(model, &text) } else { chat(model, &text) };
        let response = client.post("/v1/chat/completions", &[("x-request-id", &nonce)], &body);
        assert_eq!(response.status, 200, "{}", response.text());
        assert_eq!(response.header("x-request-id"), Some(nonce.as_str()));
        let said = if stream { said(&response.events()) } else { forwarded(&response) };
        assert!(said == body, "sent {body}\nsaid {said}");
        done += 1;
        random.sleep_ms(0..8);
    }
    done
}

/// The text of a stream.
fn said(events: &[String]) -> String {
    let (last, events) = events.split_last().unwrap();
    assert_eq!(last, "[DONE]");
    let piece = |event: &String| {
        let event: serde_json::Value = serde_json::from_str(event).unwrap();
        Some(event["choices"][0]["delta"]["content"].as_str()?.to_owned())
    };
    events.iter().filter_map(piece).collect()
}

/// Descriptors of the data path that are no connections to the mocks.
fn held(node: &Node, mocks: &[&Mock]) -> usize {
    let open = descriptors(node.group().data_path().unwrap()).expect("we may look");
    // The connection that asks is none of the node's.
    let upstream: u64 = mocks.iter().map(|mock| mock.stat("connections_open") - 1).sum();
    open.saturating_sub(usize::try_from(upstream).unwrap())
}

fn start_honest(node: &Node, random: &mut Random, stop: &Arc<AtomicBool>) -> Vec<JoinHandle<u32>> {
    let honest = |_| {
        let (client, random, stop) = (node.client(), random.fork(), Arc::clone(stop));
        std::thread::spawn(move || behave(client, random, &stop))
    };
    (0..HONEST).map(honest).collect()
}

fn cancel(name: &str, environment: &[(&str, &str)], driver: &str) {
    let mut random = Random::new(name);
    let (plain, paced) = (Mock::start(), Mock::with(&["--chunks", "16", "--chunk-delay-ms", "2"]));
    let route = |name: &str, model: &str| {
        format!("[[route]]\nname = \"{name}\"\nmodels = [\"{model}\"]\ntargets = [\"{name}\"]\n")
    };
    let rest = plain.upstream("plain", "internal")
        + &paced.upstream("paced", "internal")
        + &route("paced", "paced")
        + &route("plain", "*");
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let environment = environment.iter().map(own).collect();
    let timeouts =
        ["head", "body", "upstream"].map(|of| format!("{of}_timeout_ms = {TIMEOUT_MS}\n"));
    let setup =
        Setup { rest, environment, ..Setup::default() }.workers(2).limits(&timeouts.concat());
    let mut node = Node::start(setup);
    assert!(node.log().contains(driver) || node.out().contains(driver), "{}", node.log());
    let mocks = [&plain, &paced];
    for model in ["mock", "paced"] {
        assert_eq!(node.chat(chat(model, "Hello.")).status, 200);
    }
    let no_connections = || node.metrics().count("sluice_connections_open") == 0;
    eventually("connections are closed", no_connections);
    let before = held(&node, &mocks);

    let stop = Arc::new(AtomicBool::new(false));
    let honest = start_honest(&node, &mut random, &stop);
    let left = Arc::new(AtomicU32::new(setting("SLUICE_CANCELS", CANCELS)));
    let address = node.address;
    let leave = |_| {
        let (left, mut random) = (Arc::clone(&left), random.fork());
        std::thread::spawn(move || {
            let take = || {
                left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
            };
            while take().is_ok() {
                let leaver = Leaver::connect(address, random.fork());
                let waits = random.within(0..WAITS_OUT) == 0;
                leaver.go(if waits { Way::NobodyAnswers } else { random.one_of(&WAYS) });
            }
        })
    };
    let leaving: Vec<_> = (0..LEAVING).map(leave).collect();
    leaving.into_iter().for_each(|thread| thread.join().unwrap());
    stop.store(true, Ordering::Relaxed);
    let served: u32 = honest.into_iter().map(|thread| thread.join().unwrap()).sum();

    let gauges = [
        "sluice_connections_open",
        "sluice_requests_in_flight",
        "sluice_in_flight_bytes",
        "sluice_audit_ring_used",
    ];
    let all_zero = || {
        let metrics = node.metrics();
        gauges.iter().all(|gauge| metrics.count(gauge) == 0).then_some(())
    };
    if until(Duration::from_secs(20), all_zero).is_none() {
        let metrics = node.metrics();
        panic!("{:?}", gauges.map(|gauge| (gauge, metrics.count(gauge))));
    }
    let after = until(Duration::from_secs(20), || (held(&node, &mocks) == before).then_some(()));
    assert!(after.is_some(), "descriptors: {before} before, {} after", held(&node, &mocks));
    let metrics = node.metrics();
    assert_eq!(metrics.count("sluice_panics_total"), 0);
    assert!(metrics.count("sluice_client_left_total") > 0);
    eprintln!(
        "{name}: {before} descriptors as before; {served} requests of clients that behave; {} left, \
         {} upstream failures, {} retries",
        metrics.count("sluice_client_left_total"),
        metrics.count("sluice_upstream_failures_total"),
        metrics.count("sluice_upstream_retries_total"),
    );
    assert_eq!(node.chat(chat("mock", "Hello.")).status, 200);
    node.stop();
    node.assert_verifies();
}

#[test]
fn cancelled_requests_leave_nothing_behind_on_io_uring() {
    cancel("faults_cancel_io_uring", &[], "io_uring");
}

#[test]
fn cancelled_requests_leave_nothing_behind_on_epoll() {
    cancel("faults_cancel_epoll", &[("MONOIO_FORCE_LEGACY_DRIVER", "1")], "epoll");
}
