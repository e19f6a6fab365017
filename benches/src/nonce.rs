//! Made-up words that make every text different without looking like data.
//!
//! A counter in digits or hex would feed the number and secret detectors something that no real
//! conversation repeats in every message, and a benchmark would measure that. So a counter becomes a
//! pronounceable word of four syllables (`bamokitu`): 16 consonants by 4 vowels, 24 bits, and it is
//! scrambled first, so that neighbours share no prefix.

/// Length of a nonce in bytes.
pub const NONCE_BYTES: usize = 8;

const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvz";
const VOWELS: &[u8; 4] = b"aeiu";

/// The word for `counter`; distinct for 2^24 counters in a row.
pub fn nonce(counter: u32) -> [u8; NONCE_BYTES] {
    // An odd multiplier is a bijection modulo 2^24.
    let mut bits = counter.wrapping_mul(0x00d3_5a2d) & 0x00ff_ffff;
    let mut word = [0; NONCE_BYTES];
    for syllable in word.chunks_exact_mut(2) {
        let (consonant, vowel) = ((bits & 15) as usize, (bits >> 4 & 3) as usize);
        if let ([first, second], Some(&c), Some(&v)) =
            (syllable, CONSONANTS.get(consonant), VOWELS.get(vowel))
        {
            (*first, *second) = (c, v);
        }
        bits >>= 6;
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_in_a_row_give_distinct_words() {
        let words: std::collections::HashSet<_> = (0..100_000).map(nonce).collect();
        assert_eq!(words.len(), 100_000);
        assert!(words.iter().all(|word| word.iter().all(u8::is_ascii_lowercase)));
    }
}
