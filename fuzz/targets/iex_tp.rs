//! See [`candor_fuzz::iex_tp`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| candor_fuzz::iex_tp::check(bytes));
