//! Programs that show what zlayers does, how fast, and that it does it right.
//!
//! ```text
//!   learn               measure                              prove
//!   ──────────────────  ───────────────────────────────────  ─────────────────────────────────
//!   hwserver, hwclient  local_thr ◀── remote_thr             tour              each message once
//!                       local_lat ◀─▶ remote_lat                               and in order
//!                       pub_thr ────▶ sub_thr                soak              the same for a
//!                       router_thr ◀─▶ dealer_thr                              minute of chaos
//!                       inproc_thr, inproc_lat
//!                       versus            beside libzmq
//!                       idle_connections  memory per peer    idle_connections --cycles   no leaks
//! ```
//!
//! | program | what it does |
//! |---|---|
//! | `tour` | The default (`cargo run --release -p zexamples`): pipelines and clients with servers over every transport, in threads and in child processes, every message accounted for |
//! | `hwserver`, `hwclient` | The guide's first programs |
//! | `zcat` | Talks to any socket from the command line, by line |
//! | `wuserver`, `wuclient`; `msreader`, `mspoller`; `rrclient`, `rrworker`; `taskwork2`, `tasksink2`; `interrupt`; `mtserver` | More of them: weather, several sockets, both ends of a broker, a kill signal, Ctrl-C, worker threads |
//! | `mtrelay`; `syncpub`, `syncsub`; `psenvpub`, `psenvsub`; `taskvent`, `taskwork`, `tasksink` | The guide's programs of chapter 2: threads that signal, a publisher that waits for its subscribers, envelopes, a pipeline |
//! | `rrbroker`, `msgqueue`, `wuproxy` | A broker by hand, the same as a proxy, and a bridge between two networks |
//! | `syncpub2`, `syncsub2`; `hwm`; `diagnose`; `leakcheck` | The publisher that says Hello first, high-water marks, the guide's problem solver, and whether anything is left in memory |
//! | `grasslands`, `strawhouse`, `woodhouse`, `stonehouse`, `ironhouse` | The five houses of the security guide, from no walls at all to keys at both ends |
//! | `zerocopy` | A buffer of the user's own that is sent without a copy, and is heard of when it is free |
//! | `local_thr`, `remote_thr`, `local_lat`, `remote_lat`, `inproc_thr`, `inproc_lat` | libzmq's performance tools: same names, arguments and output |
//! | `pub_thr`, `sub_thr`, `router_thr`, `dealer_thr` | The same for publishing and for routing, with any number of peers |
//! | `versus` | The same roles through libzmq and through zlayers, interleaved, as a table of medians; also with many links, sockets, clients, … |
//! | `idle_connections` | Memory of ten thousand idle connections; with `--cycles`, what is left of connections that came and went |
//! | `soak` | All socket types with random sizes, high-water marks, options, pauses and reconnects, all transports at once, beside hostile peers, panics, forks, cut connections and a lack of descriptors; nothing lost, doubled, reordered or damaged, and nothing grows |
//!
//! Each program explains itself at the head of its file and with `--help`. They exit with 0 if all is well and with 2
//! on an error; `tour`, `soak` and `versus` with 1 if they did their work and found what must not be: a
//! message lost, a run of ours that failed; `zcat` with 1 if nothing came in time.
//!
//! This library holds what they have in common: the roles of the performance tools ([`perf`]),
//! the bookkeeping that proves delivery ([`Ledger`]), child processes that cannot outlive their
//! parent ([`Child`]), and printing. It is not meant for other crates.
//!
//! All this is Rust alone, but for what plays a role through libzmq: `versus`, and `--lib libzmq` of the performance tools. With
//! `--features libzmq` cargo builds a libzmq first, which needs a C++ compiler. (`soak` wants the feature too: it forks, and the unsafe
//! code for that lives beside libzmq.) The tests have it always.
//!
//! The programs are Linux programs where they look at themselves (`/proc`); the rest is portable.

#![forbid(unsafe_code)]

mod child;
mod conclude;
mod error;
mod footprint;
#[cfg(doctest)]
mod guide;
mod house;
mod ledger;
pub mod machine;
pub mod perf;
mod progress;
mod summary;
mod table;
mod transport;
pub mod units;

pub use child::{Child, Parent};
pub use conclude::{conclude, say};
pub use error::{Error, Result};
pub use footprint::{Footprint, raise_descriptor_limit};
pub use house::{House, Keys};
pub use ledger::{Ledger, Verdict};
pub use progress::Progress;
pub use summary::{Percentiles, Spread};
pub use table::Table;
pub use transport::{Endpoints, Transport};

/// The programs of the README are compiled, and run where they end by themselves.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// So are those for who comes from another library.
#[cfg(doctest)]
#[doc = include_str!("../../docs/MIGRATION.md")]
struct Migration;
