//! An HTTP/1.1 client for bytes of any kind: what is sent is the test's word, what comes back is
//! read strictly.
//!
//! It sends requests as raw bytes, so a test can break every rule; an answer that breaks one is a
//! failure of the test, with the bytes in the message.

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::Value;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

enum Transport {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// One connection.
pub struct Client {
    transport: Transport,
    host: SocketAddr,
    /// Received and not yet taken.
    received: Vec<u8>,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// Status.
    pub status: u16,
    /// Names in lower case, and values, in their order.
    pub headers: Vec<(String, String)>,
    /// Body, without its framing.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of the header `name`; fails the test where it stands twice.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "`{name}` stands twice: {:?}", self.headers);
        value
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// The field of the error object; null where there is none.
    #[track_caller]
    pub fn error(&self, field: &str) -> Value {
        self.json()["error"][field].clone()
    }

    /// The data of each event of an event stream, the end mark included.
    pub fn events(&self) -> Vec<String> {
        let text = self.text();
        let data = |event: &str| {
            event.lines().find_map(|line| line.strip_prefix("data: ").map(str::to_owned))
        };
        text.split("\n\n").filter_map(data).collect()
    }
}

impl Client {
    /// Connects to `address`.
    pub fn connect(address: SocketAddr) -> Client {
        Client::try_connect(address).unwrap_or_else(|error| panic!("connect {address}: {error}"))
    }

    /// Connects to `address`, which may fail.
    pub fn try_connect(address: SocketAddr) -> io::Result<Client> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Client { transport: Transport::Plain(stream), host: address, received: Vec::new() })
    }

    /// Connects with TLS; the handshake is over when this returns.
    pub fn connect_tls(address: SocketAddr, config: Arc<ClientConfig>) -> io::Result<Client> {
        let plain = Client::try_connect(address)?;
        let Transport::Plain(mut stream) = plain.transport else {
            return Err(ErrorKind::Other.into());
        };
        let name = ServerName::from(address.ip());
        let mut session = ClientConnection::new(config, name).map_err(io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(&mut stream)?;
        }
        let tls = Box::new(StreamOwned::new(session, stream));
        Ok(Client { transport: Transport::Tls(tls), host: address, received: Vec::new() })
    }

    /// The TLS session; `None` on a plain connection.
    pub fn session(&self) -> Option<&ClientConnection> {
        match &self.transport {
            Transport::Plain(_) => None,
            Transport::Tls(tls) => Some(&tls.conn),
        }
    }

    fn socket(&self) -> &TcpStream {
        match &self.transport {
            Transport::Plain(stream) => stream,
            Transport::Tls(tls) => &tls.sock,
        }
    }

    /// How long a read may take from now on.
    pub fn set_patience(&self, patience: Duration) {
        self.socket().set_read_timeout(Some(patience)).unwrap();
    }

    /// Sends `bytes`; an error where the other side has closed.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.transport {
            Transport::Plain(stream) => stream.write_all(bytes),
            Transport::Tls(tls) => tls.write_all(bytes).and_then(|()| tls.flush()),
        }
    }

    /// Sends `bytes`.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes.as_ref()).expect("the bytes are taken");
    }

    /// Sends a request with a JSON body.
    #[track_caller]
    pub fn send_post(&mut self, path: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) {
        let body = body.as_ref();
        let mut message = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n",
            self.host,
            body.len()
        );
        for (name, value) in headers {
            message.extend([*name, ": ", *value, "\r\n"]);
        }
        message.push_str("\r\n");
        self.send([message.as_bytes(), body].concat());
    }

    /// Sends a request with a JSON body and reads the answer.
    #[track_caller]
    pub fn post(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Response {
        self.send_post(path, headers, body);
        self.response()
    }

    /// Sends a chat request and reads the answer.
    #[track_caller]
    pub fn chat(&mut self, body: impl AsRef<[u8]>) -> Response {
        self.post("/v1/chat/completions", &[], body)
    }

    /// Sends a request without a body and reads the answer.
    #[track_caller]
    pub fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut message = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n", self.host);
        for (name, value) in headers {
            message.extend([*name, ": ", *value, "\r\n"]);
        }
        self.send(message + "\r\n");
        self.response()
    }

    /// Says that nothing more will be sent.
    pub fn finish(&mut self) {
        // The other side may have closed before.
        self.socket().shutdown(Shutdown::Write).ok();
    }

    /// Leaves at once: with unread bytes in its buffer the socket is reset.
    pub fn leave(self) {
        self.socket().shutdown(Shutdown::Both).ok();
    }

    /// Reads what comes next; 0 at the end.
    pub fn read_some(&mut self) -> io::Result<usize> {
        let mut bytes = [0; 16 << 10];
        let read = match &mut self.transport {
            Transport::Plain(stream) => stream.read(&mut bytes),
            Transport::Tls(tls) => tls.read(&mut bytes),
        };
        match read {
            Ok(count) => {
                self.received.extend_from_slice(&bytes[..count]);
                Ok(count)
            }
            // A peer that leaves out TLS's goodbye.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(0),
            // A machine that was stopped and goes on: a read with a time-out is not restarted.
            Err(error) if error.kind() == ErrorKind::Interrupted => self.read_some(),
            Err(error) => Err(error),
        }
    }

    /// What was received and not taken.
    pub fn received(&self) -> &[u8] {
        &self.received
    }

    /// Whether the other side closes without another byte. A reset counts: it may have had unread
    /// bytes of ours.
    pub fn is_closed(&mut self) -> bool {
        self.received.is_empty()
            && match self.read_some() {
                Ok(count) => count == 0,
                Err(error) => error.kind() == ErrorKind::ConnectionReset,
            }
    }

    /// Reads a whole answer, interim ones left out.
    #[track_caller]
    pub fn response(&mut self) -> Response {
        self.try_response(false).unwrap_or_else(|error| {
            panic!("{error}; received: {}", String::from_utf8_lossy(&self.received))
        })
    }

    /// Reads the answer to a HEAD request.
    #[track_caller]
    pub fn head_response(&mut self) -> Response {
        self.try_response(true).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Reads a head: the status and the headers. Interim answers are not left out.
    pub fn read_head(&mut self) -> io::Result<Response> {
        let end = loop {
            let end = self.received.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                break end;
            }
            self.fill()?;
        };
        let head: Vec<u8> = self.received.drain(..end + 4).collect();
        parse_head(&head)
    }

    /// Reads a whole answer, which may fail.
    pub fn try_response(&mut self, head_only: bool) -> io::Result<Response> {
        let mut response = loop {
            let head = self.read_head()?;
            if head.status >= 200 {
                break head;
            }
        };
        let header = |name: &str| response.header(name).map(str::to_ascii_lowercase);
        let chunked = header("transfer-encoding").is_some_and(|coding| coding == "chunked");
        let length = header("content-length");
        if head_only || matches!(response.status, 204 | 304) {
            return Ok(response);
        }
        response.body = match (chunked, length) {
            (true, Some(_)) => return Err(broken("both framings")),
            (true, None) => self.chunks()?,
            (false, Some(length)) => {
                let length: usize = length.parse().map_err(|_error| broken("content-length"))?;
                while self.received.len() < length {
                    self.fill()?;
                }
                self.received.drain(..length).collect()
            }
            (false, None) => {
                while self.read_some()? > 0 {}
                std::mem::take(&mut self.received)
            }
        };
        Ok(response)
    }

    fn fill(&mut self) -> io::Result<()> {
        match self.read_some()? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Reads one chunk of a body; empty at the last.
    pub fn chunk(&mut self) -> io::Result<Vec<u8>> {
        let end = loop {
            let end = self.received.windows(2).position(|two| two == b"\r\n");
            if let Some(end) = end {
                break end;
            }
            self.fill()?;
        };
        let size =
            std::str::from_utf8(&self.received[..end]).map_err(|_error| broken("chunk size"))?;
        let size = usize::from_str_radix(size, 16).map_err(|_error| broken("chunk size"))?;
        let whole = end + 2 + size + 2;
        while self.received.len() < whole {
            self.fill()?;
        }
        let chunk: Vec<u8> = self.received.drain(..whole).collect();
        if !chunk.ends_with(b"\r\n") {
            return Err(broken("chunk end"));
        }
        Ok(chunk[end + 2..whole - 2].to_vec())
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let chunk = self.chunk()?;
            if chunk.is_empty() {
                return Ok(body);
            }
            body.extend_from_slice(&chunk);
        }
    }
}

