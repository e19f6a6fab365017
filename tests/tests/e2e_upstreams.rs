//! Upstreams that fail, break the protocol, stall, hang up or vanish; pooled connections; streams;
//! clients that leave.
#![cfg(test)]

use serde_json::json;
use sluice_tests::{
    Certificates, Client, Mock, Node, Setup, Upstream, chat, chat_stream, eventually, text_of,
};
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const CHAT: &str = "/v1/chat/completions";

#[test]
fn every_fault_has_its_status() {
    let mock = Mock::start();
    let limits = "upstream_timeout_ms = 700\nresponse_bytes = 500000\n";
    let node = Node::start(Setup::to_mock(&mock, "external", "").limits(limits));
    for (model, status, code) in [
        ("mock-status-400", 400, ""),
        ("mock-status-401", 401, ""),
        ("mock-status-404", 404, ""),
        ("mock-status-429", 429, ""),
        ("mock-status-500", 500, ""),
        ("mock-status-503", 503, ""),
        ("mock-redirect", 502, "upstream_redirect"),
        ("mock-gzip", 502, "upstream_encoded"),
        ("mock-hang", 504, "upstream_timeout"),
        ("mock-slow-1500", 504, "upstream_timeout"),
        ("mock-slow-200", 200, ""),
        ("mock-die", 502, "upstream_protocol_error"),
        ("mock-100", 200, ""),
        ("mock-101", 502, "upstream_protocol_error"),
        ("mock-chunked", 200, ""),
        ("mock-close", 200, ""),
        ("mock-badframing", 502, "upstream_protocol_error"),
        ("mock-huge-json-400", 200, ""),
        ("mock-huge-json-900", 502, "upstream_response_too_large"),
        ("mock-big-2", 502, "upstream_response_too_large"),
        ("mock-early", 200, ""),
        ("plain", 200, ""),
    ] {
        let response = node.chat(chat(model, "Hello."));
        assert_eq!(response.status, status, "{model}: {}", response.text());
        let row = node.row(&response);
        assert_eq!(row["status"], status, "{model}: {row}");
        if code.is_empty() {
            assert_eq!(row["upstream_status"], status, "{model}: {row}");
            assert_eq!(row["end"], "complete", "{model}: {row}");
        } else {
            assert_eq!(response.error("code"), code, "{model}");
            assert!(response.error("message").as_str().unwrap().contains("upstream"), "{model}");
            assert_eq!(row["reason"], code, "{model}: {row}");
            let retry = response.header("x-should-retry");
            assert_eq!(retry, Some(if status == 504 { "true" } else { "false" }), "{model}");
        }
        assert!(response.header("x-sluice-verdict").is_some(), "{model}");
    }
    assert_eq!(mock.stat("redirects_followed"), 0);
    // Interim answers of an upstream are not the client's.
    for body in [chat("mock-100", "Hello."), chat_stream("mock-100", "Hello.")] {
        let mut client = node.client();
        client.send_post(CHAT, &[], body);
        let head = client.read_head().unwrap();
        assert_eq!((head.status, head.header("link")), (200, None));
    }
    let metrics = node.metrics();
    assert_eq!(metrics.count("sluice_panics_total"), 0);
    assert!(metrics.count("sluice_upstream_failures_total") >= 9);
    node.assert_verifies();
}

