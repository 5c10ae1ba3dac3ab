//! What a server asks.

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use super::{Password, REQUEST_ID, VERSION};
use crate::{Frame, Message};

/// The number of frames before the credentials, without the delimiter.
const FIXED_FRAMES: usize = 6;

/// The length of a CURVE key, in bytes.
const KEY_LEN: usize = 32;

/// A question about a peer.
///
/// ```text
/// ┌───────────┬─────────┬────────────┬────────┬─────────┬──────────┬───────────┬─────────────┐
/// │(delimiter)│ version │ request id │ domain │ address │ identity │ mechanism │ credentials │
/// └───────────┴─────────┴────────────┴────────┴─────────┴──────────┴───────────┴─────────────┘
///    empty       1.0                                                             0, 1 or 2 frames
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// What the reply has to repeat.
    pub request_id: Bytes,
    /// Which set of rules the server belongs to. May be empty in requests from libzmq.
    pub domain: Bytes,
    /// Where the peer is, usually a numeric address without a port.
    pub address: Bytes,
    /// An identity. RFC 27 means the peer's; libzmq puts the routing id of the server's socket here.
    pub identity: Bytes,
    /// The mechanism, with what the peer presented.
    pub credentials: Credentials,
}

/// What a peer presented.
///
/// `Debug` hides passwords.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// NULL: nothing.
    Null,
    /// PLAIN: a name and a password, each of at most 255 bytes.
    Plain {
        /// The name.
        username: Bytes,
        /// The password.
        password: Password,
    },
    /// CURVE: the peer has proved that it holds the secret half of this key.
    Curve {
        /// The peer's long-term public key.
        public_key: [u8; KEY_LEN],
    },
    /// Another mechanism, for which a handler written with this crate can at least refuse.
    Other {
        /// The name of the mechanism.
        mechanism: Bytes,
        /// The frames that follow it.
        frames: Vec<Bytes>,
    },
}

impl Credentials {
    /// The name of the mechanism as it travels in the request.
    #[must_use]
    pub fn mechanism(&self) -> &[u8] {
        match self {
            Self::Null => b"NULL",
            Self::Plain { .. } => b"PLAIN",
            Self::Curve { .. } => b"CURVE",
            Self::Other { mechanism, .. } => mechanism,
        }
    }

    fn from_frames(mechanism: &Frame, frames: &[Frame]) -> Result<Self, RequestError> {
        match (&mechanism[..], frames) {
            (b"NULL", []) => Ok(Self::Null),
            (b"PLAIN", [username, password]) => Ok(Self::Plain {
                username: bytes(username),
                password: Password::from(&password[..]),
            }),
            (b"CURVE", [key]) => Ok(Self::Curve {
                public_key: key[..].try_into().map_err(|_| RequestError::Credentials)?,
            }),
            (b"NULL" | b"PLAIN" | b"CURVE", _) => Err(RequestError::Credentials),
            _ => Ok(Self::Other {
                mechanism: bytes(mechanism),
                frames: frames.iter().map(bytes).collect(),
            }),
        }
    }
}

impl Request {
    /// Makes a request with the usual id [`REQUEST_ID`], and without domain, address and identity.
    #[must_use]
    pub const fn new(credentials: Credentials) -> Self {
        Self {
            request_id: Bytes::from_static(REQUEST_ID.as_bytes()),
            domain: Bytes::new(),
            address: Bytes::new(),
            identity: Bytes::new(),
            credentials,
        }
    }

    /// Replaces the id.
    #[must_use]
    pub fn with_request_id(mut self, id: impl Into<Bytes>) -> Self {
        self.request_id = id.into();
        self
    }

    /// Replaces the domain.
    #[must_use]
    pub fn with_domain(mut self, domain: impl Into<Bytes>) -> Self {
        self.domain = domain.into();
        self
    }

    /// Replaces the address of the peer.
    #[must_use]
    pub fn with_address(mut self, address: impl Into<Bytes>) -> Self {
        self.address = address.into();
        self
    }

    /// Replaces the identity.
    #[must_use]
    pub fn with_identity(mut self, identity: impl Into<Bytes>) -> Self {
        self.identity = identity.into();
        self
    }

    /// The request as a REQ socket sends it and a REP socket receives it.
    #[must_use]
    pub fn encode(&self) -> Message {
        self.to_message(false)
    }

    /// The request with the empty delimiter frame in front, as it travels between sockets and as a
    /// DEALER socket sends it. A ROUTER socket receives it so, behind a routing id.
    #[must_use]
    pub fn encode_delimited(&self) -> Message {
        self.to_message(true)
    }

    fn to_message(&self, delimited: bool) -> Message {
        let mut message = Message::with_capacity(usize::from(delimited) + FIXED_FRAMES + 2);
        if delimited {
            message.push_back("");
        }
        message.push_back(VERSION);
        for field in [
            &self.request_id,
            &self.domain,
            &self.address,
            &self.identity,
        ] {
            message.push_back(&field[..]);
        }
        message.push_back(self.credentials.mechanism());
        match &self.credentials {
            Credentials::Null => {}
            Credentials::Plain { username, password } => {
                message.push_back(&username[..]);
                // By its handle, so that the last frame that has it wipes it.
                message.push_back(Frame::from(Bytes::from_owner(password.clone())));
            }
            Credentials::Curve { public_key } => message.push_back(&public_key[..]),
            Credentials::Other { frames, .. } => {
                for frame in frames {
                    message.push_back(&frame[..]);
                }
            }
        }
        message
    }

