//! See [`candor_fuzz::maps`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| candor_fuzz::maps::check(bytes));
