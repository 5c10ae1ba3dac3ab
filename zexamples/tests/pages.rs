//! The pages in `docs` for newcomers are whole: what they link to is there, and they leave nothing out.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

fn page(name: &str) -> String {
    fs::read_to_string(docs().join(name)).unwrap()
}

/// What stands between two marks, wherever it does.
fn between<'a>(text: &'a str, start: &'a str, end: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(start)
        .skip(1)
        .filter_map(move |rest| Some(rest.split_once(end)?.0))
}

#[test]
fn what_is_linked_is_there() {
    for name in ["MIGRATION.md", "GLOSSARY.md", "EXAMPLES.md"] {
        let text = page(name);
        let targets = between(&text, "](", ")")
            .map(|target| target.split('#').next().unwrap())
            .filter(|target| !target.contains("://") && !target.is_empty());
        let mut linked = 0;
        for target in targets {
            assert!(docs().join(target).exists(), "{name} links to {target}");
            linked += 1;
        }
        assert!(linked > 5, "{name} has {linked} links");
    }
}

/// Of those that are left out by a common beginning, as in `zmq_timers_…`, the page says so.
#[test]
fn each_function_of_libzmq_is_in_the_guide_for_who_comes_from_there() {
    let header = Path::new(env!("CARGO_MANIFEST_DIR")).join("../zcapi/include/zmq.h");
    let header = fs::read_to_string(header).unwrap();
    let text = page("MIGRATION.md");
    let beginnings: Vec<_> = between(&text, "`zmq_", "…`")
        .filter(|rest| !rest.contains('`'))
        .collect();
    let mut functions = BTreeSet::new();
    for line in header.lines().filter(|line| line.contains("ZMQ_EXPORT")) {
        // The first name that is followed by a parenthesis.
        let Some((declared, _)) = line.split_once('(') else {
            continue;
        };
        functions.extend(declared.trim().rsplit_once("zmq_").map(|(_, name)| name));
    }
    assert!(functions.len() > 60, "{functions:?}");
    for name in functions {
        let is_there = text.contains(&format!("zmq_{name}`"))
            || text.contains(&format!("zmq_{name}("))
            || beginnings
                .iter()
                .any(|beginning| name.starts_with(beginning));
        assert!(is_there, "zmq_{name} is missing in MIGRATION.md");
    }
}

#[test]
fn each_word_of_the_glossary_is_in_its_place() {
    let text = page("GLOSSARY.md");
    let words: Vec<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("**")?.split_once("**"))
        .map(|(word, _)| {
            let letters = word.chars().filter(|c| c.is_alphanumeric() || *c == ' ');
            letters.collect::<String>().to_lowercase()
        })
        .collect();
    assert!(words.len() > 80, "{words:?}");
    for pair in words.windows(2) {
        assert!(pair[0] < pair[1], "{pair:?}");
    }
}

#[test]
fn each_program_and_example_is_in_the_index() {
    let root = docs().join("..");
    let text = page("EXAMPLES.md");
    let mut listed = 0;
    for directory in [
        "zexamples/src/bin",
        "zsocket/examples",
        "zpoll/examples",
        "zproxy/examples",
        "zmtp/examples",
    ] {
        for entry in fs::read_dir(root.join(directory)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert!(
                text.contains(&format!("`{name}`")),
                "{name} is missing in EXAMPLES.md"
            );
            listed += 1;
        }
    }
    assert!(listed > 40, "{listed}");
}
