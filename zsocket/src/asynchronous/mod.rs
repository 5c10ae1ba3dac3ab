//! Sockets for tasks: [`AsyncSocket`], and its halves.
//!
//! ```text
//!                    AsyncSocket ── split ──▶ AsyncReceiver ─┐
//!   recv, Stream ──▶ Receiving                 Receiving     ├─▶ Shared: the socket behind a lock
//!   send, Sink   ──▶ Sending                  AsyncSender    │
//!                    Socket                    Sending      ─┘
//!                       └────────── Lend: the core, for a moment ──────────┘
//! ```
//!
//! - `calls`: receiving and sending by polls, written once for whatever [`Lend`](crate::socket::Lend)s a core,
//! - `receive` and `send`: the methods, and the traits of streams and sinks, for the whole and for its halves,
//! - `halves`: the two halves, and the lock between them.
//!
//! A [`Socket`] can go to another thread, but a borrow of it cannot: so a future that borrows one is stuck to its thread, and
//! executors that move tasks do not take it. An `AsyncSocket` owns its socket, and its futures borrow it exclusively.

mod calls;
mod halves;
mod receive;
mod send;

use std::{fmt, future::poll_fn};

use ztransport::{Endpoint, IntoEndpoint};

use self::calls::{Call, Receiving, Sending};
pub use self::halves::{AsyncReceiver, AsyncSender, ReuniteError};
use crate::{CanSplit, Error, Pattern, Socket, error::Refusal, socket::poll_lent};

/// A socket for tasks: one that owns a [`Socket`], and whose calls are futures.
///
/// [`Socket::into_async`] and [`Context::async_socket`](crate::Context::async_socket) make one, and
/// [`into_socket`](Self::into_socket) gives the socket back. Everything that does not wait is called on the socket itself, by
/// [`as_socket`](Self::as_socket): options, subscriptions, statistics, the monitor.
///
/// The futures need no particular executor, and no feature: what they wait for wakes their task from the context's own threads. Where
/// latency counts, have the executor's event loop [lead](crate::Leader) the context's: a message then reaches the task without a hop
/// through another thread.
/// They are `Send`, so they work in `tokio::spawn`, `smol::spawn` and the handlers of web frameworks. Only one is there at a
/// time, since each borrows the socket exclusively. For a task that sends and another one that receives there are
/// [halves](Self::split); for many tasks that share one socket, a channel to a task that owns it, or, if they ask for something, a
/// [`Requester`](crate::Requester).
///
/// Types that receive are a `Stream` of messages, types that send are a `Sink`. Timeouts ([`Socket::set_recv_timeout`] and
/// [`Socket::set_send_timeout`]) do not apply: use your executor's.
///
/// # Fairness
///
/// A task for which there is always a message, or always room, would never give its thread back. So after 64 messages in a row,
/// or 200 µs with what the task does with them (looked at after 2, 4, 8, 16 and 32), a future yields: it is not ready once, and wakes
/// its task at once, so that timers and other tasks have their turn.
///
/// # Cancel safety
///
/// Every future can be dropped at any time, as `select!` and timeouts do. Then nothing has been received, and nothing sent, and
/// no waker is kept. What was to be sent and was not is dropped with the future; [`poll_send`](Self::poll_send) leaves it to the caller.
///
/// # Examples
///
/// ```
/// use zsocket::{Context, Error, Pull, Push};
///
/// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
/// let context = Context::new();
/// let mut pull = context.async_socket::<Pull>()?;
/// let endpoint = pull.bind("tcp://127.0.0.1:*")?;
///
/// let mut push = context.async_socket::<Push>()?;
/// push.connect(&endpoint)?;
/// let sender = tokio::spawn(async move {
///     push.send("hello").await?;
///     push.send(["two", "frames"]).await
/// });
///
/// assert_eq!(pull.recv().await?[0], "hello");
/// assert_eq!(pull.recv().await?[1], "frames");
/// sender.await.unwrap()?;
/// # Ok::<(), Error>(())
/// # }).unwrap();
/// ```
///
/// As a stream:
///
/// ```
/// use futures_util::{SinkExt, StreamExt, stream};
/// use zsocket::{Context, Error, Message, Pull, Push};
///
/// # smol::block_on(async {
/// let context = Context::new();
/// let mut push = context.async_socket::<Push>()?;
/// push.bind("inproc://numbers")?;
/// let pull = context.async_socket::<Pull>()?;
/// pull.connect("inproc://numbers")?;
///
/// let numbers = stream::iter(1u8..=3).map(|number| Ok(Message::from(&[number])));
/// push.send_all(&mut numbers.boxed()).await?;
/// let sum = pull.take(3).fold(0, async |sum, message| sum + message.unwrap()[0][0]);
/// assert_eq!(sum.await, 6);
/// # Ok::<(), Error>(())
/// # }).unwrap();
/// ```
pub struct AsyncSocket<P: Pattern> {
    socket: Socket<P>,
    receiving: Receiving,
    sending: Sending,
}

