//! What a WebSocket peer can do wrong.

use core::fmt;

use crate::Blame;

/// Why an HTTP upgrade failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UpgradeError {
    /// The peer does not speak HTTP/1.
    Malformed,
    /// The head is longer than the limit.
    HeadTooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// There are more header fields than the limit.
    TooManyHeaders {
        /// The limit.
        limit: usize,
    },
    /// The client uses another method than GET.
    Method,
    /// The peer speaks another version than HTTP/1.1.
    HttpVersion,
    /// The client sent no `Host`, or several.
    Host,
    /// `Upgrade: websocket` or `Connection: Upgrade` is missing.
    NotAnUpgrade,
    /// The client's `Sec-WebSocket-Key` is missing, there several times, or not 16 bytes in base64.
    Key,
    /// The client's `Sec-WebSocket-Version` is not 13.
    WebSocketVersion,
    /// The client's request announces a body, which a GET for an upgrade has not.
    Body,
    /// The request comes from a web page whose origin is not allowed, or names several.
    Origin,
    /// The application does not want this request.
    Rejected {
        /// Why.
        rejection: Rejection,
    },
    /// The client offers no protocol that fits our mechanism.
    NoProtocol,
    /// The server answered with another status than 101.
    Status {
        /// The status.
        code: u16,
    },
    /// The server's `Sec-WebSocket-Accept` does not fit our key.
    Accept,
    /// The server did not choose exactly one of the protocols we offered.
    Protocol,
    /// The server uses a WebSocket extension that nobody asked for.
    Extension,
}

impl UpgradeError {
    pub(crate) const fn blame(self) -> Blame {
        match self {
            Self::HeadTooLong { .. } | Self::TooManyHeaders { .. } => Blame::Limit,
            Self::HttpVersion | Self::WebSocketVersion | Self::NoProtocol => Blame::Incompatible,
            Self::Status { .. } => Blame::Refused,
            Self::Origin | Self::Rejected { .. } => Blame::Unauthenticated,
            _ => Blame::Protocol,
        }
    }

    /// What a server answers before it closes, so that the client's user learns what is wrong.
    #[must_use]
    pub const fn response(self) -> &'static [u8] {
        match self {
            Self::WebSocketVersion => {
                b"HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\n\
                  Content-Length: 0\r\nConnection: close\r\n\r\n"
            }
            Self::NotAnUpgrade => {
                b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\n\
                  Content-Length: 0\r\nConnection: close\r\n\r\n"
            }
            Self::Method => {
                b"HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\n\
                  Content-Length: 0\r\nConnection: close\r\n\r\n"
            }
            Self::HttpVersion => {
                b"HTTP/1.1 505 HTTP Version Not Supported\r\n\
                  Content-Length: 0\r\nConnection: close\r\n\r\n"
            }
            Self::HeadTooLong { .. } | Self::TooManyHeaders { .. } => {
                b"HTTP/1.1 431 Request Header Fields Too Large\r\n\
                  Content-Length: 0\r\nConnection: close\r\n\r\n"
            }
            Self::Origin => Rejection::Forbidden.response(),
            Self::Rejected { rejection } => rejection.response(),
            _ => {
                b"HTTP/1.1 400 Bad Request\r\n\
                  Content-Length: 0\r\nConnection: close\r\n\r\n"
            }
        }
    }
}

/// With what status an application turns a [`Request`](super::Request) away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rejection {
    /// 401: a cookie or a field that should say who comes is missing or wrong.
    Unauthorized,
    /// 403: whoever it is may not come in.
    Forbidden,
    /// 404: there is nothing at this path.
    NotFound,
    /// 429: not so often.
    TooManyRequests,
    /// 503: not now.
    Unavailable,
}

impl Rejection {
    /// The number.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::TooManyRequests => 429,
            Self::Unavailable => 503,
        }
    }

    const fn response(self) -> &'static [u8] {
        match self {
            Self::Unauthorized => {
                b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            }
            Self::Forbidden => {
                b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            }
            Self::NotFound => {
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            }
            Self::TooManyRequests => {
                b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            }
            Self::Unavailable => {
                b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            }
        }
    }
}

