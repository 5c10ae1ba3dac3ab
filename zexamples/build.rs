//! Tells the programs which compiler built them, for the heads of their tables.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=RUSTC");
    let rustc = env::var_os("RUSTC").expect("cargo sets RUSTC for build scripts");
    let version = Command::new(rustc)
        .arg("--version")
        .output()
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .unwrap_or_else(|| String::from("an unknown rustc"));
    println!("cargo:rustc-env=ZEXAMPLES_RUSTC={}", version.trim());
    let profile = env::var("PROFILE").expect("cargo sets PROFILE for build scripts");
    println!("cargo:rustc-env=ZEXAMPLES_PROFILE={profile}");
}
