//! Builds libzmq 4.3.5 from the sources in `zeromq-src`, with the draft API and with CURVE.
//!
//! `zeromq-src` compiles with the settings of the crate that calls it and with an almost empty
//! `platform.hpp`. Both would make a slower library than any distribution ships, and beating a
//! handicapped peer proves nothing. So this script asks for an optimised build whatever the
//! cargo profile is, hides the symbols, and states what libzmq's own configure step would have
//! found on the target.

use std::env;

use zeromq_src::{Build, LibLocation};

/// For every target with a compiler that takes GCC's flags.
///
/// Hidden symbols spare each internal call the detour through the PLT: 9 to 30 % for small
/// messages. The library is linked statically, so nobody needs to see them.
const FLAGS: &[&str] = &[
    "-fvisibility=hidden",
    "-fvisibility-inlines-hidden",
    "-DNDEBUG",
    "-DZMQ_NO_EXPORT",
    // Warnings in somebody else's sources are noise in every build log.
    "-w",
];

/// What configure finds on Linux and `zeromq-src` does not state.
///
/// Without the eventfd lines every wake-up goes through a socket pair, without the cache line
/// and memalign ones the queues of neighbouring pipes share cache lines, without accept4 and
/// the cloexec ones descriptors leak into child processes.
const LINUX: &[&str] = &[
    "-DHAVE_ACCEPT4",
    "-DHAVE_CLOCK_GETTIME",
    "-DHAVE_FORK",
    "-DHAVE_IF_NAMETOINDEX",
    "-DHAVE_MKDTEMP",
    "-DHAVE_POSIX_MEMALIGN=1",
    "-DZMQ_CACHELINE_SIZE=64",
    "-DZMQ_HAVE_BUSY_POLL",
    "-DZMQ_HAVE_EVENTFD",
    "-DZMQ_HAVE_EVENTFD_CLOEXEC",
    "-DZMQ_HAVE_IFADDRS",
    "-DZMQ_HAVE_NOEXCEPT",
    "-DZMQ_HAVE_O_CLOEXEC",
    "-DZMQ_HAVE_PPOLL",
    "-DZMQ_HAVE_PTHREAD_SETNAME_2",
    "-DZMQ_HAVE_PTHREAD_SET_AFFINITY",
    "-DZMQ_HAVE_SOCK_CLOEXEC",
    "-DZMQ_HAVE_SO_BINDTODEVICE",
    "-DZMQ_HAVE_SO_KEEPALIVE",
    "-DZMQ_HAVE_SO_PEERCRED",
    "-DZMQ_HAVE_SO_PRIORITY",
    "-DZMQ_HAVE_TCP_KEEPCNT",
    "-DZMQ_HAVE_TCP_KEEPIDLE",
    "-DZMQ_HAVE_TCP_KEEPINTVL",
    "-DZMQ_IOTHREAD_POLLER_USE_EPOLL_CLOEXEC",
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if is_clippy() {
        return;
    }

    let target = env::var("TARGET").expect("cargo sets TARGET");
    if !target.contains("msvc") {
        let mut flags = inherited_flags(&target);
        flags.extend(FLAGS.iter().map(ToString::to_string));
        if target.contains("linux") {
            flags.extend(LINUX.iter().map(ToString::to_string));
        }
        set_var(
            &format!("CXXFLAGS_{}", target.replace('-', "_")),
            &flags.join(" "),
        );
    }
    set_var("OPT_LEVEL", "3");
    set_var("DEBUG", "false");

    let include = env::var("DEP_SODIUM_INCLUDE").expect("libsodium-sys-stable says where it is");
    let lib = env::var("DEP_SODIUM_LIB").expect("libsodium-sys-stable says where it is");
    println!("cargo:rustc-env=ZINTEROP_SODIUM_LIB={lib}");
    Build::new()
        .enable_draft(true)
        .with_libsodium(Some(LibLocation::new(lib, include)))
        .build();
}

/// Clippy gets build directories of its own for workspace members but never links, so a library
/// for it alone would be half a minute spent on nothing.
fn is_clippy() -> bool {
    env::var("RUSTC_WORKSPACE_WRAPPER").is_ok_and(|wrapper| wrapper.contains("clippy-driver"))
}

/// The flags that whoever runs cargo has asked for: the most particular variable wins, as in `cc`.
fn inherited_flags(target: &str) -> Vec<String> {
    let underscored = target.replace('-', "_");
    let names = [
        format!("CXXFLAGS_{target}"),
        format!("CXXFLAGS_{underscored}"),
        "CXXFLAGS".to_owned(),
    ];
    for name in &names {
        println!("cargo:rerun-if-env-changed={name}");
    }
    names
        .iter()
        .find_map(|name| env::var(name).ok())
        .map(|flags| flags.split_whitespace().map(str::to_owned).collect())
        .unwrap_or_default()
}

fn set_var(name: &str, value: &str) {
    // SAFETY: a build script has one thread, and nothing here has started another yet.
    unsafe { env::set_var(name, value) };
}
