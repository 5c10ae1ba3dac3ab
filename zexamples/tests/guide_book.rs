//! The book in `docs/guide` is whole: its pages, the programs that it includes, and its links are there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide/src")
}

/// The names of all pages without the table of contents, and their texts.
fn pages() -> Vec<(String, String)> {
    let files = fs::read_dir(source()).unwrap();
    let mut pages: Vec<_> = files
        .map(|file| file.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .filter(|(name, _)| name != "SUMMARY.md")
        .collect();
    pages.sort();
    assert!(pages.len() > 10, "{pages:?}");
    pages
}

/// What stands between two marks, wherever it does.
fn between<'a>(text: &'a str, start: &'a str, end: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(start)
        .skip(1)
        .map(move |rest| rest.split_once(end).unwrap().0)
}

#[test]
fn the_table_of_contents_has_each_page_once() {
    let summary = fs::read_to_string(source().join("SUMMARY.md")).unwrap();
    let listed: Vec<_> = between(&summary, "](", ")").collect();
    let names: BTreeSet<_> = pages().into_iter().map(|(name, _)| name).collect();
    assert_eq!(listed.len(), names.len());
    assert_eq!(
        listed
            .into_iter()
            .map(str::to_owned)
            .collect::<BTreeSet<_>>(),
        names
    );
}

#[test]
fn the_code_of_each_page_is_tested() {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guide.rs");
    let list = fs::read_to_string(list).unwrap();
    let tested: BTreeSet<_> = between(&list, "pages! {", "}")
        .flat_map(str::split_whitespace)
        .collect();
    for (name, _) in pages() {
        let page = name.strip_suffix(".md").unwrap();
        assert!(tested.contains(page), "{name} is missing in src/guide.rs");
    }
}

#[test]
fn what_is_included_is_there_and_is_linked() {
    let mut included = 0;
    for (name, text) in pages() {
        for path in between(&text, "{{#include ", "}}") {
            assert!(source().join(path).is_file(), "{name} includes {path}");
            // For readers on a code forge, where nothing is included.
            assert!(
                text.contains(&format!("]({path})")),
                "{name} has no link to {path}"
            );
            included += 1;
        }
    }
    assert!(included > 15, "{included} programs are included");
}

#[test]
fn what_is_linked_is_there() {
    for (name, text) in pages() {
        let targets = between(&text, "](", ")").filter(|target| !target.contains("://"));
        for target in targets {
            assert!(source().join(target).is_file(), "{name} links to {target}");
        }
    }
}