fn broken(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("the answer is malformed: {what}"))
}

fn parse_head(head: &[u8]) -> io::Result<Response> {
    let text = std::str::from_utf8(head).map_err(|_error| broken("head"))?;
    let mut lines = text.trim_end().split("\r\n");
    let mut first = lines.next().unwrap_or_default().splitn(3, ' ');
    if first.next() != Some("HTTP/1.1") {
        return Err(broken("version"));
    }
    let status = first.next().and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| broken("status"))?;
    let header = |line: &str| {
        let (name, value) = line.split_once(':').ok_or_else(|| broken("header"))?;
        Ok((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    let headers = lines.map(header).collect::<io::Result<_>>()?;
    Ok(Response { status, headers, body: Vec::new() })
}

/// Asks `address` for `path` on a connection of its own.
pub fn get(address: SocketAddr, path: &str) -> Option<Response> {
    let mut client = Client::try_connect(address).ok()?;
    let message = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    client.try_send(message.as_bytes()).ok()?;
    client.try_response(false).ok()
}

/// Posts `body` to `path` on a connection of its own; `None` where no whole answer came.
pub fn post(address: SocketAddr, path: &str, body: impl AsRef<[u8]>) -> Option<Response> {
    let body = body.as_ref();
    let mut client = Client::try_connect(address).ok()?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    client.try_send(&[head.as_bytes(), body].concat()).ok()?;
    client.try_response(false).ok()
}
