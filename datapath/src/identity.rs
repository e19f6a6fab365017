//! Who calls: a credential's digest to a principal.
//!
//! Only SHA-256 digests of keys are known here. The digest finds the entry, then the whole digest
//! is compared in constant time, so that neither the table nor the comparison tells how close a
//! guess was.

use hashbrown::HashMap;
use sha2::{Digest, Sha256};
use sluice_contract::snapshot::{KeyEntry, Principal, model_matches};

/// A principal and what its key may ask for.
pub struct Caller {
    /// Whom the key stands for.
    pub principal: Principal,
    /// Models, as in routes; all where empty.
    models: Vec<String>,
    digest: [u8; 32],
    expires: Option<u64>,
}

impl Caller {
    /// Whether the key may ask for `model`.
    pub fn may_ask_for(&self, model: &str) -> bool {
        self.models.is_empty() || self.models.iter().any(|pattern| model_matches(pattern, model))
    }
}

/// Every caller of a plan.
pub struct IdentityTable {
    callers: Vec<Caller>,
    /// First eight bytes of the digest to the index in `callers`.
    by_digest: HashMap<u64, usize>,
    anonymous: bool,
}

/// No caller has this credential.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UnknownCaller {
    /// There is no credential.
    #[error("no api key was sent")]
    Missing,
    /// No key has it.
    #[error("the api key is not known")]
    Unknown,
    /// The key has expired.
    #[error("the api key has expired")]
    Expired,
}

fn short(digest: &[u8; 32]) -> u64 {
    digest.iter().take(8).fold(0, |short, byte| short << 8 | u64::from(*byte))
}

/// Equality in a time that does not depend on where the difference is.
fn same(left: &[u8; 32], right: &[u8; 32]) -> bool {
    let difference = left.iter().zip(right).fold(0, |sum, (a, b)| sum | (a ^ b));
    std::hint::black_box(difference) == 0
}

impl IdentityTable {
    /// Everybody is anonymous.
    pub fn anonymous() -> IdentityTable {
        let callers = vec![IdentityTable::nobody()];
        IdentityTable { callers, by_digest: HashMap::new(), anonymous: true }
    }

    fn nobody() -> Caller {
        Caller {
            principal: Principal::anonymous(),
            models: Vec::new(),
            digest: [0; 32],
            expires: None,
        }
    }

    /// The callers behind `keys`.
    pub fn new(keys: &[KeyEntry]) -> IdentityTable {
        let mut callers: Vec<Caller> = keys
            .iter()
            .map(|key| Caller {
                principal: key.principal.clone(),
                models: key.models.clone(),
                digest: key.digest,
                expires: key.expires,
            })
            .collect();
        let by_digest =
            callers.iter().enumerate().map(|(index, c)| (short(&c.digest), index)).collect();
        // Behind the keys, so that no digest finds it.
        callers.push(IdentityTable::nobody());
        IdentityTable { callers, by_digest, anonymous: false }
    }

    /// Whether everybody is anonymous.
    pub fn is_anonymous(&self) -> bool {
        self.anonymous
    }

    /// A caller of no key, at the end of the table, that canaries run as: it may ask for any model.
    pub fn for_canaries(&self) -> usize {
        self.callers.len() - 1
    }

    /// The caller at `index`.
    pub fn caller(&self, index: usize) -> Option<&Caller> {
        self.callers.get(index)
    }

    /// The index of the caller with `credential`, at `now` in Unix seconds.
    pub fn find(&self, credential: Option<&[u8]>, now: u64) -> Result<usize, UnknownCaller> {
        if self.anonymous {
            return Ok(0);
        }
        let credential = credential.ok_or(UnknownCaller::Missing)?;
        let digest: [u8; 32] = Sha256::digest(credential).into();
        let index = self.by_digest.get(&short(&digest)).ok_or(UnknownCaller::Unknown)?;
        let caller = self.callers.get(*index).ok_or(UnknownCaller::Unknown)?;
        if !same(&caller.digest, &digest) {
            return Err(UnknownCaller::Unknown);
        }
        if caller.expires.is_some_and(|expires| expires <= now) {
            return Err(UnknownCaller::Expired);
        }
        Ok(*index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(expires: Option<u64>) -> IdentityTable {
        let key = KeyEntry {
            digest: Sha256::digest(b"slk_one").into(),
            expires,
            models: vec!["gpt-*".into()],
            principal: Principal::anonymous(),
        };
        IdentityTable::new(&[key])
    }

    #[test]
    fn a_key_is_found_and_others_are_not() {
        let table = table(None);
        assert_eq!(table.find(Some(b"slk_one"), 0), Ok(0));
        assert_eq!(table.find(Some(b"slk_two"), 0), Err(UnknownCaller::Unknown));
        assert_eq!(table.find(None, 0), Err(UnknownCaller::Missing));
        let caller = table.caller(0).unwrap();
        assert!(caller.may_ask_for("gpt-5") && !caller.may_ask_for("o3"));
    }

    #[test]
    fn a_key_expires() {
        assert_eq!(table(Some(10)).find(Some(b"slk_one"), 9), Ok(0));
        assert_eq!(table(Some(10)).find(Some(b"slk_one"), 10), Err(UnknownCaller::Expired));
    }

    #[test]
    fn without_keys_everybody_is_anonymous() {
        assert_eq!(IdentityTable::anonymous().find(None, 0), Ok(0));
    }
}
