//! The options of a socket. Each is checked when it is set.

use std::time::Duration;

use bytes::Bytes;
use zmtp::{Metadata, SocketType};
use zpipe::{Keep, Limits};
use ztransport::{Options, net::SocketTuning};

use crate::Error;

/// All options with their present values. See the setters of [`Socket`](crate::Socket).
#[derive(Clone, Debug)]
pub(crate) struct SocketOptions {
    pub(crate) send_hwm: u32,
    pub(crate) recv_hwm: u32,
    pub(crate) linger: Option<Duration>,
    pub(crate) send_timeout: Option<Duration>,
    pub(crate) recv_timeout: Option<Duration>,
    pub(crate) reconnect_interval: Option<Duration>,
    pub(crate) reconnect_interval_max: Option<Duration>,
    pub(crate) handshake_interval: Option<Duration>,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) max_frame_size: Option<u64>,
    pub(crate) max_message_size: Option<u64>,
    pub(crate) max_frames: u32,
    pub(crate) departed_hwm: u32,
    pub(crate) departed_bytes: u64,
    pub(crate) max_refusals: u32,
    pub(crate) message_timeout: Option<Duration>,
    pub(crate) immediate: bool,
    pub(crate) conflate: bool,
    /// How many topics wait at most.
    pub(crate) conflate_by_topic: Option<u32>,
    pub(crate) routing_id: Bytes,
    pub(crate) metadata: Metadata,
    pub(crate) tuning: SocketTuning,
}

impl Default for SocketOptions {
    fn default() -> Self {
        let transport = Options::new(SocketType::Pair);
        Self {
            send_hwm: transport.send_hwm,
            recv_hwm: transport.recv_hwm,
            linger: None,
            send_timeout: None,
            recv_timeout: None,
            reconnect_interval: transport.reconnect_interval,
            reconnect_interval_max: transport.reconnect_interval_max,
            handshake_interval: transport.handshake_interval,
            connect_timeout: transport.connect_timeout,
            max_frame_size: transport.max_frame_size,
            max_message_size: transport.max_message_size,
            max_frames: transport.max_frames,
            departed_hwm: transport.departed.messages.try_into().unwrap_or(0),
            departed_bytes: transport.departed.bytes,
            max_refusals: transport.max_refusals,
            message_timeout: transport.message_timeout,
            immediate: transport.immediate,
            conflate: false,
            conflate_by_topic: None,
            routing_id: transport.routing_id,
            metadata: transport.properties,
            tuning: transport.tuning,
        }
    }
}

impl SocketOptions {
    /// How much of what peers that are gone have left is kept.
    pub(crate) fn departed(&self) -> Limits {
        Limits {
            messages: u64::from(self.departed_hwm),
            bytes: self.departed_bytes,
        }
    }

    /// What waits to be sent on a connection, if not every message. What subscribers say to publishers is not left out.
    fn latest_out(&self, socket_type: SocketType) -> Option<Keep> {
        let sends = matches!(
            socket_type,
            SocketType::Push | SocketType::Pub | SocketType::Dealer
        );
        (self.conflate && sends).then_some(Keep::Last)
    }

    /// What waits to be received from a connection, likewise.
    fn latest_in(&self, socket_type: SocketType) -> Option<Keep> {
        match socket_type {
            SocketType::Pull | SocketType::Sub | SocketType::Dealer => {
                let by_topic = self.conflate_by_topic.map(|topics| {
                    Keep::LastPerTopic(usize::try_from(topics).unwrap_or(usize::MAX))
                });
                by_topic.or_else(|| self.conflate.then_some(Keep::Last))
            }
            _ => None,
        }
    }

