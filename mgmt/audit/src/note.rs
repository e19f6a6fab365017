//! Signed notes (C2SP signed-note, Ed25519), as the writer makes and reads back its own.
//!
//! `verify` has a reader of its own.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey};
use sha2::{Digest, Sha256};

/// The signature type of Ed25519 in key ids and encoded keys.
const ED25519: u8 = 1;

/// A named signing key.
pub(crate) struct NoteSigner {
    name: String,
    key: SigningKey,
}

impl NoteSigner {
    pub(crate) fn new(name: String, key: SigningKey) -> NoteSigner {
        NoteSigner { name, key }
    }

    /// The first four bytes of SHA-256 over name, newline, type and public key.
    fn key_id(&self) -> [u8; 4] {
        let mut hash = Sha256::new();
        hash.update(self.name.as_bytes());
        hash.update([b'\n', ED25519]);
        hash.update(self.key.verifying_key().as_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        digest.first_chunk().copied().unwrap_or_default()
    }

    /// The verifier key, as a line of text without its end.
    pub(crate) fn verifier_key(&self) -> String {
        let mut key = vec![ED25519];
        key.extend_from_slice(self.key.verifying_key().as_bytes());
        format!("{}+{:08x}+{}", self.name, u32::from_be_bytes(self.key_id()), STANDARD.encode(key))
    }

    /// The note with `text` (which ends in a newline) and our signature.
    pub(crate) fn sign(&self, text: &str) -> String {
        let mut signature = self.key_id().to_vec();
        signature.extend_from_slice(&self.key.sign(text.as_bytes()).to_bytes());
        format!("{text}\n\u{2014} {} {}\n", self.name, STANDARD.encode(signature))
    }

    /// The text of `note`, where it bears our signature.
    pub(crate) fn open<'a>(&self, note: &'a [u8]) -> Option<&'a str> {
        let note = std::str::from_utf8(note).ok()?;
        let (text, signatures) = note.split_at_checked(note.rfind("\n\n")? + 1)?;
        let prefix = format!("\u{2014} {} ", self.name);
        let ours = signatures.lines().find_map(|line| line.strip_prefix(&prefix))?;
        let bytes = STANDARD.decode(ours).ok()?;
        let (id, signature) = bytes.split_first_chunk::<4>()?;
        let signature = Signature::from_slice(signature).ok()?;
        let valid = *id == self.key_id()
            && self.key.verifying_key().verify_strict(text.as_bytes(), &signature).is_ok();
        valid.then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the signed-note specification's Go implementation
    /// (`golang.org/x/mod/sumdb/note`): a key and a note made by other code than ours.
    #[test]
    fn the_specification_s_example_reads() {
        let seed = STANDARD.decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz").unwrap();
        let key = SigningKey::from_bytes(seed[1..].try_into().unwrap());
        let signer = NoteSigner::new("PeterNeumann".into(), key);
        assert_eq!(
            signer.verifier_key(),
            "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
        );
        let text = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n";
        let note = format!(
            "{text}\n\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1F\
             FYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
        );
        assert_eq!(signer.sign(text), note);
        assert_eq!(signer.open(note.as_bytes()), Some(text));
    }

    #[test]
    fn another_key_or_text_is_refused() {
        let signer = |byte| NoteSigner::new("n".into(), SigningKey::from_bytes(&[byte; 32]));
        let note = signer(1).sign("text\n");
        assert_eq!(signer(1).open(note.as_bytes()), Some("text\n"));
        assert_eq!(signer(2).open(note.as_bytes()), None);
        for at in 0..note.len() {
            let mut bytes = note.clone().into_bytes();
            bytes[at] ^= 1;
            assert_ne!(signer(1).open(&bytes), Some("text\n"), "byte {at}");
        }
    }
}
