//! Requests end at random moments: the client leaves within its head, its body, its wait or its
//! stream, the upstream dies, nobody answers. Nothing is left of them, and clients that behave get
//! their own bytes, all of them, and no others. On io_uring and on epoll, with TLS and without.
//!
//! 2,000 on each, or `SLUICE_CANCELS`.
#![cfg(test)]

#[path = "faults/leaver.rs"]
mod leaver;
#[path = "faults/random.rs"]
mod random;

use leaver::Leaver;
use random::{Random, setting};
use rustls::ClientConfig;
use sluice_tests::{
    Certificates, Client, Mock, Node, Setup, chat, chat_stream, descriptors, eventually, forwarded,
    until,
};
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

/// A client that behaves, on one connection: each request has a text of its own, which the upstream
/// says back.
fn behave(mut client: Client, mut random: Random, stop: &AtomicBool) -> u32 {
    let mut done = 0;
    while !stop.load(Ordering::Relaxed) {
        let nonce = format!("{:016x}", random.next());
        let words = usize::try_from(random.within(1..400)).unwrap();
        let text = [nonce.as_str()].repeat(words).join(" ");
        let stream = random.within(0..2) == 0;
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

fn connect(node: &Node, tls: Option<&Arc<ClientConfig>>) -> Client {
    tls.map_or_else(|| node.client(), |config| node.client_tls(Arc::clone(config)))
}

fn start_honest(
    node: &Node,
    tls: Option<&Arc<ClientConfig>>,
    random: &mut Random,
    stop: &Arc<AtomicBool>,
) -> Vec<JoinHandle<u32>> {
    let honest = |_| {
        let (client, random, stop) = (connect(node, tls), random.fork(), Arc::clone(stop));
        std::thread::spawn(move || behave(client, random, &stop))
    };
    (0..HONEST).map(honest).collect()
}

fn cancel(name: &str, driver: &str, setup: Setup, tls: Option<&Arc<ClientConfig>>) {
    let mut random = Random::new(name);
    let (plain, paced) = (Mock::start(), Mock::with(&["--chunks", "16", "--chunk-delay-ms", "2"]));
    let route = |name: &str, model: &str| {
        format!("[[route]]\nname = \"{name}\"\nmodels = [\"{model}\"]\ntargets = [\"{name}\"]\n")
    };
    let rest = plain.upstream("plain", "internal")
        + &paced.upstream("paced", "internal")
        + &route("paced", "paced")
        + &route("plain", "*");
    let timeouts =
        ["head", "body", "upstream"].map(|of| format!("{of}_timeout_ms = {TIMEOUT_MS}\n"));
    let setup = Setup { rest, ..setup }.workers(2).limits(&timeouts.concat());
    let mut node = Node::start(setup);
    assert!(node.log().contains(driver) || node.out().contains(driver), "{}", node.log());
    let mocks = [&plain, &paced];
    for model in ["mock", "paced"] {
        assert_eq!(connect(&node, tls).chat(chat(model, "Hello.")).status, 200);
    }
    let no_connections = || node.metrics().count("sluice_connections_open") == 0;
    eventually("connections are closed", no_connections);
    let before = held(&node, &mocks);

    let stop = Arc::new(AtomicBool::new(false));
    let honest = start_honest(&node, tls, &mut random, &stop);
    let left = Arc::new(AtomicU32::new(setting("SLUICE_CANCELS", CANCELS)));
    let address = node.address;
    let leave = |_| {
        let (left, mut random, tls) = (Arc::clone(&left), random.fork(), tls.cloned());
        std::thread::spawn(move || {
            let take = || {
                left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
            };
            while take().is_ok() {
                Leaver::run(address, tls.as_ref(), random.fork());
            }
        })
    };
    let leaving: Vec<_> = (0..LEAVING).map(leave).collect();
    for thread in leaving {
        thread.join().unwrap();
    }
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
    assert_eq!(connect(&node, tls).chat(chat("mock", "Hello.")).status, 200);
    node.stop();
    node.assert_verifies();
}

#[test]
fn cancelled_requests_leave_nothing_behind_on_io_uring() {
    cancel("faults_cancel_io_uring", "io_uring", Setup::default(), None);
}

#[test]
fn cancelled_requests_leave_nothing_behind_on_epoll() {
    let environment = vec![("MONOIO_FORCE_LEGACY_DRIVER".to_owned(), "1".to_owned())];
    let setup = Setup { environment, ..Setup::default() };
    cancel("faults_cancel_epoll", "epoll", setup, None);
}

#[test]
fn cancelled_requests_leave_nothing_behind_with_tls() {
    let certificates = Certificates::new();
    let client = certificates.client(rustls::ALL_VERSIONS, false);
    let setup = Setup::default().tls(&certificates, "");
    cancel("faults_cancel_tls", "io_uring", setup, Some(&client));
}
