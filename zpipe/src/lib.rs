//! Lock-free pipes of messages that already hold wire format, and the wake-ups around them.
//!
//! A pipe carries ØMQ messages from one thread to one other. It is not a queue of objects but **a
//! rope of bytes, framed as ZMTP puts them on the wire**: `send` copies a body into the rope behind
//! its header, and whoever writes to the network hands the very same bytes to `writev`. In the other
//! direction a connection reads straight into the rope, hops from frame header to frame header, and
//! `recv` finds the messages where the kernel put them. Nothing is encoded, decoded, allocated or
//! queued a second time in between.
//!
//! ```text
//!  Writer: append, append_spliced                          Reader        ByteReader
//!  Ingest: fill_rope (from a stream), scan                 next_frame  │  gather (for writev)
//!                                                          release     │  advance
//!               │                                                ▲
//!               ▼          committed ▼       ▼ appended          │
//!     ┌───────────────────┐   ┌──────────────────────────┐       │
//!     │ chunk, read       │──▶│ chunk, being written     │       │
//!     └───────────────────┘   └──────────────────────────┘       │
//!               └── recycled ─────────▲                          │
//!                                                                │
//!       commit ── was the reader idle? ──▶ Notifier ──▶ ReadySet ┘   parked thread,
//!       block  ◀── drained to half? ◀───── Notifier ◀── release      task waker or fd
//! ```
//!
//! # Parts
//!
//! - [`pipe`] makes a [`Writer`] that appends frames, with a [`Reader`] of frames; [`byte_pipe`] one
//!   with a [`ByteReader`] of bytes in wire format; [`ingest_pipe`] an [`Ingest`] that is filled from a
//!   stream of bytes in wire format, with a [`Reader`].
//! - [`ReadySet`] tells one consumer which of its many pipes want attention, and lets it wait: as a
//!   parked thread, as a task, or through a file descriptor that is made when first asked for.
//! - [`latest`] makes a slot instead of a pipe: a message that nobody has read yet is replaced by the next one, as a
//!   whole, and so never more than one waits, or one of each topic.
//! - [`mailbox`] carries the rare other things from many threads to one.
//! - [`Owned`] lets any thread drive a value that only one may drive at a time, without waiting and
//!   without losing an event. [`Spinner`] waits a little before sleeping, if that pays.
//! - [`Guarded`] is a value behind a lock, for control state. The layers above share state by this alone,
//!   so that loom can try every order of their threads as well.
//! - [`deferred`] runs foreign code, wakers of tasks and the `Drop` of bodies, when whoever came upon it
//!   has let go of everything, and catches its panics.
//! - [`channel`](crate::channel()) is for those who only want a bounded channel of messages: it puts
//!   the above together, with blocking and asynchronous calls, as iterator, `Stream` and `Sink`.
//!
//! # What it does not do
//!
//! It does no I/O and starts no thread. It does not interpret messages: routing, identities and
//! subscriptions belong to the layers above. A pipe has exactly one writer and one reader; many
//! writers use many pipes, and a [`ReadySet`] joins them at the consumer. Of the unsafe code in this
//! workspace nearly all is here, behind a safe interface.
//!
//! # Messages are atomic
//!
//! [`Writer::commit`] makes all frames appended since the last commit visible at once, and
//! [`Writer::rollback`] makes them as if they had never been. The reader never sees a part of a
//! message, and frames come out in the order in which they went in.
//!
//! A body of some size ([`Writer::append_spliced`], or [`SPLICE_MIN`] with
//! [`Writer::append_frame`]) is not copied: the rope keeps its handle at the place where the body
//! belongs, and the reader gets that handle. On receipt a large body that has not come in full is
//! given memory of its own, which grows with what arrives; on the peer's word alone no more than the
//! largest body had that came whole before.
//!
//! # High-water marks
//!
//! Both ends count messages from the pipe's beginning: the writer those it *committed*, the reader
//! those it *released*. With [`Limits`] of *n* messages and *b* bytes, 0 being no limit:
//!
//! 1. [`Writer::has_room`] is true exactly if, at one moment during the call, fewer than *n* messages
//!    and fewer than *b* bytes were committed and not released. A writer that asks before each
//!    message thus never has more than *n* messages in the pipe, and less than *b* bytes and one
//!    message. [`Ingest::scan`] asks by itself.
//! 2. A writer for which [`Writer::block`] returned `true` is signalled once, when the messages in the
//!    pipe are down to half of *n*, rounded up (for *n* = 1 to none), when the limits change, or when
//!    the reader is gone. If only bytes fill the pipe, it is half of the messages in it that count.
//!    After [`Writer::block_until_room`] the signal comes with the first free place instead.
//! 3. Bytes are counted as framed, headers and splices included, and released message by message.
//!
//! Lowered limits discard nothing, and a writer follows limits that the reader has changed when it
//! next finds the pipe full by the old ones. Either end changes both limits as one.
//!
//! # Wake-ups
//!
//! Nobody is woken while data flows. A reader that has found its pipe empty says so with
//! [`Reader::set_idle`] and looks once more; the commit that finds the pipe marked idle takes the mark
//! away and signals, once. Between the store that one side makes and its look at the other side's
//! flag lies a full fence on both sides, so at least one of them sees the other and no wake-up is
//! lost. Blocking and resuming is the same with the roles exchanged, and so is waiting for a
//! [`ReadySet`]. Signals are hints to look, never counts: several may become one, and one may come
//! although there is nothing to do any more.
//!
//! Either end may go at any time, and the other is signalled. The reader gets what was committed before
//! [`Reader::is_closed`] is true. A writer without a reader always has room: what it commits is thrown
//! away, and counted by [`Writer::pending`].
//!
//! # Foreign code
//!
//! A spliced body may have an owner of any kind, whose `Drop` is foreign code, as a task's waker is. It
//! runs after all state of the pipe is in order and published, as [`deferred`] says: a panic in it
//! ends there, no body is dropped twice or leaked, no wake-up is lost, and the pipe goes on.
//!
//! # Memory
//!
//! A new pipe has one chunk of 1 KiB. If the reader does not keep up, each following chunk is twice as
//! large, up to 64 KiB; if it does, repeatedly, they shrink again. A frame that is larger than the next
//! chunk would be makes that one, and those after it, a quarter larger than itself, so that smaller frames
//! find room beside it; only one of more than 64 KiB has a chunk of its own size. One chunk at a time is on its way back to the
//! writer, so a flow whose reader is never more than a chunk behind allocates nothing, unless it mixes frames
//! of more than 64 KiB with smaller ones. [`Writer::trim`] makes a pipe small again that had a burst and fell
//! silent.
//!
//! # Platforms
//!
//! Linux is what it is made and tested for. On other Unix systems and on Windows it compiles; what depends on the system is
//! said at [`Process`], [`Signal`], `ReadySet::fd`, [`trim_heap`], `unacknowledged` and `peer_groups`. The order between
//! threads rests on fences of the language alone, so it is the same everywhere.
//!
//! # How it is proved
//!
//! Random operations are run on pipes and on an oracle, and everything observable is compared after
//! each of them: content, counts, room, signals, memory (`tests/model`). Every hand-over between
//! threads is checked in all interleavings that loom tells apart with up to three preemptions
//! (`tests/loom`); atomics, cells and locks come from one module so that loom can take their place, and
//! so that a runner can weaken each ordering in turn and see that a test notices (`mutants`).
//! Real threads then move millions of numbered messages (`tests/stress.rs`). What a caller can do wrong
//! and what panicking bodies do is tried in `tests/misuse.rs` and `tests/foreign.rs`. Miri runs all of
//! this but loom, in smaller numbers, under Stacked and under Tree Borrows.
//!
//! # Examples
//!
//! ```
//! use zmtp::header::Flags;
//! use zpipe::{Limits, ReadySet, pipe};
//!
//! let mut ready = ReadySet::new();
//! let (mut writer, mut reader) = pipe(Limits::default(), None, Some(ready.notifier(1)));
//!
//! let sender = std::thread::spawn(move || {
//!     writer.append(Flags::MORE, b"two frames,");
//!     writer.append(Flags::NONE, b"one message");
//!     writer.commit();
//! });
//!
//! let mut bodies = Vec::new();
//! while !reader.is_closed() {
//!     while let Some(frame) = reader.next_frame() {
//!         bodies.push(frame.body.as_slice().to_vec());
//!         if !frame.flags.is_more() {
//!             reader.release();
//!         }
//!     }
//!     if reader.set_idle() {
//!         ready.wait(None);
//!         ready.drain(|token, _| assert_eq!(token, 1));
//!     }
//! }
//! assert_eq!(bodies, [b"two frames,".as_slice(), b"one message"]);
//! sender.join().unwrap();
//! ```

