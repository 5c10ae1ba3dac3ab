//! A socket's end of one connection.

use std::{sync::Arc, time::Instant};

use zmtp::{Peer, header::Flags};
use zpipe::{Reader, Writer};

use crate::{
    conflate::{Inlet, Outlet},
    connection::Connection,
    cork,
    departed::Left,
    endpoint::Endpoint,
    event::{CloseReason, SocketHandle},
    inproc::Far,
    losses::{Losses, News, Standing},
    parts::Ends,
};

/// A pair of pipes to one peer, and the means to drive what lies behind them.
///
/// The id is the token with which the socket's ready list reports the two pipes: `READABLE` for
/// [`reader`](Self::reader), `WRITABLE` for [`writer`](Self::writer). Dropping a link closes both
/// pipes; what was written is still sent, see [`Driver::linger`].
#[derive(Debug)]
pub struct Link {
    /// Identifies the link; never 0 and never used again in this process.
    pub id: u64,
    /// To the peer.
    pub writer: Writer,
    /// From the peer.
    pub reader: Reader,
    /// Drives the engine; `None` for inproc, where the peer itself is at the other end.
    pub driver: Option<Driver>,
    /// The endpoint bound or connected to.
    pub endpoint: Endpoint,
    /// Whether this socket connected; otherwise it had bound.
    pub outgoing: bool,
    /// What the peer said about itself, if it has said so already; for inproc only the routing id, the
    /// type and the application's properties.
    pub peer: Option<Peer>,
    /// Over inproc: when this end has heard of the peer.
    pub(crate) since: Option<Instant>,
    /// `None` for inproc.
    pub(crate) losses: Option<Arc<Losses>>,
    /// If only the latest message waits to be sent; see `conflate.rs`.
    pub(crate) outlet: Option<Box<Outlet>>,
    /// If only the latest message waits to be received.
    pub(crate) inlet: Option<Box<Inlet>>,
    /// The binder's end of an inproc connection. After the pipes, because it must be dropped after them.
    pub(crate) far: Option<Far>,
}

impl Link {
    /// The link of a connection that has an engine.
    pub(crate) fn new(
        connection: &Arc<Connection>,
        id: u64,
        ends: Ends,
        peer: Option<Peer>,
    ) -> Self {
        let Ends {
            sending,
            receiving,
            losses,
        } = ends;
        Self {
            id,
            writer: sending.writer,
            reader: receiving.reader,
            driver: Some(Driver {
                connection: Arc::clone(connection),
            }),
            endpoint: connection.endpoint.clone(),
            outgoing: connection.outgoing,
            peer,
            since: None,
            losses: Some(losses),
            outlet: sending.outlet,
            inlet: receiving.inlet,
            far: None,
        }
    }

    /// Has the pipes signal the ready list of this socket, which a link that came by letter did not
    /// before: so nothing is left in the list of links that were gone before the socket looked. The
    /// other end may have come and gone meanwhile, so look at both pipes after this call.
    pub fn signal_to(&mut self, handle: &SocketHandle) {
        let notifier = handle.notifier(self.id);
        match &mut self.outlet {
            None => self.writer.set_notifier(notifier.clone()),
            Some(outlet) => outlet.set_notifier(notifier.clone()),
        }
        match &mut self.inlet {
            None => self.reader.set_notifier(notifier),
            Some(inlet) => inlet.set_notifier(notifier),
        }
        self.settle();
    }

    // ---- Conflation ----

    /// To be called when the writer was signalled, before it is asked whether it is closed.
    #[inline]
    pub fn settle(&mut self) {
        if let Some(outlet) = &mut self.outlet {
            outlet.settle();
        }
    }

    /// To be called when a commit has found the reader idle. `false` if nobody has to be woken after all, since a message is
    /// waiting already and was replaced.
    #[inline]
    #[must_use = "`true` obliges the caller to wake the reader"]
    pub fn pass_on(&mut self) -> bool {
        if self.far.as_ref().is_some_and(Far::has_ends) {
            self.take_ends();
        }
        let Some(outlet) = &mut self.outlet else {
            return true;
        };
        let was_idle = outlet.pass_on();
        // What nobody reads any more is thrown away.
        was_idle || self.writer.is_closed()
    }

