//! ØMQ in pure Rust, as strictly layered crates: this one brings them together.
//!
//! Programs that pass messages to each other, over networks, between processes or between threads, talk to each other
//! through sockets: requests and replies, updates to whoever subscribes, work for whoever is free. They talk to every
//! program that uses libzmq, in any language.
//!
//! ```text
//!   zlayers::zproxy     brokers, bridges, forwarders              feature `zproxy` (default)
//!   zlayers::zpoll      many sockets and descriptors at once      feature `zpoll` (default)
//!   zlayers::*          context, sockets, options, monitors       feature `zsocket` (default)
//!   zlayers::ztransport I/O threads, connections, endpoints       feature `ztransport`
//!   zlayers::zpipe      lock-free pipes with high-water marks     feature `zpipe`
//!   zlayers::zmtp       the wire codec, without any I/O           feature `zmtp`
//! ```
//!
//! Sockets are at the root, the other layers under their own names. Each layer is a crate of its own that depends only on those
//! below it: who needs one of them alone, such as the codec, had better depend on that.
//!
//! # What it does not do
//!
//! It adds nothing to the layers: no type, no function, no other name for anything. What each of them does not do, its own
//! page says.
//!
//! # Examples
//!
//! ```
//! # #[cfg(feature = "zsocket")]
//! # fn main() -> Result<(), zlayers::Error> {
//! use zlayers::{Context, Pull, Push};
//!
//! let context = Context::new();
//! let pull = context.socket::<Pull>()?;
//! let endpoint = pull.bind("tcp://127.0.0.1:*")?;
//! let push = context.socket::<Push>()?;
//! push.connect(&endpoint)?;
//! push.send(["two", "frames"])?;
//! assert_eq!(pull.recv()?[1], "frames");
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "zsocket"))]
//! # fn main() {}
//! ```

#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(feature = "zmtp")]
pub use zmtp;
#[cfg(feature = "zpipe")]
pub use zpipe;
#[cfg(feature = "zpoll")]
pub use zpoll;
#[cfg(feature = "zproxy")]
pub use zproxy;
#[cfg(feature = "zsocket")]
#[doc(inline)]
pub use zsocket::*;
#[cfg(feature = "ztransport")]
pub use ztransport;

/// The example of the README is compiled and run.
#[cfg(all(doctest, feature = "zsocket"))]
#[doc = include_str!("../README.md")]
struct Readme;
