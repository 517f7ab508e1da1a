//! See [`candor_fuzz::deep`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| candor_fuzz::deep::check(bytes));
