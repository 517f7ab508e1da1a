//! See [`candor_fuzz::services`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| candor_fuzz::services::check(bytes));
