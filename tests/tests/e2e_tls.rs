//! TLS at the listener: versions, resumption over all workers, client certificates, hostile bytes.
#![cfg(test)]

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};
use sluice_tests::{Certificates, Client, Node, Setup, chat, chat_stream, eventually, text_of};

#[test]
fn both_versions_carry_requests_and_streams() {
    let certificates = Certificates::new();
    let node = Node::start(Setup::default().tls(&certificates, ""));
    for version in [&TLS12, &TLS13] {
        let mut client = node.client_tls(certificates.client(&[version], false));
        assert_eq!(client.session().unwrap().protocol_version(), Some(version.version));
        for n in 0..5 {
            assert_eq!(
                text_of(&client.chat(chat("echo", &format!("number {n}")))),
                format!("number {n}")
            );
        }
        let response = client.chat(chat_stream("echo", "streamed"));
        assert_eq!(response.events().last().map(String::as_str), Some("[DONE]"));
        // Larger than records and buffers, both ways.
        let long = "word ".repeat(100_000);
        assert_eq!(text_of(&client.chat(chat("echo", &long))), long);
    }
    assert_eq!(node.metrics().count("sluice_tls_handshakes_total"), 2);
}

/// Stays on one processor: connections are steered to the worker of the one that they come from.
fn pin(cpu: usize) {
    let mut cpus = CpuSet::new();
    cpus.set(cpu).unwrap();
    // Where this one may not be had, connections spread as they do.
    sched_setaffinity(Pid::from_raw(0), &cpus).ok();
}

#[test]
fn sessions_resume_on_every_worker() {
    let certificates = Certificates::new();
    let node = Node::start(Setup::default().tls(&certificates, "").workers(2));
    for version in [&TLS12, &TLS13] {
        let config = certificates.client(&[version], false);
        let mut kinds = Vec::new();
        for n in 0..20 {
            pin(n % 2);
            let mut client = node.client_tls(config.clone());
            // Tickets of 1.3 come with the first answer.
            assert_eq!(client.chat(chat("echo", "Hello.")).status, 200);
            kinds.push(client.session().unwrap().handshake_kind().unwrap());
        }
        let resumed = kinds.iter().filter(|kind| **kind == HandshakeKind::Resumed).count();
        assert_eq!(resumed, 19, "{version:?}: {kinds:?}");
    }
    let metrics = node.metrics();
    assert_eq!(metrics.count("sluice_tls_resumed_total"), 38);
    for worker in 0..2 {
        let name = format!("sluice_worker_connections_total{{worker=\"{worker}\"}}");
        assert!(metrics.count(&name) > 0, "worker {worker} had no connection");
    }
}

#[test]
fn client_certificates_are_asked_for_where_configured() {
    let certificates = Certificates::new();
    let ca = format!(", client_ca = \"{}\"", certificates.authority().display());
    let node = Node::start(Setup::default().tls(&certificates, &ca));
    let mut known = node.client_tls(certificates.client(&[&TLS13], true));
    assert_eq!(known.chat(chat("echo", "Hello.")).status, 200);
    for version in [&TLS12, &TLS13] {
        // With 1.3 the client is done before the server looks.
        let refused =
            match Client::connect_tls(node.address, certificates.client(&[version], false)) {
                Err(_) => true,
                Ok(mut client) => {
                    client.try_send(b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n").ok();
                    client.try_response(false).is_err()
                }
            };
        assert!(refused, "{version:?}");
    }
    eventually("failures are counted", || node.metrics().count("sluice_tls_failures_total") == 2);
}

#[test]
fn what_is_no_tls_is_let_go() {
    let certificates = Certificates::new();
    let limits = "head_timeout_ms = 400\n";
    let node = Node::start(Setup::default().tls(&certificates, "").limits(limits));
    // Plain HTTP, noise, a hello cut short, a stranger's trust, silence.
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    for bytes in [
        &b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"[..],
        &[0xff; 600],
        hello,
        b"",
        &[0x16, 3, 1, 0xff, 0xff],
    ] {
        let mut client = node.client();
        client.send(bytes);
        while client.read_some().is_ok_and(|count| count > 0) {}
        assert!(!String::from_utf8_lossy(client.received()).contains("HTTP/1.1 200"));
    }
    let stranger = Certificates::new();
    assert!(Client::connect_tls(node.address, stranger.client(&[&TLS13], false)).is_err());
    let mut client = node.client_tls(certificates.client(&[&TLS13], false));
    assert_eq!(client.chat(chat("echo", "Hello.")).status, 200);
    eventually("the others are gone", || node.metrics().count("sluice_connections_open") == 1);
}
