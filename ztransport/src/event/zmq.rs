//! Events as libzmq's monitors report them: a number, values, two addresses; in one of two forms of frames.
//!
//! ```text
//! version 1:  [ u16 event | u32 value ]  [ address ]
//! version 2:  [ u64 event ]  [ u64 n ]  n × [ u64 value ]  [ local address ]  [ remote address ]
//! ```
//!
//! Numbers are in the machine's byte order.

use std::io::ErrorKind;

use rustix::io::Errno;
use zmtp::{Frame, Message};

use super::{CloseReason, Event};
use crate::{
    endpoint::Endpoint,
    net::PeerAddress,
    sys::{code, number_of},
};

/// One event as libzmq has it, made by [`Event::to_zmq`].
///
/// # Examples
///
/// ```
/// use ztransport::{Event, ZmqEvent};
///
/// let endpoint = "tcp://127.0.0.1:5555".parse()?;
/// let delayed = Event::ConnectDelayed { endpoint };
/// let [event] = &delayed.to_zmq()[..] else { panic!() };
/// assert_eq!(event.number, ZmqEvent::CONNECT_DELAYED);
/// let frames = event.to_v1().unwrap();
/// assert_eq!(frames[0].len(), 6);
/// assert_eq!(frames[1], "tcp://127.0.0.1:5555");
/// # Ok::<(), ztransport::EndpointError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ZmqEvent {
    /// Which: one of the constants, `ZMQ_EVENT_…` in libzmq.
    pub number: u64,
    /// A descriptor, an error number, an interval in milliseconds, a code or nothing (0), depending on the event; of
    /// [`PIPES_STATS`](Self::PIPES_STATS) two: what waits to be sent, and to be received.
    pub values: Vec<u64>,
    /// This end's address, as an endpoint; empty if there is none.
    pub local: String,
    /// The other end's, likewise.
    pub remote: String,
    /// Whether this end was bound: then version 1 has the local address, otherwise the remote one.
    pub is_bound: bool,
}

impl ZmqEvent {
    /// A connection was made, before its handshake. The value is its descriptor.
    pub const CONNECTED: u64 = 0x0001;
    /// An attempt to connect has begun. The value is `EINPROGRESS`.
    pub const CONNECT_DELAYED: u64 = 0x0002;
    /// The next attempt is due after as many milliseconds as the value says.
    pub const CONNECT_RETRIED: u64 = 0x0004;
    /// An endpoint is bound. The value is the listener's descriptor.
    pub const LISTENING: u64 = 0x0008;
    /// An endpoint could not be bound. The value is the error's number.
    pub const BIND_FAILED: u64 = 0x0010;
    /// A connection was accepted. The value is its descriptor.
    pub const ACCEPTED: u64 = 0x0020;
    /// A connection was not accepted. The value is the error's number.
    pub const ACCEPT_FAILED: u64 = 0x0040;
    /// A listener or an attempt to connect was closed. The value is the descriptor that it had.
    pub const CLOSED: u64 = 0x0080;
    /// Something was left behind when a listener was closed. The value is the error's number.
    pub const CLOSE_FAILED: u64 = 0x0100;
    /// A connection ended, and not because of this end. The value is the descriptor that it had.
    pub const DISCONNECTED: u64 = 0x0200;
    /// The monitor ends. The value is 0.
    pub const MONITOR_STOPPED: u64 = 0x0400;
    /// A connection ended during its handshake. The value is the error's number.
    pub const HANDSHAKE_FAILED_NO_DETAIL: u64 = 0x0800;
    /// A handshake is complete. The value is 0.
    pub const HANDSHAKE_SUCCEEDED: u64 = 0x1000;
    /// A peer broke the protocol during its handshake. The value is one of libzmq's codes.
    pub const HANDSHAKE_FAILED_PROTOCOL: u64 = 0x2000;
    /// A peer was refused, or has refused this end. The value is the status code: 300, 400 or 500.
    pub const HANDSHAKE_FAILED_AUTH: u64 = 0x4000;
    /// What waits in the pipes of a peer. Only in version 2.
    pub const PIPES_STATS: u64 = 0x1_0000;

