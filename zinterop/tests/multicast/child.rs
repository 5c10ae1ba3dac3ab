//! Processes that run one test of this program with a role, each in a network of its own.

use std::{
    io::{BufRead, BufReader, Write},
    process::{self, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

const ROLE: &str = "ZLAYERS_MULTICAST_ROLE";
/// What the lines of a role begin with, among those of the test harness.
const MARK: &str = "# ";
/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// What this process was started for, if a test has.
pub(crate) fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// Says a line to whoever has started this process.
pub(crate) fn say(line: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "\n{MARK}{line}");
    let _ = out.flush();
}

/// A process with a role. It is killed when it is dropped.
pub(crate) struct Child {
    process: process::Child,
    lines: mpsc::Receiver<String>,
    name: String,
}

impl Child {
    /// Behind the words of another program that starts it.
    pub(crate) fn start(words: &[&str], test: &str, role: &str) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut command = Command::new(words[0]);
        let mut process = command
            .args(&words[1..])
            .arg(program)
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
                let line = line.strip_prefix(MARK).map(str::to_owned);
                if line.is_some_and(|line| sender.send(line).is_err()) {
                    return;
                }
            }
        });
        let name = role.to_owned();
        Self {
            process,
            lines,
            name,
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn tell(&mut self, line: &str) {
        let mut to = self.process.stdin.as_ref().unwrap();
        writeln!(to, "{line}").unwrap();
    }

    /// The next line.
    pub(crate) fn hear(&mut self) -> String {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(error) => panic!("{}: {error}", self.name),
        }
    }

    /// The next line, if it comes soon.
    pub(crate) fn try_hear(&mut self, patience: Duration) -> Option<String> {
        match self.lines.recv_timeout(patience) {
            Ok(line) => Some(line),
            Err(mpsc::RecvTimeoutError::Timeout) => None,
            Err(error) => panic!("{}: {error}", self.name),
        }
    }

    pub(crate) fn expect(&mut self, line: &str) {
        assert_eq!(self.hear(), line, "{}", self.name);
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The next line from whoever has started this process.
pub(crate) fn hear() -> String {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}
