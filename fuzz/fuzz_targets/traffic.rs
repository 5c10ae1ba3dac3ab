#![no_main]

use zlayers_fuzz::traffic::{self, Script};

libfuzzer_sys::fuzz_target!(|script: Script| traffic::check(&script));
