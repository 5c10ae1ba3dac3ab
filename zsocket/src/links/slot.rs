//! One link in a socket's table, and who writes what is sent on it.

use zpipe::deferred::Deferral;
use ztransport::{Driver, Link};

use super::burst;

/// Messages, or bytes, between two wake-ups of a burst that make it a stream. A stream is written by
/// the sending thread, in batches.
const STREAM_MESSAGES: u64 = 64;
const STREAM_BYTES: u64 = 32 * 1024;
/// Bytes after which the sending thread writes a batch, so that they are still in the cache.
const BATCH_BYTES: u64 = 256 * 1024;

/// See the module documentation.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) link: Link,
    /// Nothing is received from it for the time being.
    pub(super) held: bool,
    /// What had been written when the engine last had to be woken.
    woken_messages: u64,
    woken_bytes: u64,
    /// What had been written when this thread last emptied the pipe.
    flushed_bytes: u64,
}

impl Slot {
    pub(super) fn new(link: Link) -> Self {
        Self {
            link,
            held: false,
            woken_messages: 0,
            woken_bytes: 0,
            flushed_bytes: 0,
        }
    }

    /// Publishes the message just appended, and sees to it that somebody sends it.
    #[inline(always)]
    pub(crate) fn commit(&mut self, direct: bool, deferral: &mut Deferral) {
        if self.link.writer.commit_quietly() {
            deferral.begin();
            self.start(direct);
        } else if self.link.writer.written_bytes() - self.flushed_bytes >= BATCH_BYTES {
            deferral.begin();
            self.flush();
        }
        // A thread that sends on many sockets in turn would otherwise wait for this memory each time.
        self.link.writer.prefetch_memory();
    }

    /// The reading end was idle: the engine if it is free, the I/O thread, or the inproc peer.
    #[inline(never)]
    fn start(&mut self, direct: bool) {
        let writer = &mut self.link.writer;
        let Some(driver) = self.link.driver.as_ref().filter(|_| !writer.is_closed()) else {
            return writer.wake_reader();
        };
        self.flushed_bytes = writer.written_bytes();
        if direct {
            return driver.write();
        }
        let burst = burst::goes_on();
        let messages = writer.written() - self.woken_messages;
        let bytes = writer.written_bytes() - self.woken_bytes;
        self.woken_messages = writer.written();
        self.woken_bytes = writer.written_bytes();
        if !burst {
            driver.write();
        } else if messages >= STREAM_MESSAGES || bytes >= STREAM_BYTES {
            driver.write_full();
        } else {
            writer.wake_reader();
        }
    }

    /// Empties the pipe as far as the peer takes it, on this thread; `false` if another thread is at it.
    #[inline(never)]
    pub(crate) fn flush(&mut self) -> bool {
        self.flushed_bytes = self.link.writer.written_bytes();
        self.link.driver.as_ref().is_none_or(Driver::write_full)
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
