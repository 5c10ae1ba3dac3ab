//! Knowing the peer that a message came from, and sending to it.

use std::{
    future::poll_fn,
    time::{Duration, Instant},
};

use zmtp::Message;
use zpipe::deferred;

use super::{Socket, deadline};
use crate::{
    CanReceive, CanRoute, CanSend, Error, Finding, IntoMessage, Pattern, PeerId, PeerInfo,
    PeerStats, SendError,
    core::{Core, Then},
    error::Refusal,
    tasks::Place,
};

impl<P: CanReceive> Socket<P> {
    /// Like [`recv`](Self::recv), and says which peer the message came from. [`peer_info`](Self::peer_info) tells more
    /// about it.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// use zsocket::{Context, Pull, Push};
    ///
    /// let context = Context::new();
    /// let pull = context.socket::<Pull>()?;
    /// let endpoint = pull.bind("tcp://127.0.0.1:*")?;
    /// let push = context.socket::<Push>()?;
    /// push.set_metadata("X-Region", "eu")?;
    /// push.connect(&endpoint)?;
    /// push.send("hello")?;
    ///
    /// let (message, peer) = pull.recv_from()?;
    /// assert_eq!(message[0], "hello");
    /// let info = pull.peer_info(peer).expect("it is still there");
    /// assert_eq!(info.properties.get("X-Region"), Some(&b"eu"[..]));
    /// # Ok::<(), zsocket::Error>(())
    /// ```
    pub fn recv_from(&self) -> Result<(Message, PeerId), Error> {
        self.recv_from_until(deadline(self.with_core(|core| core.options.recv_timeout)))
    }

