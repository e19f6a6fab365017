//! An authority and the certificates that it signs, in files and as a client's trust.

use crate::address::loopback;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use rustls::{ClientConfig, RootCertStore};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

/// Files of an authority, of a server's certificate for [`Certificates::address`], and of a
/// client's.
pub struct Certificates {
    folder: TempDir,
    /// The address that the server's certificate is good for, beside `localhost`.
    pub address: std::net::Ipv4Addr,
}

impl Certificates {
    /// Makes them.
    pub fn new() -> Certificates {
        let address = loopback();
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let made = Certificates { folder, address };
        std::fs::write(made.authority(), authority.pem()).unwrap();
        made.issue(&authority, "server", ExtendedKeyUsagePurpose::ServerAuth);
        made.issue(&authority, "client", ExtendedKeyUsagePurpose::ClientAuth);
        made
    }

    fn issue(
        &self,
        authority: &CertifiedIssuer<'_, KeyPair>,
        name: &str,
        usage: ExtendedKeyUsagePurpose,
    ) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(self.address)));
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, authority).unwrap();
        std::fs::write(self.file(&format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(self.file(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The authority's certificate.
    pub fn authority(&self) -> PathBuf {
        self.file("authority.pem")
    }

    /// The server's certificate.
    pub fn certificate(&self) -> PathBuf {
        self.file("server.pem")
    }

    /// The server's key.
    pub fn key(&self) -> PathBuf {
        self.file("server.key")
    }

    /// `tls = { ... }` for a listener; `more` goes into it.
    pub fn toml(&self, more: &str) -> String {
        let (certificate, key) = (self.certificate(), self.key());
        format!(
            "tls = {{ cert = \"{}\", key = \"{}\"{more} }}\n",
            certificate.display(),
            key.display()
        )
    }

    /// A client that trusts the authority, and no other; with the client's certificate where
    /// `with_certificate` says so.
    pub fn client(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
        with_certificate: bool,
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.authority()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let config = if with_certificate {
            let certificate = CertificateDer::from_pem_file(self.file("client.pem")).unwrap();
            let key = PrivateKeyDer::from_pem_file(self.file("client.key")).unwrap();
            builder.with_client_auth_cert(vec![certificate], key).unwrap()
        } else {
            builder.with_no_client_auth()
        };
        Arc::new(config)
    }
}

impl Default for Certificates {
    fn default() -> Certificates {
        Certificates::new()
    }
}
