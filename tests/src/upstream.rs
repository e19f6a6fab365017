//! An upstream that a test writes itself, for what the mock does not do: one thread a connection,
//! and a function that gets it.

use crate::loopback;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A listening upstream. Its threads end with their connections; the one that accepts, with the
/// test's process.
pub struct Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    accepted: Arc<AtomicUsize>,
}

impl Upstream {
    /// Calls `serve` with each connection and its number, from 0, on a thread of its own.
    pub fn start(serve: impl Fn(&mut TcpStream, usize) + Send + Sync + 'static) -> Upstream {
        let listener = TcpListener::bind((loopback(), 9200)).unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let (serve, count) = (Arc::new(serve), Arc::clone(&accepted));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let serve = Arc::clone(&serve);
                let number = count.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    stream.set_read_timeout(Some(Duration::from_secs(30))).ok();
                    serve(&mut stream, number);
                });
            }
        });
        Upstream { address, accepted }
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// An `[[upstream]]` called `name` that is this one.
    pub fn toml(&self, name: &str, trust: &str) -> String {
        format!(
            "[[upstream]]\nname = \"{name}\"\nurl = \"http://{}\"\ntrust = \"{trust}\"\n",
            self.address
        )
    }

    /// Reads a request with a content length; `None` where the other side closed before one.
    pub fn read_request(stream: &mut TcpStream) -> Option<String> {
        let mut request = Vec::new();
        let mut buffer = [0; 16 << 10];
        loop {
            let text = String::from_utf8_lossy(&request).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    let is_length = name.eq_ignore_ascii_case("content-length");
                    is_length.then(|| value.trim().parse::<usize>().ok())?
                });
                if body.len() >= length.unwrap_or(0) {
                    return Some(text);
                }
            }
            match stream.read(&mut buffer) {
                Ok(0) | Err(_) => return None,
                Ok(count) => request.extend_from_slice(&buffer[..count]),
            }
        }
    }

    /// Answers with this status and JSON body; `more` are header lines, each with its end.
    pub fn answer(stream: &mut TcpStream, status: &str, more: &str, body: &str) {
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{more}content-length: {}\r\n\r\n",
            body.len()
        );
        // The proxy may have left.
        stream.write_all((head + body).as_bytes()).ok();
    }

    /// A chat answer that says `text`.
    pub fn completion(text: &str) -> String {
        serde_json::json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{
                "index": 0, "finish_reason": "stop",
                "message": {"role": "assistant", "content": text},
            }],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        })
        .to_string()
    }
}
