//! What a handler answers.

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use super::request::bytes;
use super::{Request, VERSION};
use crate::{Error, Frame, Message, Metadata};

/// The largest number of properties in the metadata of a reply.
pub const MAX_PROPERTIES: usize = 256;

/// The answer to a [`Request`].
///
/// ```text
/// ┌───────────┬─────────┬────────────┬─────────────┬─────────────┬─────────┬──────────┐
/// │(delimiter)│ version │ request id │ status code │ status text │ user id │ metadata │
/// └───────────┴─────────┴────────────┴─────────────┴─────────────┴─────────┴──────────┘
///    empty       1.0                    200 … 500
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reply {
    /// The id of the request.
    pub request_id: Bytes,
    /// The decision.
    pub status: Status,
    /// The decision in words, for logs. The peer does not get it.
    pub status_text: Bytes,
    /// Whom the handler takes the peer for; empty if it does not say.
    pub user_id: Bytes,
    /// What else the handler knows about the peer. Unlike what the peer says itself, this is
    /// trusted.
    pub metadata: Metadata,
}

/// The decision about a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// 200: the peer may come in.
    Success,
    /// 300: not now; the peer may try again.
    TemporaryError,
    /// 400: the credentials are wrong.
    AuthenticationFailure,
    /// 500: the handler failed.
    InternalError,
}

impl Status {
    const ALL: [Self; 4] = [
        Self::Success,
        Self::TemporaryError,
        Self::AuthenticationFailure,
        Self::InternalError,
    ];

    /// The number.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Success => 200,
            Self::TemporaryError => 300,
            Self::AuthenticationFailure => 400,
            Self::InternalError => 500,
        }
    }

    /// The number as it travels in replies and ERROR commands.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "200",
            Self::TemporaryError => "300",
            Self::AuthenticationFailure => "400",
            Self::InternalError => "500",
        }
    }

    /// Reads a status code. There are no others than the four.
    #[must_use]
    pub fn from_bytes(code: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str().as_bytes() == code)
    }
}