    /// Wakes whoever reads what is written here.
    pub fn wake_reader(&mut self) {
        match &self.outlet {
            Some(outlet) if !self.writer.is_closed() => outlet.wake_reader(),
            _ => self.writer.wake_reader(),
        }
    }

    /// Whether only the latest message waits to be sent.
    #[inline]
    #[must_use]
    pub fn conflates_output(&self) -> bool {
        self.outlet.is_some()
    }

    /// [`Reader::is_readable`], also of a message that would have to be fetched.
    pub fn is_readable(&mut self) -> bool {
        self.reader.is_readable() || self.inlet.as_ref().is_some_and(|inlet| inlet.is_readable())
    }

    /// What drives the engine, beside what it brings.
    pub fn incoming(&mut self) -> (Option<&Driver>, Incoming<'_>) {
        let incoming = Incoming {
            reader: &mut self.reader,
            inlet: self.inlet.as_deref_mut(),
        };
        (self.driver.as_ref(), incoming)
    }

    /// [`Reader::set_idle`]. If there is a message that can be fetched it is, so that it can be read.
    #[inline]
    #[must_use = "`false` means that no signal will come"]
    pub fn set_idle(&mut self) -> bool {
        match &mut self.inlet {
            None => self.reader.set_idle(),
            Some(inlet) => !inlet.fetch() && inlet.set_idle(),
        }
    }

    /// [`Reader::set_busy`].
    #[inline]
    pub fn set_busy(&mut self) {
        match &mut self.inlet {
            None => self.reader.set_busy(),
            Some(inlet) => inlet.set_busy(),
        }
    }

    /// Whether the other end is gone and nothing is left to be received.
    pub fn is_drained(&mut self) -> bool {
        match &self.inlet {
            None => self.reader.is_closed(),
            Some(inlet) => inlet.is_closed() && !self.reader.is_readable(),
        }
    }

    /// Over inproc, whoever has bound wants to conflate.
    #[cold]
    fn take_ends(&mut self) {
        let Some(far) = &self.far else { return };
        let (outlet, inlet) = far.take_ends();
        if outlet.is_some() {
            self.outlet = outlet;
        }
        if inlet.is_some() {
            self.inlet = inlet;
        }
    }

    /// Lets go of the pipes, and returns the engine's handle: so it finds them closed.
    #[must_use]
    pub fn close(self) -> Option<Driver> {
        self.driver
    }

    // ---- What has become of it ----

    /// Takes the news of the link: see [`Driver::take_news`]. Over inproc that is who has bound, if it was
    /// connected before.
    #[must_use]
    pub fn take_news(&mut self) -> News {
        self.take_ends();
        match (&self.driver, &self.far) {
            (Some(driver), _) => driver.take_news(),
            (None, Some(far)) => News {
                peer: far.take_peer(),
                ..News::default()
            },
            (None, None) => News::default(),
        }
    }

    /// Over inproc, just before the link is dropped: leaves the peer, who had bound, the message that it wants to receive
    /// when a peer goes, if it does. That may exceed the high-water mark by one.
    pub fn say_goodbye(&mut self) {
        if let Some(goodbye) = self.far.as_ref().and_then(Far::goodbye) {
            self.writer.append(Flags::NONE, &goodbye);
            if self.writer.commit_quietly() && self.pass_on() {
                self.wake_reader();
            }
        }
    }

    /// The peer has said about itself what it had not said, or another one came in its place.
    pub fn set_peer(&mut self, peer: Peer) {
        if self.losses.is_none() {
            self.since = Some(Instant::now());
        }
        self.peer = Some(peer);
    }

