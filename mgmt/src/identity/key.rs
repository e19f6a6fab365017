//! The text of an API key: `slk_`, 43 random characters (256 bits), 6 of checksum; all base 62.
//!
//! The checksum lets scanners tell a key from its look-alikes without asking us, and a slip in
//! copying from a revoked key. It proves nothing.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// What every key begins with.
pub const PREFIX: &str = "slk_";

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM_CHARS: usize = 43;
const CHECKSUM_CHARS: usize = 6;

/// A new key.
pub fn generate() -> Result<Zeroizing<String>, getrandom::Error> {
    let mut key =
        Zeroizing::new(String::with_capacity(PREFIX.len() + RANDOM_CHARS + CHECKSUM_CHARS));
    key.push_str(PREFIX);
    let mut random = Zeroizing::new([0_u8; 64]);
    while key.len() < PREFIX.len() + RANDOM_CHARS {
        getrandom::fill(random.as_mut_slice())?;
        // 248 is a multiple of 62: what is above it would make some characters likelier.
        let unbiased = random.iter().filter(|byte| **byte < 248);
        let left = PREFIX.len() + RANDOM_CHARS - key.len();
        key.extend(unbiased.map(|byte| character(u64::from(*byte))).take(left));
    }
    let checksum = checksum(&key);
    key.push_str(&checksum);
    Ok(key)
}

/// SHA-256 of a key, which is all that is kept of it.
pub fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// Whether `text` has the form and the checksum of a key.
#[cfg(test)]
pub fn is_well_formed(text: &str) -> bool {
    let whole = PREFIX.len() + RANDOM_CHARS + CHECKSUM_CHARS;
    text.len() == whole
        && text.strip_prefix(PREFIX).is_some_and(|rest| rest.bytes().all(|b| ALPHABET.contains(&b)))
        && text.split_at_checked(whole - CHECKSUM_CHARS).is_some_and(|(k, sum)| checksum(k) == sum)
}

fn checksum(key: &str) -> String {
    let mut rest = digest(key).iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    let mut digit = || {
        let digit = rest % 62;
        rest /= 62;
        character(digit)
    };
    (0..CHECKSUM_CHARS).map(|_| digit()).collect()
}

fn character(number: u64) -> char {
    let index = usize::try_from(number % 62).unwrap_or(0);
    ALPHABET.get(index).copied().map_or('0', char::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_and_carry_their_checksum() {
        let (a, b) = (generate().unwrap(), generate().unwrap());
        assert_ne!(*a, *b);
        assert!(is_well_formed(&a) && is_well_formed(&b), "{}", a.len());
        assert_eq!(a.len(), 53);
    }

    #[test]
    fn one_wrong_character_is_noticed() {
        let key = generate().unwrap();
        for at in 0..key.len() {
            let mut wrong = key.as_bytes().to_vec();
            wrong[at] = if wrong[at] == b'x' { b'y' } else { b'x' };
            assert!(!is_well_formed(std::str::from_utf8(&wrong).unwrap()), "at {at}");
        }
        assert!(!is_well_formed("slk_") && !is_well_formed(""));
    }

    #[test]
    fn a_known_key_has_its_known_checksum() {
        let key = format!("slk_{}", "0".repeat(43));
        assert_eq!(checksum(&key), "p9yDf0");
    }
}