    /// The two frames of version 1; `None` for an event that has no place in them.
    #[must_use]
    pub fn to_v1(&self) -> Option<Message> {
        let number = u16::try_from(self.number).ok()?;
        let value = self.values.first().copied().unwrap_or(0);
        let mut head = [0; 6];
        head[..2].copy_from_slice(&number.to_ne_bytes());
        // Descriptors, numbers of errors and codes fit; a longer interval is cut as libzmq cuts it.
        head[2..].copy_from_slice(&(value as u32).to_ne_bytes());
        let address = if self.is_bound {
            &self.local
        } else {
            &self.remote
        };
        Some(Message::from([&head[..], address.as_bytes()]))
    }

    /// The frames of version 2, five or more.
    #[must_use]
    pub fn to_v2(&self) -> Message {
        let mut frames = vec![
            self.number.to_ne_bytes().to_vec(),
            (self.values.len() as u64).to_ne_bytes().to_vec(),
        ];
        frames.extend(self.values.iter().map(|value| value.to_ne_bytes().to_vec()));
        frames.push(self.local.clone().into_bytes());
        frames.push(self.remote.clone().into_bytes());
        frames.into_iter().map(Frame::from).collect()
    }
}

/// Of a descriptor or the number of an error, which libzmq has as an `int` and hands on as 64 bits without a sign.
fn value(number: i32) -> u64 {
    u64::from(number.cast_unsigned())
}

fn bound(number: u64, value: u64, endpoint: &Endpoint) -> ZmqEvent {
    ZmqEvent {
        number,
        values: vec![value],
        local: endpoint.to_string(),
        remote: String::new(),
        is_bound: true,
    }
}

fn connecting(number: u64, value: u64, endpoint: &Endpoint) -> ZmqEvent {
    ZmqEvent {
        number,
        values: vec![value],
        local: String::new(),
        remote: endpoint.to_string(),
        is_bound: false,
    }
}

fn connection(
    number: u64,
    value: u64,
    (endpoint, address): (&Endpoint, &PeerAddress),
    info: &super::ConnectionInfo,
) -> ZmqEvent {
    let (local, remote) = if info.outgoing {
        (text(&info.local), endpoint.to_string())
    } else {
        let local = match &info.local {
            PeerAddress::Unknown => endpoint.to_string(),
            local => text(local),
        };
        (local, text(address))
    };
    ZmqEvent {
        number,
        values: vec![value],
        local,
        remote,
        is_bound: !info.outgoing,
    }
}

/// An address as an endpoint.
fn text(address: &PeerAddress) -> String {
    match address {
        PeerAddress::Tcp(address) => format!("tcp://{address}"),
        PeerAddress::Ipc { path, .. } => {
            let path = path.as_deref().map(|path| path.display().to_string());
            format!("ipc://{}", path.unwrap_or_default())
        }
        PeerAddress::Unknown => String::new(),
    }
}

/// The event of a handshake that failed for a reason, and its value.
fn failure(reason: &CloseReason) -> (u64, u64) {
    let no_detail = |errno: Errno| {
        let errno = value(errno.raw_os_error());
        (ZmqEvent::HANDSHAKE_FAILED_NO_DETAIL, errno)
    };
    match reason {
        CloseReason::Protocol(zmtp::Error::NoZapHandler) => no_detail(code::FAULT),
        CloseReason::Protocol(error) => {
            let auth = error.auth_event_code();
            let auth = auth.map(|code| (ZmqEvent::HANDSHAKE_FAILED_AUTH, u64::from(code)));
            let protocol = error.protocol_event_code();
            let protocol =
                protocol.map(|code| (ZmqEvent::HANDSHAKE_FAILED_PROTOCOL, u64::from(code)));
            // libzmq has no event for the others.
            auth.or(protocol).unwrap_or_else(|| no_detail(code::PROTO))
        }
        CloseReason::PeerClosed => no_detail(code::PIPE),
        CloseReason::HandshakeTimeout => no_detail(Errno::TIMEDOUT),
        CloseReason::Io(kind) => no_detail(match kind {
            ErrorKind::ConnectionReset => Errno::CONNRESET,
            ErrorKind::ConnectionAborted => Errno::CONNABORTED,
            ErrorKind::TimedOut => Errno::TIMEDOUT,
            ErrorKind::HostUnreachable => Errno::HOSTUNREACH,
            ErrorKind::NetworkUnreachable => Errno::NETUNREACH,
            ErrorKind::BrokenPipe => code::PIPE,
            _ => code::IO,
        }),
        _ => no_detail(code::PROTO),
    }
}

