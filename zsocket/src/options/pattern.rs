//! What ROUTER, STREAM, REQ, REP and DEALER do.

use bytes::Bytes;
use zmtp::Frame;

use super::{
    copied, is_routing_id,
    macros::{argument, given, special, zmq},
};
use crate::pattern::Settings;

special! {
    /// What becomes of a message for a peer that is not there. On a [`Dynamic`](crate::Dynamic) socket of another
    /// type it is [`InvalidOption::NotOfType`](crate::InvalidOption::NotOfType).
    MANDATORY for CanInsist {
        /// Whether a message for a peer that is not there is an error
        /// ([`Error::Unroutable`](crate::Error::Unroutable)), and one for a peer whose pipe is full waits. Otherwise,
        /// by default, both are dropped and counted ([`Dropped`](crate::Dropped)). For a REP the peer is the one that
        /// has made the request; after the error it can receive the next one. From now on. `ZMQ_ROUTER_MANDATORY`.
        MANDATORY = mandatory / set_mandatory(mandatory: bool) / mandatory: bool,
        zmq "ZMQ_ROUTER_MANDATORY" 33,
        of Router | Rep,
        when AtOnce,
        part |pattern| match pattern {
            Settings::Router(router) => Some(&mut router.mandatory),
            Settings::Rep(rep) => Some(&mut rep.mandatory),
            _ => None,
        };
    }
}

special! {
    /// Options of a ROUTER. On a [`Dynamic`](crate::Dynamic) socket of another type each is
    /// [`InvalidOption::NotOfType`](crate::InvalidOption::NotOfType).
    ROUTER for CanRoute {
        /// Whether a peer that comes with the routing id of another one takes it over, and the other one is sent away.
        /// Otherwise, by default, it is the newcomer who is sent away, and may come again. Either is counted and
        /// reported. (libzmq leaves the newcomer connected, and never receives from it.) From now on.
        /// `ZMQ_ROUTER_HANDOVER`.
        HANDOVER = handover / set_handover(handover: bool) / handover: bool,
        zmq "ZMQ_ROUTER_HANDOVER" 56,
        of Router,
        when AtOnce,
        part |pattern| pattern.router().map(|router| &mut router.handover);

        /// Whether a message of the routing id and an empty frame is received when a connection is established,
        /// before all that the peer sends, and another one when it has ended, behind all that was received whole. Not
        /// for handshakes that fail, and not over inproc. A peer whose id was handed over to another one ends under
        /// an id that was made for it. A connection of the socket's own that is made and lost while its pipe is full
        /// is not told of at all. Default neither; as a number, 1 is for the first and 2 for the second, and 3 for
        /// both. For later endpoints. `ZMQ_ROUTER_NOTIFY`.
        ROUTER_NOTIFY = router_notify / set_router_notify(connect: bool, disconnect: bool => (connect, disconnect))
            / router_notify: (bool, bool),
        zmq "ZMQ_ROUTER_NOTIFY" 97,
        of Router,
        when LaterEndpoints,
        get |pattern| pattern.router().map(|router| (router.notify.established, router.notify.ended)),
        set |pattern, value| pattern.router().map(|router| {
            (router.notify.established, router.notify.ended) = value;
            Ok(())
        });

        /// What is received, as one frame behind the routing id, when a connection that came is lost, behind all that
        /// came from there; so that a server which serves clients hears that one is gone, by a message that its
        /// clients might have sent. Of connections that were established, and over inproc when the peer closes or
        /// disconnects. It may exceed the high-water mark by one. `None`, the default, for nothing. It is copied. For
        /// later endpoints. `ZMQ_DISCONNECT_MSG`.
        DISCONNECT_MESSAGE = disconnect_message / set_disconnect_message(body: Option<Frame> => copied(body.as_deref()))
            / disconnect_message: Option<Bytes>,
        zmq "ZMQ_DISCONNECT_MSG" 111,
        of Router,
        when LaterEndpoints,
        part |pattern| pattern.router().map(|router| &mut router.notify.disconnect),
        store |body| copied(body.as_deref());

        /// Whether the peers do not speak ZMTP, but send and take bytes, as those of a [`Stream`](crate::Stream),
        /// which is the better choice; libzmq deprecates this option too. What is for nobody, or for a peer whose
        /// pipe is full, is dropped, unless the ROUTER is [`mandatory`](crate::Socket::set_mandatory). Default false.
        /// It is settled when the socket binds or connects for the first time. `ZMQ_ROUTER_RAW`.
        ROUTER_RAW = router_raw / set_router_raw(raw: bool) / router_raw: bool,
        zmq "ZMQ_ROUTER_RAW" 41,
        of Router,
        when BeforeEndpoints,
        part |pattern| pattern.router().map(|router| &mut router.raw),
        errors " [`InvalidOption::TooLate`](crate::InvalidOption::TooLate) once the socket is bound or connected.";
    }
}