#![deny(unsafe_op_in_unsafe_fn)]

#[cfg(not(any(unix, windows)))]
compile_error!(
    "zpipe needs a Unix system or Windows: its lists are waited for with what these have"
);

mod bytes;
pub mod channel;
mod chunk;
mod counter;
pub mod deferred;
mod encoded;
#[cfg(all(target_os = "linux", not(any(loom, miri))))]
mod futex;
mod guarded;
mod ingest;
mod latest;
mod mailbox;
mod owned;
mod pipe;
#[cfg(any(zlayers_portable, not(target_os = "linux")))]
pub mod poller;
mod reader;
mod ready;
mod room;
mod rope;
mod scan;
mod spent;
mod spin;
mod sync;
mod system;
mod transfer;
mod wait;
mod writer;

#[cfg(unix)]
pub use self::system::{peer_groups, unacknowledged};
pub use self::{
    bytes::ByteReader,
    channel::channel,
    counter::Counter,
    encoded::Encoded,
    guarded::{Guard, Guarded},
    ingest::{Filled, Ingest},
    latest::{Keep, LatestReader, LatestWriter, latest},
    mailbox::{Mailbox, Sender, Ticket, mailbox},
    owned::{Driven, Owned},
    pipe::{Limits, SPLICE_MIN, byte_pipe, ingest_pipe, pipe, publish_commits},
    reader::{Body, FrameRef, Reader},
    ready::{Notifier, Readiness, ReadySet},
    scan::{FrameLimits, Scan, Scanned},
    spin::Spinner,
    system::{AsDescriptor, BorrowedDescriptor, Process, RawDescriptor, Signal, trim_heap},
    transfer::{Transferred, transfer},
    wait::Interrupted,
    writer::Writer,
};

/// The examples of the README are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
