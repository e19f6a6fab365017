//! The private key that heads are signed with: made at first start, kept in a file of mode 0600,
//! wiped from memory when dropped.

use crate::durable::{create_private_directory, read_if_there, replace};
use crate::error::AuditError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::SigningKey;
use std::path::Path;
use zeroize::Zeroizing;

/// What the file starts with; the seed follows in base64.
const PREFIX: &str = "sluice-audit-key-1 ";

/// Reads the key in `path`, or makes one where there is none.
pub(crate) fn load_or_create(path: &Path) -> Result<SigningKey, AuditError> {
    if let Some(text) = read_if_there(path)? {
        return parse(&Zeroizing::new(text)).ok_or_else(|| AuditError::Key(path.to_path_buf()));
    }
    if let Some(parent) = path.parent() {
        create_private_directory(parent)?;
    }
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).map_err(|_unavailable| AuditError::Random)?;
    let encoded = Zeroizing::new(STANDARD.encode(*seed));
    let text = Zeroizing::new(format!("{PREFIX}{}\n", *encoded));
    replace(path, text.as_bytes())?;
    Ok(SigningKey::from_bytes(&seed))
}

fn parse(text: &[u8]) -> Option<SigningKey> {
    let encoded = text.strip_prefix(PREFIX.as_bytes())?.strip_suffix(b"\n")?;
    let decoded = Zeroizing::new(STANDARD.decode(encoded).ok()?);
    let seed = Zeroizing::new(<[u8; 32]>::try_from(decoded.as_slice()).ok()?);
    Some(SigningKey::from_bytes(&seed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/audit.key");
        let made = load_or_create(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(load_or_create(&path).unwrap().to_bytes(), made.to_bytes());
    }

    #[test]
    fn other_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.key");
        for text in ["", "sluice-audit-key-1 \n", "sluice-audit-key-1 AAAA\n", "x"] {
            std::fs::write(&path, text).unwrap();
            assert!(matches!(load_or_create(&path), Err(AuditError::Key(_))), "{text}");
        }
    }
}