special! {
    /// An option of those whose peers have names. On a [`Dynamic`](crate::Dynamic) socket of another type it is
    /// [`InvalidOption::NotOfType`](crate::InvalidOption::NotOfType).
    NAMES for CanName {
        /// The routing id that the peer gets to which this socket connects next, whatever it calls itself: up to 255
        /// bytes, the first of them not zero. Messages can be sent to it at once. `None`, the default, and again when
        /// the socket has connected: as the peer says. `ZMQ_CONNECT_ROUTING_ID`.
        CONNECT_ROUTING_ID = connect_routing_id
            / set_connect_routing_id(id: impl Into<Frame> => Some(id.into().into_bytes()))
            / connect_routing_id: Option<Bytes>,
        zmq "ZMQ_CONNECT_ROUTING_ID" 61,
        of Router | Stream,
        when LaterEndpoints,
        part |pattern| match pattern {
            Settings::Router(router) => Some(&mut router.next_name),
            Settings::Stream(stream) => Some(&mut stream.next_name),
            _ => None,
        },
        store |id| copied(id.as_deref()),
        check |value| value.as_ref().is_none_or(|id| !id.is_empty() && is_routing_id(id))
            => "1 to 255 bytes, the first of them not zero",
        errors " [`InvalidOption::Value`](crate::InvalidOption::Value) for an id that is empty or not allowed.";
    }
}

special! {
    /// An option of a STREAM. On a [`Dynamic`](crate::Dynamic) socket of another type it is
    /// [`InvalidOption::NotOfType`](crate::InvalidOption::NotOfType).
    STREAM for CanStream {
        /// Whether a message of the routing id and an empty frame is received when a connection is established,
        /// before what the peer sends, and another one when it has ended, behind all that was received. They come for
        /// connections that came and for those of the socket's own, each time. There is none of the end that the
        /// socket has brought about itself by sending an empty frame or by [`disconnect`](crate::Socket::disconnect).
        /// A connection of the socket's own that is made and lost while its pipe is full is not told of at all.
        /// Default true. For later endpoints. `ZMQ_STREAM_NOTIFY`.
        STREAM_NOTIFY = stream_notify / set_stream_notify(notify: bool) / stream_notify: bool,
        zmq "ZMQ_STREAM_NOTIFY" 73,
        of Stream,
        when LaterEndpoints,
        part |pattern| pattern.stream().map(|stream| &mut stream.notify);
    }
}

