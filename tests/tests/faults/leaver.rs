//! Clients that do not see their requests through.

use nix::sys::socket::{setsockopt, sockopt::Linger};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use sluice_tests::{chat, chat_stream};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use crate::random::Random;

/// One in so many waits for a time-out.
const WAITS_OUT: u64 = 100;

/// Bodies above 256 KiB are inspected on a thread of their own.
const LONG_BODY: usize = 300 << 10;

/// How a request ends before its time.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    /// Within the handshake, with TLS.
    InHandshake,
    /// The client leaves within the head.
    InHead,
    /// Within the body.
    InBody,
    /// Within a body in chunks.
    InChunks,
    /// Within a body that is too long to be inspected by the worker.
    InLongBody,
    /// Behind such a body.
    WhileInspected,
    /// While the upstream does not answer.
    WhileWaiting,
    /// Just before or after the answer.
    AboutTheAnswer,
    /// Within a stream of a few events.
    InStream,
    /// Within a stream that is faster than its reader.
    InBigStream,
    /// While another request of its waits.
    WithAnotherBehind,
    /// The upstream leaves within its answer.
    UpstreamDies,
    /// The upstream leaves within its stream.
    UpstreamDiesInStream,
    /// Nobody does anything until the time is up.
    NobodyAnswers,
}

const WAYS: [Way; 13] = [
    Way::InHandshake,
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
pub struct Leaver {
    random: Random,
    socket: TcpStream,
    stream: Box<dyn Duplex>,
}

trait Duplex: Read + Write {}

impl<T: Read + Write> Duplex for T {}

impl Leaver {
    /// Connects, goes its way, and is gone.
    pub fn run(address: SocketAddr, tls: Option<&Arc<ClientConfig>>, mut random: Random) {
        let waits = random.within(0..WAITS_OUT) == 0;
        let way = if waits { Way::NobodyAnswers } else { random.one_of(&WAYS) };
        let socket = TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let plain = socket.try_clone().unwrap();
        let session = tls.map(|config| {
            ClientConnection::new(Arc::clone(config), ServerName::from(address.ip())).unwrap()
        });
        let stream: Box<dyn Duplex> = match session {
            None => Box::new(plain),
            Some(mut session) if matches!(way, Way::InHandshake) => {
                let mut hello = Vec::new();
                session.write_tls(&mut hello).unwrap();
                let mut leaver = Leaver { random, socket, stream: Box::new(plain) };
                leaver.send_part(&hello, 0);
                return leaver.leave();
            }
            Some(session) => Box::new(StreamOwned::new(session, plain)),
        };
        let mut leaver = Leaver { random, socket, stream };
        leaver.go(way);
        if !waits {
            leaver.leave();
        }
    }

    /// Leaves with a reset rather than an end, half of the time.
    fn leave(mut self) {
        if self.random.within(0..2) == 0 {
            let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
            setsockopt(&self.socket, Linger, &linger).unwrap();
        }
    }

    /// Sends `bytes` in pieces; the node may have closed before.
    fn send(&mut self, bytes: &[u8]) {
        let cut = self.cut(bytes);
        let (first, second) = bytes.split_at(cut);
        self.stream
            .write_all(first)
            .and_then(|()| self.stream.write_all(second))
            .and_then(|()| self.stream.flush())
            .ok();
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
        std::io::copy(&mut Read::by_ref(&mut self.stream).take(bytes), &mut std::io::sink()).ok();
    }

    /// Reads to the end and gives it: the node answers or closes, whatever the upstream does.
    fn read_all(&mut self) -> Vec<u8> {
        let mut received = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return received,
                Ok(count) => received.extend_from_slice(&buffer[..count]),
                Err(error) if is_end(error.kind()) => return received,
                Err(error) => panic!("{error}: {}", String::from_utf8_lossy(&received)),
            }
        }
    }

    fn go(&mut self, way: Way) {
        let hello = |model: &str| request(&chat(model, "Hello."));
        let long = || request(&chat("mock-hang", &"Hello, world. ".repeat(LONG_BODY / 14)));
        match way {
            // Without TLS there is none to leave.
            Way::InHandshake => {}
            Way::InHead => {
                let bytes = hello("mock").into_bytes();
                self.send_part(&bytes[..100], 0);
            }
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
            }
        }
    }
}

/// A reset, or an end without TLS's goodbye: an answer that is cut ends so.
fn is_end(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof)
}

/// `request`, as the last one of its connection.
fn closing(request: &str) -> Vec<u8> {
    request.replacen("\r\n", "\r\nconnection: close\r\n", 1).into_bytes()
}