#[test]
fn streams_that_break_are_cut_and_never_ended_as_if_whole() {
    let mock = Mock::start();
    let node =
        Node::start(Setup::to_mock(&mock, "external", "").limits("upstream_timeout_ms = 700\n"));
    for model in ["mock-die-stream", "mock-die"] {
        let mut client = node.client();
        client.send_post(CHAT, &[], chat_stream(model, "Hello."));
        assert_eq!(client.read_head().unwrap().status, 200, "{model}");
        let error = loop {
            match client.chunk() {
                Ok(chunk) => assert!(!chunk.is_empty(), "{model}: ended as if it were whole"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof, "{model}");
    }
    for model in ["plain", "mock-close", "mock-100", "mock-early"] {
        let response = node.chat(chat_stream(model, "Hello."));
        assert_eq!(response.events().last().map(String::as_str), Some("[DONE]"), "{model}");
        assert!(response.header("content-type").unwrap().starts_with("text/event-stream"));
    }
    for (model, status) in [("mock-status-429", 429), ("mock-hang", 504), ("mock-gzip", 502)] {
        let response = node.chat(chat_stream(model, "Hello."));
        assert_eq!(response.status, status, "{model}");
        assert_eq!(response.header("content-type"), Some("application/json"), "{model}");
    }
    eventually("every outcome is recorded", || {
        node.rows().iter().all(|row| !row["status"].is_null())
    });
    let ends: Vec<_> = node.rows().iter().map(|row| row["end"].clone()).collect();
    assert_eq!(ends.iter().filter(|end| **end == json!("upstream_failed")).count(), 3, "{ends:?}");
}

#[test]
fn events_pass_one_by_one() {
    let mock = Mock::with(&["--chunks", "8", "--chunk-delay-ms", "150"]);
    let node = Node::start(Setup::to_mock(&mock, "external", ""));
    let mut client = node.client();
    client.send_post(CHAT, &[], chat_stream("plain", "Hello."));
    assert_eq!(client.read_head().unwrap().status, 200);
    let mut times = Vec::new();
    let mut text = Vec::new();
    loop {
        let chunk = client.chunk().unwrap();
        if chunk.is_empty() {
            break;
        }
        times.push(Instant::now());
        text.extend_from_slice(&chunk);
    }
    // Not in one piece at the end: the upstream needs more than a second between first and last.
    let spread = *times.last().unwrap() - times[0];
    assert!(spread > Duration::from_millis(700), "{spread:?} between first and last");
    assert!(times.len() >= 6, "{} pieces", times.len());
    assert!(String::from_utf8(text).unwrap().ends_with("data: [DONE]\n\n"));
    // Byte for byte what the upstream sends.
    let direct = Client::connect(mock.address).chat(chat_stream("plain", "Hello."));
    let passed = node.chat(chat_stream("plain", "Hello."));
    assert_eq!(direct.events().len(), passed.events().len());
    assert_eq!(node.metrics().count("sluice_streams_total"), 2);
    eventually("events are counted", || {
        node.metrics().count("sluice_stream_events_total") >= 2 * 8
    });
}

#[test]
fn pooled_connections_are_reused_and_stale_ones_replaced() {
    // Closes every connection after its second answer, without a word.
    let upstream = Upstream::start(|stream, _| {
        for _ in 0..2 {
            if Upstream::read_request(stream).is_none() {
                return;
            }
            Upstream::answer(stream, "200 OK", "", &Upstream::completion("Hi"));
        }
    });
    let rest = upstream.toml("own", "internal") + &Setup::route("own", "");
    let node = Node::start(Setup { rest, ..Setup::default() });
    let mut client = node.client();
    for _ in 0..20 {
        let response = client.chat(chat("m", "Hello."));
        assert_eq!(response.status, 200, "{}", response.text());
    }
    assert_eq!(upstream.accepted(), 10);
    // One that closed in the meantime was taken, and replaced.
    let metrics = node.metrics();
    let retries = metrics.count("sluice_upstream_retries_total");
    assert_eq!(metrics.count("sluice_upstream_reuses_total") - retries, 10);
}

#[test]
fn a_request_on_a_connection_that_dies_with_it_is_sent_once_more() {
    // Reads the second request of each connection, then hangs up: the race that no pool avoids.
    let upstream = Upstream::start(|stream, _| {
        if Upstream::read_request(stream).is_some() {
            Upstream::answer(stream, "200 OK", "", &Upstream::completion("Hi"));
            Upstream::read_request(stream);
        }
    });
    let rest = upstream.toml("own", "internal") + &Setup::route("own", "");
    let node = Node::start(Setup { rest, ..Setup::default() });
    let mut client = node.client();
    for _ in 0..10 {
        assert_eq!(client.chat(chat("m", "Hello.")).status, 200);
    }
    assert!(node.metrics().count("sluice_upstream_retries_total") >= 5);
    // A new connection that hangs up is no stale one: that is said, and not tried for ever.
    let rude = Upstream::start(|stream, _| drop(Upstream::read_request(stream)));
    let rest = rude.toml("rude", "internal") + &Setup::route("rude", "");
    let node = Node::start(Setup { rest, ..Setup::default() });
    let response = node.chat(chat("m", "Hello."));
    assert_eq!((response.status, response.error("code")), (502, json!("upstream_unreachable")));
    assert_eq!(rude.accepted(), 1);
}

#[test]
fn a_stream_that_nobody_asked_for_does_not_pass() {
    let upstream = Upstream::start(|stream, _| {
        while Upstream::read_request(stream).is_some() {
            let event = "data: {\"x\":\"unseen\"}\n\n";
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: ";
            let answer = format!("{head}{}\r\n\r\n{event}", event.len());
            stream.write_all(answer.as_bytes()).ok();
        }
    });
    let rest = upstream.toml("own", "internal") + &Setup::route("own", "");
    let node = Node::start(Setup { rest, ..Setup::default() });
    let response = node.chat(chat("m", "Hello."));
    let code = response.error("code");
    assert_eq!((response.status, code), (502, json!("upstream_response_not_inspectable")));
    assert!(!response.text().contains("unseen"));
}

#[test]
fn an_answer_that_nobody_asked_for_is_nobodys() {
    // The first connection says more than it was asked, a moment after its answer.
    let said = Arc::new(AtomicBool::new(false));
    let done = Arc::clone(&said);
    let upstream = Upstream::start(move |stream, number| {
        while let Some(request) = Upstream::read_request(stream) {
            let name = if request.contains("number one") { "one" } else { "two" };
            Upstream::answer(stream, "200 OK", "", &Upstream::completion(name));
            if number == 0 && name == "one" {
                std::thread::sleep(Duration::from_millis(100));
                Upstream::answer(stream, "200 OK", "", &Upstream::completion("smuggled"));
                done.store(true, Ordering::SeqCst);
            }
        }
    });
    let rest = upstream.toml("own", "internal") + &Setup::route("own", "");
    let node = Node::start(Setup { rest, ..Setup::default() });
    assert_eq!(text_of(&node.chat(chat("m", "number one"))), "one");
    eventually("it is said", || said.load(Ordering::SeqCst));
    // On loopback what was sent is there.
    for _ in 0..3 {
        assert_eq!(text_of(&node.chat(chat("m", "number two"))), "two");
    }
    assert_eq!(upstream.accepted(), 2);
}

#[test]
fn a_second_target_takes_over() {
    let mock = Mock::start();
    let rest = format!(
        "[[upstream]]\nname = \"gone\"\nurl = \"http://{}:9\"\ntrust = \"internal\"\n{}\
         [[route]]\nname = \"default\"\nmodels = [\"*\"]\ntargets = [\"gone\", {{ upstream = \"mock\", model = \"mock-echo-body\" }}]\n",
        sluice_tests::loopback(),
        mock.upstream("mock", "external"),
    );
    let node = Node::start(Setup { rest, ..Setup::default() });
    let card = "4111 1111 1111 1111";
    let response = node.chat(chat("m", &format!("It is {card}.")));
    assert_eq!(response.status, 200, "{}", response.text());
    // Decided anew: the first target would have got it whole, this one may not.
    let sent = text_of(&response);
    assert!(!sent.contains(card) && sent.contains("\"model\":\"mock-echo-body\""), "{sent}");
    assert_eq!(response.header("x-sluice-verdict"), Some("redact"));
    let row = node.row(&response);
    assert_eq!((&row["target"], &row["attempt"]), (&json!("mock"), &json!(1)), "{row}");
    let rows = node.rows();
    assert_eq!(rows.len(), 2);
    assert_eq!((&rows[0]["target"], &rows[0]["end"]), (&json!("gone"), &json!("upstream_failed")));
    node.assert_verifies();
    // With no target left, the last one's failure is the answer.
    mock.end();
    let response = node.chat(chat("m", "Hello."));
    assert_eq!((response.status, response.error("code")), (502, json!("upstream_unreachable")));
}

#[test]
fn a_client_that_leaves_takes_its_upstream_request_with_it() {
    let mock = Mock::start();
    let node = Node::start(Setup::to_mock(&mock, "external", ""));
    for round in 1..=10 {
        let mut client = node.client();
        client.send_post(CHAT, &[], chat("mock-slow-60000", "Hello."));
        eventually("it is forwarded", || {
            mock.stat("requests") > 2 * round - 2
                && node.metrics().count("sluice_requests_in_flight") == 1
        });
        // Not before the request is out.
        std::thread::sleep(Duration::from_millis(30));
        client.leave();
        eventually("the upstream is told", || mock.stat("cancelled") == round);
        eventually("the request is over", || {
            node.metrics().count("sluice_requests_in_flight") == 0
        });
    }
    assert_eq!(node.metrics().count("sluice_client_left_total"), 10);
    eventually("outcomes say so", || {
        node.rows().iter().filter(|row| row["end"] == "client_left").count() == 10
    });
    assert!(node.rows().iter().all(|row| row["status"] == 0));
}

#[test]
fn an_upstream_that_stops_in_a_stream_is_given_up() {
    let upstream = Upstream::start(|stream, _| {
        if Upstream::read_request(stream).is_some() {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: x\n\n\r\n";
            std::io::Write::write_all(stream, head.as_bytes()).ok();
            // Until the other side gives up.
            Upstream::read_request(stream);
        }
    });
    let rest = upstream.toml("own", "internal") + &Setup::route("own", "");
    let node =
        Node::start(Setup { rest, ..Setup::default() }.limits("upstream_timeout_ms = 400\n"));
    let mut client = node.client();
    client.send_post(CHAT, &[], chat_stream("m", "Hello."));
    assert_eq!(client.read_head().unwrap().status, 200);
    assert_eq!(client.chunk().unwrap(), b"data: x\n\n");
    assert!(client.chunk().is_err());
    eventually("it is recorded", || node.rows().iter().any(|row| row["end"] == "upstream_timeout"));
}

#[test]
fn connections_to_an_upstream_are_bounded() {
    let mock = Mock::start();
    let rest = format!(
        "{}connections = 2\n{}",
        mock.upstream("mock", "external"),
        Setup::route("mock", "")
    );
    let node = Node::start(Setup { rest, ..Setup::default() });
    let mut busy: Vec<Client> = (0..2)
        .map(|_| {
            let mut client = node.client();
            client.send_post(CHAT, &[], chat("mock-slow-2000", "Hello."));
            client
        })
        .collect();
    eventually("both are busy", || mock.stat("connections_open") == 3);
    let response = node.chat(chat("m", "Hello."));
    assert_eq!((response.status, response.error("code")), (503, json!("upstream_busy")));
    for client in &mut busy {
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(node.chat(chat("m", "Hello.")).status, 200);
}

#[test]
fn addresses_of_metadata_services_are_refused() {
    let setup = |more: &str| {
        let rest = format!(
            "[[upstream]]\nname = \"meta\"\nurl = \"http://169.254.169.254\"\ntrust = \"internal\"\n{more}{}",
            Setup::route("meta", "")
        );
        Node::prepare(Setup { rest, ..Setup::default() })
    };
    let check = |node: &Node| {
        sluice_tests::sluice(["check".as_ref(), "--config".as_ref(), node.config().as_os_str()])
    };
    let refused = check(&setup(""));
    assert_eq!(refused.code, Some(1));
    assert!(refused.out.contains("allow_link_local = true"), "{refused:?}");
    assert_eq!(check(&setup("allow_link_local = true\n")).code, Some(0));
}

#[test]
fn names_are_resolved_and_unknown_ones_told() {
    let mock = Mock::at(([127, 0, 0, 1], 19_107).into(), &[]);
    let rest = format!(
        "[[upstream]]\nname = \"named\"\nurl = \"http://localhost:{}\"\ntrust = \"internal\"\n\
         [[upstream]]\nname = \"nowhere\"\nurl = \"http://no-such-host.invalid\"\ntrust = \"internal\"\n\
         [[route]]\nname = \"nowhere\"\nmodels = [\"no-*\"]\ntargets = [\"nowhere\"]\n{}",
        mock.address.port(),
        Setup::route("named", "")
    );
    let node = Node::start(Setup { rest, ..Setup::default() });
    eventually("the name is resolved", || node.chat(chat("m", "Hello.")).status == 200);
    let response = node.chat(chat("no-1", "Hello."));
    assert_eq!((response.status, response.error("code")), (502, json!("upstream_unreachable")));
}

#[test]
fn https_upstreams_are_checked() {
    use std::io::{Read, Write};
    let certificates = Certificates::new();
    let chain = vec![rustls_certificate(&certificates)];
    let key = rustls_key(&certificates);
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = std::sync::Arc::new(config);
    let listener = std::net::TcpListener::bind((certificates.address, 9443)).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let config = std::sync::Arc::clone(&config);
            std::thread::spawn(move || {
                let session = rustls::ServerConnection::new(config).unwrap();
                let mut tls = rustls::StreamOwned::new(session, stream);
                let mut request = vec![0; 64 << 10];
                // The second read brings the body where it comes apart.
                while let Ok(count) = tls.read(&mut request) {
                    if count == 0 {
                        return;
                    }
                    let body = Upstream::completion("over tls");
                    let head = format!(
                        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                        body.len()
                    );
                    if tls.write_all((head + &body).as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    let upstream = |name: &str, host: &str, ca: bool| {
        let ca = if ca {
            format!("ca = \"{}\"\n", certificates.authority().display())
        } else {
            String::new()
        };
        format!(
            "[[upstream]]\nname = \"{name}\"\nurl = \"https://{host}:9443\"\ntrust = \"internal\"\n{ca}"
        )
    };
    let address = certificates.address.to_string();
    let route = |name: &str| {
        format!("[[route]]\nname = \"{name}\"\nmodels = [\"{name}\"]\ntargets = [\"{name}\"]\n")
    };
    let rest = [
        upstream("trusted", &address, true),
        upstream("unknown", &address, false),
        route("trusted"),
        route("unknown"),
    ]
    .concat();
    let node = Node::start(Setup { rest, ..Setup::default() });
    for _ in 0..3 {
        let response = node.chat(chat("trusted", "Hello."));
        assert_eq!(text_of(&response), "over tls");
    }
    let response = node.chat(chat("unknown", "Hello."));
    assert_eq!((response.status, response.error("code")), (502, json!("upstream_unreachable")));
    assert!(response.error("message").as_str().unwrap().contains("tls"), "{}", response.text());
    assert_eq!(node.metrics().count("sluice_upstream_reuses_total"), 2);
}

fn rustls_certificate(certificates: &Certificates) -> rustls::pki_types::CertificateDer<'static> {
    use rustls::pki_types::pem::PemObject as _;
    rustls::pki_types::CertificateDer::from_pem_file(certificates.certificate()).unwrap()
}

fn rustls_key(certificates: &Certificates) -> rustls::pki_types::PrivateKeyDer<'static> {
    use rustls::pki_types::pem::PemObject as _;
    rustls::pki_types::PrivateKeyDer::from_pem_file(certificates.key()).unwrap()
}
