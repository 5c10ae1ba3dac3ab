//! What the threads of one transport share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zexamples::{Endpoints, Transport};
use zsocket::Context;

/// One transport.
pub(crate) struct Lane {
    pub(crate) transport: Transport,
    pub(crate) context: Context,
    endpoints: Arc<Endpoints>,
    stopping: AtomicBool,
    served: AtomicBool,
    sockets: AtomicU64,
    /// Messages per stream.
    sent: Mutex<Vec<u64>>,
    /// Messages in all streams, once that is known.
    expected: AtomicU64,
    received: AtomicU64,
}

/// What a receiver has seen beside the ledger.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) bytes: u64,
    /// Bytes of the largest message.
    pub(crate) largest: u64,
    /// Messages whose checksum or form is wrong.
    pub(crate) damaged: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, other: &Self) {
        self.bytes += other.bytes;
        self.largest = self.largest.max(other.largest);
        self.damaged += other.damaged;
    }
}

impl Lane {
    pub(crate) fn new(transport: Transport, context: Context, endpoints: Arc<Endpoints>) -> Self {
        Self {
            transport,
            context,
            endpoints,
            stopping: AtomicBool::new(false),
            served: AtomicBool::new(false),
            sockets: AtomicU64::new(0),
            sent: Mutex::default(),
            expected: AtomicU64::new(u64::MAX),
            received: AtomicU64::new(0),
        }
    }

    /// An endpoint to bind to.
    pub(crate) fn endpoint(&self) -> String {
        self.endpoints.fresh(self.transport)
    }

    /// Tells the senders and requesters to come to an end.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub(crate) fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Tells the responder that nobody asks any more.
    pub(crate) fn stop_serving(&self) {
        self.served.store(true, Ordering::Relaxed);
    }

    pub(crate) fn served(&self) -> bool {
        self.served.load(Ordering::Relaxed)
    }

    /// Counts a socket.
    pub(crate) fn made_socket(&self) {
        self.sockets.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn sockets(&self) -> u64 {
        self.sockets.load(Ordering::Relaxed)
    }

    /// Begins a stream.
    pub(crate) fn new_stream(&self) -> u32 {
        let mut sent = self.streams();
        sent.push(0);
        // A stream takes longer than a microsecond, so there are fewer than that.
        (sent.len() - 1) as u32
    }

    /// Notes what a stream has sent in the end.
    pub(crate) fn end_stream(&self, stream: u32, messages: u64) {
        self.streams()[stream as usize] = messages;
    }

    /// Messages per stream.
    pub(crate) fn sent(&self) -> Vec<u64> {
        self.streams().clone()
    }

    /// All senders have ended: the receivers may, too, when they have everything.
    pub(crate) fn expect_all(&self) {
        let all = self.streams().iter().sum();
        self.expected.store(all, Ordering::Relaxed);
    }

    /// Counts a message that has arrived.
    pub(crate) fn arrived(&self) {
        self.received.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Whether all senders have ended, and whether all that they sent is there.
    pub(crate) fn complete(&self) -> (bool, bool) {
        let expected = self.expected.load(Ordering::Relaxed);
        (expected != u64::MAX, self.received() >= expected)
    }

    fn streams(&self) -> MutexGuard<'_, Vec<u64>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
