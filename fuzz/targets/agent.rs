//! See [`candor_fuzz::agent`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| candor_fuzz::agent::check(bytes));
