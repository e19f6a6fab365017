//! The filter on 64 positions at a time: one table lookup for each place of the anchors and each
//! set of eight buckets.
#![expect(unsafe_code, reason = "vector loads and calls into code compiled for a CPU feature")]

use super::{ANCHOR, SETS, Tables, WINDOW};
use std::arch::x86_64::{
    __m512i, _mm512_and_si512, _mm512_loadu_si512, _mm512_or_si512, _mm512_permutexvar_epi8,
    _mm512_set1_epi8, _mm512_setzero_si512, _mm512_test_epi8_mask,
};

/// Writes the candidates of each block of `bytes` that has all bytes behind it that its anchors reach to `masks`, and
/// says how many blocks those are. Called at [`Level::Avx512`](crate::engine::simd::Level) only.
pub(super) fn candidates(tables: &Tables, bytes: &[u8], masks: &mut [u64]) -> usize {
    // SAFETY: this is the kernel of a level that `Level::all` gives only where the CPU has AVX-512
    // F, BW and VBMI.
    unsafe { filter(tables, bytes, masks) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn filter(tables: &Tables, bytes: &[u8], masks: &mut [u64]) -> usize {
    let mut rows = [[_mm512_setzero_si512(); ANCHOR]; SETS];
    for (row, table) in rows.iter_mut().flatten().zip(tables.iter().flatten()) {
        *row = load(table);
    }
    let mut count = 0;
    for (window, mask) in bytes.windows(WINDOW).step_by(64).zip(masks) {
        let mut at = [_mm512_setzero_si512(); ANCHOR];
        for (at, bytes) in at.iter_mut().zip(window.windows(64)) {
            if let Some(bytes) = bytes.first_chunk() {
                *at = load(bytes);
            }
        }
        let mut any = _mm512_setzero_si512();
        for set in &rows {
            let mut all = _mm512_set1_epi8(-1);
            for (table, at) in set.iter().zip(at) {
                all = _mm512_and_si512(all, _mm512_permutexvar_epi8(at, *table));
            }
            any = _mm512_or_si512(any, all);
        }
        *mask = _mm512_test_epi8_mask(any, any);
        count += 1;
    }
    count
}

#[target_feature(enable = "avx512f")]
#[inline]
fn load(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: 64 bytes are there, and the load needs no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}
