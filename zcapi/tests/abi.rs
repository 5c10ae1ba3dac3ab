//! The library and its header beside the real ones: names, signatures, constants, sizes.

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use support::{cc, home, link_real, run, shared_library};
use zinterop::artifacts;

/// What a library offers, as `nm` tells.
fn symbols(arguments: &[&str], library: &Path) -> BTreeSet<String> {
    let listed = run(Command::new("nm").args(arguments).arg(library));
    let names =
        listed.lines().filter_map(
            |line| match line.split_whitespace().collect::<Vec<_>>()[..] {
                [_, "T", name] => Some(name.to_owned()),
                _ => None,
            },
        );
    names.collect()
}

#[test]
fn exactly_the_functions_of_the_real_library_are_exported() {
    let ours = symbols(&["-D", "--defined-only"], &shared_library());
    let real = symbols(&["--defined-only"], &artifacts::archive());
    let real: BTreeSet<_> = real
        .into_iter()
        .filter(|name| name.starts_with("zmq_"))
        .collect();
    assert!(real.len() > 90, "with the draft functions");
    assert_eq!(ours, real);
}

#[test]
fn the_system_finds_it_by_the_name_of_the_real_one() {
    let dynamic = run(Command::new("readelf").arg("-d").arg(shared_library()));
    assert!(dynamic.contains("[libzmq.so.5]"), "{dynamic}");
    // The real one has no versions of symbols, so a program asks for none.
    let versions = run(Command::new("readelf").arg("-V").arg(shared_library()));
    assert!(!versions.contains("Version definition"), "{versions}");
}

const INCLUDE: &str = "#define ZMQ_BUILD_DRAFT_API 1\n#include <zmq.h>\n";

/// Compiles a text that includes a header, up to where the option says.
fn compile(include: &Path, text: &str, options: &[&str]) -> String {
    let scratch = tempfile::tempdir().unwrap();
    let source = scratch.path().join("source.c");
    std::fs::write(&source, text).unwrap();
    let mut compiler = cc();
    compiler.args(options).arg("-I").arg(include).arg(&source);
    run(compiler.current_dir(scratch.path()))
}

fn ours() -> std::path::PathBuf {
    home().join("include")
}

fn constants(include: &Path) -> BTreeMap<String, String> {
    let defined = compile(include, INCLUDE, &["-dM", "-E"]);
    let macros = defined
        .lines()
        .filter_map(|line| line.strip_prefix("#define ")?.split_once(' '));
    let own = macros.filter(|(name, _)| {
        name.starts_with("ZMQ_") || ["EFSM", "ENOCOMPATPROTO", "ETERM", "EMTHREAD"].contains(name)
    });
    own.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn every_constant_is_that_of_the_real_header() {
    let (ours, real) = (constants(&ours()), constants(&artifacts::include()));
    assert!(real.len() > 200);
    assert_eq!(ours, real);
}

/// C takes a second declaration of a function only if it is the same.
#[test]
fn every_function_is_declared_as_in_the_real_header() {
    let text = compile(&artifacts::include(), INCLUDE, &["-E", "-P"]);
    let statements = text.split(';').map(str::trim);
    let functions: Vec<_> = statements
        .filter(|statement| statement.contains("zmq_") && statement.ends_with(')'))
        .filter(|statement| !statement.starts_with("typedef") && !statement.contains('{'))
        .collect();
    assert!(functions.len() > 90, "{}", functions.len());
    let mut redeclared = String::from(INCLUDE);
    for function in functions {
        redeclared.push_str(function);
        redeclared.push_str(";\n");
    }
    compile(&ours(), &redeclared, &["-fsyntax-only"]);
}

#[test]
fn structures_have_the_same_size_and_layout() {
    let text = format!(
        r#"{INCLUDE}
#include <stdio.h>
#include <stddef.h>
#define SHOW(number) printf (#number " %zu\n", (size_t) (number))
int main (void)
{{
    SHOW (sizeof (zmq_msg_t));
    SHOW (_Alignof (zmq_msg_t));
    SHOW (sizeof (zmq_pollitem_t));
    SHOW (offsetof (zmq_pollitem_t, socket));
    SHOW (offsetof (zmq_pollitem_t, fd));
    SHOW (offsetof (zmq_pollitem_t, events));
    SHOW (offsetof (zmq_pollitem_t, revents));
    SHOW (sizeof (zmq_poller_event_t));
    SHOW (offsetof (zmq_poller_event_t, socket));
    SHOW (offsetof (zmq_poller_event_t, fd));
    SHOW (offsetof (zmq_poller_event_t, user_data));
    SHOW (offsetof (zmq_poller_event_t, events));
    SHOW (sizeof (zmq_fd_t));
    return 0;
}}
"#
    );
    let shown = |include: &Path| {
        let scratch = tempfile::tempdir().unwrap();
        let (source, program) = (scratch.path().join("sizes.c"), scratch.path().join("sizes"));
        std::fs::write(&source, &text).unwrap();
        run(cc()
            .arg("-I")
            .arg(include)
            .arg(&source)
            .arg("-o")
            .arg(&program));
        run(&mut Command::new(&program))
    };
    let ours = shown(&ours());
    assert_eq!(ours, shown(&artifacts::include()));
    // And the library's own idea of a message.
    assert!(ours.starts_with(&format!("sizeof (zmq_msg_t) {}\n", 64)));
}

/// As C++, and as it was before: `zmq_utils.h`.
#[test]
fn the_headers_are_c_plus_plus_as_well() {
    let scratch = tempfile::tempdir().unwrap();
    let source = scratch.path().join("source.cpp");
    let text = "#include <zmq_utils.h>\nint main () { zmq_msg_t m; return zmq_msg_init (&m); }\n";
    std::fs::write(&source, text).unwrap();
    let mut compiler = Command::new("c++");
    compiler
        .args(["-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I"])
        .arg(ours());
    run(compiler.arg(&source));
}

/// The library that everything is compared with is the one of the interface.
#[test]
fn the_real_library_is_of_the_version_of_the_interface() {
    let scratch = tempfile::tempdir().unwrap();
    let (source, program) = (
        scratch.path().join("version.c"),
        scratch.path().join("version"),
    );
    let text = "#include <zmq.h>\n#include <stdio.h>\nint main (void) { int a, b, c; zmq_version (&a, &b, &c);\n\
        printf (\"%d.%d.%d\", a, b, c); return !(a == ZMQ_VERSION_MAJOR && b == ZMQ_VERSION_MINOR && c == ZMQ_VERSION_PATCH); }\n";
    std::fs::write(&source, text).unwrap();
    let mut linker = cc();
    linker.arg("-I").arg(ours()).arg(&source);
    run(link_real(&mut linker).arg("-o").arg(&program));
    assert_eq!(run(&mut Command::new(&program)), "4.3.5");
}
