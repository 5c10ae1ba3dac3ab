//! Makes `docs/SPEC-COVERAGE.md` out of the citations in the tests.
//!
//! A citation stands above a test: `spec: RFC37/greeting-layout: what is demanded`, as a line comment. With
//! `UPDATE_DOCS=1` in the environment the page is written anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The specifications, in the order of the page, with their names.
const SPECIFICATIONS: [(&str, &str); 14] = [
    ("RFC13", "RFC 13: ZMTP 1.0"),
    ("RFC15", "RFC 15: ZMTP 2.0"),
    ("RFC23", "RFC 23: ZMTP 3.0"),
    ("RFC37", "RFC 37: ZMTP 3.1"),
    ("RFC24", "RFC 24: PLAIN"),
    ("RFC25", "RFC 25: CURVE in ZMTP"),
    ("RFC26", "RFC 26: CurveZMQ"),
    ("RFC27", "RFC 27: ZAP"),
    ("RFC32", "RFC 32: Z85"),
    ("RFC4", "RFC 4: ZPL"),
    ("RFC45", "RFC 45: ZeroMQ over WebSocket"),
    ("RFC48", "RFC 48: RADIO and DISH"),
    ("RFC6455", "RFC 6455: WebSocket, as far as RFC 45 needs it"),
    (
        "WIRE",
        "libzmq 4.3, where the RFCs are silent or it differs",
    ),
];

const HEAD: &str = "\
# Specifications and the tests that cover them

Each row is a requirement of a specification, in short words, with a test that fails when it is not met. The first part of the last specification's \
names is the subject: 1 greeting, 2 framing, 3 commands and metadata, 4 mechanisms, 5 ZAP, 6 socket types, 7 WebSocket, 8 reactions to bad input, B monitor events.

This page is made from the citations above the tests by `zmtp/tests/spec_coverage.rs`, which fails when it is out of date; `UPDATE_DOCS=1` in the \
environment makes it write the page.

Not implemented: GSSAPI (RFC 38), and the property `Resource`, which no implementation has; of RFC 6455 extensions, and what is not for a WebSocket to \
do but for whoever opens its stream: TLS, proxies, redirections and HTTP authentication. What sockets do with messages (RFCs 28 to 31, 41 and most of 48) is \
`zsocket`'s business.
";

#[test]
fn the_page_is_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut citations = BTreeMap::new();
    for dir in ["zmtp/src", "zmtp/tests", "zmtp/examples", "zinterop/tests"] {
        for path in sources(&root.join(dir)) {
            let text = fs::read_to_string(&path).unwrap();
            let name = path.strip_prefix(&root).unwrap().display().to_string();
            for citation in citations_in(&name, &text) {
                let id = (citation.specification.clone(), citation.slug.clone());
                if let Some(old) = citations.insert(id, citation) {
                    panic!("{}/{} is cited twice", old.specification, old.slug);
                }
            }
        }
    }
    let page = render(citations.values());
    let path = root.join("docs/SPEC-COVERAGE.md");
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path, page).unwrap();
    } else {
        assert!(
            page == fs::read_to_string(path).unwrap_or_default(),
            "docs/SPEC-COVERAGE.md is out of date; UPDATE_DOCS=1 writes it"
        );
    }
}

/// A requirement, and the test that covers it.
#[derive(Debug, PartialEq)]
struct Citation {
    specification: String,
    slug: String,
    requirement: String,
    file: String,
    test: String,
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut entries: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

fn citations_in(file: &str, text: &str) -> Vec<Citation> {
    let mark = concat!("// ", "spec: ");
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let mut citations = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(cited) = line.strip_prefix(mark) else {
            continue;
        };
        let (id, requirement) = cited
            .split_once(": ")
            .unwrap_or_else(|| panic!("{file}: {line}"));
        let (specification, slug) = id
            .split_once('/')
            .unwrap_or_else(|| panic!("{file}: {line}"));
        // `WIRE-3.2` is a subject within WIRE.
        let (specification, slug) = match specification.split_once('-') {
            Some((specification, subject)) => (specification, format!("{subject}/{slug}")),
            None => (specification, slug.to_owned()),
        };
        let is_known = SPECIFICATIONS
            .iter()
            .any(|(name, _)| *name == specification);
        assert!(is_known, "{file}: {line}");
        citations.push(Citation {
            specification: specification.to_owned(),
            slug,
            requirement: requirement.to_owned(),
            file: file.to_owned(),
            test: test_at(&lines[at + 1..])
                .unwrap_or_else(|| panic!("{file}: no test below: {line}"))
                .to_owned(),
        });
    }
    citations
}

/// The name of the test that begins here, below comments and attributes.
fn test_at<'a>(lines: &[&'a str]) -> Option<&'a str> {
    let mut is_test = false;
    for line in lines {
        if let Some(rest) = line.strip_prefix("fn ") {
            return rest.split('(').next().filter(|_| is_test);
        }
        is_test |= *line == "#[test]";
        if !(line.starts_with("//") || line.starts_with("#[")) {
            return None;
        }
    }
    None
}

fn render<'a>(citations: impl Iterator<Item = &'a Citation>) -> String {
    let mut sections: BTreeMap<&str, Vec<&Citation>> = BTreeMap::new();
    for citation in citations {
        let section = sections.entry(&citation.specification).or_default();
        section.push(citation);
    }
    let mut page = HEAD.to_owned();
    for (key, title) in SPECIFICATIONS {
        let Some(section) = sections.get(key) else {
            continue;
        };
        write!(
            page,
            "\n## {title}\n\n| name | requirement | file | test |\n|---|---|---|---|\n"
        )
        .unwrap();
        for citation in section {
            let Citation {
                slug,
                requirement,
                file,
                test,
                ..
            } = citation;
            writeln!(page, "| {slug} | {requirement} | `{file}` | `{test}` |").unwrap();
        }
    }
    page
}

#[test]
fn a_citation_belongs_to_the_test_below_it() {
    let mark = concat!("// ", "spec: ");
    let text = format!(
        "    {mark}RFC37/a: one\n    {mark}WIRE-3.2/b: two: more\n    /// Docs.\n    #[test]\n    fn it() {{}}"
    );
    let citations = citations_in("file", &text);
    assert_eq!(citations.len(), 2);
    assert_eq!(citations[0].test, "it");
    assert_eq!(
        (&*citations[1].specification, &*citations[1].slug),
        ("WIRE", "3.2/b")
    );
    assert_eq!(citations[1].requirement, "two: more");
    assert_eq!(test_at(&["fn no_test() {"]), None);
    assert_eq!(test_at(&["#[test]", "", "fn it() {"]), None);
}
