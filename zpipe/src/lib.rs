//! Lock-free pipes that already hold wire format, and the wake-ups around them.
#![deny(unsafe_op_in_unsafe_fn)]

mod bytes;
pub mod channel;
mod chunk;
mod counter;
mod ingest;
mod mailbox;
mod owned;
mod pipe;
mod reader;
mod ready;
mod spin;
mod sync;
mod wait;
mod writer;

pub use self::{
    bytes::ByteReader,
    channel::channel,
    counter::Counter,
    ingest::{Filled, FrameLimits, Scan, Scanned},
    mailbox::{Mailbox, Sender, mailbox},
    owned::Owned,
    pipe::{Limits, byte_pipe, pipe},
    reader::{Body, FrameRef, Reader},
    ready::{Notifier, Readiness, ReadySet},
    spin::Spinner,
    writer::Writer,
};

/// Bodies of at least this many bytes are spliced, not copied, by [`Writer::append_frame`], and get a
/// buffer of their own when they are received in pieces. Measured.
pub const SPLICE_MIN: usize = if cfg!(loom) { 24 } else { 8 * 1024 };