    /// Like [`recv_timeout`](Self::recv_timeout), and says which peer the message came from.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub fn recv_from_timeout(&self, timeout: Duration) -> Result<(Message, PeerId), Error> {
        self.recv_from_until(deadline(Some(timeout)))
    }

    /// Like [`recv_into`](Self::recv_into), and says which peer the message came from.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub fn recv_from_into(&self, message: &mut Message) -> Result<PeerId, Error> {
        deferred::drop_bodies(message);
        let received = match self.lend_core(|core| core.try_recv_from(message, Then::Wait)) {
            Err(Refusal::WouldBlock | Refusal::Again) => {
                let timeout = self.lend_core(|core| core.options.recv_timeout);
                self.recv_with(deadline(timeout), |core, then| {
                    core.try_recv_from(message, then)
                })
            }
            done => done,
        };
        self.explain(received)
    }

    /// Like [`try_recv_into`](Self::try_recv_into), and says which peer the message came from.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub fn try_recv_from_into(&self, message: &mut Message) -> Result<PeerId, Error> {
        deferred::drop_bodies(message);
        let received = self.lend_core(|core| match core.try_recv_from(message, Then::Return) {
            Err(Refusal::WouldBlock) if core.look_for_input() => {
                core.try_recv_from(message, Then::Return)
            }
            done => done,
        });
        self.explain(received)
    }

    /// Like [`recv_from_into`](Self::recv_from_into) for those who only want to look at the bytes: a message of a single small frame is
    /// lent to `read` where it lies, and nothing of it is copied. Any other is put into `message`, and `read` is not called.
    /// `read` must not use the socket.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// use zsocket::{Context, Message, Pull, Push};
    ///
    /// let context = Context::new();
    /// let (pull, push) = (context.socket::<Pull>()?, context.socket::<Push>()?);
    /// push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
    /// push.send("hello")?;
    /// push.send(["two", "frames"])?;
    /// let mut message = Message::new();
    /// assert_eq!(pull.recv_lent(&mut message, |body| body.len())?.1, Some(5));
    /// assert_eq!(pull.recv_lent(&mut message, |body| body.len())?.1, None);
    /// assert_eq!(message, Message::from(["two", "frames"]));
    /// # Ok::<(), zsocket::Error>(())
    /// ```
    #[inline]
    pub fn recv_lent<R>(
        &self,
        message: &mut Message,
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<(PeerId, Option<R>), Error> {
        let mut read = Some(read);
        let first = self.lend_core(|core| {
            core.try_recv_lent(message, Then::Wait, |body| {
                read.take().map(|read| read(body))
            })
        });
        let received = match first {
            Err(Refusal::WouldBlock | Refusal::Again) => {
                let timeout = self.lend_core(|core| core.options.recv_timeout);
                self.recv_with(deadline(timeout), |core, then| {
                    core.try_recv_lent(message, then, |body| read.take().map(|read| read(body)))
                })
            }
            done => done,
        };
        let (peer, result) = self.explain(received)?;
        Ok((peer, result.flatten()))
    }

    /// Like [`recv_lent`](Self::recv_lent), if there is a message now.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub fn try_recv_lent<R>(
        &self,
        message: &mut Message,
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<(PeerId, Option<R>), Error> {
        let mut read = Some(read);
        let received = self.lend_core(|core| {
            let mut attempt = |core: &mut Core<P::State>| {
                core.try_recv_lent(message, Then::Return, |body| {
                    read.take().map(|read| read(body))
                })
            };
            match attempt(core) {
                Err(Refusal::WouldBlock) if core.look_for_input() => attempt(core),
                done => done,
            }
        });
        let (peer, result) = self.explain(received)?;
        Ok((peer, result.flatten()))
    }

    fn recv_from_until(&self, deadline: Option<Instant>) -> Result<(Message, PeerId), Error> {
        let mut message = Message::new();
        let received = self.recv_with(deadline, |core, then| {
            core.try_recv_from(&mut message, then)
        });
        let peer = self.explain(received)?;
        Ok((message, peer))
    }

    /// Like [`try_recv`](Self::try_recv), and says which peer the message came from.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub fn try_recv_from(&self) -> Result<(Message, PeerId), Error> {
        let mut message = Message::new();
        let peer = self.try_recv_from_into(&mut message)?;
        Ok((message, peer))
    }

    /// Like [`recv_async`](Self::recv_async), and says which peer the message came from.
    ///
    /// # Cancel safety
    ///
    /// Safe: the future holds no message. One that is dropped before it is ready has received nothing.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv), except that it never gives up.
    pub async fn recv_from_async(&self) -> Result<(Message, PeerId), Error> {
        let mut message = Message::new();
        let mut place = Place::default();
        let mut from = PeerId(0);
        let received = poll_fn(|cx| {
            self.poll_in_turn(cx, &mut place, |core| {
                from = core.try_recv_from(&mut message, Then::Return)?;
                Ok(())
            })
        })
        .await;
        self.explain(received)?;
        Ok((message, from))
    }
}

impl<P: Pattern> Socket<P> {
    /// What is known about a peer, after taking in what happened meanwhile; `None` if it is gone and all that it has sent
    /// was received.
    #[must_use]
    pub fn peer_info(&self, peer: PeerId) -> Option<PeerInfo> {
        self.with_core(|core| {
            // A terminated socket still knows its peers.
            let _ = core.process();
            core.peer_info(peer)
        })
    }

    /// A number that changes whenever what [`peer_info`](Self::peer_info) says of whatever peer may have changed, apart from the
    /// time: a connection was made or lost, or a peer has come. Whoever keeps what it said compares.
    #[must_use]
    pub fn peer_changes(&self) -> u64 {
        self.lend_core_unseen(|core| core.acquaintances())
    }

    /// The traffic with a peer; `None` if it is gone and all that it has sent was received.
    #[must_use]
    pub fn peer_stats(&self, peer: PeerId) -> Option<PeerStats> {
        self.with_core(|core| {
            let _ = core.process();
            core.peer_stats(peer)
        })
    }

    /// The traffic with each of the [`peers`](Self::peers), in no particular order.
    #[must_use]
    pub fn all_peer_stats(&self) -> Vec<PeerStats> {
        self.with_core(|core| {
            let _ = core.process();
            core.all_peer_stats()
        })
    }

