//! See [`candor_fuzz::itch50`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| candor_fuzz::itch50::check(bytes));
