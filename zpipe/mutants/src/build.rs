//! The two builds that hold all mutants.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::tests::Test;

/// The workspace's directory, to which source locations are relative.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here)
}

/// Builds zpipe's tests, with loom and without, and lists them.
pub(crate) fn all() -> Result<Vec<Test>, String> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root().join("target"), PathBuf::from)
        .join("mutants");
    let mut tests = Vec::new();
    for (name, flags, are_models, targets) in [
        (
            "loom",
            "--cfg loom --cfg mutants",
            true,
            &["--test", "loom"][..],
        ),
        (
            "std",
            "--cfg mutants",
            false,
            &["--lib", "--test", "channel", "--test", "model"],
        ),
    ] {
        for executable in build(&target.join(name), flags, targets)? {
            tests.extend(Test::list(&executable, are_models)?);
        }
    }
    Ok(tests)
}

/// Builds tests and returns the executables.
fn build(target: &Path, flags: &str, targets: &[&str]) -> Result<Vec<PathBuf>, String> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root())
        .args([
            "test",
            "-p",
            "zpipe",
            "--release",
            "--no-run",
            "--color=never",
        ])
        .args(targets)
        .env("RUSTFLAGS", flags)
        .env("CARGO_TARGET_DIR", target)
        .output()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    let messages = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("the build with {flags} failed:\n{messages}"));
    }
    // "  Executable tests/loom/main.rs (target/mutants/loom/release/deps/loom-0123)"
    let executables = messages.lines().filter_map(|line| {
        let line = line.trim_start().strip_prefix("Executable ")?;
        let (_, path) = line.rsplit_once('(')?;
        Some(root().join(path.strip_suffix(')')?))
    });
    Ok(executables.collect())
}
