//! The classifier on 64 bytes at a time, chosen at run time: AVX-512 VBMI, AVX2, or scalar.
//!
//! AVX2 looks up the low and the high half of each byte and ANDs the two answers; AVX-512 VBMI
//! looks the whole of an ASCII byte up at once. Both take whole blocks only: the tail of a buffer
//! is copied into a padded block. [`scalar::classify`](super::scalar::classify) is the oracle of
//! the property tests.
#![expect(unsafe_code, reason = "vector loads and calls into code compiled for a CPU feature")]

use super::{BLOCK, Masks, scalar};

/// An instruction set that the classifier is written for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Level {
    /// A byte at a time.
    Scalar,
    /// 32 bytes at a time.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 64 bytes at a time.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Level {
    /// The best level of this CPU.
    pub(crate) fn best() -> Level {
        *Level::all().last().unwrap_or(&Level::Scalar)
    }

    /// Every level that this CPU can run, the best last.
    pub(crate) fn all() -> Vec<Level> {
        #[cfg_attr(not(target_arch = "x86_64"), expect(unused_mut, reason = "one level only"))]
        let mut levels = vec![Level::Scalar];
        #[cfg(target_arch = "x86_64")]
        {
            if std::is_x86_feature_detected!("avx2") {
                levels.push(Level::Avx2);
            }
            if std::is_x86_feature_detected!("avx512f")
                && std::is_x86_feature_detected!("avx512bw")
                && std::is_x86_feature_detected!("avx512vbmi")
            {
                levels.push(Level::Avx512);
            }
        }
        levels
    }

    /// Writes the masks of each block of `bytes` to `masks` and says how many were written:
    /// `bytes.len() / 64`, rounded up, or the length of `masks` where that is less.
    pub(crate) fn classify(self, bytes: &[u8], masks: &mut [Masks]) -> usize {
        let (blocks, tail) = bytes.as_chunks::<BLOCK>();
        let whole = blocks.len().min(masks.len());
        match self {
            Level::Scalar => scalar_blocks(blocks, masks),
            // SAFETY: `Level::all` gives this level only where the CPU has AVX2.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { x86::avx2(blocks, masks) },
            // SAFETY: `Level::all` gives this level only where the CPU has AVX-512 F, BW and VBMI.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { x86::avx512(blocks, masks) },
        }
        match masks.get_mut(whole) {
            Some(last) if !tail.is_empty() => {
                *last = scalar_tail(self, tail);
                whole + 1
            }
            _ => whole,
        }
    }
}

fn scalar_blocks(blocks: &[[u8; BLOCK]], masks: &mut [Masks]) {
    for (block, mask) in blocks.iter().zip(masks) {
        *mask = scalar::classify(block);
    }
}

fn scalar_tail(level: Level, tail: &[u8]) -> Masks {
    let mut block = [[0_u8; BLOCK]];
    let mut masks = [Masks::default()];
    for (to, from) in block.iter_mut().flatten().zip(tail) {
        *to = *from;
    }
    level.classify(block.as_flattened(), &mut masks);
    let [mask] = masks;
    mask
}

#[cfg(target_arch = "x86_64")]
#[expect(clippy::cast_ptr_alignment, reason = "every load is an unaligned one")]
mod x86 {
    use super::{BLOCK, Masks};
    use std::arch::x86_64::{
        __m128i, __m256i, __m512i, _mm_loadu_si128, _mm256_and_si256, _mm256_broadcastsi128_si256,
        _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_set1_epi8,
        _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_slli_epi16, _mm256_srli_epi16,
        _mm512_loadu_si512, _mm512_movepi8_mask, _mm512_permutex2var_epi8, _mm512_set1_epi8,
        _mm512_test_epi8_mask,
    };

    // Classes of the nibble tables: which high nibble a set of low nibbles goes with.
    const SIGN: i8 = 1; //          2x: + - /
    const DIGIT: i8 = 1 << 1; //    3x: 0-9
    const ALPHA: i8 = 1 << 2; //    4x, 6x: A-O, a-o
    const UPPER: i8 = 1 << 3; //    5x: P-Z, _
    const LOWER: i8 = 1 << 4; //    7x: p-z
    const AT: i8 = 1 << 5; //       4x: @
    const ESCAPE: i8 = 1 << 6; //   2x: % &
    const SLASH: i8 = -128; //      5x: \
    const BASE64: i8 = SIGN | DIGIT | ALPHA | UPPER | LOWER;

    /// Masks of whole blocks.
    #[target_feature(enable = "avx2")]
    pub(super) fn avx2(blocks: &[[u8; BLOCK]], masks: &mut [Masks]) {
        for (block, mask) in blocks.iter().zip(masks) {
            // SAFETY: the first 32 of the 64 bytes of the block.
            let low = unsafe { _mm256_loadu_si256(block.as_ptr().cast::<__m256i>()) };
            // SAFETY: the block has 64 bytes, so that its second half begins inside of it.
            let second = unsafe { block.as_ptr().add(BLOCK / 2) };
            // SAFETY: the last 32 of the 64 bytes of the block.
            let high = unsafe { _mm256_loadu_si256(second.cast::<__m256i>()) };
            let (low, high) = (half(low), half(high));
            let join = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
            *mask = Masks {
                digit: join(low[0], high[0]),
                at: join(low[1], high[1]),
                escape: join(low[2], high[2]),
                base64: join(low[3], high[3]),
                high: join(low[4], high[4]),
            };
        }
    }

