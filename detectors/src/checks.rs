//! Checksums and measures: what makes a candidate a finding. Nothing here knows about text.

/// Luhn's check (ISO/IEC 7812-1 annex B) over ASCII digits.
pub(crate) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let value = u32::from(digit.wrapping_sub(b'0'));
            if place % 2 == 0 { value } else { value * 2 - if value > 4 { 9 } else { 0 } }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The remainder by 97 of letters and digits in order, letters counting 10 to 35 (ISO 7064).
/// `None` where something else stands.
pub(crate) fn mod97(characters: impl Iterator<Item = u8>) -> Option<u32> {
    characters.into_iter().try_fold(0, |rest: u32, character| match character {
        b'0'..=b'9' => Some((rest * 10 + u32::from(character - b'0')) % 97),
        b'A'..=b'Z' => Some((rest * 100 + u32::from(character - b'A') + 10) % 97),
        b'a'..=b'z' => Some((rest * 100 + u32::from(character - b'a') + 10) % 97),
        _ => None,
    })
}

/// CRC-32 (ISO-HDLC: reflected, polynomial 0xEDB88320), as token checksums use it.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 }
        })
    })
}

/// Whether `digits` is `value` in base 62 (digits, upper case, lower case), zero-padded.
pub(crate) fn is_base62(digits: &[u8], value: u32) -> bool {
    digits
        .iter()
        .try_fold(0_u64, |sum, &digit| {
            let place = match digit {
                b'0'..=b'9' => digit - b'0',
                b'A'..=b'Z' => digit - b'A' + 10,
                b'a'..=b'z' => digit - b'a' + 36,
                _ => return None,
            };
            sum.checked_mul(62)?.checked_add(u64::from(place))
        })
        .is_some_and(|sum| sum == u64::from(value))
}

/// Shannon entropy of `bytes` in hundredths of a bit a byte.
pub(crate) fn entropy(bytes: &[u8]) -> u32 {
    let mut counts = [0_u16; 256];
    for &byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count = count.saturating_add(1);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "candidates are far shorter than 2^23")]
    let total = bytes.len().max(1) as f32;
    let bits: f32 = counts
        .iter()
        .filter(|&&count| count > 0)
        .map(|&count| {
            let share = f32::from(count) / total;
            -share * share.log2()
        })
        .sum();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 800")]
    let hundredths = (bits * 100.0) as u32;
    hundredths
}

/// Distinct bytes in `bytes`.
pub(crate) fn distinct(bytes: &[u8]) -> u32 {
    let mut seen = [0_u64; 4];
    for &byte in bytes {
        if let Some(word) = seen.get_mut(usize::from(byte >> 6)) {
            *word |= 1 << (byte & 63);
        }
    }
    seen.iter().map(|word| word.count_ones()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_values() {
        assert!(luhn(b"4111111111111111") && luhn(b"79927398713"));
        assert!(!luhn(b"4111111111111112"));
        assert_eq!(mod97(b"WEST12345698765432GB82".iter().copied()), Some(1));
        assert_eq!(mod97(b"GB 82".iter().copied()), None);
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert!(is_base62(b"00000Z", 35) && is_base62(b"000010", 62) && !is_base62(b"1_", 62));
        assert_eq!((entropy(b"aaaa"), entropy(b"abcd"), entropy(b"")), (0, 200, 0));
        assert_eq!(distinct(b"abcabc"), 3);
    }

    proptest! {
        #[test]
        fn luhn_detects_every_single_digit_error(
            digits in proptest::collection::vec(0_u8..10, 2..20), at in any::<prop::sample::Index>(), by in 1_u8..10,
        ) {
            let mut digits: Vec<u8> = digits.iter().map(|d| d + b'0').collect();
            if luhn(&digits) {
                let at = at.index(digits.len());
                digits[at] = (digits[at] - b'0' + by) % 10 + b'0';
                prop_assert!(!luhn(&digits));
            }
        }
    }
}
