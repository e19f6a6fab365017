//! The classifier a byte at a time: the oracle of the SIMD ones, and what runs where there is
//! none.

use super::{BLOCK, Masks};

/// Masks of the first 64 bytes of `bytes`; what is missing counts as zero bytes.
pub(crate) fn classify(bytes: &[u8]) -> Masks {
    let mut masks = Masks::default();
    for (index, &byte) in bytes.iter().take(BLOCK).enumerate() {
        let bit = 1_u64 << index;
        let set = |mask: &mut u64, is: bool| *mask |= if is { bit } else { 0 };
        set(&mut masks.digit, byte.is_ascii_digit());
        set(&mut masks.at, byte == b'@');
        set(&mut masks.escape, matches!(byte, b'%' | b'&' | b'\\'));
        set(&mut masks.base64, is_base64(byte));
        set(&mut masks.high, byte >= 0x80);
    }
    masks
}

/// Whether a byte is of the base64 alphabets, the standard or the URL-safe one.
pub(crate) fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_bytes() {
        let masks = classify(b"a1@%&\\+/-_ \x80=");
        assert_eq!(masks.digit, 0b10);
        assert_eq!(masks.at, 0b100);
        assert_eq!(masks.escape, 0b11_1000);
        assert_eq!(masks.base64, 0b11_1100_0011);
        assert_eq!(masks.high, 1 << 11);
    }
}