impl fmt::Display for UpgradeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("peer does not speak HTTP/1"),
            Self::HeadTooLong { limit } => {
                write!(f, "peer sent an HTTP head of more than {limit} bytes")
            }
            Self::TooManyHeaders { limit } => {
                write!(f, "peer sent more than {limit} HTTP header fields")
            }
            Self::Method => f.write_str("client used another HTTP method than GET"),
            Self::HttpVersion => f.write_str("peer speaks another version than HTTP/1.1"),
            Self::Host => f.write_str("client sent no Host, or several"),
            Self::NotAnUpgrade => f.write_str("peer did not upgrade to WebSocket"),
            Self::Key => f.write_str("client sent no valid Sec-WebSocket-Key"),
            Self::WebSocketVersion => {
                f.write_str("client speaks another WebSocket version than 13")
            }
            Self::Body => f.write_str("client sent a body with its request"),
            Self::Origin => f.write_str("request of a web page whose origin is not allowed"),
            Self::Rejected { rejection } => {
                write!(f, "request was rejected with status {}", rejection.status())
            }
            Self::NoProtocol => f.write_str(
                "client offers no protocol that fits; compare the security mechanisms of both ends",
            ),
            Self::Status { code } => write!(f, "server answered the upgrade with status {code}"),
            Self::Accept => f.write_str("server did not understand our Sec-WebSocket-Key"),
            Self::Protocol => f.write_str("server chose none of the protocols we offered"),
            Self::Extension => f.write_str("server uses a WebSocket extension nobody asked for"),
        }
    }
}

impl core::error::Error for UpgradeError {}

/// How a peer broke the rules of WebSocket, or of ØMQ over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Violation {
    /// A frame has reserved bits set.
    ReservedBits,
    /// A frame has an opcode that does not exist.
    UnknownOpcode {
        /// The opcode.
        opcode: u8,
    },
    /// A text frame.
    Text,
    /// A fragment that continues nothing, a message that begins inside another, or a control frame in
    /// fragments.
    Fragmented,
    /// The fragments of a message are longer together than the limit.
    FragmentsTooLong {
        /// The limit in bytes.
        limit: u64,
    },
    /// A frame from a client is not masked.
    Unmasked,
    /// A frame from a server is masked.
    Masked,
    /// A binary frame has no room for the flags.
    Empty,
    /// A control frame of more than 125 bytes.
    ControlTooLong,
    /// A length of 2^63 bytes and more.
    LengthOutOfRange,
    /// A CLOSE whose payload is one byte, half a status code.
    MalformedClose,
    /// A CLOSE with a status code that nobody may send.
    CloseCode {
        /// The code.
        code: u16,
    },
    /// A CLOSE whose reason is no UTF-8.
    CloseReason,
}

impl Violation {
    /// The status code to close with.
    pub(crate) const fn close_code(self) -> u16 {
        match self {
            Self::Text => CLOSE_UNSUPPORTED,
            Self::CloseReason => CLOSE_INVALID_DATA,
            Self::LengthOutOfRange | Self::FragmentsTooLong { .. } => CLOSE_TOO_BIG,
            _ => CLOSE_PROTOCOL_ERROR,
        }
    }

    pub(crate) const fn blame(self) -> Blame {
        match self {
            Self::FragmentsTooLong { .. } => Blame::Limit,
            _ => Blame::Protocol,
        }
    }
}

/// The end of a connection by agreement.
pub(crate) const CLOSE_NORMAL: u16 = 1000;
/// The peer broke the rules.
pub(crate) const CLOSE_PROTOCOL_ERROR: u16 = 1002;
/// The peer sent a kind of data that has no meaning here.
pub(crate) const CLOSE_UNSUPPORTED: u16 = 1003;
/// The peer sent text that is none.
pub(crate) const CLOSE_INVALID_DATA: u16 = 1007;
/// The peer sent more than one of our limits.
pub(crate) const CLOSE_TOO_BIG: u16 = 1009;

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedBits => f.write_str("WebSocket frame with reserved bits"),
            Self::UnknownOpcode { opcode } => {
                write!(f, "WebSocket frame with the unknown opcode {opcode}")
            }
            Self::Text => {
                f.write_str("WebSocket text frame, where only binary ones have a meaning")
            }
            Self::Fragmented => f.write_str("WebSocket fragment where none may be"),
            Self::FragmentsTooLong { limit } => {
                write!(
                    f,
                    "WebSocket message in fragments of more than {limit} bytes"
                )
            }
            Self::Unmasked => f.write_str("WebSocket frame from a client without a mask"),
            Self::Masked => f.write_str("WebSocket frame from a server with a mask"),
            Self::Empty => f.write_str("WebSocket frame without the flags byte"),
            Self::ControlTooLong => f.write_str("WebSocket control frame of more than 125 bytes"),
            Self::LengthOutOfRange => f.write_str("WebSocket frame of 2^63 bytes or more"),
            Self::MalformedClose => f.write_str("WebSocket close frame with half a status code"),
            Self::CloseCode { code } => {
                write!(
                    f,
                    "WebSocket close frame with {code}, which is no code to send"
                )
            }
            Self::CloseReason => f.write_str("WebSocket close frame whose reason is no UTF-8"),
        }
    }
}

impl core::error::Error for Violation {}
