//! The inputs, what happens to a [`Connection`](zmtp::Connection) that gets one, and the document that
//! compares. `zinterop` uses it too, with sockets in place of the connection.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "shared by two test programs, neither of which uses all of it"
)]

pub mod connection;
mod differences;
mod input;
mod reaction;
mod report;

pub use input::{Input, Phase, Setting};
pub use reaction::Reaction;
pub use report::{Column, Report};
