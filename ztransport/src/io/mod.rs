//! The I/O side: the threads, what each of them looks after, and how they are told what to do.
//!
//! ```text
//!   application ── Command ──▶ mailbox ─┐
//!   kernel ──────── epoll ──────────────┼─▶ IoThread ─┬─▶ Listeners ──▶ Session (accepted) ─┐
//!   pipes ───────── ready list ─────────┤             ├─▶ Session (connects, again) ────────┼──▶ Connection, Engine
//!   clock ───────── Timers ─────────────┘             └─▶ Inputs of sockets ────────────────┘
//!                                                              │
//!                                               Resolver, on threads of its own
//! ```
//!
//! A thread waits for nothing but its poll. A foreign event loop may take its part: see `thread/led.rs`.

mod alarm;
mod allocator;
mod command;
mod lead;
mod leader;
mod live;
mod resolver;
mod session;
mod thread;
mod timers;

pub use self::{
    alarm::Alarm,
    leader::Leader,
    live::Holding,
    thread::{Dispatched, Ended, is_io_thread},
};
pub(crate) use self::{
    allocator::expect_large_messages,
    command::{Command, ListenerEntry, Remote},
    live::Live,
    resolver::{Question, Resolver},
    thread::{IoThread, Seat},
};