impl<P: Pattern> Socket<P> {
    /// Makes it a socket for tasks.
    #[must_use]
    pub fn into_async(self) -> AsyncSocket<P> {
        AsyncSocket {
            socket: self,
            receiving: Receiving::default(),
            sending: Sending::default(),
        }
    }
}

impl<P: Pattern> AsyncSocket<P> {
    /// The socket, for everything that does not wait. Calls on it that wait block the thread, as they always do.
    ///
    /// A reference to it cannot be kept across an `await` by a future that is to be `Send`.
    #[must_use]
    pub const fn as_socket(&self) -> &Socket<P> {
        &self.socket
    }

    /// Gives the socket back. What the sink has accepted is sent now, if it has not been flushed; what has no room is dropped
    /// and counted ([`Dropped::unflushed`](crate::Dropped::unflushed)).
    #[must_use]
    pub fn into_socket(mut self) -> Socket<P> {
        self.sending.finish(&self.socket);
        self.socket
    }

    /// Like [`Socket::bind`].
    ///
    /// # Errors
    ///
    /// As for [`Socket::bind`].
    pub fn bind(&self, endpoint: impl IntoEndpoint) -> Result<Endpoint, Error> {
        self.socket.bind(endpoint)
    }

    /// Like [`Socket::connect`].
    ///
    /// # Errors
    ///
    /// As for [`Socket::connect`].
    pub fn connect(&self, endpoint: impl IntoEndpoint) -> Result<(), Error> {
        self.socket.connect(endpoint)
    }

    /// Waits until the socket has so many peers with which the handshake is complete, like [`Socket::wait_connected`].
    ///
    /// # Cancel safety
    ///
    /// Safe: it changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Terminated`], [`Error::IoThreadLost`].
    pub async fn connected(&mut self, peers: usize) -> Result<(), Error> {
        let mut call = Call {
            lender: &mut self.socket,
            half: &mut self.receiving,
        };
        let connected = poll_fn(|cx| {
            let (lender, receiving) = call.parts();
            receiving.poll_for(|place| {
                poll_lent(lender, cx, place, |core| {
                    core.process()?;
                    if core.connected() >= peers {
                        Ok(())
                    } else if core.has_more_to_take_in() {
                        Err(Refusal::Again)
                    } else {
                        Err(Refusal::WouldBlock)
                    }
                })
            })
        });
        Ok(connected.await?)
    }

    /// Splits the socket into a half that receives and one that sends, for two tasks. [`AsyncSender::reunite`] makes it whole
    /// again. It closes when both halves are gone.
    ///
    /// The halves share the socket behind a lock, which each takes for the time of a look at it and never while it waits. A
    /// socket that is not split has none.
    ///
    /// A [`Dynamic`](crate::Dynamic) socket can be split whatever its type is. Halves that its type lacks are
    /// [`Error::NotSupported`], and those of a REQ or REP have to take turns.
    ///
    /// # Examples
    ///
    /// ```
    /// use zsocket::{Context, Dealer, Error, Router};
    ///
    /// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
    /// let context = Context::new();
    /// let mut router = context.async_socket::<Router>()?;
    /// let endpoint = router.bind("tcp://127.0.0.1:*")?;
    /// let dealer = context.async_socket::<Dealer>()?;
    /// dealer.connect(&endpoint)?;
    ///
    /// let (mut replies, mut requests) = dealer.split();
    /// tokio::spawn(async move {
    ///     for number in 0..10u8 {
    ///         requests.send(&[number]).await.unwrap();
    ///     }
    /// });
    /// for number in 0..10 {
    ///     let request = router.recv().await?;
    ///     router.send(request).await?;
    ///     assert_eq!(replies.recv().await?[0], [number]);
    /// }
    /// # Ok::<(), Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// Types that take turns cannot be split:
    ///
    /// ```compile_fail,E0277
    /// use zsocket::{Context, Req};
    ///
    /// Context::new().async_socket::<Req>().unwrap().split();
    /// ```
    #[must_use]
    pub fn split(self) -> (AsyncReceiver<P>, AsyncSender<P>)
    where
        P: CanSplit,
    {
        halves::split(self)
    }
}

/// Nothing in it is pinned.
impl<P: Pattern> Unpin for AsyncSocket<P> {}

impl<P: Pattern> From<Socket<P>> for AsyncSocket<P> {
    fn from(socket: Socket<P>) -> Self {
        socket.into_async()
    }
}

impl<P: Pattern> fmt::Debug for AsyncSocket<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncSocket").field(&self.socket).finish()
    }
}
