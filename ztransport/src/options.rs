//! What a socket wants of its connections.

use std::time::Duration;

use bytes::Bytes;
use zmtp::{HandshakeConfig, HeartbeatConfig, MechanismConfig, Metadata, SocketType, Version, zap};
use zpipe::{FrameLimits, Keep};

use crate::{
    net::{PeerAddress, SocketTuning},
    socks::ProxyConfig,
    subscriptions::Subscriptions,
};

/// Options of a socket as they stand when it binds or connects; later changes reach later endpoints.
///
/// The defaults are libzmq's, see each field.
#[derive(Clone, Debug)]
pub struct Options {
    /// The type announced to the peer.
    pub socket_type: SocketType,
    /// The routing id announced to the peer; empty for none. At most 255 bytes.
    pub routing_id: Bytes,
    /// Properties of the application that are announced to the peer. Those whose names do not begin with `X-`
    /// are left out.
    pub properties: Metadata,
    /// The security mechanism, with this end's part in it. Default: NULL.
    pub mechanism: MechanismConfig,
    /// When a ZAP handler is asked about a peer: see [`Authority`](crate::Authority). Default:
    /// only for PLAIN.
    pub zap: Option<zap::Policy>,
    /// The oldest version of ZMTP that a peer may speak. Default: 1.0.
    pub oldest_version: Version,
    /// High-water mark of each connection's outbound pipe, in messages; 0 is unlimited. Default 1000.
    pub send_hwm: u32,
    /// High-water mark of each connection's inbound pipe, in messages; 0 is unlimited. Default 1000.
    pub recv_hwm: u32,
    /// Largest frame body accepted from a peer, in bytes. Default: no limit.
    pub max_frame_size: Option<u64>,
    /// Largest message accepted from a peer, in bytes: all its frame bodies together. Default: no limit.
    pub max_message_size: Option<u64>,
    /// Most frames of one message accepted from a peer. Default 65,536.
    pub max_frames: u32,
    /// How many messages, and bytes as [`Left`](crate::Left) counts them, may wait in links that the socket has
    /// not taken in yet and whose connections are gone already, before those of the oldest are dropped.
    /// Default 1,000,000 messages and 1 GiB.
    pub departed: zpipe::Limits,
    /// How long a message may take from its first byte to its last, while this end reads on. Default: any
    /// time.
    pub message_timeout: Option<Duration>,
    /// Whether the socket takes messages from its peers. Otherwise what they send is dropped as it
    /// arrives, and counted; their commands are obeyed all the same. Default true.
    pub receives: bool,
    /// Whether the streams are taken as they are, without handshake and frames: each message received is what one read
    /// has brought, up to 8 KiB, and of what is sent only the bodies go out. A connection is established as soon as
    /// there is a stream, without [`HandshakeSucceeded`](crate::Event::HandshakeSucceeded). Not over inproc. Default false.
    pub raw: bool,
    /// One frame that goes to each peer before everything else, on each connection that is established, for the first time or
    /// again. Over inproc that is up to the socket. Default: none.
    pub hello: Option<Bytes>,
    /// What the socket is told of its connections by messages among those of the peers. Over
    /// inproc only of the end of those that came. Default: nothing.
    pub notices: Notices,
    /// Whether what a peer has left that is gone before the socket has taken its link in is still of use. Default
    /// true.
    pub wants_rest: bool,
    /// What the peers, publishers, are asked for on each connection as soon as it is established. Over inproc that is
    /// up to the socket. Default: nothing.
    pub subscriptions: Option<Subscriptions>,
    /// What waits to be sent on each connection, if not every message: then the high-water mark does not matter. Of
    /// subscriptions nothing is left out. Default: every message.
    pub latest_out: Option<Keep>,
    /// What waits to be received from each connection, likewise.
    pub latest_in: Option<Keep>,
    /// How many connections in a row the peer may end while the same message is being sent, until that
    /// is given up as one that the peer refuses; 0 for any number. Concerns connections that are made
    /// again and keep what is queued. Default 2.
    pub max_refusals: u32,
    /// How long to wait before connecting again, plus a random part of up to the same length; `None`
    /// never connects again. Less than 1 ms counts as 1 ms. Default 100 ms.
    pub reconnect_interval: Option<Duration>,
    /// With this, the interval doubles with each failure in a row up to here. Default: no growth.
    pub reconnect_interval_max: Option<Duration>,
    /// When not to connect again although there is an interval. Default: never.
    pub reconnect_stop: ReconnectStop,
    /// How long greeting and mechanism may take together. Default 30 s; `None` is for ever.
    pub handshake_interval: Option<Duration>,
    /// How often each peer is sent a PING. Default: never.
    pub heartbeat_interval: Option<Duration>,
    /// How long nothing may come from a peer after a PING; zero is for ever. Default: as long as the interval.
    pub heartbeat_timeout: Option<Duration>,
    /// How long a PING allows the peer to hear nothing from this end. Default: for ever.
    pub heartbeat_ttl: Option<Duration>,
    /// How long the addresses of an endpoint may be tried, all together, before the attempt is given up and repeated:
    /// also the part of a proxy in it. Default: as long as the operating system tries.
    pub connect_timeout: Option<Duration>,
    /// Whether a connecting socket has a pipe only while the connection is established, so that
    /// nothing is queued for a peer that may never come. Default false.
    pub immediate: bool,
    /// How many handshakes may be under way at a listener of this socket; more connections are closed as soon as they are
    /// accepted. Default 10,000; `None` is without limit.
    pub max_pending_handshakes: Option<u32>,
    /// How many connections a listener of this socket may have, likewise. Default: without limit.
    pub max_connections: Option<u32>,
    /// How many of these may be of one peer address, likewise: of an IPv4 address, of an IPv6 network of 64 bits, or over ipc
    /// of one process. Default: without limit.
    pub max_connections_per_peer: Option<u32>,
    /// Which I/O threads may serve the socket: bit i stands for thread i, and 0 for all. Default 0.
    pub affinity: u64,
    /// The proxy through which tcp endpoints are connected to. Default: none.
    pub proxy: Option<ProxyConfig>,
    /// Options for the operating system's sockets.
    pub tuning: SocketTuning,
}

