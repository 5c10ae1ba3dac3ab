//! Weakens zpipe one place at a time, and sees whether a test notices.
//!
//! ```text
//! cargo run -p zpipe-mutants               all mutants
//! cargo run -p zpipe-mutants -- ready.rs   those whose name contains one of these words
//! ```
//!
//! A mutant is zpipe with one ordering relaxed, one fence left out, or one place written
//! `or_mutant!(original, mutant)` replaced. All of them are in two builds (`--cfg mutants`, with and without
//! loom) and are switched on by the environment: see `zpipe/src/sync/mutants.rs`.
//!
//! Each test is run once without a mutant and says which mutants it could meet. Each mutant is then run with
//! the tests that meet it, quickest first, until one fails: loom's models with two preemptions, and if none
//! of them fails, with three. A mutant that survives them all has to stand in `survivors.txt` with a reason,
//! and a place that no test meets counts as surviving. What stands there is not tried with three preemptions,
//! which would take most of the time. Names say file, function and code, not the line, so that the list
//! outlives other changes.
//!
//! A test that hangs has noticed the mutant; that it was given up is said. A model that was given up has not.

mod build;
mod places;
mod report;
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use crate::{
    places::Name,
    tests::{End, FEW, MANY, Test},
};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("mutants: {error}");
            ExitCode::from(2)
        }
    }
}

/// Runs the mutants whose names contain one of `words`; says whether all is well.
fn run(words: &[String]) -> Result<bool, String> {
    let listed = report::listed()?;
    let sources = places::Sources::read()?;
    let (tests, mutants) = measure(build::all()?)?;

    let mut named = BTreeMap::new();
    for (mutant, by) in mutants {
        let mut name = sources.name(&mutant)?;
        // Two places in one line, which come in this order.
        while named.contains_key(&name) {
            name.push_str(" (next)");
        }
        named.insert(name, Some((mutant, by)));
    }
    for name in sources.unmet(named.keys()) {
        named.insert(name, None);
    }
    named.retain(|name, _| is_wanted(name, words));

    println!("{} mutants, {} tests", named.len(), tests.len());
    let start = Instant::now();
    let survivors = each(&named.into_iter().collect::<Vec<_>>(), |(name, mutant)| {
        let Some((mutant, met_by)) = mutant else {
            report::not_met(name);
            return Some(name.clone());
        };
        let met_by = met_by.iter().map(|test| &tests[*test]);
        let noticed = notice(mutant, met_by, listed.contains_key(name));
        report::outcome(name, &noticed);
        noticed.by.is_none().then(|| name.clone())
    });
    let survivors: BTreeSet<_> = survivors.into_iter().flatten().collect();
    println!("tried in {} s", start.elapsed().as_secs());
    Ok(report::verdict(&survivors, &listed, words))
}

/// What the tests made of a mutant.
#[derive(Default)]
pub(crate) struct Noticed<'a> {
    /// The test that failed or hung.
    by: Option<(&'a Test, End)>,
    /// Models that were given up.
    undecided: Vec<&'a Test>,
}

/// Tries a mutant until a test fails.
fn notice<'a>(
    mutant: &str,
    met_by: impl Iterator<Item = &'a Test> + Clone,
    is_listed: bool,
) -> Noticed<'a> {
    let mut noticed = Noticed::default();
    let again = (met_by.clone()).filter(|test| !is_listed && test.is_model());
    let runs = (met_by.map(|test| (test, FEW))).chain(again.map(|test| (test, MANY)));
    for (test, preemptions) in runs {
        match test.run(mutant, preemptions) {
            End::Passed => {}
            End::GivenUp if test.is_model() => noticed.undecided.push(test),
            end => {
                noticed.by = Some((test, end));
                break;
            }
        }
    }
    noticed
}

/// Whether a mutant is to be tried.
fn is_wanted(name: &Name, words: &[String]) -> bool {
    words.is_empty() || words.iter().any(|word| name.contains(word))
}

/// The tests that meet a mutant, quickest first, as indices.
type MetBy = Vec<usize>;

/// Runs every test without a mutant. Returns the tests, quickest first, and the mutants that they meet.
fn measure(tests: Vec<Test>) -> Result<(Vec<Test>, BTreeMap<String, MetBy>), String> {
    let runs = each(&tests, Test::measure);
    let mut measured = Vec::new();
    for (test, run) in tests.into_iter().zip(runs) {
        let (taken, mutants) = run?;
        measured.push((test.with_usual(taken), mutants));
    }
    measured.sort_by_key(|(test, _)| test.usual());
    let mut met = BTreeMap::<String, MetBy>::new();
    let mut tests = Vec::new();
    for (index, (test, mutants)) in measured.into_iter().enumerate() {
        for mutant in mutants {
            met.entry(mutant).or_default().push(index);
        }
        tests.push(test);
    }
    Ok((tests, met))
}

/// Calls `f` for each item, on as many threads as there are processors.
fn each<T: Sync, R: Send>(items: &[T], f: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((index, item)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    items.get(index).map(|item| (index, item))
                } {
                    let result = f(item);
                    let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                    results.push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
