//! From a source location to a name that outlives other changes of the file, and what the source has that
//! no test has met.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::build::root;

/// `FILE FUNCTION | CODE | WHAT`.
pub(crate) type Name = String;

/// The sources of zpipe, by path relative to the workspace, without the unit tests at their ends.
pub(crate) struct Sources(BTreeMap<String, Vec<String>>);

/// What a line has that can be mutated.
const ORDERS: [&str; 4] = [
    "Ordering::Acquire",
    "Ordering::Release",
    "Ordering::AcqRel",
    "Ordering::SeqCst",
];
const FENCE: &str = "publish();";
const PLACE: &str = "or_mutant!(";

impl Sources {
    pub(crate) fn read() -> Result<Self, String> {
        let mut sources = BTreeMap::new();
        collect(&root().join("zpipe/src"), &mut sources)
            .map_err(|error| format!("cannot read the sources of zpipe: {error}"))?;
        Ok(Self(sources))
    }

    /// The name of a mutant as `zpipe/src/sync/mutants.rs` writes it.
    pub(crate) fn name(&self, mutant: &str) -> Result<Name, String> {
        let unknown = || format!("no such place in the sources: {mutant}");
        let (place, what) = mutant.split_once(' ').ok_or_else(unknown)?;
        let mut place = place.splitn(3, ':');
        let file = place.next().ok_or_else(unknown)?;
        let line: usize = (place.next())
            .and_then(|line| line.parse().ok())
            .ok_or_else(unknown)?;
        let lines = self.0.get(file).ok_or_else(unknown)?;
        let line = line.checked_sub(1).filter(|line| *line < lines.len());
        Ok(name(file, lines, line.ok_or_else(unknown)?, what))
    }

    /// Places in the sources of which no mutant is among `met`.
    pub(crate) fn unmet<'a>(&self, met: impl Iterator<Item = &'a Name>) -> Vec<Name> {
        let without_what = |name: &Name| name.rsplit_once(" | ").map(|(place, _)| place.to_owned());
        let met: BTreeSet<String> = met.filter_map(without_what).collect();
        let mut unmet = Vec::new();
        for (file, lines) in &self.0 {
            for (index, line) in lines.iter().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                let is_place = ORDERS.iter().any(|order| code.contains(order))
                    || code.contains(FENCE)
                    || code.contains(PLACE);
                // An ordering may stand some lines below the call that it belongs to.
                let ends = |line: &String| line.trim_end().ends_with([';', '{', '}']);
                let start = lines[..index]
                    .iter()
                    .rposition(ends)
                    .map_or(0, |end| end + 1);
                let is_met = (start..=index).any(|index| {
                    let name = name(file, lines, index, "");
                    without_what(&name).is_some_and(|place| met.contains(&place))
                });
                if is_place && !is_met {
                    unmet.push(name(file, lines, index, "met by no test"));
                }
            }
        }
        unmet
    }
}

/// Reads the files below `directory` that have something to mutate.
fn collect(directory: &Path, into: &mut BTreeMap<String, Vec<String>>) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        // `sync` is the loom build's and the mutants' own.
        if path.ends_with("sync") || path.ends_with("sync.rs") || path.ends_with("tests.rs") {
            continue;
        }
        if path.is_dir() {
            collect(&path, into)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path)?;
            let code = text
                .lines()
                .take_while(|line| !line.starts_with("mod tests {"));
            let relative = path.strip_prefix(root()).unwrap_or(&path);
            let relative = relative.to_string_lossy().into_owned();
            into.insert(relative, code.map(str::to_owned).collect());
        }
    }
    Ok(())
}

fn name(file: &str, lines: &[String], line: usize, what: &str) -> Name {
    let file = file.trim_start_matches("zpipe/src/");
    let (start, function) = function(lines, line);
    let code = lines[line].trim();
    // The same line twice in a function: they are told apart by number.
    let before = lines[start..line]
        .iter()
        .filter(|other| other.trim() == code)
        .count();
    let number = match before {
        0 => String::new(),
        before => format!(" #{}", before + 1),
    };
    format!("{file} {function} | {code}{number} | {what}")
}

/// The function that a line is in, and where it begins.
fn function(lines: &[String], line: usize) -> (usize, &str) {
    let begins = |text: &str| {
        let at = text.find("fn ")?;
        let before = text[..at].trim_start();
        let is_definition = before
            .split_whitespace()
            .all(|word| word.starts_with("pub") || ["const", "unsafe", "async"].contains(&word));
        let rest = &text[at + 3..];
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_')?;
        (is_definition && end > 0).then_some(at + 3..at + 3 + end)
    };
    lines[..=line]
        .iter()
        .enumerate()
        .rev()
        .find_map(|(index, text)| Some((index, &text[begins(text)?])))
        .unwrap_or((0, "?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn names_say_function_code_and_number() {
        let lines = lines(
            "impl A {\n    pub(crate) fn one(&self) {\n        publish();\n        x();\n        publish();\n    }\n}",
        );
        let name = |line| name("zpipe/src/a.rs", &lines, line, "no fence");
        assert_eq!(name(2), "a.rs one | publish(); | no fence");
        assert_eq!(name(4), "a.rs one | publish(); #2 | no fence");
    }

    #[test]
    fn a_place_that_no_test_has_met_is_found() {
        let text = "fn one() {\n    publish(); // here\n}\nfn two() {\n    // publish();\n    publish();\n}";
        let sources = Sources([("zpipe/src/a.rs".to_owned(), lines(text))].into());
        let met = sources.name("zpipe/src/a.rs:2:5 no fence").unwrap();
        assert_eq!(met, "a.rs one | publish(); // here | no fence");
        let unmet = sources.unmet([met].iter());
        assert_eq!(unmet, ["a.rs two | publish(); | met by no test"]);
        assert!(sources.name("zpipe/src/b.rs:2:5 no fence").is_err());
        assert!(sources.name("zpipe/src/a.rs:9:5 no fence").is_err());
    }

    #[test]
    fn the_sources_of_zpipe_are_read_without_their_unit_tests() {
        let sources = Sources::read().unwrap();
        assert!(sources.0.contains_key("zpipe/src/pipe.rs"));
        assert!(sources.0.contains_key("zpipe/src/channel/wait.rs"));
        let all = sources.0.values().flatten();
        assert!(!all.into_iter().any(|line| line.contains("#[test]")));
    }
}