    /// Digit, at, escape, base64 and high masks of 32 bytes.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn half(bytes: __m256i) -> [u32; 5] {
        let sign = SIGN;
        let row_low = [
            DIGIT | UPPER | LOWER | AT,
            DIGIT | ALPHA | UPPER | LOWER,
            DIGIT | ALPHA | UPPER | LOWER,
            DIGIT | ALPHA | UPPER | LOWER,
            DIGIT | ALPHA | UPPER | LOWER,
            DIGIT | ALPHA | UPPER | LOWER | ESCAPE,
            DIGIT | ALPHA | UPPER | LOWER | ESCAPE,
            DIGIT | ALPHA | UPPER | LOWER,
            DIGIT | ALPHA | UPPER | LOWER,
            DIGIT | ALPHA | UPPER | LOWER,
            ALPHA | UPPER | LOWER,
            ALPHA | sign,
            ALPHA | SLASH,
            ALPHA | sign,
            ALPHA,
            ALPHA | UPPER | sign,
        ];
        let row_high = [
            0,
            0,
            SIGN | ESCAPE,
            DIGIT,
            ALPHA | AT,
            UPPER | SLASH,
            ALPHA,
            LOWER,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
        ];
        let table = |row: [i8; 16]| {
            // SAFETY: a row has 16 bytes, and the load needs no alignment.
            let row = unsafe { _mm_loadu_si128(row.as_ptr().cast::<__m128i>()) };
            _mm256_broadcastsi128_si256(row)
        };
        // A byte above 127 selects zero in the low table, as its top bit is set.
        let by_low = _mm256_shuffle_epi8(table(row_low), bytes);
        let nibble = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), _mm256_set1_epi8(0x0f));
        let by_high = _mm256_shuffle_epi8(table(row_high), nibble);
        let class = _mm256_and_si256(by_low, by_high);
        let none = |bits: i8| {
            let picked = _mm256_and_si256(class, _mm256_set1_epi8(bits));
            mask_of(_mm256_cmpeq_epi8(picked, _mm256_setzero_si256()))
        };
        [
            mask_of(_mm256_slli_epi16::<6>(class)),
            mask_of(_mm256_slli_epi16::<2>(class)),
            !none(ESCAPE | SLASH),
            !none(BASE64),
            mask_of(bytes),
        ]
    }

    /// The top bit of each byte.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn mask_of(bytes: __m256i) -> u32 {
        _mm256_movemask_epi8(bytes).cast_unsigned()
    }

    const AS_DIGIT: u8 = 1;
    const AS_AT: u8 = 2;
    const AS_ESCAPE: u8 = 4;
    const AS_BASE64: u8 = 8;

    /// The classes of every ASCII byte.
    static ASCII: [u8; 128] = ascii();

    #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which checks it")]
    const fn ascii() -> [u8; 128] {
        let mut table = [0; 128];
        let mut at = 0;
        while at < 128_u8 {
            let mut class = 0;
            if at.is_ascii_digit() {
                class |= AS_DIGIT;
            }
            if at == b'@' {
                class |= AS_AT;
            }
            if matches!(at, b'%' | b'&' | b'\\') {
                class |= AS_ESCAPE;
            }
            if at.is_ascii_alphanumeric() || matches!(at, b'+' | b'/' | b'-' | b'_') {
                class |= AS_BASE64;
            }
            table[at as usize] = class;
            at += 1;
        }
        table
    }

    /// Masks of whole blocks.
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    pub(super) fn avx512(blocks: &[[u8; BLOCK]], masks: &mut [Masks]) {
        let rows = ASCII.as_chunks::<BLOCK>().0;
        let [first, second] = rows else { return };
        // SAFETY: each row of the table has 64 bytes.
        let first = unsafe { _mm512_loadu_si512(first.as_ptr().cast::<__m512i>()) };
        // SAFETY: each row of the table has 64 bytes.
        let second = unsafe { _mm512_loadu_si512(second.as_ptr().cast::<__m512i>()) };
        let bit = |class: u8| _mm512_set1_epi8(class.cast_signed());
        for (block, mask) in blocks.iter().zip(masks) {
            // SAFETY: the block has 64 bytes.
            let bytes = unsafe { _mm512_loadu_si512(block.as_ptr().cast::<__m512i>()) };
            let high = _mm512_movepi8_mask(bytes);
            // The lookup takes the low 7 bits: what it says of bytes above 127 is taken out.
            let class = _mm512_permutex2var_epi8(first, bytes, second);
            *mask = Masks {
                digit: _mm512_test_epi8_mask(class, bit(AS_DIGIT)) & !high,
                at: _mm512_test_epi8_mask(class, bit(AS_AT)) & !high,
                escape: _mm512_test_epi8_mask(class, bit(AS_ESCAPE)) & !high,
                base64: _mm512_test_epi8_mask(class, bit(AS_BASE64)) & !high,
                high,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(level: Level, bytes: &[u8]) -> Vec<Masks> {
        let mut masks = vec![Masks::default(); bytes.len().div_ceil(BLOCK)];
        assert_eq!(level.classify(bytes, &mut masks), masks.len());
        masks
    }

    #[test]
    fn every_byte_at_every_level() {
        let bytes: Vec<u8> = (0..=255).collect();
        let oracle: Vec<_> = bytes.chunks(BLOCK).map(scalar::classify).collect();
        for level in Level::all() {
            assert_eq!(of(level, &bytes), oracle, "{level:?}");
        }
    }

    proptest! {
        #[test]
        fn all_levels_agree(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let oracle: Vec<_> = bytes.chunks(BLOCK).map(scalar::classify).collect();
            for level in Level::all() {
                prop_assert_eq!(of(level, &bytes), oracle.clone(), "{:?}", level);
            }
        }
    }
}
