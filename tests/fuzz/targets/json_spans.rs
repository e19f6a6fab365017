//! Fuzzes what `sluice_fuzz::wire::json_spans` checks.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sluice_fuzz::wire::json_spans(data));
