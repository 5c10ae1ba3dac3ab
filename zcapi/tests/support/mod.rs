//! Compiling and running C programs against this library and the real one.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;
use zinterop::artifacts;

/// Where this crate lies.
pub(crate) fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The shared library that was built with this test.
pub(crate) fn shared_library() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let library = test.parent().unwrap().join("libzmq.so");
    assert!(
        library.exists(),
        "{} is built with the tests",
        library.display()
    );
    library
}

/// A directory in which a linker finds the library as an installation would have it.
pub(crate) fn library_directory() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for name in ["libzmq.so.5", "libzmq.so"] {
        std::os::unix::fs::symlink(shared_library(), directory.path().join(name)).unwrap();
    }
    directory
}

/// Runs a tool that has to succeed, and returns what it prints.
pub(crate) fn run(command: &mut Command) -> String {
    let output = try_run(command);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{errors}",
        output.status
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn try_run(command: &mut Command) -> Output {
    command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// The C compiler of this machine, in the dialect that the programs are written in.
pub(crate) fn cc() -> Command {
    let mut cc = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    cc.args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-g"]);
    cc
}

/// What the real library, which is C++, needs beside itself.
pub(crate) fn link_real(command: &mut Command) -> &mut Command {
    command
        .arg(artifacts::archive())
        .arg("-L")
        .arg(artifacts::sodium())
        .args(["-lsodium", "-lstdc++", "-lm", "-lpthread"])
}

/// The real shared library of the system, if it has one.
pub(crate) fn system_library() -> Option<PathBuf> {
    let candidates = [
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib64",
        "/usr/lib",
    ];
    let found = candidates
        .iter()
        .map(|at| Path::new(at).join("libzmq.so.5"));
    found.into_iter().find(|library| library.exists())
}

/// Runs a program with the library of a directory.
pub(crate) fn with_library(program: impl AsRef<OsStr>, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("LD_LIBRARY_PATH", directory);
    command
}
