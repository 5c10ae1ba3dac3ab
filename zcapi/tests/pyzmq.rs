//! pyzmq, built from source against this library, and a script of checks. It takes minutes and the registry of Python packages, so it
//! runs only when asked for: `cargo test -p zcapi --test pyzmq -- --ignored --nocapture`.

mod support;

use std::{path::Path, process::Command};

use support::{home, run, try_run};

/// The version that the checks were written with.
const PYZMQ: &str = "pyzmq==27.1.0";

#[test]
#[ignore = "builds pyzmq, which takes minutes and the registry of Python packages"]
fn pyzmq_passes_its_checks() {
    let scratch = tempfile::tempdir().unwrap();
    let prefix = scratch.path().join("prefix");
    run(Command::new(env!("CARGO_BIN_EXE_install"))
        .arg("--prefix")
        .arg(&prefix));
    let Some(python) = environment(scratch.path(), &prefix) else {
        return;
    };
    let library = prefix.join("lib/libzmq.so.5");
    let mut checks = Command::new(&python);
    checks
        .arg(home().join("tests/pyzmq/checks.py"))
        .arg(&library);
    let output = try_run(checks.env("LD_LIBRARY_PATH", prefix.join("lib")));
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A Python with pyzmq; `ZCAPI_PYTHON` may name one that is there.
fn environment(scratch: &Path, prefix: &Path) -> Option<std::path::PathBuf> {
    if let Some(python) = std::env::var_os("ZCAPI_PYTHON") {
        return Some(python.into());
    }
    let environment = scratch.join("python");
    let made = Command::new("python3")
        .args(["-m", "venv"])
        .arg(&environment)
        .output();
    if !made.is_ok_and(|output| output.status.success()) {
        println!("skipped: there is no python3 with venv here");
        return None;
    }
    let mut pip = Command::new(environment.join("bin/pip"));
    pip.args(["install", "--no-binary", "pyzmq", PYZMQ])
        .env("ZMQ_PREFIX", prefix);
    let output = try_run(&mut pip);
    if !output.status.success() {
        println!(
            "skipped: pip cannot build pyzmq here: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        return None;
    }
    Some(environment.join("bin/python"))
}
