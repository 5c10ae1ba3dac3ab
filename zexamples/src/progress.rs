//! A bar on a terminal, plain lines in a log.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How far a program has come, on standard error.
///
/// Where that is not a terminal, a line is printed for each section and each tenth of the whole.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    total: u64,
    done: AtomicU64,
}

impl Progress {
    /// A bar that ends at `total` of `unit`.
    #[must_use]
    pub fn new(total: u64, unit: &str) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total);
            let template =
                format!("{{wide_bar}} {{human_pos}}/{{human_len}} {unit} {{per_sec}}  {{msg}}");
            // The template is ours; should it be wrong, the default style still shows a bar.
            if let Ok(style) = ProgressStyle::with_template(&template) {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self {
            bar,
            total,
            done: AtomicU64::new(0),
        }
    }

    /// Says what is being done from now on.
    pub fn section(&self, name: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(name.to_owned()),
            None => eprintln!("{name} ..."),
        }
    }

    /// Adds to what has been done.
    pub fn add(&self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(done);
            return;
        }
        let before = self.done.fetch_add(done, Ordering::Relaxed);
        let tenth = |done: u64| done * 10 / self.total.max(1);
        if tenth(before) != tenth(before + done) {
            eprintln!("{:>3} %", tenth(before + done) * 10);
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
