//! See [`candor_fuzz::moldudp64`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| candor_fuzz::moldudp64::check(bytes));