impl Options {
    /// The defaults for a socket type.
    #[must_use]
    pub fn new(socket_type: SocketType) -> Self {
        Self {
            socket_type,
            routing_id: Bytes::new(),
            properties: Metadata::new(),
            mechanism: MechanismConfig::default(),
            zap: None,
            oldest_version: Version::V1_0,
            send_hwm: 1000,
            recv_hwm: 1000,
            max_frame_size: None,
            max_message_size: None,
            max_frames: zmtp::Limits::default().max_frames,
            departed: zpipe::Limits {
                messages: 1_000_000,
                bytes: 1 << 30,
            },
            message_timeout: None,
            receives: true,
            raw: false,
            hello: None,
            notices: Notices::default(),
            wants_rest: true,
            subscriptions: None,
            latest_out: None,
            latest_in: None,
            max_refusals: 2,
            reconnect_interval: Some(Duration::from_millis(100)),
            reconnect_interval_max: None,
            reconnect_stop: ReconnectStop::default(),
            handshake_interval: Some(Duration::from_secs(30)),
            heartbeat_interval: None,
            heartbeat_timeout: None,
            heartbeat_ttl: None,
            connect_timeout: None,
            proxy: None,
            immediate: false,
            max_pending_handshakes: Some(10_000),
            max_connections: None,
            max_connections_per_peer: None,
            affinity: 0,
            tuning: SocketTuning::default(),
        }
    }

    /// What a handshake with these options says. A routing id that is not valid on the wire is left
    /// out; `zsocket` refuses such ids before they get here.
    pub(crate) fn handshake(&self, peer: &PeerAddress) -> HandshakeConfig {
        let limits = self.limits();
        let config = self.announced();
        let config = config
            .clone()
            .with_identity(self.routing_id.clone())
            .unwrap_or(config)
            .with_limits(limits)
            .with_oldest_version(self.oldest_version)
            .with_mechanism(self.mechanism.clone())
            .with_peer_address(peer.to_zap());
        match &self.zap {
            Some(policy) => config.with_zap(policy.clone()),
            None => config,
        }
    }

    /// The type, with the application's properties.
    fn announced(&self) -> HandshakeConfig {
        let config = HandshakeConfig::new(self.socket_type);
        self.properties
            .iter()
            .fold(config, |config, (name, value)| {
                let value = Bytes::copy_from_slice(value);
                let name = std::str::from_utf8(name).unwrap_or_default();
                config.clone().with_property(name, value).unwrap_or(config)
            })
    }

    /// When peers are sent PING, if they are.
    pub(crate) fn heartbeat(&self) -> Option<HeartbeatConfig> {
        let mut config = HeartbeatConfig::every(self.heartbeat_interval?);
        if let Some(timeout) = self.heartbeat_timeout {
            config = config.with_timeout(timeout);
        }
        Some(config.with_ttl(self.heartbeat_ttl.unwrap_or_default()))
    }

