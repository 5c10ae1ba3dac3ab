//! A test in a process of its own.

use std::{
    io::{BufRead, BufReader, Write},
    process::{self, Command, Stdio},
    sync::mpsc,
    thread,
};

use crate::support::PATIENCE;

/// What a process that a test has started shall do.
const ROLE: &str = "ZLAYERS_TEST_ROLE";

/// What the lines of a role begin with, among those of the test harness.
const MARK: &str = "# ";

/// What this process was started for, if a test has.
pub(crate) fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// Says a line to whoever has started this process.
pub(crate) fn say(line: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    // Who does not listen any more will end this process next.
    let _ = writeln!(out, "\n{MARK}{line}");
    let _ = out.flush();
}

/// The next line from whoever has started this process.
pub(crate) fn hear() -> String {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

/// A process in which this program runs one test with a role. It is killed when it is dropped.
pub(crate) struct Child {
    process: process::Child,
    lines: mpsc::Receiver<String>,
}

impl Child {
    pub(crate) fn start(test: &str, role: &str) -> Self {
        Self::start_in(&[], test, role)
    }

    /// Behind the words of another program that starts it.
    pub(crate) fn start_in(words: &[&str], test: &str, role: &str) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut command = match words.split_first() {
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
            None => Command::new(program),
        };
        let mut process = command
            .args(["--exact", test, "--nocapture", "--include-ignored"])
            .env(ROLE, role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if let Some(line) = line.strip_prefix(MARK)
                    && sender.send(line.to_owned()).is_err()
                {
                    return;
                }
            }
        });
        Self { process, lines }
    }

    /// The next line that it says, or `None` if it has ended.
    pub(crate) fn next(&self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("a process says nothing"),
        }
    }

    pub(crate) fn expect(&self, line: &str) {
        assert_eq!(self.next().as_deref(), Some(line));
    }

    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.process.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// All that it says, until it has ended well.
    pub(crate) fn finish(mut self) -> Vec<String> {
        let lines = std::iter::from_fn(|| self.next()).collect();
        assert!(self.process.wait().unwrap().success(), "{lines:?}");
        lines
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
