use super::*;
use crate::manage::vitals::tests::{ready_view, vitals};
use tokio::io::{DuplexStream, duplex};

fn on_a_runtime<T>(task: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(task)
}

async fn ask(vitals: &Vitals, request: &[u8]) -> String {
    let (mut client, server) = duplex(64 << 10);
    let guard = Guard::new(None);
    let talk = async {
        client.write_all(request).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let (served, answer) = tokio::join!(exchange(server, &guard, vitals, STEP_TIMEOUT), talk);
    served.unwrap();
    answer
}

#[test]
fn probes_see_the_node_get_ready() {
    let (vitals, sender) = vitals(2);
    on_a_runtime(async {
        let answer = ask(&vitals, b"GET /readyz HTTP/1.1\r\nhost: localhost:8081\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.contains("the data path is not connected"), "{answer}");
        sender.send_replace(ready_view());
        let answer = ask(&vitals, b"GET /readyz HTTP/1.1\r\n\r\n").await;
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"problems\":[]"),
            "{answer}"
        );
        let answer = ask(&vitals, b"GET /metrics HTTP/1.0\r\n\r\n").await;
        assert!(answer.contains("\nsluice_ready 1\n"));
        let answer = ask(&vitals, b"GET /status HTTP/1.1\r\n\r\n").await;
        assert!(answer.contains("\"driver\":\"io_uring (defer_taskrun)\""));
    });
}

#[test]
fn what_is_not_for_reading_is_refused_and_counted() {
    let (vitals, _sender) = vitals(1);
    on_a_runtime(async {
        for (request, status) in [
            ("POST /readyz HTTP/1.1\r\n\r\n", "405"),
            ("GET /secrets HTTP/1.1\r\n\r\n", "404"),
            ("GET /metrics HTTP/1.1\r\nhost: attacker.example\r\n\r\n", "403"),
            ("nonsense\r\n\r\n", "400"),
        ] {
            let answer = ask(&vitals, request.as_bytes()).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        }
        let long = [b'x'; HEAD_BYTES_MAX + 1];
        assert!(ask(&vitals, &long).await.starts_with("HTTP/1.1 431 "));
        let answer =
            ask(&vitals, b"HEAD /healthz HTTP/1.1\r\nhost: attacker.example\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n"));
    });
    assert_eq!(vitals.counts.admin_refused.load(Ordering::Relaxed), 5);
    assert_eq!(vitals.counts.admin_requests.load(Ordering::Relaxed), 6);
}

#[test]
fn a_client_that_says_nothing_is_let_go() {
    let (vitals, _sender) = vitals(1);
    on_a_runtime(async {
        let (mut client, server): (DuplexStream, DuplexStream) = duplex(64);
        client.write_all(b"GET /hea").await.unwrap();
        let ended = exchange(server, &Guard::new(None), &vitals, Duration::ZERO).await;
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
    });
}
