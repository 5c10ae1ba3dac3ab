//! The two halves of a socket.

use std::{fmt, sync::Arc};

use zpipe::{Guarded, Process, deferred::Scope};

use super::{
    AsyncSocket,
    calls::{Receiving, Sending},
};
use crate::{CanSplit, Error, Pattern, Socket, core::Core, error::Refusal, socket::Lend};

/// The half of an [`AsyncSocket`] that receives: see [`AsyncSocket::split`].
pub struct AsyncReceiver<P: Pattern> {
    pub(super) socket: Shared<P>,
    pub(super) receiving: Receiving,
}

/// The half of an [`AsyncSocket`] that sends: see [`AsyncSocket::split`].
///
/// Dropping it does not close the socket as long as the other half is there. What its sink has accepted is sent then, if it has
/// not been flushed; what has no room is dropped and counted ([`Dropped::unflushed`](crate::Dropped::unflushed)).
pub struct AsyncSender<P: Pattern> {
    pub(super) socket: Shared<P>,
    pub(super) sending: Sending,
}

/// The socket behind the lock.
///
/// Both halves change the same state with each message: a sender's call takes in what was signalled for the receiver, and the other
/// way round. So there is one lock, held for one attempt and never across an `await`.
pub(super) struct Shared<P: Pattern> {
    socket: Arc<Guarded<Socket<P>>>,
    /// In a forked child the other half may hold the lock for ever.
    process: Process,
}

impl<P: Pattern> Lend<P::State> for Shared<P> {
    fn lend<R>(&self, f: impl FnOnce(&mut Core<P::State>) -> R) -> Result<R, Refusal> {
        self.with(|socket| {
            socket.lend(|core| {
                let result = f(core);
                // Nobody who sends comes back to receive, so nothing is kept back until then.
                core.expect_no_answers();
                result
            })
        })?
    }
}

impl<P: Pattern> Shared<P> {
    fn with<R>(&self, f: impl FnOnce(&Socket<P>) -> R) -> Result<R, Refusal> {
        if self.process.is_forked() {
            return Err(Refusal::Forked);
        }
        // Foreign code may use the other half, so it runs when the lock is free again.
        let scope = Scope::open();
        let result = f(&self.socket.lock());
        let panics = scope.close();
        if panics > 0 {
            let socket = self.socket.lock();
            socket.with_core(|core| core.handle.counters().foreign_panics.add(panics));
        }
        Ok(result)
    }
}

pub(super) fn split<P: CanSplit>(socket: AsyncSocket<P>) -> (AsyncReceiver<P>, AsyncSender<P>) {
    let process = Process::current();
    let shared = Arc::new(Guarded::new(socket.socket));
    let receiver = AsyncReceiver {
        socket: Shared {
            socket: Arc::clone(&shared),
            process,
        },
        receiving: socket.receiving,
    };
    let sender = AsyncSender {
        socket: Shared {
            socket: shared,
            process,
        },
        sending: socket.sending,
    };
    (receiver, sender)
}

impl<P: CanSplit> AsyncSender<P> {
    /// Makes the socket whole again.
    ///
    /// # Errors
    ///
    /// [`ReuniteError`] with both halves, if they are not of the same socket.
    ///
    /// # Examples
    ///
    /// ```
    /// use zsocket::{Context, Pair};
    ///
    /// let context = Context::new();
    /// let (receiver, sender) = context.async_socket::<Pair>()?.split();
    /// let (_, of_another) = context.async_socket::<Pair>()?.split();
    /// let receiver = of_another.reunite(receiver).unwrap_err().receiver;
    /// let pair = sender.reunite(receiver).unwrap().into_socket();
    /// # Ok::<(), zsocket::Error>(())
    /// ```
    #[expect(clippy::missing_panics_doc, reason = "it never does")]
    #[expect(clippy::result_large_err, reason = "the halves are handed back")]
    pub fn reunite(
        mut self,
        receiver: AsyncReceiver<P>,
    ) -> Result<AsyncSocket<P>, ReuniteError<P>> {
        if !Arc::ptr_eq(&self.socket.socket, &receiver.socket.socket) {
            return Err(ReuniteError {
                receiver,
                sender: self,
            });
        }
        let AsyncReceiver { socket, receiving } = receiver;
        let sending = std::mem::take(&mut self.sending);
        // There are two handles, and this was the first.
        drop(self);
        let socket = Arc::into_inner(socket.socket).expect("each half has one handle");
        Ok(AsyncSocket {
            socket: socket.into_inner(),
            receiving,
            sending,
        })
    }
}

impl<P: Pattern> Drop for AsyncSender<P> {
    fn drop(&mut self) {
        self.sending.finish(&self.socket);
    }
}

/// Two halves that are not of the same socket.
pub struct ReuniteError<P: Pattern> {
    /// The half that receives, as it was given.
    pub receiver: AsyncReceiver<P>,
    /// The half that sends, as it was given.
    pub sender: AsyncSender<P>,
}

impl<P: Pattern> fmt::Display for ReuniteError<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "these halves are of two sockets: reunite each with the one that it was split from",
        )
    }
}

impl<P: Pattern> std::error::Error for ReuniteError<P> {}

/// What both halves have.
macro_rules! half {
    ($half:ident) => {
        impl<P: Pattern> $half<P> {
            /// Calls the socket, with everything that a [`Socket`] can do and does not wait. The other half waits meanwhile,
            /// and blocks its thread for that.
            ///
            /// # Errors
            ///
            /// [`Error::Forked`] in a forked child.
            ///
            /// # Deadlocks
            ///
            /// `f` must not use the other half, which would wait for ever.
            ///
            /// # Examples
            ///
            /// ```
            /// use zsocket::{Context, Pair};
            ///
            #[doc = concat!("# type Half = zsocket::", stringify!($half), "<Pair>;")]
            /// # fn example(mut half: Half) -> Result<(), zsocket::Error> {
            /// half.with_socket(|socket| socket.connect("tcp://127.0.0.1:5555"))??;
            /// let stats = half.with_socket(|socket| socket.stats())?;
            /// # Ok(())
            /// # }
            /// ```
            pub fn with_socket<R>(&mut self, f: impl FnOnce(&Socket<P>) -> R) -> Result<R, Error> {
                Ok(self.socket.with(f)?)
            }
        }

        impl<P: Pattern> fmt::Debug for $half<P> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($half)).finish_non_exhaustive()
            }
        }
    };
}

half!(AsyncReceiver);
half!(AsyncSender);

impl<P: Pattern> fmt::Debug for ReuniteError<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReuniteError").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use crate::{Context, Dealer, Router};

    /// Of a socket that receives and sends in one thread an answer may wait for the next ones until there is nothing more to receive.
    /// A half that sends would never come there.
    #[test]
    fn no_answer_is_kept_back() {
        let context = Context::new();
        let router = context.async_socket::<Router>().unwrap();
        let endpoint = router.bind("tcp://127.0.0.1:*").unwrap();
        let (mut requests, mut replies) = router.split();
        let dealer = context.socket::<Dealer>().unwrap();
        dealer.connect(&endpoint).unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        for _ in 0..200 {
            dealer.send("x").unwrap();
            dealer.send("x").unwrap();
            for _ in 0..2 {
                let request = loop {
                    if let Ok(request) = requests.try_recv() {
                        break request;
                    }
                    assert!(Instant::now() < deadline, "no request comes");
                };
                // What the dealer keeps back.
                ztransport::uncork();
                replies.try_send(request).unwrap();
                assert!(!ztransport::has_corked());
            }
            dealer.recv().unwrap();
            dealer.recv().unwrap();
        }
    }
}