impl Event {
    /// What libzmq's monitor would report of this, in order: mostly one event, none for what libzmq does not know, and two for
    /// a [`HandshakeFailed`](Self::HandshakeFailed), which is also the end of its connection. Of what this end closes itself
    /// libzmq says nothing.
    #[must_use]
    pub fn to_zmq(&self) -> Vec<ZmqEvent> {
        let one = match self {
            Self::Listening {
                endpoint,
                descriptor,
            } => bound(ZmqEvent::LISTENING, number_of(*descriptor), endpoint),
            Self::BindFailed {
                endpoint, errno, ..
            } => {
                let mut event = bound(ZmqEvent::BIND_FAILED, value(*errno), endpoint);
                // Without the scheme, whatever the reason.
                if let Some((_, address)) = event.local.split_once("://") {
                    event.local = address.to_owned();
                }
                event
            }
            Self::Accepted {
                endpoint,
                peer,
                connection: info,
            } => {
                let fd = number_of(info.descriptor);
                connection(ZmqEvent::ACCEPTED, fd, (endpoint, peer), info)
            }
            Self::AcceptFailed {
                endpoint, errno, ..
            }
            | Self::AcceptPaused {
                endpoint, errno, ..
            } => bound(ZmqEvent::ACCEPT_FAILED, value(*errno), endpoint),
            Self::AdmissionRefused { endpoint, .. } => {
                let errno = value(Errno::CONNREFUSED.raw_os_error());
                bound(ZmqEvent::ACCEPT_FAILED, errno, endpoint)
            }
            Self::AcceptRefused { endpoint, .. } => bound(
                ZmqEvent::ACCEPT_FAILED,
                value(Errno::ACCESS.raw_os_error()),
                endpoint,
            ),
            Self::ListenerClosed {
                endpoint,
                descriptor,
            } => bound(ZmqEvent::CLOSED, number_of(*descriptor), endpoint),
            Self::CloseFailed {
                endpoint, errno, ..
            } => bound(ZmqEvent::CLOSE_FAILED, value(*errno), endpoint),
            Self::ConnectDelayed { endpoint } => {
                let errno = value(Errno::INPROGRESS.raw_os_error());
                connecting(ZmqEvent::CONNECT_DELAYED, errno, endpoint)
            }
            Self::Connected {
                endpoint,
                peer,
                connection: info,
            } => {
                let fd = number_of(info.descriptor);
                connection(ZmqEvent::CONNECTED, fd, (endpoint, peer), info)
            }
            Self::ConnectFailed {
                endpoint,
                descriptor: Some(descriptor),
                ..
            } => connecting(ZmqEvent::CLOSED, number_of(*descriptor), endpoint),
            Self::ConnectRetried { endpoint, delay } => {
                let delay = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
                connecting(ZmqEvent::CONNECT_RETRIED, delay, endpoint)
            }
            Self::HandshakeSucceeded {
                endpoint,
                address,
                connection: info,
                ..
            } => connection(ZmqEvent::HANDSHAKE_SUCCEEDED, 0, (endpoint, address), info),
            Self::HandshakeFailed {
                reason: CloseReason::Local,
                ..
            }
            | Self::Disconnected {
                reason: CloseReason::Local,
                ..
            } => return Vec::new(),
            Self::HandshakeFailed {
                endpoint,
                address,
                reason,
                connection: info,
            } => {
                let (number, code) = failure(reason);
                let failed = connection(number, code, (endpoint, address), info);
                let mut disconnected = failed.clone();
                disconnected.number = ZmqEvent::DISCONNECTED;
                disconnected.values = vec![number_of(info.descriptor)];
                return vec![failed, disconnected];
            }
            Self::Disconnected {
                endpoint,
                address,
                connection: info,
                ..
            } => {
                let fd = number_of(info.descriptor);
                connection(ZmqEvent::DISCONNECTED, fd, (endpoint, address), info)
            }
            Self::PipeStats {
                endpoint,
                outgoing,
                queued_out,
                queued_in,
            } => {
                let mut event = if *outgoing {
                    connecting(ZmqEvent::PIPES_STATS, 0, endpoint)
                } else {
                    bound(ZmqEvent::PIPES_STATS, 0, endpoint)
                };
                event.values = vec![*queued_out, *queued_in];
                event
            }
            Self::MonitorStopped => ZmqEvent {
                number: ZmqEvent::MONITOR_STOPPED,
                values: vec![0],
                local: String::new(),
                remote: String::new(),
                is_bound: true,
            },
            Self::ConnectFailed {
                descriptor: None, ..
            }
            | Self::ConnectStopped { .. }
            | Self::MessageRefused { .. }
            | Self::PeerRefused { .. }
            | Self::MulticastJoined { .. }
            | Self::MulticastLost { .. }
            | Self::MulticastLeft { .. }
            | Self::Lagged { .. } => return Vec::new(),
        };
        vec![one]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ConnectionInfo;

    fn endpoint() -> Endpoint {
        "tcp://127.0.0.1:5555".parse().unwrap()
    }

    fn info(outgoing: bool) -> ConnectionInfo {
        ConnectionInfo {
            id: 1,
            outgoing,
            local: PeerAddress::Tcp("127.0.0.1:1111".parse().unwrap()),
            descriptor: 7,
        }
    }

    fn failed(reason: CloseReason) -> Vec<ZmqEvent> {
        Event::HandshakeFailed {
            endpoint: endpoint(),
            address: PeerAddress::Tcp("127.0.0.1:2222".parse().unwrap()),
            reason,
            connection: info(false),
        }
        .to_zmq()
    }

    #[test]
    fn frames_have_the_form_of_libzmq() {
        let events = failed(CloseReason::PeerClosed);
        let v1 = events[0].to_v1().unwrap();
        let mut head = 0x0800u16.to_ne_bytes().to_vec();
        head.extend(32u32.to_ne_bytes());
        assert_eq!(v1[0], head);
        assert_eq!(v1[1], "tcp://127.0.0.1:1111");
        let v2 = events[1].to_v2();
        assert_eq!(v2.len(), 5);
        assert_eq!(v2[0], 0x0200u64.to_ne_bytes());
        assert_eq!(v2[1], 1u64.to_ne_bytes());
        assert_eq!(v2[2], 7u64.to_ne_bytes());
        assert_eq!(v2[3], "tcp://127.0.0.1:1111");
        assert_eq!(v2[4], "tcp://127.0.0.1:2222");
    }

    #[test]
    fn a_handshake_fails_in_one_of_three_ways() {
        let first = |reason| {
            let events = failed(reason);
            assert_eq!(events[1].number, ZmqEvent::DISCONNECTED);
            (events[0].number, events[0].values[0])
        };
        let refused = |reason: &str| {
            CloseReason::Protocol(zmtp::Error::Refused {
                reason: reason.into(),
            })
        };
        for code in [300, 400, 500] {
            let seen = first(refused(&code.to_string()));
            assert_eq!(seen, (ZmqEvent::HANDSHAKE_FAILED_AUTH, code));
        }
        let protocol = CloseReason::Protocol(zmtp::Error::InvalidSequence);
        assert_eq!(
            first(protocol),
            (ZmqEvent::HANDSHAKE_FAILED_PROTOCOL, 0x1000_0002)
        );
        for (reason, errno) in [
            (CloseReason::Protocol(zmtp::Error::NoZapHandler), 14),
            (CloseReason::HandshakeTimeout, 110),
            (CloseReason::Io(ErrorKind::ConnectionReset), 104),
            (refused("no"), 71),
        ] {
            let seen = first(reason);
            assert_eq!(seen, (ZmqEvent::HANDSHAKE_FAILED_NO_DETAIL, errno));
        }
        assert!(failed(CloseReason::Local).is_empty());
    }

    #[test]
    fn what_waits_in_pipes_is_told_in_version_2_alone() {
        let event = Event::PipeStats {
            endpoint: endpoint(),
            outgoing: true,
            queued_out: 5,
            queued_in: 6,
        };
        let [event] = &event.to_zmq()[..] else {
            panic!()
        };
        assert_eq!(event.to_v1(), None);
        let v2 = event.to_v2();
        assert_eq!(v2.len(), 6);
        assert_eq!(
            (&v2[2], &v2[3]),
            (
                &5u64.to_ne_bytes()[..].into(),
                &6u64.to_ne_bytes()[..].into()
            )
        );
    }

    #[test]
    fn the_last_event_has_no_address() {
        let [event] = &Event::MonitorStopped.to_zmq()[..] else {
            panic!()
        };
        let v1 = event.to_v1().unwrap();
        assert_eq!(v1[1], "");
        assert!(Event::Lagged { missed: 3 }.to_zmq().is_empty());
    }
}
