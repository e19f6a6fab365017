//! TLS on our own buffers: rustls is given bytes and gives bytes; it never sees a socket.

mod config;

pub use config::{ServerTls, TlsConfigError, client_config, server_config, ticketer};

use rustls::{ClientConnection, Connection, HandshakeKind, ServerConnection};
use std::io::{Read, Write};
use std::sync::Arc;

/// A TLS connection, either side.
pub struct Tls {
    connection: Connection,
    records: Vec<u8>,
}

impl Tls {
    /// The server's side.
    pub fn server(config: &Arc<rustls::ServerConfig>) -> Result<Tls, rustls::Error> {
        Ok(Tls::new(ServerConnection::new(Arc::clone(config))?.into()))
    }

    /// The client's side, towards `name`.
    pub fn client(
        config: &Arc<rustls::ClientConfig>,
        name: rustls_pki_types::ServerName<'static>,
    ) -> Result<Tls, rustls::Error> {
        Ok(Tls::new(ClientConnection::new(Arc::clone(config), name)?.into()))
    }

    fn new(mut connection: Connection) -> Tls {
        // Plaintext and records are drained after every step, so rustls needs no bound of its own.
        connection.set_buffer_limit(None);
        Tls { connection, records: Vec::new() }
    }

    /// Whether the handshake is under way.
    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Whether the handshake resumed a session.
    pub fn is_resumed(&self) -> bool {
        self.connection.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Takes records in and appends the plaintext in them to `out`.
    pub fn receive(&mut self, mut records: &[u8], out: &mut Vec<u8>) -> Result<(), rustls::Error> {
        while !records.is_empty() {
            let taken = self
                .connection
                .read_tls(&mut records)
                .map_err(|error| rustls::Error::General(error.to_string()))?;
            let state = self.connection.process_new_packets()?;
            let plain = state.plaintext_bytes_to_read();
            let start = out.len();
            out.resize(start + plain, 0);
            let place = out.get_mut(start..).unwrap_or_default();
            if self.connection.reader().read_exact(place).is_err() {
                out.truncate(start);
            }
            if taken == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Takes plaintext to be sent; [`Tls::take_records`] gives the records.
    pub fn send(&mut self, plain: &[u8]) -> std::io::Result<()> {
        self.connection.writer().write_all(plain)
    }

    /// Says goodbye.
    pub fn close(&mut self) {
        self.connection.send_close_notify();
    }

    /// The buffer for records, to be given back.
    pub fn records_buffer(&mut self) -> Vec<u8> {
        let mut records = std::mem::take(&mut self.records);
        records.clear();
        records
    }

    /// Gives the buffer for records back.
    pub fn give_records_buffer(&mut self, records: Vec<u8>) {
        self.records = records;
    }

    /// Appends every record that waits to be sent to `out`.
    pub fn take_records(&mut self, out: &mut Vec<u8>) {
        while self.connection.wants_write() {
            // Writing to memory does not fail.
            if self.connection.write_tls(out).is_err() {
                return;
            }
        }
    }
}
