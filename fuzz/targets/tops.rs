//! See [`candor_fuzz::tops`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| candor_fuzz::tops::check(bytes));
