//! TLS of the management port.

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem};
use sluice_contract::snapshot::TlsMaterial;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// Certificate and key do not make a server.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// No PEM of the kind that is needed.
    #[error("certificate or key of the management port: {0}")]
    Pem(#[from] pem::Error),
    /// They do not fit together, or are of a kind that is not supported.
    #[error("certificate or key of the management port: {0}")]
    Rustls(#[from] rustls::Error),
}

/// Makes the server's side of TLS.
pub fn acceptor(material: &TlsMaterial) -> Result<TlsAcceptor, TlsError> {
    let chain = CertificateDer::pem_slice_iter(material.certificates.as_bytes())
        .collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(material.key.as_bytes())?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