special! {
    /// Options of a REQ. On a [`Dynamic`](crate::Dynamic) socket of another type each is
    /// [`InvalidOption::NotOfType`](crate::InvalidOption::NotOfType).
    REQ for CanRequest {
        /// Whether a request may be sent before the reply to the last one has come, which is given up then: the way
        /// on when a reply is late. Use it with [`set_correlate`](crate::Socket::set_correlate), or a late reply
        /// passes for that to a later request. Default false. From now on. `ZMQ_REQ_RELAXED`.
        RELAXED = relaxed / set_relaxed(relaxed: bool) / relaxed: bool,
        zmq "ZMQ_REQ_RELAXED" 53,
        of Req,
        when AtOnce,
        part |pattern| pattern.req().map(|req| &mut req.relaxed);

        /// Whether a request carries its number in front, and a reply only counts with the same number. Every REP and
        /// every ROUTER that keeps envelopes sends it back. Default false. From the next request on.
        /// `ZMQ_REQ_CORRELATE`.
        CORRELATE = correlate / set_correlate(correlate: bool) / correlate: bool,
        zmq "ZMQ_REQ_CORRELATE" 52,
        of Req,
        when AtOnce,
        get |pattern| pattern.req().map(|req| req.correlate),
        set |pattern, value| pattern.req().map(|req| req.set_correlate(value).map_err(Error::from)),
        errors " [`Error::WrongState(_)`](crate::Error::WrongState(_)) while a reply is awaited.";
    }
}

special! {
    /// An option of those who can greet their peers. On a [`Dynamic`](crate::Dynamic) socket of another type it is
    /// [`InvalidOption::NotOfType`](crate::InvalidOption::NotOfType).
    GREETING for CanGreet {
        /// What each peer is sent, as one frame, before everything else: on each connection that is established, also
        /// when one is made again, ahead of what was queued for it; so that a peer which keeps state for a connection
        /// hears that this is a new one. `None`, the default, for nothing. It is copied. For later endpoints.
        /// `ZMQ_HELLO_MSG`.
        HELLO_MESSAGE = hello_message / set_hello_message(body: Option<Frame> => copied(body.as_deref()))
            / hello_message: Option<Bytes>,
        zmq "ZMQ_HELLO_MSG" 110,
        of Dealer | Router,
        when LaterEndpoints,
        part |pattern| match pattern {
            Settings::Dealer(dealer) => Some(&mut dealer.hello),
            Settings::Router(router) => Some(&mut router.hello),
            _ => None,
        },
        store |body| copied(body.as_deref());
    }
}

special! {
    /// An option of those who hear that a connection of theirs was lost. On a [`Dynamic`](crate::Dynamic) socket of
    /// another type it is [`InvalidOption::NotOfType`](crate::InvalidOption::NotOfType).
    HICCUP for CanHiccup {
        /// What is received, as one frame, when an established connection that this socket has made is lost, behind
        /// all that came from there. Not over inproc. One that is lost while its pipe is full is noticed when that
        /// has room. `None`, the default, for nothing. It is copied. For later endpoints. `ZMQ_HICCUP_MSG`.
        HICCUP_MESSAGE = hiccup_message / set_hiccup_message(body: Option<Frame> => copied(body.as_deref()))
            / hiccup_message: Option<Bytes>,
        zmq "ZMQ_HICCUP_MSG" 114,
        of Dealer,
        when LaterEndpoints,
        part |pattern| match pattern {
            Settings::Dealer(dealer) => Some(&mut dealer.hiccup),
            _ => None,
        },
        store |body| copied(body.as_deref());
    }
}

special! {
    /// An option of those who can make themselves known to a ROUTER. On a [`Dynamic`](crate::Dynamic) socket of another
    /// type it is [`InvalidOption::NotOfType`](crate::InvalidOption::NotOfType).
    PROBE for CanProbe {
        /// Whether each new peer is sent an empty message before all others, so that a ROUTER hears of this socket
        /// before that has anything to say. A REQ as a peer drops it as no reply, and libzmq's ends the connection.
        /// Not for those who are peers already. Default false. `ZMQ_PROBE_ROUTER`.
        PROBE_ROUTER = probe_router / set_probe_router(probe: bool) / probe_router: bool,
        zmq "ZMQ_PROBE_ROUTER" 51,
        of Req | Rep | Dealer | Router,
        when NewPeers,
        part |pattern| match pattern {
            Settings::Req(req) => Some(&mut req.probe),
            Settings::Rep(rep) => Some(&mut rep.probe),
            Settings::Dealer(dealer) => Some(&mut dealer.probe),
            Settings::Router(router) => Some(&mut router.probe),
            _ => None,
        };
    }
}
