//! One test as a process of its own.

use std::{
    collections::BTreeSet,
    fmt, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

/// A test of an executable.
#[derive(Debug)]
pub(crate) struct Test {
    executable: PathBuf,
    name: String,
    /// How long it takes without a mutant.
    usual: Duration,
}

/// A mutant that loses a wake-up outside of loom hangs: it is given up after this time and as many times
/// the usual one.
const PATIENCE: (Duration, u32) = (Duration::from_secs(20), 10);

/// How often the test's end is looked for.
const TICK: Duration = Duration::from_millis(2);

impl Test {
    /// All tests of an executable.
    pub(crate) fn list(executable: &Path) -> Result<Vec<Self>, String> {
        let output = Command::new(executable)
            .args(["--list", "--format=terse"])
            .output()
            .map_err(|error| format!("cannot run {}: {error}", executable.display()))?;
        let names = String::from_utf8_lossy(&output.stdout);
        let names = names.lines().filter_map(|line| line.strip_suffix(": test"));
        let test = |name: &str| Self {
            executable: executable.to_owned(),
            name: name.to_owned(),
            usual: Duration::ZERO,
        };
        Ok(names.map(test).collect())
    }

    /// Runs it without a mutant; returns the time it took and the mutants that it meets.
    pub(crate) fn measure(&self) -> Result<(Duration, BTreeSet<String>), String> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let list = format!("zpipe-mutants-{}-{number}", std::process::id());
        let list = std::env::temp_dir().join(list);
        let start = Instant::now();
        let passed = self.wait(self.start(|it| it.env("ZPIPE_MUTANTS_LIST", &list)), None);
        let taken = start.elapsed();
        let mutants = fs::read_to_string(&list).unwrap_or_default();
        let _ = fs::remove_file(&list);
        if passed {
            Ok((taken, mutants.lines().map(str::to_owned).collect()))
        } else {
            Err(format!("{self} fails without a mutant"))
        }
    }

    pub(crate) fn with_usual(self, usual: Duration) -> Self {
        Self { usual, ..self }
    }

    pub(crate) fn usual(&self) -> Duration {
        self.usual
    }

    /// Whether it passes with a mutant.
    pub(crate) fn passes(&self, mutant: Option<&str>) -> bool {
        let child = self.start(|it| match mutant {
            Some(mutant) => it.env("ZPIPE_MUTANT", mutant),
            None => it,
        });
        let (least, times) = PATIENCE;
        self.wait(child, Some(least + self.usual * times))
    }

    fn start(&self, environment: impl FnOnce(&mut Command) -> &mut Command) -> Child {
        let mut command = Command::new(&self.executable);
        command
            .args(["--exact", &self.name, "--test-threads=1"])
            // A failure is all that is asked for: no time for traces.
            .env("RUST_BACKTRACE", "0")
            .env("LOOM_MAX_PREEMPTIONS", "3")
            .env("PROPTEST_CASES", "64")
            .env("PROPTEST_FAILURE_PERSISTENCE", "off")
            .env_remove("ZPIPE_MUTANT")
            .env_remove("ZPIPE_MUTANTS_LIST")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = environment(&mut command).spawn();
        child.unwrap_or_else(|error| panic!("{} was listed: {error}", self.executable.display()))
    }

    /// Waits for the end, which is a failure if it does not come within `patience`.
    fn wait(&self, mut child: Child, patience: Option<Duration>) -> bool {
        let start = Instant::now();
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return status.success(),
                Ok(None) => {}
                Err(error) => panic!("lost {self}: {error}"),
            }
            if patience.is_some_and(|patience| start.elapsed() > patience) {
                // It may end at this very moment: then killing fails, and that is as well.
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
            thread::sleep(TICK);
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.executable.file_name().unwrap_or_default();
        let file = file.to_string_lossy();
        let crate_name = file.rsplit_once('-').map_or(&*file, |(name, _)| name);
        write!(f, "{crate_name} {}", self.name)
    }
}
