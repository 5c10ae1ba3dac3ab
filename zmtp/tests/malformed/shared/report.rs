//! The document that compares.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{env, fs};

use super::differences::{HEAD, differences, explain};
use super::reaction::{Aspect, shorten};
use super::{Input, Reaction};

/// A column of the document, which one test program knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    /// `zmtp::Connection`.
    Connection,
    /// A socket over tcp.
    Socket,
}

/// The document as it has to be. The column that the other test program knows is taken as it is.
#[derive(Debug)]
pub struct Report {
    old: String,
    rows: Vec<Row>,
    /// The cells of the document as it is, by key.
    cells: BTreeMap<String, [String; 2]>,
    found: BTreeSet<(String, Vec<Aspect>)>,
}

#[derive(Debug)]
struct Row {
    key: String,
    socket: String,
    sent: String,
    libzmq: String,
}

impl Report {
    pub fn load() -> Self {
        let old = fs::read_to_string(path()).unwrap_or_default();
        let mut cells = BTreeMap::new();
        for line in old.lines().filter(|line| line.starts_with("| `")) {
            let fields: Vec<_> = line.split(" | ").collect();
            if let [key, _, _, _, connection, socket, ..] = fields[..] {
                let key = key.trim_start_matches("| `").trim_end_matches('`');
                cells.insert(key.to_owned(), [connection, socket].map(str::to_owned));
            }
        }
        Self {
            old,
            rows: Vec::new(),
            cells,
            found: BTreeSet::new(),
        }
    }

    /// Puts down what our end did.
    pub fn set(&mut self, input: &Input, column: Column, ours: Reaction) {
        let key = input.key();
        self.rows.push(Row {
            key: key.clone(),
            socket: input.socket(),
            sent: shorten(&input.bytes),
            libzmq: input.libzmq.describe(),
        });
        let cells = self.cells.entry(key.clone()).or_default();
        cells[column as usize] = ours.describe();
        let differing = ours.differences(&input.libzmq);
        if !differing.is_empty() {
            self.found.insert((key, differing));
        }
    }

    /// Compares the differences with the explained ones, and the document with what it should be.
    pub fn finish(self, column: Column) {
        let explained = differences(column);
        let missing: Vec<_> = self.found.difference(&explained).collect();
        let surplus: Vec<_> = explained.difference(&self.found).collect();
        assert!(
            missing.is_empty() && surplus.is_empty(),
            "differences without explanation: {missing:#?}\nexplanations without difference: {surplus:#?}"
        );
        let new = self.render();
        if env::var_os("UPDATE_DOCS").is_some() {
            fs::write(path(), new).unwrap();
        } else {
            assert!(
                new == self.old,
                "docs/MALFORMED.md is out of date; UPDATE_DOCS=1 writes it"
            );
        }
    }

    fn render(&self) -> String {
        let mut text = HEAD.to_owned();
        for row in &self.rows {
            let [connection, socket] = &self.cells[&row.key];
            let socket = if connection == socket { "same" } else { socket };
            let why = explain(&row.key);
            let Row {
                key,
                socket: to,
                sent,
                libzmq,
            } = row;
            text += &format!(
                "| `{key}` | {to} | {sent} | {libzmq} | {connection} | {socket} | {why} |\n"
            );
        }
        text
    }
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/MALFORMED.md")
}
