//! A real libzmq beside zlayers, for tests and benchmarks.
//!
//! An implementation of a protocol that only ever talked to itself has proved little. This crate
//! builds the reference implementation, wraps it so that it is pleasant to use from a test, and
//! runs each interoperability scenario with every combination of the two libraries:
//!
//! ```text
//!                      second part
//!                  ours           libzmq
//!            ┌──────────────┬──────────────┐
//!       ours │ the library  │ they         │      × tcp, ipc
//! first      │ as users     │ understand   │      (inproc on the diagonal)
//! part       │ run it       │ us           │
//!            ├──────────────┼──────────────┤
//!     libzmq │ we           │ the scenario │
//!            │ understand   │ itself is    │
//!            │ them         │ right        │
//!            └──────────────┴──────────────┘
//! ```
//!
//! The lower right corner keeps a scenario honest: what the reference does not do, we need not
//! do either, and a test must not demand it by mistake. Where we are better on purpose, the
//! scenario says so and names the defect.
//!
//! It is not a binding for programs: only what tests need is wrapped, and the crate is not
//! published.
//!
//! # Writing a scenario
//!
//! [`four_ways`] calls the scenario once per [`Pairing`] and [`Transport`] with a [`Trial`],
//! which makes sockets for the two parts. An [`AnySocket`] waits for what must happen and panics
//! when it does not; what may fail has calls that return [`Failure`].
//!
//! ```
//! use zinterop::{Failure, Pattern, Transport, four_ways};
//!
//! four_ways(&Transport::ALL, |trial| {
//!     let server = trial.second(Pattern::Rep);
//!     let client = trial.first(Pattern::Req);
//!     client.connect(&server.bind(&trial.endpoint()));
//!
//!     client.send("hello");
//!     assert_eq!(client.try_send("hello?"), Err(Failure::WrongState));
//!     assert_eq!(server.recv(), "hello");
//!     server.send("world");
//!     assert_eq!(client.recv(), "world");
//! });
//! ```
//!
//! A panic in a trial, and a trial that never ends, fail the test with a message that starts
//! like `ours-libzmq over ipc:`.
//!
//! # Talking to libzmq alone
//!
//! [`zmq`] has the [`Context`](zmq::Context), the [`Socket`](zmq::Socket) of every type with all
//! options by number, [`poll`](zmq::poll()), the [`Monitor`](zmq::Monitor) and, for benchmarks
//! that shall do exactly what libzmq's own perf tools do, the [`Msg`](zmq::Msg). [`sys`] is the
//! C interface beneath it.
//!
//! # How libzmq is built, and why that way
//!
//! `cargo test` on a clean clone must do everything, so the library comes from crates and is
//! compiled by `build.rs`: libzmq 4.3.5 from `zeromq-src`, which hands its sources to the C++
//! compiler without cmake or autotools, and libsodium, for CURVE, from `libsodium-sys-stable`,
//! which runs the `configure` script and `make` of the sources that it carries. A C and C++
//! compiler, a shell and `make` are all it takes. Nothing is looked for on the system: a
//! packaged libzmq would be of another version, without the draft API, on every machine a
//! different one.
//!
//! The peer must also be as fast as its authors meant it to be. Hence the build is optimised in
//! every cargo profile, symbols are hidden (otherwise each internal call takes the detour that
//! lets programs interpose symbols, which costs up to a third of the small message rate), and
//! what libzmq's own configure step would have detected on Linux is stated in `build.rs`:
//! `zeromq-src` leaves it out, and then wake-ups go through a socket pair instead of an eventfd,
//! and queue chunks are not aligned to cache lines. (libsodium alone follows the cargo profile:
//! measure CURVE in release builds.)
//!
//! The draft API is on, because libzmq 4.3.5 as distributions ship it has no CLIENT, SERVER,
//! RADIO, DISH, … The wire format of the stable patterns does not depend on it.
//!
//! # Unsafe code
//!
//! All of it is in [`sys`] (declarations), [`zmq`] (calls) and [`process`] (forking and the size of the heap),
//! each with the reason why it is sound.

pub mod artifacts;
pub mod distribution;
mod frames;
mod libzmq;
mod ours;
mod peer;
pub mod process;
mod scenario;
pub mod sys;
pub mod zmq;

pub use frames::Frames;
pub use peer::{AnySocket, Failure, Flag, Options, PATIENCE, Pattern, Peer, Side};
pub use scenario::{AnyContext, Pairing, Transport, Trial, eventually, four_ways};
