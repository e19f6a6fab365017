//! A valid gzip member around stored (uncompressed) data, by RFC 1952 and RFC 1951 3.2.4.
//!
//! The fault mode needs a body that a client really can decode, so that a proxy which passes it on
//! unseen is caught by its content, not by an error. No compression, hence no dependency.

/// Largest stored block that the format allows.
const BLOCK_BYTES_MAX: usize = 0xffff;

pub fn stored(data: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut blocks = data.chunks(BLOCK_BYTES_MAX).peekable();
    if blocks.peek().is_none() {
        out.extend_from_slice(&[1, 0, 0, 0xff, 0xff]);
    }
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(u8::from(blocks.peek().is_none()));
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(block);
    }
    out.extend_from_slice(&crc32(data).to_le_bytes());
    // RFC 1952 2.3.1: the length is kept modulo 2^32.
    out.extend_from_slice(&((data.len() as u64 & 0xffff_ffff) as u32).to_le_bytes());
    out
}

fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _bit| {
            if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_standard_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn blocks_split_at_their_largest_size() {
        let member = stored(&vec![7; BLOCK_BYTES_MAX + 1]);
        assert_eq!(member.len(), 10 + (5 + BLOCK_BYTES_MAX) + (5 + 1) + 8);
        assert_eq!(member[10], 0);
        assert_eq!(member[10 + 5 + BLOCK_BYTES_MAX], 1);
    }
}
