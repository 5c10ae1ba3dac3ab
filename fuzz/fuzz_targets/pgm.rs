#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| zlayers_fuzz::pgm::check(data));
