//! C programs, among them those of the second chapter of the guide, compiled against this library's header and run with this
//! library; and the same with the real one, which shows that they ask for nothing that libzmq does not do.

mod support;

use std::path::{Path, PathBuf};

use support::{cc, home, library_directory, link_real, run, system_library, with_library};

fn source(name: &str) -> PathBuf {
    home().join("tests/c").join(name).with_extension("c")
}

fn compile(name: &str, to: &Path) -> PathBuf {
    let object = to.join(name).with_extension("o");
    let mut compiler = cc();
    compiler.arg("-I").arg(home().join("include"));
    run(compiler.arg("-c").arg(source(name)).arg("-o").arg(&object));
    object
}

fn check(name: &str) {
    let scratch = tempfile::tempdir().unwrap();
    let object = compile(name, scratch.path());
    let ours = library_directory();
    let program = scratch.path().join(name);
    let mut linker = cc();
    linker
        .arg(&object)
        .arg("-L")
        .arg(ours.path())
        .args(["-lzmq", "-lpthread"]);
    run(linker.arg("-o").arg(&program));
    assert_eq!(run(&mut with_library(&program, ours.path())), "ok\n");

    // The very same program, if the system has the library.
    if let Some(real) = system_library() {
        assert_eq!(
            run(&mut with_library(&program, real.parent().unwrap())),
            "ok\n"
        );
    }
    // The same object with the one that these tests are built with.
    let real = scratch.path().join("real");
    let mut linker = cc();
    run(link_real(linker.arg(&object)).arg("-o").arg(&real));
    assert_eq!(run(&mut with_library(&real, scratch.path())), "ok\n");
}

macro_rules! programs {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            check(stringify!($name));
        }
    )*};
}

programs! {
    broker
    descriptor
    errors
    interrupt
    marks
    messages
    monitor
    multipart
    options
    reader
    security
    steered
    threads
    utilities
}

/// The static library serves as well.
#[test]
fn the_static_library_is_enough() {
    let scratch = tempfile::tempdir().unwrap();
    let object = compile("reader", scratch.path());
    let program = scratch.path().join("reader");
    let archive = support::shared_library().with_extension("a");
    let mut linker = cc();
    linker
        .arg(&object)
        .arg(&archive)
        .args(["-lpthread", "-ldl", "-lm"]);
    run(linker.arg("-o").arg(&program));
    assert_eq!(run(&mut with_library(&program, scratch.path())), "ok\n");
}

/// Each program that is there is run.
#[test]
fn no_program_is_forgotten() {
    let listed = include_str!("programs.rs");
    for entry in home().join("tests/c").read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "c") {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let is_listed = listed.lines().any(|line| line.trim() == name);
            assert!(is_listed || name == "perf", "{name}");
        }
    }
}
