//! The list of survivors, and what the runner says.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use crate::{Noticed, build::root, is_wanted, places::Name, tests::End};

const LIST: &str = "zpipe/mutants/survivors.txt";

/// The survivors that are known, each with its reason.
pub(crate) fn listed() -> Result<BTreeMap<Name, String>, String> {
    let text = fs::read_to_string(root().join(LIST));
    parse(&text.map_err(|error| format!("cannot read {LIST}: {error}"))?)
}

/// A name begins a line; its reason follows on lines that begin with a space. `#` begins a comment.
fn parse(text: &str) -> Result<BTreeMap<Name, String>, String> {
    let mut listed = BTreeMap::<Name, String>::new();
    let mut last = None;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if line.trim().is_empty() {
            continue;
        }
        if !line.starts_with(' ') {
            last = Some(line.to_owned());
            if listed.insert(line.to_owned(), String::new()).is_some() {
                return Err(format!("{LIST} lists twice: {line}"));
            }
        } else if let Some(reason) = last.as_ref().and_then(|name| listed.get_mut(name)) {
            reason.push_str(line);
        } else {
            return Err(format!("{LIST} begins with a reason of nothing: {line}"));
        }
    }
    match listed.iter().find(|(_, reason)| reason.is_empty()) {
        Some((name, _)) => Err(format!("{LIST} gives no reason for: {name}")),
        None => Ok(listed),
    }
}

/// Tells what became of one mutant.
pub(crate) fn outcome(name: &Name, noticed: &Noticed<'_>) {
    match noticed.by {
        Some((test, End::GivenUp)) => println!("noticed   {name}\n          by {test}, which hung"),
        Some((test, _)) => println!("noticed   {name}\n          by {test}"),
        None => println!("SURVIVED  {name}"),
    }
    for test in &noticed.undecided {
        println!("          not decided: {test} took too long");
    }
}

/// Tells that no test comes to a place.
pub(crate) fn not_met(name: &Name) {
    println!("NOT MET   {name}");
}

/// Compares with the list; says whether all is well. Only mutants whose names contain one of `words`, if
/// there are any, were tried.
pub(crate) fn verdict(
    survivors: &BTreeSet<Name>,
    listed: &BTreeMap<Name, String>,
    words: &[String],
) -> bool {
    let unlisted: Vec<_> = (survivors.iter())
        .filter(|name| !listed.contains_key(*name))
        .collect();
    let stale: Vec<_> = (listed.keys())
        .filter(|name| is_wanted(name, words) && !survivors.contains(*name))
        .collect();
    for name in &unlisted {
        println!("no test notices, and {LIST} gives no reason: {name}");
    }
    for name in &stale {
        println!("{LIST} lists what does not survive or is no more: {name}");
    }
    let known = survivors.len() - unlisted.len();
    println!(
        "{known} survivors with a reason, {} without",
        unlisted.len()
    );
    unlisted.is_empty() && stale.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_names_and_reasons() {
        let listed = parse("# comment\n\na | b | c\n    why\n    it is so\nd | e | f\n  for fun\n");
        let listed = listed.unwrap();
        assert_eq!(listed["a | b | c"], "    why    it is so");
        assert_eq!(listed.len(), 2);
        assert!(parse("a | b | c\nd | e | f\n  why\n").is_err());
        assert!(parse("a\n  why\na\n  why\n").is_err());
        assert!(parse("  why\n").is_err());
    }

    #[test]
    fn a_survivor_without_a_reason_and_a_reason_without_a_survivor_are_faults() {
        let listed = parse("a\n  why\n").unwrap();
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let all: &[String] = &[];
        assert!(verdict(&set(&["a"]), &listed, all));
        assert!(!verdict(&set(&["a", "b"]), &listed, all));
        assert!(!verdict(&set(&[]), &listed, all));
        assert!(!verdict(&set(&[]), &listed, &["a".to_owned()]));
        assert!(verdict(&set(&[]), &listed, &["b".to_owned()]), "not tried");
    }
}