    /// The bounds on traffic, in whatever way it is read.
    pub(crate) fn limits(&self) -> zmtp::Limits {
        zmtp::Limits::default()
            .with_max_frame_size(self.max_frame_size)
            .with_max_message_size(self.max_message_size)
            .with_max_frames(self.max_frames)
    }

    /// Whether peers send subscriptions.
    pub(crate) fn is_publisher(&self) -> bool {
        matches!(self.socket_type, SocketType::Pub | SocketType::XPub)
    }

    pub(crate) fn frame_limits(&self) -> FrameLimits {
        if self.raw {
            // There are no frames but those that this end makes.
            return FrameLimits::default();
        }
        let limits = self.limits();
        FrameLimits {
            topic_size: self.is_publisher().then_some(limits.max_subscription_len),
            ..FrameLimits::from(&limits)
        }
    }

    /// Whether the I/O thread with this number may serve the socket.
    pub(crate) fn may_be_served_by(&self, thread: usize) -> bool {
        self.affinity == 0 || (thread < 64 && self.affinity >> thread & 1 == 1)
    }

    /// The wait before attempt number `failures + 1`.
    pub(crate) fn reconnect_delay(&self, failures: u32) -> Option<Duration> {
        let interval = self.reconnect_interval?.max(MIN_RECONNECT_INTERVAL);
        let base = match self.reconnect_interval_max {
            None => interval,
            Some(max) => interval
                .saturating_mul(1 << failures.min(20))
                .min(max.max(interval)),
        };
        // Jitter, so that a thousand clients of a server that went away do not come back in step.
        let jitter =
            Duration::try_from_secs_f64(base.as_secs_f64() * fastrand::f64()).unwrap_or(base);
        Some(match self.reconnect_interval_max {
            None => base.saturating_add(jitter),
            Some(_) => (base / 2 + jitter / 2).max(MIN_RECONNECT_INTERVAL),
        })
    }
}

/// When an endpoint that was connected to is given up for good, and not connected to again after the
/// [interval](Options::reconnect_interval): with [`Event::ConnectStopped`](crate::Event::ConnectStopped). What is queued
/// for it is lost and counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ReconnectStop {
    /// When nobody listens there: all addresses of the endpoint have refused the connection, also the first time.
    pub refused: bool,
    /// When a handshake fails: the peer is none, does not fit, refuses this end, closes, or takes too long; and there is
    /// no other address to try.
    pub handshake_failed: bool,
    /// As `refused`, but only once the socket has been told to let go of an endpoint, whichever that was. This
    /// counts at once, also for endpoints that were connected to before.
    pub after_disconnect: bool,
}

/// Messages that a socket receives from a connection and that no peer has sent.
///
/// Each comes in order with what the peer sends. That of the beginning waits for room as any message does, and what the
/// peer sends waits behind it. Those of the end come behind all that was received, also beyond the high-water mark.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notices {
    /// An empty message when a connection is established, for the first time or again.
    pub established: bool,
    /// An empty message when an established connection has ended.
    pub ended: bool,
    /// One frame when an established connection that came was lost.
    pub disconnect: Option<Bytes>,
    /// One frame when an established connection that this end had made was lost.
    pub hiccup: Option<Bytes>,
}

/// Attempts that follow each other faster would do nothing but load the machine.
const MIN_RECONNECT_INTERVAL: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_stay_in_their_bounds() {
        let mut options = Options::new(SocketType::Push);
        let ms = Duration::from_millis;
        for failures in [0, 1, 50] {
            let delay = options.reconnect_delay(failures).unwrap();
            assert!(delay >= ms(100) && delay < ms(200), "{delay:?}");
        }
        options.reconnect_interval_max = Some(ms(1000));
        for (failures, base) in [(0, 100), (1, 200), (3, 800), (4, 1000), (u32::MAX, 1000)] {
            let delay = options.reconnect_delay(failures).unwrap();
            assert!(
                delay >= ms(base / 2) && delay <= ms(base),
                "{failures}: {delay:?}"
            );
        }
        for max in [None, Some(Duration::from_nanos(1)), Some(ms(1))] {
            options.reconnect_interval = Some(Duration::from_nanos(1));
            options.reconnect_interval_max = max;
            for failures in [0, 1, u32::MAX] {
                let delay = options.reconnect_delay(failures).unwrap();
                assert!(delay >= ms(1) && delay <= ms(2), "{delay:?}");
            }
        }
        options.reconnect_interval = None;
        assert_eq!(options.reconnect_delay(0), None);
    }
}
