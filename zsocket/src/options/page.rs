//! Makes `docs/OPTIONS.md` out of the entries. With `UPDATE_DOCS=1` in the environment the page is written anew.

use std::{collections::BTreeSet, env, fmt::Write as _, fs, path::Path};

use super::{
    ALL_TYPES, Access, Kind, OptionId, Value,
    absent::{ABSENT, RENAMED, modern_name},
};

const HEAD: &str = "\
# Options of sockets

Each option has a setter `set_NAME` and a getter `NAME` at `Socket`, and a method `NAME` at `SocketBuilder`; where the getter is called otherwise, the \
table says so. `Socket::set_option` and `Socket::option` take the name as well, or libzmq's name, or its number, and `OptionId` has all that \
is said here for a program to read. An option that a type does not have is an error, at compile time if the type is known then.

This page is made from the options' entries in `zsocket/src/options` by a test, which fails when it is out of date; `UPDATE_DOCS=1` in the \
environment makes it write the page: `cargo test -p zsocket --lib options::page`.

How to read it:

- *Values* are what the option takes. As text, a duration is a number and its unit, such as `250ms` or `10s`, and no value is `none`.
- The number in brackets behind libzmq's name is the integer that stands for `none` there.
- *Types* are the sockets that have it.
- *Counts* says when a new value does.
- The last column is the first sentence of the setter's documentation, which has more.

";

const ABSENT_HEAD: &str = "
## What libzmq has and this library has not

| libzmq | number | why |
|---|---|---|
";

fn render() -> String {
    let mut page = HEAD.to_owned();
    page += "| option | libzmq | values | default | types | counts | what it is |\n|---|---|---|---|---|---|---|\n";
    for option in OptionId::all() {
        let zmq = match (option.zmq_name(), option.zmq_number(), option.zmq_none()) {
            (Some(name), Some(number), None) => format!("`{name}` {number}"),
            (Some(name), Some(number), Some(none)) => format!("`{name}` {number} ({none})"),
            _ => String::new(),
        };
        let kind = option.kind();
        let or_none = if option.may_be_none() && !option.range().contains("none") {
            ", or none"
        } else {
            ""
        };
        let values = match kind {
            Kind::Bool => option.range().to_owned(),
            _ => format!("{kind}: {}{or_none}", option.range()),
        };
        let default = match (option.access(), option.default_value()) {
            (Access::ReadOnly, _) => "read only".to_owned(),
            (Access::WriteOnly, _) => "set only".to_owned(),
            (_, Some(Value::Bytes(bytes))) if bytes.is_empty() => "empty".to_owned(),
            (_, Some(Value::Integer(mode))) if option == OptionId::IPC_MODE => {
                format!("0o{mode:o}")
            }
            (_, Some(value)) => value.to_string(),
            (_, None) => String::new(),
        };
        let types = if option.socket_types().len() == ALL_TYPES.len() {
            "all".to_owned()
        } else {
            let names: Vec<_> = option
                .socket_types()
                .iter()
                .map(|socket_type| socket_type.name())
                .collect();
            names.join(", ")
        };
        let about = prose(option.documentation());
        let name = option.name();
        let effect = option.effect();
        writeln!(
            page,
            "| `{name}` | {zmq} | {values} | {default} | {types} | {effect} | {about} |"
        )
        .unwrap();
    }
    page += "\nThe getters of `send_timeout` and `recv_timeout` are `default_send_timeout` and `default_recv_timeout`. \
        Those from `mechanism` to `zap_enforce_domain` are set as a whole by `set_security`.\n";
    page += ABSENT_HEAD;
    let mut absent: Vec<_> = ABSENT.iter().collect();
    absent.sort_by_key(|absent| absent.number);
    for absent in absent {
        writeln!(
            page,
            "| `ZMQ_{}` | {} | {} |",
            absent.name, absent.number, absent.reason
        )
        .unwrap();
    }
    page += "\nEarlier names of libzmq work as well: ";
    let names = RENAMED
        .iter()
        .map(|(old, new)| format!("`ZMQ_{old}` for `ZMQ_{new}`"));
    page += &names.collect::<Vec<_>>().join(", ");
    page += ".\n";
    page
}

/// The first sentence of a documentation, without links.
fn prose(documentation: &str) -> String {
    let first = documentation.split("\n\n").next().unwrap_or_default();
    let lines = first
        .lines()
        .map(str::trim)
        .take_while(|line| !line.is_empty());
    let text = lines.collect::<Vec<_>>().join(" ");
    let mut words = String::new();
    let mut rest = text.as_str();
    while let Some((before, link)) = rest.split_once("](") {
        let (_, after) = link.split_once(')').expect("a link ends");
        words += &before.replacen('[', "", 1);
        rest = after;
    }
    words += rest;
    match words.split_once(". ") {
        Some((first, _)) => format!("{first}."),
        None => words,
    }
}

#[test]
fn the_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/OPTIONS.md");
    let page = render();
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path, page).unwrap();
    } else {
        assert!(
            page == fs::read_to_string(path).unwrap_or_default(),
            "docs/OPTIONS.md is out of date; UPDATE_DOCS=1 writes it"
        );
    }
}

/// The numbers of libzmq 4.3 for options of sockets, drafts included: of everything that `zmq_setsockopt` and
/// `zmq_getsockopt` take.
const NUMBERS: [(i32, i32); 7] = [
    (4, 9),
    (11, 19),
    (21, 25),
    (27, 28),
    (31, 66),
    (68, 81),
    (84, 124),
];
/// A number in these ranges that is one of the context.
const OF_CONTEXT: i32 = 70;

#[test]
fn each_number_of_libzmq_is_an_option_or_has_a_reason() {
    let all = NUMBERS.iter().flat_map(|(first, last)| *first..=*last);
    let expected: BTreeSet<i32> = all.filter(|number| *number != OF_CONTEXT).collect();
    let ours = OptionId::all().filter_map(OptionId::zmq_number);
    let absent = ABSENT.iter().map(|absent| absent.number);
    let mut found = BTreeSet::new();
    for number in ours.chain(absent) {
        assert!(found.insert(number), "{number} twice");
    }
    let missing: Vec<_> = expected.difference(&found).collect();
    let unknown: Vec<_> = found.difference(&expected).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "missing {missing:?}, unknown {unknown:?}"
    );
}

#[test]
fn names_are_unique() {
    let mut names = BTreeSet::new();
    for option in OptionId::all() {
        assert!(names.insert(option.name()), "{option}");
        let zmq = option
            .zmq_name()
            .map(|name| name.trim_start_matches("ZMQ_"));
        assert!(zmq.is_none_or(|name| names.insert(name)), "{option}");
    }
    assert!(ABSENT.iter().all(|absent| names.insert(absent.name)));
    for (old, new) in RENAMED {
        assert!(
            !names.contains(old) && names.contains(new) && modern_name(old) == new,
            "{old}"
        );
    }
}
