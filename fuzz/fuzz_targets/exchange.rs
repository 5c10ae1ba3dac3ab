#![no_main]

use zlayers_fuzz::exchange::{self, Script};

libfuzzer_sys::fuzz_target!(|script: Script| exchange::check(&script));
