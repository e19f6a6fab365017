//! Signed heads, read by the document alone: C2SP signed notes with Ed25519 signatures.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// A public key with its name: `NAME+ID+KEY`, as in `log.vkey`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifierKey {
    name: String,
    id: [u8; 4],
    key: VerifyingKey,
}

/// The text is no verifier key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a verifier key: expected NAME+ID+KEY of an Ed25519 key")]
pub struct NotAVerifierKey;

const ED25519: u8 = 1;

impl FromStr for VerifierKey {
    type Err = NotAVerifierKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text.trim_end()).ok_or(NotAVerifierKey)
    }
}

impl VerifierKey {
    fn parse(text: &str) -> Option<VerifierKey> {
        let (name, rest) = text.split_once('+')?;
        let (id, encoded) = rest.split_once('+')?;
        let well_formed = !name.is_empty()
            && !name.contains(char::is_whitespace)
            && id.len() == 8
            && id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if !well_formed {
            return None;
        }
        let id = u32::from_str_radix(id, 16).ok()?.to_be_bytes();
        let bytes = STANDARD.decode(encoded).ok()?;
        let (kind, public) = bytes.split_first()?;
        let digest: [u8; 32] = Sha256::new()
            .chain_update(name)
            .chain_update(b"\n")
            .chain_update(&bytes)
            .finalize()
            .into();
        if *kind != ED25519 || !digest.starts_with(&id) {
            return None;
        }
        let key = VerifyingKey::from_bytes(public.try_into().ok()?).ok()?;
        Some(VerifierKey { name: name.to_owned(), id, key })
    }

    /// The name: `sluice/` and the log's id.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text of `note`, where this key signed it.
    fn open<'a>(&self, note: &'a [u8]) -> Option<&'a str> {
        let note = std::str::from_utf8(note).ok()?;
        let (text, signatures) = note.rsplit_once("\n\n")?;
        let text = note.get(..=text.len())?;
        let signed = signatures.strip_suffix('\n')?.split('\n').any(|line| {
            let encoded = line
                .strip_prefix("\u{2014} ")
                .and_then(|line| line.strip_prefix(self.name.as_str()))
                .and_then(|line| line.strip_prefix(' '));
            encoded.is_some_and(|encoded| self.signed(text, encoded))
        });
        signed.then_some(text)
    }

    fn signed(&self, text: &str, encoded: &str) -> bool {
        let Ok(bytes) = STANDARD.decode(encoded) else { return false };
        let Some((id, signature)) = bytes.split_first_chunk::<4>() else { return false };
        Signature::from_slice(signature).is_ok_and(|signature| {
            *id == self.id && self.key.verify_strict(text.as_bytes(), &signature).is_ok()
        })
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![ED25519];
        bytes.extend_from_slice(self.key.as_bytes());
        write!(f, "{}+{:08x}+{}", self.name, u32::from_be_bytes(self.id), STANDARD.encode(bytes))
    }
}

/// What a signed head says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Head {
    pub records: u64,
    pub chain: [u8; 32],
    pub time: u64,
}

/// Reads the head in `note` for the log with the origin line `origin`.
pub(super) fn head(note: &[u8], key: &VerifierKey, origin: &str) -> Option<Head> {
    let mut lines = key.open(note)?.split('\n');
    if lines.next()? != origin {
        return None;
    }
    let records = lines.next()?.parse().ok()?;
    let chain = STANDARD.decode(lines.next()?).ok()?.try_into().ok()?;
    let time = lines.find_map(|line| line.strip_prefix("time "))?.parse().ok()?;
    Some(Head { records, chain, time })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    #[test]
    fn a_key_of_the_specification_reads() {
        let key: VerifierKey = KEY.parse().unwrap();
        assert_eq!(key.to_string(), KEY);
        for at in 0..KEY.len() {
            let mut bytes = KEY.as_bytes().to_vec();
            bytes[at] ^= 1;
            let text = String::from_utf8(bytes).unwrap();
            assert_eq!(text.parse::<VerifierKey>(), Err(NotAVerifierKey), "{text}");
        }
    }

    #[test]
    fn a_note_of_the_specification_opens() {
        let note = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n\
                    \n\
                    \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFY\
                    C2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
        let key: VerifierKey = KEY.parse().unwrap();
        assert!(key.open(note.as_bytes()).is_some());
        for at in 0..note.len() {
            let mut bytes = note.as_bytes().to_vec();
            bytes[at] ^= 1;
            assert_eq!(key.open(&bytes), None, "byte {at}");
        }
    }
}
