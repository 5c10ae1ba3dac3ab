//! Child processes that talk in lines, with a deadline, and that never outlive their parent.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{self, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;

/// A child process whose standard output is read line by line.
///
/// Dropping it kills it. The child's end is [`Parent`].
#[derive(Debug)]
pub struct Child {
    name: String,
    process: process::Child,
    /// Open as long as the child shall live.
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    deadline: Instant,
}

impl Child {
    /// Starts `program`; whatever is asked of it later must be done after `limit`.
    ///
    /// # Errors
    /// If the system cannot start it.
    pub fn spawn<A: AsRef<OsStr>>(
        program: &Path,
        args: impl IntoIterator<Item = A>,
        limit: Duration,
    ) -> Result<Self> {
        let args: Vec<A> = args.into_iter().collect();
        let words: Vec<_> = args
            .iter()
            .map(|arg| arg.as_ref().to_string_lossy())
            .collect();
        let file = program.file_name().unwrap_or(program.as_os_str());
        let name = format!("{} {}", file.to_string_lossy(), words.join(" "));
        let mut process = Command::new(program)
            .args(&args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{name}: {error}"))?;
        let stdout = process
            .stdout
            .take()
            .ok_or("a piped standard output is there")?;
        let (sender, lines) = mpsc::channel();
        thread::Builder::new()
            .name(String::from("child output"))
            .spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(io::Result::ok) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            })?;
        let stdin = process.stdin.take();
        Ok(Self {
            name,
            process,
            stdin,
            lines,
            deadline: Instant::now() + limit,
        })
    }

    /// Starts this very program anew.
    ///
    /// # Errors
    /// If the system cannot start it.
    pub fn spawn_self<A: AsRef<OsStr>>(
        args: impl IntoIterator<Item = A>,
        limit: Duration,
    ) -> Result<Self> {
        Self::spawn(&std::env::current_exe()?, args, limit)
    }

    /// The number of the process, to send it signals.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Moves the deadline to `limit` from now.
    pub fn extend(&mut self, limit: Duration) {
        self.deadline = Instant::now() + limit;
    }

    /// Waits for the line that starts with the word `key`, skips those before it, and returns the
    /// rest of it.
    ///
    /// # Errors
    /// If the child ends, or the deadline passes, before.
    pub fn answer(&self, key: &str) -> Result<String> {
        loop {
            let line = self
                .next_line()?
                .ok_or_else(|| format!("{}: it ended without saying \"{key}\"", self.name))?;
            if let Some(rest) = line.strip_prefix(key)
                && (rest.is_empty() || rest.starts_with(' '))
            {
                return Ok(rest.trim_start().to_owned());
            }
        }
    }

    /// Waits for the next line, whatever it is.
    ///
    /// # Errors
    /// If the child ends, or the deadline passes, before.
    pub fn line(&self) -> Result<String> {
        self.next_line()?
            .ok_or_else(|| format!("{}: it ended without another line", self.name).into())
    }

    /// Sends the child a line.
    ///
    /// # Errors
    /// If the child has ended.
    pub fn tell(&mut self, line: &str) -> Result<()> {
        let stdin = self
            .stdin
            .as_mut()
            .ok_or("the child has been told to end")?;
        writeln!(stdin, "{line}")
            .and_then(|()| stdin.flush())
            .map_err(|error| format!("{}: {error}", self.name).into())
    }

    /// Closes the child's standard input, which tells it to end.
    pub fn release(&mut self) {
        self.stdin = None;
    }

    /// Waits until the child has ended, and returns the lines that nobody asked for.
    ///
    /// # Errors
    /// If it does not end before the deadline, or fails.
    pub fn finish(mut self) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        while let Some(line) = self.next_line()? {
            lines.push(line);
        }
        let status = self.exit_status()?;
        if status.success() {
            Ok(lines)
        } else {
            Err(format!("{}: {status}", self.name).into())
        }
    }

    fn next_line(&self) -> Result<Option<String>> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => {
                Err(format!("{}: it did not finish in time", self.name).into())
            }
        }
    }

    /// The child has closed its output, so it is about to end; std has no wait with a time limit.
    fn exit_status(&mut self) -> Result<ExitStatus> {
        loop {
            if let Some(status) = self.process.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= self.deadline {
                return Err(format!("{}: it did not end in time", self.name).into());
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The child's end: lines from the parent.
#[derive(Debug)]
pub struct Parent {
    lines: Receiver<String>,
}

impl Parent {
    /// Listens to the parent. When it lets go of the child or dies, `released` is called.
    ///
    /// # Errors
    /// If the system has no thread for it.
    pub fn listen(released: impl FnOnce() + Send + 'static) -> Result<Self> {
        let (sender, lines) = mpsc::channel();
        thread::Builder::new()
            .name(String::from("parent input"))
            .spawn(move || {
                for line in io::stdin().lines().map_while(io::Result::ok) {
                    // A child that no longer asks still wants to know of the parent's end.
                    let _ = sender.send(line);
                }
                released();
            })?;
        Ok(Self { lines })
    }

    /// Says a line that starts with a key.
    ///
    /// # Errors
    /// If the parent is gone.
    pub fn say(&self, key: &str, rest: &str) -> Result<()> {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{key} {rest}")?;
        Ok(stdout.flush()?)
    }

    /// Waits for a line from the parent, for at most `timeout`.
    ///
    /// # Errors
    /// If the parent is gone.
    pub fn hear_timeout(&self, timeout: Duration) -> Result<Option<String>> {
        match self.lines.recv_timeout(timeout) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err("the parent is gone".into()),
        }
    }

    /// A line from the parent, if there is one now.
    ///
    /// # Errors
    /// If the parent is gone.
    #[inline]
    pub fn try_hear(&self) -> Result<Option<String>> {
        match self.lines.try_recv() {
            Ok(line) => Ok(Some(line)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err("the parent is gone".into()),
        }
    }

    /// Waits for a line from the parent.
    ///
    /// # Errors
    /// If the parent is gone.
    pub fn hear(&self) -> Result<String> {
        self.lines.recv().map_err(|_| "the parent is gone".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    #[test]
    fn answers_are_found_among_other_lines() {
        let mut child = Child::spawn(Path::new("cat"), [] as [&str; 0], LIMIT).unwrap();
        child.tell("noise").unwrap();
        child.tell("port 5555").unwrap();
        child.tell("ports").unwrap();
        child.tell("port").unwrap();
        child.tell("left over").unwrap();
        assert_eq!(child.answer("port").unwrap(), "5555");
        assert_eq!(child.answer("port").unwrap(), "");
        child.release();
        assert_eq!(child.finish().unwrap(), ["left over"]);
    }

    #[test]
    fn failure_and_silence_are_errors() {
        let failing = Child::spawn(Path::new("sh"), ["-c", "exit 3"], LIMIT).unwrap();
        assert!(
            failing
                .finish()
                .unwrap_err()
                .to_string()
                .contains("exit status: 3")
        );

        let silent = Child::spawn(Path::new("cat"), [] as [&str; 0], Duration::ZERO).unwrap();
        assert!(
            silent
                .answer("anything")
                .unwrap_err()
                .to_string()
                .contains("in time")
        );

        let missing = Child::spawn(Path::new("/no/such/program"), ["x"], LIMIT);
        assert!(missing.unwrap_err().to_string().starts_with("program x: "));
    }
}
