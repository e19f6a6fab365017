//! Credentials and certificates that the file refers to: environment variables, key files, PEM.
//!
//! Read once, here; what is handed on is known to be usable. What they hold is zeroised when
//! dropped and never part of a message.

use super::document::{Fields, Report, Span};
use super::problem::{Problem, Problems};
use super::reason::Reason;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sluice_contract::snapshot::TlsMaterial;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Longest credential or PEM file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Looks up an environment variable. An argument, so that tests need not change the process.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// The credential that the table `fields` points at. `key` is the key of the table.
pub fn credential(
    report: &Report<'_>,
    fields: &Fields<'_>,
    key: &'static str,
    environment: Environment<'_>,
) -> Option<Zeroizing<String>> {
    let (env, file) = (fields.text("env"), fields.path("file"));
    let (value, place, span) = match (env, file) {
        (Some((name, span)), None) => {
            let Some(value) = environment(name).filter(|value| !value.is_empty()) else {
                report.problem(&span, Reason::NoVariable(name.to_owned()), None);
                return None;
            };
            (Zeroizing::new(value), format!("environment variable `{name}`"), span)
        }
        (None, Some((path, span))) => {
            let value = read(report, "key file", &path, &span)?;
            (value, format!("`{}`", path.display()), span)
        }
        (None, None) if fields.value("env").or(fields.value("file")).is_some() => return None,
        (None, None) | (Some(_), Some(_)) => {
            let suggestion = format!("{key} = {{ env = \"NAME\" }} or {{ file = \"PATH\" }}");
            report.problem(&fields.span, Reason::OneSource(key), Some(suggestion));
            return None;
        }
    };
    let value = Zeroizing::new(value.trim_end_matches(['\r', '\n']).to_owned());
    let why = if value.is_empty() {
        "is empty"
    } else if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
        "holds characters that a header cannot"
    } else {
        return Some(value);
    };
    report.problem(&span, Reason::BadCredential { what: key, place, why }, None);
    None
}

fn read(
    report: &Report<'_>,
    what: &'static str,
    path: &Path,
    span: &Span,
) -> Option<Zeroizing<String>> {
    let text = std::fs::metadata(path).and_then(|metadata| {
        if metadata.len() > FILE_BYTES_MAX {
            return Err(std::io::Error::other(format!("longer than {FILE_BYTES_MAX} bytes")));
        }
        std::fs::read_to_string(path)
    });
    match text {
        Ok(text) => Some(Zeroizing::new(text)),
        Err(error) => {
            let (path, error) = (path.to_owned(), error.to_string());
            report.problem(span, Reason::Unreadable { what, path, error }, None);
            None
        }
    }
}

/// Certificate, key and client authorities of the table `fields`. Everything is parsed, and the
/// key is checked to be the certificate's.
pub fn tls(report: &Report<'_>, fields: &Fields<'_>) -> Option<TlsMaterial> {
    if !fields.is_present() {
        return None;
    }
    for name in ["cert", "key"] {
        if fields.value(name).is_none() {
            fields.missing(name, None);
        }
    }
    let chain = fields.path("cert").and_then(|(path, span)| {
        let what = "certificate";
        let text = read(report, what, &path, &span)?;
        let chain = certificates(report, what, (&path, &span), &text)?;
        Some((path, text, chain))
    });
    let key = fields.path("key").and_then(|(path, span)| {
        let text = read(report, "private key", &path, &span)?;
        let key = PrivateKeyDer::from_pem_slice(text.as_bytes()).ok();
        let key = key.and_then(|key| any_supported_type(&key).ok());
        if key.is_none() {
            bad_pem(report, "private key", &path, &span, "holds no private key that is supported");
        }
        Some((path, span, text, key?))
    });
    let client_authorities = fields.path("client_ca").map(|at| authorities(report, at));
    let ((cert, certificates, chain), (key_path, key_span, key_text, key)) = (chain?, key?);
    if CertifiedKey::new(chain, key).keys_match().is_err() {
        let suggestion = "are they of the same pair?".to_owned();
        let reason = Reason::KeyMismatch { key: key_path, cert };
        report.problem(&key_span, reason, Some(suggestion));
        return None;
    }
    let client_authorities = match client_authorities {
        Some(authorities) => Some(authorities?),
        None => None,
    };
    Some(TlsMaterial {
        certificates: certificates.to_string(),
        key: key_text.to_string(),
        client_authorities,
    })
}

/// The authorities in the file at `path`, PEM.
pub fn authorities(report: &Report<'_>, (path, span): (PathBuf, Span)) -> Option<String> {
    let what = "authorities";
    let text = read(report, what, &path, &span)?;
    let chain = certificates(report, what, (&path, &span), &text)?;
    let mut store = rustls::RootCertStore::empty();
    if chain.into_iter().any(|certificate| store.add(certificate).is_err()) {
        bad_pem(report, what, &path, &span, "holds a certificate that cannot be an authority");
        return None;
    }
    Some(text.to_string())
}

fn certificates(
    report: &Report<'_>,
    what: &'static str,
    (path, span): (&Path, &Span),
    text: &str,
) -> Option<Vec<CertificateDer<'static>>> {
    let chain = CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<Vec<_>, _>>();
    let why = match chain {
        Ok(chain) if !chain.is_empty() => return Some(chain),
        Ok(_) => "holds no certificate",
        Err(_) => "is not PEM",
    };
    bad_pem(report, what, path, span, why);
    None
}

fn bad_pem(report: &Report<'_>, what: &'static str, path: &Path, span: &Span, why: &'static str) {
    report.problem(span, Reason::BadPem { what, path: path.to_owned(), why }, None);
}

/// Reads a file that stands nowhere in the configuration.
pub fn read_text(what: &'static str, path: &Path) -> Result<String, Problems> {
    std::fs::read_to_string(path).map_err(|error| {
        let (path, error) = (path.to_owned(), error.to_string());
        Problem::new(Reason::Unreadable { what, path, error }).into()
    })
}
