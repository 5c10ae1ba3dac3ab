//! One link in a socket's table, and who writes what is sent on it.

use zmtp::Message;
use zpipe::deferred::Deferral;
use ztransport::{Driver, Follower, Left, Link};

use super::{burst, muted::Muted};

/// Messages, or bytes, between two wake-ups of a burst that make it a stream. A stream is written by
/// the sending thread, in batches.
const STREAM_MESSAGES: u64 = 64;
const STREAM_BYTES: u64 = 32 * 1024;
/// Bytes after which the sending thread writes a batch, so that they are still in the cache.
const BATCH_BYTES: u64 = 256 * 1024;

/// When a message is to be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pace {
    /// At once: nothing follows it. But if the peer has sent more already, it is one of several answers.
    Alone,
    /// When its sender finds nothing more to receive, if it comes in a burst: it may be one of several answers.
    Answer,
    /// With those that follow it, if it comes in a burst.
    Stream,
}

/// See the module documentation.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) link: Link,
    /// Nothing is received from it for the time being.
    pub(super) held: bool,
    /// A message that it has brought and that there was no room for; nothing else is taken in meanwhile.
    pub(crate) offered: Option<Message>,
    /// The handshake with the peer is complete.
    pub(super) connected: bool,
    /// Over inproc: what the peer, a publisher, has been asked for.
    pub(crate) follower: Option<Follower>,
    pub(crate) muted: Muted,
    /// Messages that found the pipe full and were dropped.
    pub(crate) dropped: u64,
    /// The first message of the connection that the last one was taken in from.
    begun: u64,
    /// What had been written when the engine last had to be woken.
    woken_messages: u64,
    woken_bytes: u64,
    /// What had been written when this thread last emptied the pipe.
    flushed_bytes: u64,
}

impl Slot {
    pub(super) fn new(link: Link) -> Self {
        Self {
            connected: link.peer.is_some(),
            link,
            held: false,
            offered: None,
            follower: None,
            muted: Muted::default(),
            dropped: 0,
            begun: 0,
            woken_messages: 0,
            woken_bytes: 0,
            flushed_bytes: 0,
        }
    }

    /// Publishes the message just appended, and sees to it that somebody sends it.
    #[inline(always)]
    pub(crate) fn commit(&mut self, pace: Pace, corked: &mut u64, deferral: &mut Deferral) {
        let is_reader_idle = self.link.writer.commit_quietly();
        self.after_transfer(is_reader_idle, pace, corked, deferral);
        // A thread that sends on many sockets in turn would otherwise wait for this memory each time.
        self.link.writer.prefetch_memory();
    }

    /// Messages from another link's pipe are committed; sees to it that somebody sends them.
    #[inline(always)]
    pub(crate) fn after_transfer(
        &mut self,
        is_reader_idle: bool,
        pace: Pace,
        corked: &mut u64,
        deferral: &mut Deferral,
    ) {
        if is_reader_idle {
            deferral.begin();
            self.start(pace, corked);
        } else if self.link.writer.written_bytes() - self.flushed_bytes >= BATCH_BYTES {
            deferral.begin();
            self.flush();
        }
    }

    /// What comes after [`Writer::commit_unseen`](zpipe::Writer::commit_unseen): like [`commit`](Self::commit), of a message that many get. If nobody
    /// is at it the I/O thread sends it, since a system call for each link would keep the caller; but so many bytes are sent here.
    #[inline]
    pub(crate) fn after_commit(&mut self, batch: u64, deferral: &mut Deferral) {
        if self.link.writer.takes_idle_reader() {
            deferral.begin();
            self.start_later();
        } else if self.link.writer.written_bytes() - self.flushed_bytes >= batch {
            deferral.begin();
            self.flush();
        }
        self.link.writer.prefetch_memory();
    }

    /// Whether the message that came as this one, or the next to come, is the first of another connection.
    pub(crate) fn is_renewed(&mut self, number: u64) -> bool {
        let begun = self.link.begun();
        begun > self.begun && number >= begun && {
            self.begun = begun;
            true
        }
    }

    /// The reading end was idle: the engine if it is free, the I/O thread, or the inproc peer.
    #[inline(never)]
    fn start(&mut self, pace: Pace, corked: &mut u64) {
        if !self.link.pass_on() {
            return;
        }
        let has_engine = self.link.driver.is_some() && !self.link.writer.is_closed();
        if !has_engine {
            return self.link.wake_reader();
        }
        let is_alone = pace == Pace::Alone && !self.link.is_readable();
        if !is_alone && burst::goes_on() {
            let answer = self.link.driver.as_ref().filter(|_| pace != Pace::Stream);
            if let Some(number) = answer.and_then(Driver::cork) {
                *corked = number;
                self.note_woken();
                self.flushed_bytes = self.link.writer.written_bytes();
                return;
            }
            if pace != Pace::Alone {
                return self.start_by_another();
            }
        }
        self.note_woken();
        self.flushed_bytes = self.link.writer.written_bytes();
        if let Some(driver) = &self.link.driver {
            driver.write();
        }
    }

    /// Likewise, after a message that many get.
    fn start_later(&mut self) {
        if self.link.pass_on() {
            self.start_by_another();
        }
    }

    /// Likewise, in a burst: the thread that has time for it. What only has to be the latest is left to the I/O thread
    /// however much of it there is, since this thread would write what is soon replaced.
    fn start_by_another(&mut self) {
        let is_stream = self.note_woken() && !self.link.conflates_output();
        let writer = &mut self.link.writer;
        self.flushed_bytes = writer.written_bytes();
        match self.link.driver.as_ref().filter(|_| !writer.is_closed()) {
            Some(driver) if is_stream => {
                driver.write_full();
            }
            _ => self.link.wake_reader(),
        }
    }

    /// The engine is woken. Whether so much has been written since the last time that it is a stream.
    fn note_woken(&mut self) -> bool {
        let writer = &self.link.writer;
        let messages = writer.written() - self.woken_messages;
        let bytes = writer.written_bytes() - self.woken_bytes;
        self.woken_messages = writer.written();
        self.woken_bytes = writer.written_bytes();
        messages >= STREAM_MESSAGES || bytes >= STREAM_BYTES
    }

    /// Empties the pipe as far as the peer takes it, on this thread; `false` if another thread is at it.
    #[inline(never)]
    pub(crate) fn flush(&mut self) -> bool {
        self.flushed_bytes = self.link.writer.written_bytes();
        self.link.driver.as_ref().is_none_or(Driver::write_full)
    }

    /// What a peer that is gone has left to be received.
    pub(crate) fn left(&self) -> Left {
        let mut left = self.link.left();
        if let Some(message) = &self.offered {
            left += Left::in_link(1, message.byte_len() as u64);
        }
        left
    }

    /// Publishes that a message was taken, and lets the writer at the other end go on.
    #[inline]
    pub(crate) fn release(&mut self, deferral: &mut Deferral) {
        if self.link.reader.release_quietly() {
            deferral.begin();
            self.resume();
        }
    }

    #[inline(never)]
    fn resume(&self) {
        match &self.link.driver {
            // The engine waits for room; this thread is here, so it reads on.
            Some(driver) => driver.read(),
            None => self.link.reader.wake_writer(),
        }
    }
}