    /// The connection that stands now, if one does.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        match &self.losses {
            Some(losses) => losses.standing(),
            None => self
                .since
                .filter(|_| !self.writer.is_closed())
                .map(|since| Standing {
                    address: None,
                    since,
                }),
        }
    }

    /// What a peer that is gone has left to be received.
    #[must_use]
    pub fn left(&self) -> Left {
        let (mut messages, mut bytes) = (self.reader.pending(), self.reader.left_bytes());
        if let Some(inlet) = &self.inlet {
            messages += inlet.pending();
            bytes = inlet.left_bytes();
        }
        Left::in_link(messages, bytes.unwrap_or(0))
    }

    /// Messages in the outbound pipe of a link whose other end is gone, less those that the engine
    /// has counted as lost when it went: nobody but the socket knows of them.
    #[must_use]
    pub fn unclaimed(&self) -> u64 {
        let losses = self.losses.as_ref();
        let counted = losses.map_or(0, |losses| losses.abandoned.value());
        let waiting = self.outlet.as_ref().map_or(0, |outlet| outlet.pending());
        (self.writer.pending() + waiting).saturating_sub(counted)
    }

    /// How the link's last established connection ended, if one did.
    #[must_use]
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.losses.as_ref().and_then(|losses| losses.reason())
    }

    /// The number of the first message that came on the present connection, as [`Reader::messages_read`] counts
    /// before it is read. Exact for whoever has read that message or found the pipe empty.
    #[must_use]
    pub fn begun(&self) -> u64 {
        self.losses.as_ref().map_or(0, |losses| losses.begun())
    }

    /// Whether the message with this number, as [`Writer::written`] counts them, was the last that was
    /// given up because the peer refuses it.
    #[must_use]
    pub fn is_refused(&self, number: u64) -> bool {
        let losses = self.losses.as_ref();
        losses.is_some_and(|losses| losses.refused() == number)
    }
}

/// What a link has for its socket; see [`Link::incoming`].
#[derive(Debug)]
pub struct Incoming<'a> {
    reader: &'a mut Reader,
    inlet: Option<&'a mut Inlet>,
}

impl Incoming<'_> {
    /// Whether the reader has a message, which is fetched if it has to be.
    #[inline]
    pub fn fetch(&mut self) -> bool {
        self.reader.is_readable() || self.inlet.as_mut().is_some_and(|inlet| inlet.fetch())
    }
}

/// The application side's handle on an engine.
#[derive(Clone, Debug)]
pub struct Driver {
    pub(crate) connection: Arc<Connection>,
}

impl Driver {
    /// The number of the connection, see [`Reactor::connect`](crate::Reactor::connect). It is the
    /// link's id, except where a connection gets a new link each time it is made again.
    #[must_use]
    pub fn connection(&self) -> u64 {
        self.connection.id
    }

    /// Takes the news of a connection that is made again when it breaks and keeps its link. They are
    /// announced by [`Readiness::MAIL`](zpipe::Readiness::MAIL) under the link's id.
    #[must_use]
    pub fn take_news(&self) -> News {
        self.connection.take_news()
    }

    /// Writes what the outbound pipe holds to the peer, as far as the peer takes it, on this thread.
    /// If another thread is driving the engine, that one does it.
    pub fn write(&self) {
        self.connection.drive_write();
    }

    /// Like [`write`](Self::write), but later: when this thread calls [`uncork`](crate::uncork), or by an I/O thread after
    /// less than a millisecond. What comes into the pipe until then is written with it. The number is for
    /// [`is_corked`](crate::is_corked).
    ///
    /// `None` if this thread has left too much already, and somebody has to write it.
    #[must_use]
    pub fn cork(&self) -> Option<u64> {
        cork::cork(&self.connection)
    }

    /// Reads what the peer has sent into the inbound pipe, on this thread, likewise.
    pub fn read(&self) {
        self.connection.drive_read();
    }

    /// Like [`write`](Self::write), for a caller that found the outbound pipe full: while that goes on,
    /// the I/O thread leaves the engine to this thread. `false` if another thread is driving it just now, and
    /// writes next what the pipe holds.
    pub fn write_full(&self) -> bool {
        self.connection.drive_full()
    }

    /// Like [`read`](Self::read), for a stream that an [`InputPoll`](crate::InputPoll) has reported, or may
    /// be about to; `hung_up` is what it reported. Says whether anything came, be it a part of a message.
    pub fn read_arrived(&self, hung_up: bool) -> bool {
        self.connection.drive_arrived(hung_up)
    }

    /// Sets how long the connection may live on after its link is dropped in order to send what is
    /// queued: `None` is for ever. Call it just before the link is dropped.
    pub fn linger(&self, linger: Option<std::time::Duration>) {
        self.connection.close(linger);
    }
}
