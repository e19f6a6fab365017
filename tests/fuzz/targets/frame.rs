//! Fuzzes what `sluice_fuzz::contract::frame` checks.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sluice_fuzz::contract::frame(data));
