//! A client connection, plain or TLS.
//!
//! TLS is rustls' own state machine on our buffers. Reads hand out a slice that lives until the next
//! read; writes take the caller's buffer and give it back, as the ring needs to own it.

use std::{
    io::{self, Read as _, Write as _},
    mem,
    net::SocketAddr,
    sync::Arc,
};

use monoio::{
    io::{AsyncReadRent, AsyncWriteRentExt},
    net::TcpStream,
};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};

const READ_BYTES: usize = 64 * 1024;

pub struct Transport {
    stream: TcpStream,
    received: Vec<u8>,
    tls: Option<Box<Tls>>,
}

struct Tls {
    session: ClientConnection,
    /// Always `READ_BYTES` long; the first `plain_length` are what the last read gave.
    plain: Vec<u8>,
    plain_length: usize,
    to_send: Vec<u8>,
}

/// A client's TLS settings that trust the certificates in a PEM file.
pub fn tls_config(ca_file: &std::path::Path) -> io::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca_file).map_err(io::Error::other)? {
        roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

impl Transport {
    pub async fn connect(target: SocketAddr, tls: Option<&Arc<ClientConfig>>) -> io::Result<Self> {
        let stream = TcpStream::connect_addr(target).await?;
        stream.set_nodelay(true)?;
        let tls = match tls {
            None => None,
            Some(config) => {
                let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
                let mut session =
                    ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
                // Requests are bounded by the pool, not by the session.
                session.set_buffer_limit(None);
                let plain = vec![0; READ_BYTES];
                Some(Box::new(Tls { session, plain, plain_length: 0, to_send: Vec::new() }))
            }
        };
        let mut transport = Self { stream, received: Vec::with_capacity(READ_BYTES), tls };
        transport.handshake().await?;
        Ok(transport)
    }

    async fn handshake(&mut self) -> io::Result<()> {
        while self.tls.as_ref().is_some_and(|tls| tls.session.is_handshaking()) {
            self.send_pending().await?;
            if self.tls.as_ref().is_some_and(|tls| tls.session.is_handshaking())
                && self.receive().await? == 0
            {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        self.send_pending().await
    }

    /// Sends all of `bytes` and gives the buffer back.
    pub async fn write(&mut self, bytes: Vec<u8>) -> (io::Result<()>, Vec<u8>) {
        let Some(tls) = &mut self.tls else {
            let (result, bytes) = self.stream.write_all(bytes).await;
            return (result.map(drop), bytes);
        };
        let queued = tls.session.writer().write_all(&bytes);
        let result = match queued {
            Ok(()) => self.send_pending().await,
            Err(error) => Err(error),
        };
        (result, bytes)
    }

    /// What came next; empty at the end of the connection.
    pub async fn read(&mut self) -> io::Result<&[u8]> {
        if self.tls.is_none() {
            self.receive().await?;
            return Ok(&self.received);
        }
        loop {
            let Some(tls) = &mut self.tls else { return Ok(&[]) };
            match tls.session.reader().read(&mut tls.plain) {
                Ok(length) => {
                    tls.plain_length = length;
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            self.receive().await?;
            // Key updates and alerts want an answer.
            self.send_pending().await?;
        }
        Ok(self.tls.as_ref().and_then(|tls| tls.plain.get(..tls.plain_length)).unwrap_or_default())
    }

    /// One read of the socket, decrypted when the connection is TLS; 0 at the end.
    async fn receive(&mut self) -> io::Result<usize> {
        let mut buffer = mem::take(&mut self.received);
        buffer.clear();
        let (result, buffer) = self.stream.read(buffer).await;
        self.received = buffer;
        let length = result?;
        if let Some(tls) = &mut self.tls {
            let mut rest = self.received.as_slice();
            if length == 0 {
                tls.session.read_tls(&mut rest)?;
            }
            while !rest.is_empty() {
                tls.session.read_tls(&mut rest)?;
                tls.session.process_new_packets().map_err(io::Error::other)?;
            }
        }
        Ok(length)
    }

    async fn send_pending(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        let mut to_send = mem::take(&mut tls.to_send);
        while tls.session.wants_write() {
            tls.session.write_tls(&mut to_send)?;
        }
        if to_send.is_empty() {
            return Ok(());
        }
        let (result, mut to_send) = self.stream.write_all(to_send).await;
        to_send.clear();
        if let Some(tls) = &mut self.tls {
            tls.to_send = to_send;
        }
        result.map(drop)
    }
}