/// The ways to say no to a peer: every [`Status`] but success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// 300: not now; the peer may try again.
    TemporaryError,
    /// 400: the credentials are wrong.
    AuthenticationFailure,
    /// 500: the handler failed.
    InternalError,
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::TemporaryError => Self::TemporaryError,
            Refusal::AuthenticationFailure => Self::AuthenticationFailure,
            Refusal::InternalError => Self::InternalError,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Reply {
    /// Lets the peer of a request in, as this user. The user id may be empty.
    #[must_use]
    pub fn success(request: &Request, user_id: impl Into<Bytes>) -> Self {
        Self {
            request_id: request.request_id.clone(),
            status: Status::Success,
            status_text: Bytes::from_static(b"OK"),
            user_id: user_id.into(),
            metadata: Metadata::new(),
        }
    }

    /// Keeps the peer of a request out.
    #[must_use]
    pub fn refusal(request: &Request, refusal: Refusal, text: impl Into<Bytes>) -> Self {
        Self::decision(request, refusal.into(), text)
    }

    /// Decides about a request by a status that was found elsewhere, and may be success. No user is
    /// named.
    #[must_use]
    pub fn decision(request: &Request, status: Status, text: impl Into<Bytes>) -> Self {
        Self {
            request_id: request.request_id.clone(),
            status,
            status_text: text.into(),
            user_id: Bytes::new(),
            metadata: Metadata::new(),
        }
    }

    /// Replaces the metadata.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = metadata;
        self
    }

    /// The reply as a REP socket sends it and a REQ socket receives it.
    #[must_use]
    pub fn encode(&self) -> Message {
        let mut metadata = Vec::new();
        self.metadata.encode(&mut metadata);
        let mut message = Message::with_capacity(7);
        message.push_back(VERSION);
        message.push_back(&self.request_id[..]);
        message.push_back(self.status.as_str());
        message.push_back(&self.status_text[..]);
        message.push_back(&self.user_id[..]);
        message.push_back(metadata);
        message
    }

    /// The reply with the empty delimiter frame in front, as it travels between sockets and as a
    /// ROUTER socket sends it behind a routing id.
    #[must_use]
    pub fn encode_delimited(&self) -> Message {
        let mut message = self.encode();
        message.push_front("");
        message
    }

    /// Reads a reply that a REQ socket received.
    ///
    /// Whether it belongs to the request is for [`check`](Self::check) to tell.
    ///
    /// # Errors
    ///
    /// Why it is none.
    pub fn decode(message: &Message) -> Result<Self, ReplyError> {
        Self::from_frames(message.frames(), 0)
    }

    /// Reads a reply with the empty delimiter frame in front, as a DEALER socket receives it.
    ///
    /// # Errors
    ///
    /// Why it is none.
    pub fn decode_delimited(message: &Message) -> Result<Self, ReplyError> {
        match message.frames().split_first() {
            // libzmq counts first, so that is the cause to name.
            Some((delimiter, frames)) if !delimiter.is_empty() && frames.len() == 6 => {
                Err(ReplyError::Delimiter)
            }
            Some((_, frames)) => Self::from_frames(frames, 1),
            None => Err(ReplyError::FrameCount { frames: 0 }),
        }
    }

    /// Makes sure that this is the reply to a request.
    ///
    /// # Errors
    ///
    /// [`ReplyError::RequestId`] if it is the reply to another one.
    pub fn check(&self, request: &Request) -> Result<(), ReplyError> {
        if self.request_id == request.request_id {
            Ok(())
        } else {
            Err(ReplyError::RequestId)
        }
    }

    fn from_frames(frames: &[Frame], delimiters: usize) -> Result<Self, ReplyError> {
        let [version, request_id, status, status_text, user_id, metadata] = frames else {
            return Err(ReplyError::FrameCount {
                frames: frames.len() + delimiters,
            });
        };
        if *version != *VERSION {
            return Err(ReplyError::Version);
        }
        Ok(Self {
            request_id: bytes(request_id),
            status: Status::from_bytes(status).ok_or(ReplyError::StatusCode)?,
            status_text: bytes(status_text),
            user_id: bytes(user_id),
            metadata: Metadata::decode(metadata, MAX_PROPERTIES).map_err(|error| match error {
                Error::TooManyProperties { .. } => ReplyError::TooManyProperties,
                _ => ReplyError::Metadata,
            })?,
        })
    }
}

/// Why a message is no [`Reply`], or none to the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReplyError {
    /// The delimiter frame is not empty.
    Delimiter,
    /// There are not six frames, or seven with the delimiter.
    FrameCount {
        /// How many there are, with the delimiter if one was due.
        frames: usize,
    },
    /// The version is not `1.0`.
    Version,
    /// The request id is not that of the request.
    RequestId,
    /// The status code is none of 200, 300, 400 and 500.
    StatusCode,
    /// The metadata ends inside a property.
    Metadata,
    /// The metadata has more than [`MAX_PROPERTIES`] properties.
    TooManyProperties,
}

impl ReplyError {
    /// The value that libzmq reports with `ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL` for this cause.
    #[must_use]
    pub const fn protocol_event_code(self) -> u32 {
        match self {
            Self::Delimiter => 0x2000_0000,
            Self::FrameCount { .. } => 0x2000_0001,
            Self::RequestId => 0x2000_0002,
            Self::Version => 0x2000_0003,
            Self::StatusCode => 0x2000_0004,
            Self::Metadata | Self::TooManyProperties => 0x2000_0005,
        }
    }
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delimiter => f.write_str("ZAP reply does not begin with an empty frame"),
            Self::FrameCount { frames } => {
                write!(f, "ZAP reply has a wrong number of frames: {frames}")
            }
            Self::Version => f.write_str("ZAP reply has another version than 1.0"),
            Self::RequestId => f.write_str("ZAP reply belongs to another request"),
            Self::StatusCode => {
                f.write_str("ZAP reply has a status code other than 200, 300, 400 and 500")
            }
            Self::Metadata => f.write_str("ZAP reply has malformed metadata"),
            Self::TooManyProperties => {
                write!(f, "ZAP reply has more than {MAX_PROPERTIES} properties")
            }
        }
    }
}

