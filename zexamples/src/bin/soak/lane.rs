//! What the threads of one transport share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use zexamples::{Result, Transport};
use zsocket::{Socket, TypedPattern};

use crate::books::Books;
use crate::stage::{Stage, lock};

/// One transport.
pub(crate) struct Lane {
    pub(crate) transport: Transport,
    pub(crate) stage: Arc<Stage>,
    served: AtomicBool,
    ended: AtomicBool,
    sockets: AtomicU64,
    books: Mutex<Books>,
}

/// What a receiver has seen beside the books.
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
    pub(crate) fn new(transport: Transport, stage: Arc<Stage>) -> Self {
        Self {
            transport,
            stage,
            served: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            sockets: AtomicU64::new(0),
            books: Mutex::default(),
        }
    }

    /// A new socket, which is counted.
    pub(crate) fn socket<P: TypedPattern>(&self) -> Result<Socket<P>> {
        self.sockets.fetch_add(1, Ordering::Relaxed);
        self.stage.insist(|| self.stage.context.socket::<P>())
    }

    /// Binds a socket to an endpoint of its own, and returns which.
    pub(crate) fn bind<P: TypedPattern>(&self, socket: &Socket<P>) -> Result<String> {
        let endpoint = self.stage.endpoints.fresh(self.transport);
        let bound = self.stage.insist(|| socket.bind(endpoint.as_str()))?;
        Ok(bound.to_string())
    }

    pub(crate) fn stopping(&self) -> bool {
        self.stage.stopping()
    }

    /// Tells the responder that nobody asks any more.
    pub(crate) fn stop_serving(&self) {
        self.served.store(true, Ordering::Relaxed);
    }

    pub(crate) fn served(&self) -> bool {
        self.served.load(Ordering::Relaxed)
    }

    pub(crate) fn sockets(&self) -> u64 {
        self.sockets.load(Ordering::Relaxed)
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        lock(&self.books)
    }

    /// All senders have ended: the receivers may, too, when they have everything.
    pub(crate) fn all_sent(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// Whether all senders have ended, and whether all that they sent is there.
    pub(crate) fn complete(&self) -> (bool, bool) {
        let ended = self.ended.load(Ordering::Relaxed);
        (ended, ended && self.books().complete())
    }
}
