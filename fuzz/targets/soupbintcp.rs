//! See [`candor_fuzz::soupbintcp`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| candor_fuzz::soupbintcp::check(bytes));
