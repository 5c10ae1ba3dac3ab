//! Options that only some patterns have.

use bytes::Bytes;
use zmtp::Frame;

use super::Socket;
use crate::{
    CanGreet, CanHiccup, CanName, CanProbe, CanRequest, CanRoute, CanStream, Error,
    options::check_routing_id,
    pattern::{Req, Router, Stream},
};

/// Options of a ROUTER. On a [`Dynamic`](crate::Dynamic) socket of another type each is
/// [`Error::NotSupported`].
impl<P: CanRoute> Socket<P> {
    fn with_router<R>(&self, f: impl FnOnce(&mut Router) -> R) -> Result<R, Error> {
        self.with_core(|core| P::router(&mut core.state).map(f))
            .ok_or(Error::NotSupported)
    }

    /// Whether a message for a peer that is not there is an error ([`Error::Unroutable`]), and one for a peer whose
    /// pipe is full waits. Otherwise, by default, both are dropped and counted
    /// ([`Dropped`](crate::Dropped)). From now on. `ZMQ_ROUTER_MANDATORY`.
    ///
    /// # Errors
    ///
    /// [`Error::NotSupported`].
    pub fn set_mandatory(&self, mandatory: bool) -> Result<(), Error> {
        self.with_router(|router| router.mandatory = mandatory)
    }

    /// Whether a peer that comes with the routing id of another one takes it over, and the other one is sent away.
    /// Otherwise, by default, it is the newcomer who is sent away, and may come again. Either is counted and
    /// reported. (libzmq leaves the newcomer connected, and never receives from it.) From now on.
    /// `ZMQ_ROUTER_HANDOVER`.
    ///
    /// # Errors
    ///
    /// [`Error::NotSupported`].
    pub fn set_handover(&self, handover: bool) -> Result<(), Error> {
        self.with_router(|router| router.handover = handover)
    }

    /// Whether a message of the routing id and an empty frame is received when a connection is established, before all that
    /// the peer sends, and another one when it has ended, behind all that was received whole. Not for handshakes that
    /// fail, and not over inproc. A peer whose id was handed over to another one ends under an id that was made for it. A
    /// connection of the socket's own that is made and lost while its pipe is full is not told of at all. Default
    /// neither. For later endpoints. `ZMQ_ROUTER_NOTIFY`.
    ///
    /// # Errors
    ///
    /// [`Error::NotSupported`].
    pub fn set_router_notify(&self, connect: bool, disconnect: bool) -> Result<(), Error> {
        self.with_router(|router| {
            router.notify.established = connect;
            router.notify.ended = disconnect;
        })
    }

    /// What is received, as one frame behind the routing id, when a connection that came is lost, behind all that came from
    /// there; so that a server which serves clients hears that one is gone, by a message that its clients might have
    /// sent. Of connections that were established, and over inproc when the peer closes or disconnects. It may exceed the
    /// high-water mark by one. `None`, the default, for nothing. It is copied. For later endpoints.
    /// `ZMQ_DISCONNECT_MSG`.
    ///
    /// # Errors
    ///
    /// [`Error::NotSupported`].
    pub fn set_disconnect_message(&self, body: Option<Frame>) -> Result<(), Error> {
        self.with_router(|router| {
            router.notify.disconnect = body.as_deref().map(Bytes::copy_from_slice);
        })
    }

    /// Whether the peers do not speak ZMTP, but send and take bytes, as those of a [`Stream`](crate::Stream), which is the
    /// better choice; libzmq deprecates this option too. What is for nobody, or for a peer whose pipe is full, is
    /// dropped, unless the ROUTER is [`mandatory`](Self::set_mandatory). Default false. `ZMQ_ROUTER_RAW`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] once the socket is bound or connected, [`Error::NotSupported`].
    pub fn set_router_raw(&self, raw: bool) -> Result<(), Error> {
        self.with_core(|core| {
            let is_late = core.has_endpoints();
            let router = P::router(&mut core.state).ok_or(Error::NotSupported)?;
            if is_late {
                return Err(Error::InvalidOption {
                    option: "router_raw",
                    expected: "to be set before the socket binds or connects",
                });
            }
            router.raw = raw;
            Ok(())
        })
    }
}

/// An option of those whose peers have names. On a [`Dynamic`](crate::Dynamic) socket of another type it is
/// [`Error::NotSupported`].
impl<P: CanName> Socket<P> {
    /// The routing id that the peer gets to which this socket connects next, whatever it calls itself: up to 255 bytes,
    /// the first of them not zero. Messages can be sent to it at once. `ZMQ_CONNECT_ROUTING_ID`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] for an id that is empty or not allowed, [`Error::NotSupported`].
    pub fn set_connect_routing_id(&self, id: impl Into<Frame>) -> Result<(), Error> {
        let id = check_routing_id(&id.into())?;
        if id.is_empty() {
            return Err(Error::InvalidOption {
                option: "connect_routing_id",
                expected: "at least one byte",
            });
        }
        self.with_core(|core| P::next_name(&mut core.state).map(|name| *name = Some(id)))
            .ok_or(Error::NotSupported)
    }
}

