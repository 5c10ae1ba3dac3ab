//! What the tests of the guide's programs have in common.

use std::path::Path;
use std::time::Duration;

use zexamples::Child;

/// What is given to a program before it counts as hung.
const LIMIT: Duration = Duration::from_secs(300);
/// How long libzmq waits for a message.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const ANYWHERE: &str = "tcp://127.0.0.1:*";

pub(crate) fn start(program: &str, args: &[&str]) -> Child {
    Child::spawn(Path::new(program), args, LIMIT).unwrap()
}

pub(crate) fn output(program: &str, args: &[&str]) -> Vec<String> {
    start(program, args).finish().unwrap()
}
