//! Waiting for many ØMQ sockets and file descriptors at once.
//!
//! A program that serves several sockets from one thread cannot block in `recv` of one of them. A [`Poller`] blocks for
//! all of them, and for raw descriptors (anything that is `AsFd`), and says which can be used without
//! waiting.
//!
//! ```text
//!   socket 1 ──┐  first signal after      ┌─ look at those that have signalled ─▶ events
//!   socket 2 ──┼──────────────────▶ list ─┤
//!   socket … ──┘  a look found nothing    └─ none: sleep
//!   descriptor ───────────────────▶ epoll ── asked with the sleep, in one system call
//! ```
//!
//! # Behaviour
//!
//! - **Level-triggered**: what is ready and not used is reported again by the next wait.
//! - **Truthful**: a socket that is reported can be used, see [`Socket::readiness`](zsocket::Socket::readiness).
//! - **The cost grows with what is ready**, not with what is waited for: a socket tells the poller's list when it has
//!   something, and only such sockets are looked at.
//! - Several sockets may be ready at once, and each gets its event. None is preferred: the next wait begins with another one.
//! - A wait with a timeout of zero returns at once. One without a timeout ends by a [`PollWaker`], from any thread.
//! - Messages that this thread has sent and that are still gathered to be written together are written before it waits.
//!
//! Sockets are borrowed, or shared in an [`Rc`](std::rc::Rc). Of one that is registered as a [`Weak`](std::rc::Weak), the
//! poller forgets it when it is closed.
//!
//! # What it does not do
//!
//! It receives and sends nothing, and calls nothing back. What it does read is the bytes of the sockets' streams, for their
//! pipes: while a poller sleeps, its thread does the work of the I/O thread for all of its sockets, as a thread that is blocked in
//! `recv` does for one, and saves a message the way through another thread. That begins with the third sleep, and not with
//! descriptors in the poller, for tasks, or for foreign loops. While the thread does something else, the I/O thread reads again: 10 to
//! 120 ms after the last wait, or at once if the thread looks for messages twice and there are none.
//!
//! # Platforms
//!
//! Linux is what it is made and tested for: there descriptors are waited for with epoll, through `rustix`. Elsewhere, and with
//! `--cfg zlayers_portable` on Linux, that is the crate `polling`, through `zpipe::poller`; on Linux a wait with a time limit makes
//! five system calls with it. On Windows descriptors are those of sockets, a poller has none itself ([`Poller::fd`] is not there), and
//! the I/O threads read all streams.
//!
//! # Examples
//!
//! A worker that does tasks until it is told to stop, from the guide:
//!
//! ```
//! use zpoll::{Events, Interest, Poller};
//! use zsocket::{Context, Pull, Push, Sub};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let context = Context::new();
//! # let ventilator = context.socket::<Push>()?;
//! # ventilator.bind("inproc://tasks")?;
//! # let controller = context.socket::<zsocket::Pub>()?;
//! # controller.bind("inproc://control")?;
//! let tasks = context.socket::<Pull>()?;
//! tasks.connect("inproc://tasks")?;
//! let control = context.socket::<Sub>()?;
//! control.subscribe("")?;
//! control.connect("inproc://control")?;
//! # ventilator.send("task")?;
//! # controller.wait_subscribed("", 1, std::time::Duration::from_secs(10))?;
//! # controller.send("KILL")?;
//!
//! let mut poller = Poller::new();
//! poller.add(&tasks, 1, Interest::RECV)?;
//! poller.add(&control, 2, Interest::RECV)?;
//! let mut events = Events::new();
//! let mut running = true;
//! while running {
//!     poller.wait(&mut events, None)?;
//!     for event in &events {
//!         match event.key {
//!             1 => println!("{:?}", tasks.recv()?),
//!             _ => running = false,
//!         }
//!     }
//! }
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod descriptors;
mod error;
mod events;
mod items;
mod poller;
mod source;
mod streams;

pub use self::{
    error::AddError,
    events::{Event, Events},
    items::{PollItem, poll},
    poller::{PollWaker, Poller},
    source::Source,
};
pub use zsocket::{Interest, Pollable};

/// The examples of the README are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
