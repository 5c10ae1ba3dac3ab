//! The crate does no I/O, starts no threads and looks at no clock: its sources name nothing that could.
//! The one thing it takes from the system is randomness, which has a crate of its own.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What reaches the world outside, as it would have to be spelt.
const FORBIDDEN: [&str; 14] = [
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "Instant::now",
    "SystemTime",
    ".elapsed()",
    "print!(",
    "println!(",
    "dbg!(",
    "extern \"C\"",
];

/// The code of a file, line by line with numbers, without comments and tests. Names of modules that are
/// tests, in files of their own, go into `tests`.
fn code<'a>(text: &'a str, tests: &mut HashSet<String>) -> Vec<(usize, &'a str)> {
    let mut lines = (1..).zip(text.lines());
    let mut code = Vec::new();
    while let Some((number, line)) = lines.next() {
        if is_test(line) {
            let (_, item) = lines.next().unwrap();
            match item
                .strip_prefix("mod ")
                .and_then(|name| name.strip_suffix(';'))
            {
                Some(name) => _ = tests.insert(format!("{name}.rs")),
                // An item ends where a line begins with its brace.
                None if item.ends_with('{') => _ = lines.find(|(_, line)| line.starts_with('}')),
                None => {}
            }
        } else if !line.trim_start().starts_with("//") {
            code.push((number, line));
        }
    }
    code
}

/// Whether what follows is compiled for tests only.
fn is_test(line: &str) -> bool {
    line == "#[cfg(test)]" || line.starts_with("#[cfg(all(test")
}

/// What is forbidden in these files, with its place.
fn violations(files: &[(String, String)]) -> Vec<String> {
    let mut tests = HashSet::new();
    let code: Vec<_> = (files.iter())
        .map(|(name, text)| (name, code(text, &mut tests)))
        .collect();
    let mut found = Vec::new();
    for (name, lines) in code {
        if tests.contains(name.rsplit('/').next().unwrap()) {
            continue;
        }
        for (number, line) in lines {
            let names_one = FORBIDDEN.iter().any(|word| line.contains(word));
            if names_one || !is_harmless(line) {
                found.push(format!("{name}:{number}: {line}"));
            }
        }
    }
    found
}

/// Names that are imported together are spelt without the `std::` in front of each.
fn is_harmless(line: &str) -> bool {
    const HARMLESS: [&str; 6] = ["array", "collections", "fmt", "mem", "slice", "vec"];
    let Some(names) = line.strip_prefix("use std::{") else {
        return true;
    };
    let mut names = names.trim_end_matches("};").split(", ");
    names.all(|name| HARMLESS.contains(&name))
}

fn read(dir: &Path, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        if path.is_dir() {
            read(&path, files);
        } else {
            let text = fs::read_to_string(&path).unwrap();
            files.push((path.display().to_string(), text));
        }
    }
}

#[test]
fn nothing_reaches_the_world_outside() {
    let mut files = Vec::new();
    read(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut files,
    );
    assert!(files.len() > 40);
    assert_eq!(violations(&files), [""; 0]);
}

#[test]
fn a_violation_is_found_and_a_test_is_none() {
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let files = [
        file(
            "src/lib.rs",
            "//! std::fs\n#[cfg(test)]\nmod cost;\nuse std::{fmt, vec};\n    std::fs::read(x);",
        ),
        file("src/cost.rs", "let now = Instant::now();"),
        file(
            "src/b.rs",
            "#[cfg(test)]\nmod tests {\n    Instant::now()\n}\nuse std::{fmt, io};",
        ),
    ];
    let found = [
        "src/lib.rs:5:     std::fs::read(x);",
        "src/b.rs:5: use std::{fmt, io};",
    ];
    assert_eq!(violations(&files), found);
}
