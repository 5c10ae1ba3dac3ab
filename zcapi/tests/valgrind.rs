//! The C programs under memcheck: no invalid access, nothing uninitialised that is looked at, no leak. It takes minutes, so it runs only
//! when asked for: `cargo test -p zcapi --test valgrind -- --ignored`.

mod support;

use std::process::Command;

use support::{cc, home, library_directory, run, try_run, with_library};

#[test]
#[ignore = "takes minutes"]
fn memcheck_finds_nothing() {
    if !try_run(Command::new("sh").args(["-c", "command -v valgrind"]))
        .status
        .success()
    {
        println!("skipped: there is no valgrind here");
        return;
    }
    let (scratch, library) = (tempfile::tempdir().unwrap(), library_directory());
    let sources = home()
        .join("tests/c")
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let is_program =
        |path: &std::path::PathBuf| path.extension().is_some_and(|extension| extension == "c");
    for source in sources.filter(is_program) {
        let program = scratch.path().join(source.file_stem().unwrap());
        let mut compiler = cc();
        compiler
            .arg("-I")
            .arg(home().join("include"))
            .arg(&source)
            .arg("-L")
            .arg(library.path());
        run(compiler
            .args(["-lzmq", "-lpthread"])
            .arg("-o")
            .arg(&program));
        let mut memcheck = with_library("valgrind", library.path());
        // Threads of the library are still there when a program ends, with what they hold.
        memcheck.args([
            "-q",
            "--error-exitcode=9",
            "--leak-check=full",
            "--fair-sched=yes",
        ]);
        memcheck.args([
            "--show-leak-kinds=definite,indirect",
            "--errors-for-leak-kinds=definite,indirect",
        ]);
        let printed = run(memcheck.arg(&program).env("CHECK_SECONDS", "600"));
        assert_eq!(printed, "ok\n", "{}", source.display());
    }
}
