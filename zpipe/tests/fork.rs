//! What a forked child notices.
#![cfg(not(any(loom, miri)))]

use std::{io, os::unix::process::CommandExt, process::Command};

use zpipe::Process;

#[test]
fn a_child_knows_that_it_was_forked_and_has_a_process_of_its_own() {
    let parent = Process::current();
    let mut command = Command::new("true");
    let in_child = move || {
        let inherited = parent.is_forked();
        let own = Process::current();
        if inherited && !own.is_forked() && parent.is_forked() {
            Ok(())
        } else {
            Err(io::ErrorKind::Other.into())
        }
    };
    // SAFETY: between fork and exec it does nothing but loads and stores of atomics.
    unsafe { command.pre_exec(in_child) };
    assert!(command.status().unwrap().success());
    assert!(!parent.is_forked());
    assert!(!Process::current().is_forked());
}
