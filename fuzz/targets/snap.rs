//! See [`candor_fuzz::snap`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| candor_fuzz::snap::check(bytes));
