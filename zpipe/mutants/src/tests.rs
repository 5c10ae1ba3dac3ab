//! One test as a process of its own.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
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
    /// Whether it is a model that loom explores.
    is_model: bool,
    /// How long it takes without a mutant, with [`FEW`] preemptions.
    usual: Duration,
}

/// How a run of a test has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Passed,
    Failed,
    /// It was given up. A test hangs when its mutant loses a wake-up. A model does not, since loom sees that
    /// nobody can go on: there are only more orders than it can get through.
    GivenUp,
}

/// Preemptions with which loom explores at first: most mutants need no more, and it takes a tenth of the time.
pub(crate) const FEW: u32 = 2;
/// Preemptions for what has survived.
pub(crate) const MANY: u32 = 3;

/// A test is given up after this time and as many times the usual one.
const PATIENCE: (Duration, u32) = (Duration::from_secs(20), 20);

/// A mutant of no place.
const NOWHERE: &str = "nowhere.rs:1:1 nothing";

/// How often the test's end is looked for.
const TICK: Duration = Duration::from_millis(2);

impl Test {
    /// All tests of an executable.
    pub(crate) fn list(executable: &Path, are_models: bool) -> Result<Vec<Self>, String> {
        let output = Command::new(executable)
            .args(["--list", "--format=terse"])
            .output()
            .map_err(|error| format!("cannot run {}: {error}", executable.display()))?;
        let names = String::from_utf8_lossy(&output.stdout);
        let names = names.lines().filter_map(|line| line.strip_suffix(": test"));
        let test = |name: &str| Self {
            executable: executable.to_owned(),
            name: name.to_owned(),
            is_model: are_models,
            usual: Duration::ZERO,
        };
        Ok(names.map(test).collect())
    }

    /// Runs it without a mutant, and with one that is in no place, which must make no difference. Returns
    /// the time it took and the mutants that it meets.
    pub(crate) fn measure(&self) -> Result<(Duration, BTreeSet<String>), String> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let list = format!("zpipe-mutants-{}-{number}", std::process::id());
        let list = std::env::temp_dir().join(list);
        let start = Instant::now();
        let child = self.start(FEW, ("ZPIPE_MUTANTS_LIST", list.as_os_str()));
        let end = self.wait(child, None);
        let taken = start.elapsed();
        let mutants = fs::read_to_string(&list).unwrap_or_default();
        let _ = fs::remove_file(&list);
        if end == End::Passed && self.run(NOWHERE, FEW) == End::Passed {
            Ok((taken, mutants.lines().map(str::to_owned).collect()))
        } else {
            Err(format!(
                "{self} fails without a mutant, or with one of no place"
            ))
        }
    }

    pub(crate) fn with_usual(self, usual: Duration) -> Self {
        Self { usual, ..self }
    }

    pub(crate) fn usual(&self) -> Duration {
        self.usual
    }

    pub(crate) fn is_model(&self) -> bool {
        self.is_model
    }

    /// Runs it with a mutant.
    pub(crate) fn run(&self, mutant: &str, preemptions: u32) -> End {
        let child = self.start(preemptions, ("ZPIPE_MUTANT", mutant.as_ref()));
        let (least, times) = PATIENCE;
        self.wait(child, Some(least + self.usual * times))
    }

    fn start(&self, preemptions: u32, (variable, value): (&str, &OsStr)) -> Child {
        let mut command = Command::new(&self.executable);
        command
            .args(["--exact", &self.name, "--test-threads=1"])
            // A failure is all that is asked for: no time for traces.
            .env("RUST_BACKTRACE", "0")
            .env("LOOM_MAX_PREEMPTIONS", preemptions.to_string())
            .env("PROPTEST_CASES", "64")
            .env("PROPTEST_FAILURE_PERSISTENCE", "off")
            .env_remove("ZPIPE_MUTANT")
            .env_remove("ZPIPE_MUTANTS_LIST")
            .env(variable, value)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn();
        child.unwrap_or_else(|error| panic!("{} was listed: {error}", self.executable.display()))
    }

    /// Waits for the end, no longer than `patience`.
    fn wait(&self, mut child: Child, patience: Option<Duration>) -> End {
        let start = Instant::now();
        loop {
            match child.try_wait() {
                Ok(Some(status)) if status.success() => return End::Passed,
                Ok(Some(_)) => return End::Failed,
                Ok(None) => {}
                Err(error) => panic!("lost {self}: {error}"),
            }
            if patience.is_some_and(|patience| start.elapsed() > patience) {
                // It may end at this very moment: then killing fails, and that is as well.
                let _ = child.kill();
                let _ = child.wait();
                return End::GivenUp;
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
