//! TLS configurations, made once for a snapshot and shared by all workers.
//!
//! Session tickets are sealed by one ticketer for the whole process (rustls' own, which rotates its
//! keys), so that a session resumes on whichever worker its next connection lands, and goes on
//! resuming over a reload.

use rustls::client::{ClientSessionMemoryCache, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, ProducesTickets, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sluice_contract::snapshot::TlsMaterial;
use std::sync::Arc;

/// Sessions with upstreams that are remembered.
const UPSTREAM_SESSIONS: usize = 256;

/// Why a TLS configuration can't be made. Holds no key material.
#[derive(Debug, thiserror::Error)]
pub enum TlsConfigError {
    /// The PEM does not parse.
    #[error("{what} does not parse as pem: {reason}")]
    Pem {
        /// What was read.
        what: &'static str,
        /// Why it does not parse.
        reason: String,
    },
    /// There is nothing in it.
    #[error("{0} holds no certificate")]
    Empty(&'static str),
    /// rustls refuses it.
    #[error("tls configuration refused: {0}")]
    Refused(#[from] rustls::Error),
    /// The client authorities can't be used.
    #[error("client authorities refused: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    /// The system has no certificate authorities.
    #[error("the system has no certificate authorities; install ca-certificates or set `ca`")]
    NoRoots,
}

/// A listener's configuration.
pub type ServerTls = Arc<ServerConfig>;

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn certificates(
    what: &'static str,
    pem: &str,
) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let parsed = parsed.map_err(|error| TlsConfigError::Pem { what, reason: error.to_string() })?;
    if parsed.is_empty() { Err(TlsConfigError::Empty(what)) } else { Ok(parsed) }
}

fn roots(what: &'static str, pem: &str) -> Result<RootCertStore, TlsConfigError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(what, pem)? {
        store.add(certificate)?;
    }
    Ok(store)
}

/// The ticketer of this process.
pub fn ticketer() -> Result<Arc<dyn ProducesTickets>, TlsConfigError> {
    Ok(rustls::crypto::aws_lc_rs::Ticketer::new()?)
}

/// The configuration of a listener: TLS 1.2 and 1.3, HTTP/1.1 by ALPN, tickets by `ticketer`.
pub fn server_config(
    material: &TlsMaterial,
    ticketer: &Arc<dyn ProducesTickets>,
) -> Result<ServerTls, TlsConfigError> {
    let builder =
        ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let builder = match &material.client_authorities {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let store = Arc::new(roots("client_ca", pem)?);
            builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(store, provider()).build()?,
            )
        }
    };
    let chain = certificates("cert", &material.certificates)?;
    let key = PrivateKeyDer::from_pem_slice(material.key.as_bytes())
        .map_err(|error| TlsConfigError::Pem { what: "key", reason: error.to_string() })?;
    let mut config = builder.with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = Arc::clone(ticketer);
    Ok(Arc::new(config))
}

/// The configuration towards an upstream: the system's authorities, or those in `authorities`.
pub fn client_config(authorities: Option<&str>) -> Result<Arc<ClientConfig>, TlsConfigError> {
    let store = match authorities {
        Some(pem) => roots("ca", pem)?,
        None => system_roots()?,
    };
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(store)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption =
        Resumption::store(Arc::new(ClientSessionMemoryCache::new(UPSTREAM_SESSIONS)));
    Ok(Arc::new(config))
}

fn system_roots() -> Result<RootCertStore, TlsConfigError> {
    let mut store = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    store.add_parsable_certificates(found.certs);
    if store.is_empty() { Err(TlsConfigError::NoRoots) } else { Ok(store) }
}
