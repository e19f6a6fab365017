//! Fuzzes what `sluice_fuzz::wire::openai_request` checks.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sluice_fuzz::wire::openai_request(data));