impl core::error::Error for ReplyError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zap::Credentials;

    fn request() -> Request {
        Request::new(Credentials::Null)
    }

    // spec: RFC27/reply: version, request id, status code, status text, user id, metadata behind an empty frame
    #[test]
    fn has_the_frames_that_libzmq_expects() {
        let mut metadata = Metadata::new();
        metadata.push("Role", "x").unwrap();
        let reply = Reply::success(&request(), "joe").with_metadata(metadata);
        let fields = ["1.0", "1", "200", "OK", "joe", "\x04Role\0\0\0\x01x"];
        assert_eq!(reply.encode(), Message::from(fields));
        let delimited = reply.encode_delimited();
        assert_eq!((delimited.len(), delimited[0].is_empty()), (7, true));
        assert_eq!(Reply::decode(&reply.encode()), Ok(reply.clone()));
        assert_eq!(Reply::decode_delimited(&delimited), Ok(reply));
    }

    // spec: RFC27/reply-checks: every deviation of a reply is an error of its own
    // spec: WIRE-5/zap-events: causes map to libzmq's ZAP event codes
    #[test]
    fn says_why_a_message_is_no_reply() {
        let error = |frames: &[&str]| {
            let message = frames.iter().copied().collect();
            let error = Reply::decode_delimited(&message).unwrap_err();
            (error, error.protocol_event_code() & 0xFF)
        };
        let count = |frames| (ReplyError::FrameCount { frames }, 1);
        assert_eq!(error(&[]), count(0));
        assert_eq!(error(&[""]), count(1));
        assert_eq!(error(&["", "1.0", "1", "200", "", ""]), count(6));
        assert_eq!(error(&["", "1.0", "1", "200", "", "", "", ""]), count(8));
        assert_eq!(error(&["1.0", "1", "200", "", "", ""]), count(6));
        let delimiter = ["x", "1.0", "1", "200", "", "", ""];
        assert_eq!(error(&delimiter), (ReplyError::Delimiter, 0));
        let version = ["", "1.1", "1", "200", "", "", ""];
        assert_eq!(error(&version), (ReplyError::Version, 3));
        for code in ["201", "600", "abc", "", "2000", "100", "20"] {
            let status = ["", "1.0", "1", code, "", "", ""];
            assert_eq!(error(&status), (ReplyError::StatusCode, 4), "{code}");
        }
        let metadata = ["", "1.0", "1", "200", "", "", "\x04Role\0\0\0\x02x"];
        assert_eq!(error(&metadata), (ReplyError::Metadata, 5));
    }

    // spec: RFC27/request-id: the reply repeats the id of the request
    #[test]
    fn belongs_to_the_request_with_its_id() {
        let reply = Reply::success(&request(), "");
        assert_eq!(reply.check(&request()), Ok(()));
        let other = request().with_request_id("2");
        let error = reply.check(&other).unwrap_err();
        assert_eq!(error, ReplyError::RequestId);
        assert_eq!(error.protocol_event_code(), 0x2000_0002);
    }

    #[test]
    fn the_number_of_properties_is_bounded() {
        let mut message = Reply::success(&request(), "").encode();
        message.pop_back();
        message.push_back(vec![0; 5 * MAX_PROPERTIES]);
        assert!(Reply::decode(&message).is_ok());
        message.pop_back();
        message.push_back(vec![0; 5 * (MAX_PROPERTIES + 1)]);
        assert_eq!(Reply::decode(&message), Err(ReplyError::TooManyProperties));
    }

    #[test]
    fn a_refusal_is_never_a_success() {
        for refusal in [
            Refusal::TemporaryError,
            Refusal::AuthenticationFailure,
            Refusal::InternalError,
        ] {
            let reply = Reply::refusal(&request(), refusal, "no");
            assert_eq!(reply.status, Status::from(refusal));
            assert_ne!(reply.status, Status::Success);
        }
    }

    #[test]
    fn status_codes_are_these_four() {
        for status in Status::ALL {
            assert_eq!(Status::from_bytes(status.as_str().as_bytes()), Some(status));
            assert_eq!(status.to_string(), status.code().to_string());
        }
        assert_eq!(Status::from_bytes(b"201"), None);
    }
}
