//! Fuzzes what `sluice_fuzz::wire::http1_chunked` checks.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sluice_fuzz::wire::http1_chunked(data));
