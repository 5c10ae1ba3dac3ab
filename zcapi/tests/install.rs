//! What is installed is enough for a program that knows libzmq by pkg-config only.

mod support;

use std::process::Command;

use support::{cc, home, run, with_library};

#[test]
fn a_program_is_built_and_run_with_what_was_installed() {
    let scratch = tempfile::tempdir().unwrap();
    let prefix = scratch.path().join("usr");
    let mut install = Command::new(env!("CARGO_BIN_EXE_install"));
    run(install.arg("--prefix").arg(&prefix));
    // A second time over the first one.
    run(&mut install);
    let libraries = prefix.join("lib");
    for name in [
        "libzmq.so.5.2.5",
        "libzmq.so.5",
        "libzmq.so",
        "libzmq.a",
        "cmake/ZeroMQ/ZeroMQConfig.cmake",
    ] {
        assert!(libraries.join(name).exists(), "{name}");
    }
    let pkg_config = |arguments: &[&str]| {
        let mut command = Command::new("pkg-config");
        command.env("PKG_CONFIG_PATH", libraries.join("pkgconfig"));
        run(command.args(arguments).arg("libzmq"))
    };
    if support::try_run(Command::new("sh").args(["-c", "command -v pkg-config"]))
        .status
        .success()
    {
        assert_eq!(pkg_config(&["--modversion"]).trim(), "4.3.5");
        let flags = pkg_config(&["--cflags", "--libs"]);
        let program = scratch.path().join("program");
        let mut compiler = cc();
        compiler.arg(home().join("tests/c/multipart.c"));
        run(compiler
            .args(flags.split_whitespace())
            .arg("-lpthread")
            .arg("-o")
            .arg(&program));
        assert_eq!(run(&mut with_library(&program, &libraries)), "ok\n");
    } else {
        println!("skipped: there is no pkg-config here");
    }
}

#[test]
fn a_package_is_made_below_another_directory() {
    let scratch = tempfile::tempdir().unwrap();
    let mut install = Command::new(env!("CARGO_BIN_EXE_install"));
    install
        .arg("--destdir")
        .arg(scratch.path())
        .args(["--prefix=/opt/zmq", "--libdir", "lib64"]);
    run(&mut install);
    let file = scratch.path().join("opt/zmq/lib64/pkgconfig/libzmq.pc");
    let text = std::fs::read_to_string(file).unwrap();
    assert!(
        text.starts_with("prefix=/opt/zmq\n") && text.contains("libdir=${prefix}/lib64\n"),
        "{text}"
    );
    let slip = support::try_run(Command::new(env!("CARGO_BIN_EXE_install")).arg("--perfix"));
    assert_eq!(slip.status.code(), Some(2));
}
