//! Fuzzes what `sluice_fuzz::contract::record` checks.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sluice_fuzz::contract::record(data));