    /// The part that connections need.
    pub(crate) fn transport(&self, socket_type: SocketType, receives: bool) -> Options {
        let mut options = Options::new(socket_type);
        options.send_hwm = self.send_hwm;
        options.recv_hwm = self.recv_hwm;
        options.reconnect_interval = self.reconnect_interval;
        options.reconnect_interval_max = self.reconnect_interval_max;
        options.handshake_interval = self.handshake_interval;
        options.connect_timeout = self.connect_timeout;
        options.max_frame_size = self.max_frame_size;
        options.max_message_size = self.max_message_size;
        options.max_frames = self.max_frames;
        options.departed = self.departed();
        options.max_refusals = self.max_refusals;
        options.message_timeout = self.message_timeout;
        options.latest_out = self.latest_out(socket_type);
        options.latest_in = self.latest_in(socket_type);
        options.receives = receives;
        options.immediate = self.immediate;
        options.routing_id = self.routing_id.clone();
        options.properties = self.metadata.clone();
        options.tuning = self.tuning.clone();
        options
    }
}

fn check(valid: bool, option: &'static str, expected: &'static str) -> Result<(), Error> {
    if valid {
        Ok(())
    } else {
        Err(Error::InvalidOption { option, expected })
    }
}

/// Defines each option once: its check and its documentation serve the setter of the socket, the
/// getter, and the builder.
macro_rules! options {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident / $setter:ident / $getter:ident: $type:ty
        $(, check($value:ident) $valid:expr => $expected:literal)?
        $(, then $apply:ident)?;
    )*) => {
        impl SocketOptions {
            $(
                pub(crate) fn $setter(&mut self, value: $type) -> Result<(), Error> {
                    $({
                        let $value = &value;
                        check($valid, stringify!($name), $expected)?;
                    })?
                    self.$name = value;
                    Ok(())
                }
            )*
        }

        impl<P: crate::Pattern> crate::Socket<P> {
            $(
                $(#[doc = $doc])+
                ///
                /// # Errors
                ///
                /// [`Error::InvalidOption`] if the value is not allowed, and nothing has changed then.
                pub fn $setter(&self, value: $type) -> Result<(), Error> {
                    self.with_core(|core| {
                        core.options.$setter(value)?;
                        $(core.$apply();)?
                        Ok(())
                    })
                }

                #[doc = concat!("The value that [`", stringify!($setter), "`](Self::", stringify!($setter), ") sets.")]
                #[must_use]
                pub fn $getter(&self) -> $type {
                    self.with_core(|core| core.options.$name.clone())
                }
            )*
        }

        impl<P: crate::Pattern> crate::SocketBuilder<P> {
            $(
                $(#[doc = $doc])+
                ///
                /// The value is checked by [`build`](Self::build).
                #[must_use]
                pub fn $name(mut self, value: $type) -> Self {
                    self.set(|options| options.$setter(value));
                    self
                }
            )*
        }
    };
}

options! {
    /// High-water mark for sending, per connection, in messages; 0 is unlimited. Default 1000.
    /// Reaches existing connections at once, except inproc. `ZMQ_SNDHWM`.
    send_hwm / set_send_hwm / send_hwm: u32, then apply_marks;

    /// High-water mark for receiving, per connection, in messages; 0 is unlimited. Default 1000.
    /// Reaches existing connections at once, except inproc. `ZMQ_RCVHWM`.
    recv_hwm / set_recv_hwm / recv_hwm: u32, then apply_marks;

    /// How many messages of peers whose connections are gone wait to be received, of all such peers
    /// together. Each connection has a mark of its own, but there is no end to peers that connect, send
    /// and go while nobody receives. When there are more, those of the oldest connection are dropped and
    /// counted ([`Dropped::departed`](crate::Dropped::departed)); those of the newest never are, however
    /// many it has left. While the application makes no call on the socket, as many again may wait from
    /// peers that came since its last call. 0 is unlimited. Default 1,000,000, which is what a thousand peers
    /// leave that go with their pipes full. Not for peers over inproc that come and go between two calls.
    /// libzmq keeps all of them. For later endpoints, and at once for what the socket has taken in. See also
    /// [`set_departed_bytes`](crate::Socket::set_departed_bytes).
    departed_hwm / set_departed_hwm / departed_hwm: u32, then apply_departed;

    /// The same as [`set_departed_hwm`](crate::Socket::set_departed_hwm) in bytes: how many bytes these
    /// messages may have together, headers of frames included, before those of the oldest connection are
    /// dropped. Whichever limit is reached first counts. Each connection that has left a message counts
    /// 8 KiB beside. 0 is unlimited. Default 1 GiB.
    departed_bytes / set_departed_bytes / departed_bytes: u64, then apply_departed;

    /// How long a socket that is closed or disconnected goes on sending what is queued; `None`, the
    /// default, is for ever. Over tcp it is sent when the peer's system has acknowledged it all, not
    /// when ours has taken it; until then PING is answered. `ZMQ_LINGER`.
    linger / set_linger / linger: Option<Duration>;

    /// How long `send` waits; `None`, the default, is for ever. `ZMQ_SNDTIMEO`.
    send_timeout / set_send_timeout / default_send_timeout: Option<Duration>;

    /// How long `recv` waits; `None`, the default, is for ever. `ZMQ_RCVTIMEO`.
    recv_timeout / set_recv_timeout / default_recv_timeout: Option<Duration>;

    /// How long to wait before connecting again, plus a random part of up to the same length.
    /// Default 100 ms; less than 1 ms counts as 1 ms. `None` gives an endpoint up when its connection is
    /// lost, or when all its addresses have failed. For later endpoints. `ZMQ_RECONNECT_IVL`.
    reconnect_interval / set_reconnect_interval / reconnect_interval: Option<Duration>,
        check(value) value.is_none_or(|v| !v.is_zero()) => "None or more than zero";

    /// With this, the interval doubles after each failure in a row up to here, with jitter. `None`,
    /// the default, keeps it constant. For later endpoints. `ZMQ_RECONNECT_IVL_MAX`.
    reconnect_interval_max / set_reconnect_interval_max / reconnect_interval_max: Option<Duration>,
        check(value) value.is_none_or(|v| !v.is_zero()) => "None or more than zero";

    /// How long a handshake may take; `None` is for ever. Default 30 s. For later endpoints.
    /// `ZMQ_HANDSHAKE_IVL`.
    handshake_interval / set_handshake_interval / handshake_interval: Option<Duration>,
        check(value) value.is_none_or(|v| !v.is_zero()) => "None or more than zero";

    /// How long one attempt to connect may take; `None`, the default, leaves that to the operating
    /// system. For later endpoints. `ZMQ_CONNECT_TIMEOUT`.
    connect_timeout / set_connect_timeout / connect_timeout: Option<Duration>,
        check(value) value.is_none_or(|v| !v.is_zero()) => "None or more than zero";

    /// Largest frame accepted from a peer, in bytes; a peer that announces a larger one loses its
    /// connection. `None`, the default, is no limit. A limit must leave room for the handshake. It says
    /// nothing about a message of many frames: see
    /// [`set_max_message_size`](crate::Socket::set_max_message_size). For later endpoints.
    /// `ZMQ_MAXMSGSIZE`.
    max_frame_size / set_max_frame_size / max_frame_size: Option<u64>,
        check(value) value.is_none_or(|v| v >= 64) => "None or at least 64 bytes";

    /// Largest message accepted from a peer, in bytes: the bodies of all its frames together. A peer
    /// that announces more loses its connection, so this bounds what a peer that never completes its
    /// message can make the socket keep: twice this size, for a body's buffer doubles as it grows, and
    /// some 100 bytes for each frame, see [`set_max_frames`](crate::Socket::set_max_frames). `None`, the
    /// default, is no limit. libzmq has no such option. For later endpoints.
    max_message_size / set_max_message_size / max_message_size: Option<u64>,
        check(value) *value != Some(0) => "None or at least 1 byte";

    /// Most frames of one message accepted from a peer, commands between them included; a peer that
    /// sends more loses its connection. Default 65,536. libzmq has no such limit. For later endpoints.
    max_frames / set_max_frames / max_frames: u32,
        check(value) *value > 0 => "at least 1";

    /// How long a message may take to arrive, from its first byte to its last; a peer that takes longer
    /// loses its connection. Time during which this end does not read on, because the high-water mark is
    /// reached, does not count. `None`, the default, is for ever: a peer that sends a byte now and then
    /// can keep what it has sent in memory for as long as it likes. libzmq has no such option. For later
    /// endpoints.
    message_timeout / set_message_timeout / message_timeout: Option<Duration>,
        check(value) value.is_none_or(|v| !v.is_zero()) => "None or more than zero";

    /// How many connections in a row a peer may end while the same message is being sent to it, until
    /// that message is given up. A peer for whom a message is too large, or has too many frames, can only
    /// end the connection; the message would be sent again on the next one, for ever, and nothing behind
    /// it would ever arrive. A message that is given up is counted
    /// ([`Dropped::refused`](crate::Dropped::refused)), reported
    /// ([`Event::MessageRefused`](crate::Event::MessageRefused)), and for REQ an error
    /// ([`Error::PeerLost`]). Only established connections that the peer ended count, not a lost
    /// network or a time-out; a peer that crashes looks like one that refuses. Default 2; 0 never gives a
    /// message up. Concerns connecting sockets that keep what is queued. libzmq loses whatever was being
    /// sent at the first connection that ends. For later endpoints.
    max_refusals / set_max_refusals / max_refusals: u32;

    /// Whether messages are queued only for connections that are established, so that none waits for
    /// a peer that may never come. Default false. For later endpoints. `ZMQ_IMMEDIATE`.
    immediate / set_immediate / immediate: bool;
}

pub(crate) fn check_routing_id(value: &[u8]) -> Result<Bytes, Error> {
    check(
        value.len() <= 255 && value.first() != Some(&0),
        "routing_id",
        "at most 255 bytes, the first of them not zero",
    )?;
    // A copy, since the caller's buffer may have an owner with a `Drop` of its own, and nobody can say
    // where the last handle of an option goes.
    Ok(Bytes::copy_from_slice(value))
}

impl<P: crate::Pattern> crate::Socket<P> {
    /// The routing id that a REQ, DEALER or ROUTER announces to ROUTER peers: up to 255 bytes, not beginning with a
    /// zero byte; empty, the default, for none. It is copied. For later endpoints. `ZMQ_ROUTING_ID`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] if the value is not allowed, and nothing has changed then.
    pub fn set_routing_id(&self, value: Bytes) -> Result<(), Error> {
        let value = check_routing_id(&value)?;
        self.with_core(|core| core.options.routing_id = value);
        Ok(())
    }

    /// The value that [`set_routing_id`](Self::set_routing_id) sets.
    #[must_use]
    pub fn routing_id(&self) -> Bytes {
        self.with_core(|core| core.options.routing_id.clone())
    }
}

impl<P: crate::Pattern> crate::SocketBuilder<P> {
    /// The routing id that a REQ, DEALER or ROUTER announces to ROUTER peers: up to 255 bytes, not beginning with a
    /// zero byte; empty, the default, for none. It is copied. For later endpoints. `ZMQ_ROUTING_ID`.
    ///
    /// The value is checked by [`build`](Self::build).
    #[must_use]
    pub fn routing_id(mut self, value: Bytes) -> Self {
        let value = check_routing_id(&value);
        self.set(|options| {
            options.routing_id = value?;
            Ok(())
        });
        self
    }
}

/// The longest announced metadata of an application, in bytes as they travel: peers of this library take 16 KiB with
/// type and routing id.
const MAX_METADATA: usize = 15 << 10;
/// The most properties that an application announces: peers of this library take 128 with its own.
const MAX_PROPERTIES: usize = 120;

impl SocketOptions {
    fn set_metadata(&mut self, name: &str, value: &[u8]) -> Result<(), Error> {
        let invalid = Error::InvalidOption {
            option: "metadata",
            expected: "up to 120 names of at most 255 letters, digits and -_.+ that begin with X-, with values that are not empty, 15 KiB together",
        };
        let others = self.metadata.iter();
        let others = others.filter(|(other, _)| !other.eq_ignore_ascii_case(name.as_bytes()));
        let mut metadata = Metadata::new();
        let mut is_valid = name.starts_with("X-") && name.len() > 2 && !value.is_empty();
        for (name, value) in others.chain([(name.as_bytes(), value)]) {
            // A copy, as with the routing id.
            let value = Bytes::copy_from_slice(value);
            let name = std::str::from_utf8(name).unwrap_or_default();
            is_valid &= metadata.push(name, value).is_ok();
        }
        if !is_valid || metadata.len() > MAX_PROPERTIES || metadata.encoded_len() > MAX_METADATA {
            return Err(invalid);
        }
        self.metadata = metadata;
        Ok(())
    }
}

impl<P: crate::Pattern> crate::Socket<P> {
    /// Announces a property to peers, who find it in [`PeerInfo::properties`](crate::PeerInfo::properties). Its name begins
    /// with `X-`; a second value for a name, in whatever case, takes the place of the first. It is copied. Peers of ZMTP 1.0
    /// and 2.0 are told nothing. For later endpoints. `ZMQ_METADATA`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] if a name or value is not allowed or there are too many, and nothing has changed then.
    pub fn set_metadata(&self, name: &str, value: impl AsRef<[u8]>) -> Result<(), Error> {
        let value = value.as_ref();
        self.with_core(|core| core.options.set_metadata(name, value))
    }
}

impl<P: crate::Pattern> crate::SocketBuilder<P> {
    /// Announces a property to peers: see [`Socket::set_metadata`](crate::Socket::set_metadata). May be called for any
    /// number of names.
    ///
    /// The value is checked by [`build`](Self::build).
    #[must_use]
    pub fn metadata(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.set(|options| options.set_metadata(name, value.as_ref()));
        self
    }
}

/// Options of the operating system's sockets.
impl<P: crate::Pattern> crate::Socket<P> {
    /// How many connections may wait to be accepted at endpoints bound from now on. Default 100.
    /// `ZMQ_BACKLOG`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] for 0.
    pub fn set_backlog(&self, connections: u32) -> Result<(), Error> {
        check(connections > 0, "backlog", "at least 1")?;
        self.with_core(|core| core.options.tuning.backlog = connections);
        Ok(())
    }

    /// Size of the operating system's send buffer for later endpoints, in bytes; `None`, the
    /// default, leaves it to the system. `ZMQ_SNDBUF`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] for 0.
    pub fn set_send_buffer(&self, bytes: Option<usize>) -> Result<(), Error> {
        check(bytes != Some(0), "send_buffer", "None or at least 1 byte")?;
        self.with_core(|core| core.options.tuning.send_buffer = bytes);
        Ok(())
    }

    /// Size of the operating system's receive buffer for later endpoints, in bytes; `None`, the
    /// default, leaves it to the system. `ZMQ_RCVBUF`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] for 0.
    pub fn set_recv_buffer(&self, bytes: Option<usize>) -> Result<(), Error> {
        check(bytes != Some(0), "recv_buffer", "None or at least 1 byte")?;
        self.with_core(|core| core.options.tuning.recv_buffer = bytes);
        Ok(())
    }

    /// Permissions of the files of ipc endpoints bound from now on, whatever the umask is: at most
    /// `0o777`. Whoever may write to the file may connect. Default `0o600`: this user alone.
    /// (libzmq leaves it to the umask.)
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] for more than permissions.
    pub fn set_ipc_mode(&self, mode: u32) -> Result<(), Error> {
        check(mode <= 0o777, "ipc_mode", "at most 0o777")?;
        self.with_core(|core| core.options.tuning.ipc_mode = mode);
        Ok(())
    }

    /// Whether `*` means IPv6 and IPv4 in later endpoints, and whether names resolve to both. Default
    /// false. `ZMQ_IPV6`.
    pub fn set_ipv6(&self, ipv6: bool) {
        self.with_core(|core| core.options.tuning.ipv6 = ipv6);
    }
}
