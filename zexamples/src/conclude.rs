//! How programs speak and end.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::{self, ExitCode};

use crate::Result;

/// The exit status of a program, and its last words if there was an error.
///
/// 0 if all is well, 1 if the program has found what it looks for (`Ok(false)`), 2 if it could not do
/// its work.
pub fn conclude(program: &str, result: Result<bool>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{program}: {error}");
            ExitCode::from(2)
        }
    }
}

/// Prints a line. A reader that has seen enough, as `head` has, is no error: the program ends.
pub fn say(line: impl Display) {
    match writeln!(io::stdout(), "{line}") {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => process::exit(0),
        Err(error) => {
            eprintln!("standard output: {error}");
            process::exit(2);
        }
    }
}