/// Options of a STREAM. On a [`Dynamic`](crate::Dynamic) socket of another type each is [`Error::NotSupported`].
impl<P: CanStream> Socket<P> {
    fn with_stream<R>(&self, f: impl FnOnce(&mut Stream) -> R) -> Result<R, Error> {
        self.with_core(|core| P::stream(&mut core.state).map(f))
            .ok_or(Error::NotSupported)
    }

    /// Whether a message of the routing id and an empty frame is received when a connection is established, before what
    /// the peer sends, and another one when it has ended, behind all that was received. They come for connections that
    /// came and for those of the socket's own, each time. There is none of the end that the socket has brought about
    /// itself by sending an empty frame or by [`disconnect`](Self::disconnect). A connection of the socket's own that is
    /// made and lost while its pipe is full is not told of at all. Default true. For later endpoints.
    /// `ZMQ_STREAM_NOTIFY`.
    ///
    /// # Errors
    ///
    /// [`Error::NotSupported`].
    pub fn set_stream_notify(&self, notify: bool) -> Result<(), Error> {
        self.with_stream(|stream| stream.notify = notify)
    }

    /// The routing id of the peer that this socket has connected to last, with which messages can be sent there at once;
    /// `None` before that. `ZMQ_ROUTING_ID` of libzmq's STREAM.
    ///
    /// # Errors
    ///
    /// [`Error::NotSupported`].
    pub fn connected_id(&self) -> Result<Option<Bytes>, Error> {
        self.with_stream(|stream| stream.last_name.clone())
    }
}

/// Options of a REQ. On a [`Dynamic`](crate::Dynamic) socket of another type each is [`Error::NotSupported`].
impl<P: CanRequest> Socket<P> {
    fn with_req<R>(&self, f: impl FnOnce(&mut Req) -> R) -> Result<R, Error> {
        self.with_core(|core| P::req(&mut core.state).map(f))
            .ok_or(Error::NotSupported)
    }

    /// Whether a request may be sent before the reply to the last one has come, which is given up then: the way on
    /// when a reply is late. Use it with [`set_correlate`](Self::set_correlate), or a late reply passes for that to a
    /// later request. Default false. From now on. `ZMQ_REQ_RELAXED`.
    ///
    /// # Errors
    ///
    /// [`Error::NotSupported`].
    pub fn set_relaxed(&self, relaxed: bool) -> Result<(), Error> {
        self.with_req(|req| req.relaxed = relaxed)
    }

    /// Whether a request carries its number in front, and a reply only counts with the same number. Every REP and every
    /// ROUTER that keeps envelopes sends it back. Default false. From the next request on. `ZMQ_REQ_CORRELATE`.
    ///
    /// # Errors
    ///
    /// [`Error::WrongState`] while a reply is awaited, [`Error::NotSupported`].
    pub fn set_correlate(&self, correlate: bool) -> Result<(), Error> {
        self.with_req(|req| req.set_correlate(correlate))?
            .map_err(Error::from)
    }
}

/// An option of those who can greet their peers. On a [`Dynamic`](crate::Dynamic) socket of another type it is
/// [`Error::NotSupported`].
impl<P: CanGreet> Socket<P> {
    /// What each peer is sent, as one frame, before everything else: on each connection that is established, also when one is
    /// made again, ahead of what was queued for it; so that a peer which keeps state for a connection hears that this is
    /// a new one. `None`, the default, for nothing. It is copied. For later endpoints. `ZMQ_HELLO_MSG`.
    ///
    /// # Errors
    ///
    /// [`Error::NotSupported`].
    pub fn set_hello_message(&self, body: Option<Frame>) -> Result<(), Error> {
        let body = body.as_deref().map(Bytes::copy_from_slice);
        self.with_core(|core| P::hello(&mut core.state).map(|own| *own = body))
            .ok_or(Error::NotSupported)
    }
}

/// An option of those who hear that a connection of theirs was lost. On a [`Dynamic`](crate::Dynamic) socket of another
/// type it is [`Error::NotSupported`].
impl<P: CanHiccup> Socket<P> {
    /// What is received, as one frame, when an established connection that this socket has made is lost, behind all that came
    /// from there. Not over inproc. One that is lost while its pipe is full is noticed when that has room. `None`, the
    /// default, for nothing. It is copied. For later endpoints. `ZMQ_HICCUP_MSG`.
    ///
    /// # Errors
    ///
    /// [`Error::NotSupported`].
    pub fn set_hiccup_message(&self, body: Option<Frame>) -> Result<(), Error> {
        let body = body.as_deref().map(Bytes::copy_from_slice);
        self.with_core(|core| P::hiccup(&mut core.state).map(|own| *own = body))
            .ok_or(Error::NotSupported)
    }
}

/// An option of those who can make themselves known to a ROUTER. On a [`Dynamic`](crate::Dynamic) socket of another
/// type it is [`Error::NotSupported`].
impl<P: CanProbe> Socket<P> {
    /// Whether each new peer is sent an empty message before all others, so that a ROUTER hears of this socket
    /// before that has anything to say. Not for those who are peers already. Default false. `ZMQ_PROBE_ROUTER`.
    ///
    /// # Errors
    ///
    /// [`Error::NotSupported`].
    pub fn set_probe_router(&self, probe: bool) -> Result<(), Error> {
        self.with_core(|core| P::probe(&mut core.state).map(|own| *own = probe))
            .ok_or(Error::NotSupported)
    }
}
