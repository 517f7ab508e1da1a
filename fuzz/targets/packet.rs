//! See [`candor_fuzz::packet`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| candor_fuzz::packet::check(bytes));
