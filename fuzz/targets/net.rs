//! See [`candor_fuzz::net`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| candor_fuzz::net::check(bytes));