    /// Looks at the socket's real state, after taking in what happened meanwhile, and says what is wrong, the likeliest cause
    /// first: each finding comes with evidence and a remedy. Nothing wrong is no finding. What was counted is counted since the
    /// socket was made; see [`Finding`]. For people and logs, when messages do not come: it takes time in proportion to the
    /// number of peers and endpoints.
    ///
    /// # Examples
    ///
    /// ```
    /// use zsocket::{Context, Finding, Pub, Sub};
    ///
    /// let context = Context::new();
    /// let publisher = context.socket::<Pub>()?;
    /// publisher.bind("inproc://news")?;
    /// let subscriber = context.socket::<Sub>()?;
    /// subscriber.connect("inproc://news")?;
    /// let findings = subscriber.diagnose();
    /// assert!(matches!(findings[..], [Finding::NoSubscription]));
    /// println!("{}", findings[0]);
    /// # Ok::<(), zsocket::Error>(())
    /// ```
    #[must_use]
    pub fn diagnose(&self) -> Vec<Finding> {
        self.with_core(|core| core.diagnose())
    }

    /// What is known about each of the [`peers`](Self::peers), connected or not, in no particular order.
    #[must_use]
    pub fn peer_list(&self) -> Vec<PeerInfo> {
        self.with_core(|core| {
            let _ = core.process();
            core.peer_list()
        })
    }
}

/// Sending to a peer by its id. On a [`Dynamic`](crate::Dynamic) socket that is no ROUTER each is
/// [`Error::NotSupported`].
impl<P: CanRoute + CanSend> Socket<P> {
    /// Sends a message to this peer, without a routing id in front, and waits for room as long as
    /// [`set_send_timeout`](Self::set_send_timeout) says. Nothing is dropped, whether the ROUTER is
    /// [mandatory](Self::set_mandatory) or not. To answer the peer that [`recv_from`](Self::recv_from) has named, take off
    /// the first frame of its message, the routing id.
    ///
    /// # Errors
    ///
    /// [`Error::Unroutable`] if the peer is gone, or the ROUTER does not know yet what it is called; otherwise as for
    /// [`send`](Self::send). The message comes back with the error.
    pub fn send_to(&self, peer: PeerId, message: impl IntoMessage) -> Result<(), SendError> {
        let timeout = self.with_core(|core| core.options.send_timeout);
        let mut message = message.into_message();
        self.check_routes()
            .and_then(|()| {
                self.send_with(deadline(timeout), |core, then| {
                    core.try_send_to(peer, &mut message, then)
                })
            })
            .map_err(|refusal| self.refused(refusal, message))
    }

    /// Like [`send_to`](Self::send_to), if there is room now.
    ///
    /// # Errors
    ///
    /// As for [`send_to`](Self::send_to), and [`Error::WouldBlock`] if the peer's pipe is full.
    pub fn try_send_to(&self, peer: PeerId, message: impl IntoMessage) -> Result<(), SendError> {
        let mut message = message.into_message();
        self.check_routes()
            .and_then(|()| {
                self.lend_core(|core| core.try_send_to(peer, &mut message, Then::Return))
            })
            .map_err(|refusal| self.refused(refusal, message))
    }

    /// Like [`send_to`](Self::send_to), without blocking the thread. No timeout applies.
    ///
    /// # Cancel safety
    ///
    /// As for [`send_async`](Self::send_async).
    ///
    /// # Errors
    ///
    /// As for [`send_to`](Self::send_to), except that it never gives up.
    pub async fn send_to_async(
        &self,
        peer: PeerId,
        message: impl IntoMessage,
    ) -> Result<(), SendError> {
        let mut message = message.into_message();
        let mut place = Place::default();
        let sent = match self.check_routes() {
            Ok(()) => {
                poll_fn(|cx| {
                    self.poll_in_turn(cx, &mut place, |core| {
                        core.try_send_to(peer, &mut message, Then::Wait)
                    })
                })
                .await
            }
            other => other,
        };
        sent.map_err(|refusal| self.refused(refusal, message))
    }

    fn check_routes(&self) -> Result<(), Refusal> {
        self.with_core(|core| core.check_routes())
    }
}