    /// Reads a request that a REP socket received.
    ///
    /// # Errors
    ///
    /// Why it is none. A handler that cannot read a request has nothing to reply to, and drops it.
    pub fn decode(message: &Message) -> Result<Self, RequestError> {
        Self::from_frames(message.frames())
    }

    /// Reads a request with the empty delimiter frame in front, as a ROUTER socket receives it once
    /// the routing id is taken off.
    ///
    /// # Errors
    ///
    /// Why it is none.
    pub fn decode_delimited(message: &Message) -> Result<Self, RequestError> {
        match message.frames().split_first() {
            Some((delimiter, frames)) if delimiter.is_empty() => Self::from_frames(frames),
            _ => Err(RequestError::Delimiter),
        }
    }

    fn from_frames(frames: &[Frame]) -> Result<Self, RequestError> {
        let [
            version,
            request_id,
            domain,
            address,
            identity,
            mechanism,
            credentials @ ..,
        ] = frames
        else {
            return Err(RequestError::FrameCount {
                frames: frames.len(),
            });
        };
        if *version != *VERSION {
            return Err(RequestError::Version);
        }
        Ok(Self {
            request_id: bytes(request_id),
            domain: bytes(domain),
            address: bytes(address),
            identity: bytes(identity),
            credentials: Credentials::from_frames(mechanism, credentials)?,
        })
    }
}

/// Why a message is no [`Request`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequestError {
    /// The delimiter frame is missing, or not empty.
    Delimiter,
    /// There are fewer than six frames behind the delimiter.
    FrameCount {
        /// How many there are.
        frames: usize,
    },
    /// The version is not `1.0`.
    Version,
    /// The number or the size of the credentials does not fit the mechanism.
    Credentials,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delimiter => f.write_str("ZAP request does not begin with an empty frame"),
            Self::FrameCount { frames } => {
                write!(f, "ZAP request has {frames} frames, fewer than 6")
            }
            Self::Version => f.write_str("ZAP request has another version than 1.0"),
            Self::Credentials => {
                f.write_str("ZAP request has credentials that do not fit its mechanism")
            }
        }
    }
}

impl core::error::Error for RequestError {}

pub(super) fn bytes(frame: &Frame) -> Bytes {
    Bytes::copy_from_slice(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> Request {
        Request::new(Credentials::Plain {
            username: "admin".into(),
            password: "secret".into(),
        })
        .with_domain("global")
        .with_address("127.0.0.1")
        .with_identity("me")
    }

    // spec: RFC27/request: version, request id, domain, address, identity, mechanism, credentials behind an empty frame
    #[test]
    fn has_the_frames_that_libzmq_sends() {
        let fields = [
            "1.0",
            "1",
            "global",
            "127.0.0.1",
            "me",
            "PLAIN",
            "admin",
            "secret",
        ];
        assert_eq!(plain().encode(), Message::from(fields));
        let mut delimited = Message::from(fields);
        delimited.push_front("");
        assert_eq!(plain().encode_delimited(), delimited);

        let null = Request::new(Credentials::Null);
        assert_eq!(
            null.encode(),
            Message::from(["1.0", "1", "", "", "", "NULL"])
        );
        let curve = Request::new(Credentials::Curve {
            public_key: [7; 32],
        });
        assert_eq!(curve.encode()[6], [7; 32]);
        assert_eq!(curve.encode().len(), 7);
    }

    #[test]
    fn comes_back_as_it_went() {
        let gssapi = Credentials::Other {
            mechanism: "GSSAPI".into(),
            frames: vec!["principal".into()],
        };
        let requests = [
            plain(),
            plain().with_request_id(vec![0, 255]),
            Request::new(Credentials::Null),
            Request::new(Credentials::Curve {
                public_key: [9; 32],
            }),
            Request::new(gssapi),
        ];
        for request in requests {
            assert_eq!(Request::decode(&request.encode()), Ok(request.clone()));
            assert_eq!(
                Request::decode_delimited(&request.encode_delimited()),
                Ok(request)
            );
        }
    }

    // spec: RFC27/credentials: NULL has none, PLAIN user name and password, CURVE a key of 32 bytes
    #[test]
    fn says_why_a_message_is_no_request() {
        let error = |frames: &[&str]| {
            Request::decode(&frames.iter().copied().collect::<Message>()).unwrap_err()
        };
        assert_eq!(error(&[]), RequestError::FrameCount { frames: 0 });
        let short = ["1.0", "1", "", "", ""];
        assert_eq!(error(&short), RequestError::FrameCount { frames: 5 });
        let version = ["1.1", "1", "", "", "", "NULL"];
        assert_eq!(error(&version), RequestError::Version);
        for credentials in [
            &["NULL", "x"][..],
            &["PLAIN", "user"],
            &["PLAIN", "user", "password", "more"],
            &["CURVE"],
            &["CURVE", "short"],
        ] {
            let frames = [&["1.0", "1", "", "", ""], credentials].concat();
            assert_eq!(error(&frames), RequestError::Credentials, "{frames:?}");
        }
        let plain = plain().encode();
        assert_eq!(
            Request::decode_delimited(&plain),
            Err(RequestError::Delimiter)
        );
        assert_eq!(
            Request::decode_delimited(&Message::new()),
            Err(RequestError::Delimiter)
        );
    }

    #[test]
    fn the_password_does_not_show() {
        let shown = format!("{:?}", plain());
        assert!(
            shown.contains("admin") && !shown.contains("secret"),
            "{shown}"
        );
    }
}
