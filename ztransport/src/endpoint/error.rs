//! What can be wrong with the text of an endpoint.

use std::error::Error;
use std::fmt;
use std::ops::Range;

use super::MAX_IPC_PATH;

/// An endpoint that cannot be used, and why.
///
/// The error keeps the whole text, the bytes of it that are at fault and the cause, so that a
/// program can point at the mistake. `Display` prints all of them together with the remedy.
///
/// # Examples
///
/// ```
/// use ztransport::endpoint::{Endpoint, EndpointErrorKind};
///
/// let error = Endpoint::parse("tcp://localhost:99999").unwrap_err();
/// assert_eq!(error.kind(), EndpointErrorKind::PortOutOfRange);
/// assert_eq!(&error.endpoint()[error.span()], "99999");
/// assert!(!error.is_protocol_not_supported());
///
/// let error = Endpoint::parse("carrier-pigeon://roof").unwrap_err();
/// assert!(error.is_protocol_not_supported());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct EndpointError {
    // Boxed so that a `Result` of the hot-path types stays small.
    inner: Box<Inner>,
}

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    endpoint: String,
    kind: EndpointErrorKind,
    span: Range<usize>,
}

impl EndpointError {
    pub(crate) fn new(endpoint: &str, kind: EndpointErrorKind, span: Range<usize>) -> Self {
        debug_assert!(endpoint.get(span.clone()).is_some(), "span off the text");
        Self {
            inner: Box::new(Inner {
                endpoint: endpoint.to_owned(),
                kind,
                span,
            }),
        }
    }

    /// The cause.
    #[must_use]
    pub fn kind(&self) -> EndpointErrorKind {
        self.inner.kind
    }

    /// The text that was rejected.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.inner.endpoint
    }

    /// The byte range of [`endpoint`](Self::endpoint) that is at fault; empty where something is
    /// missing.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.inner.span.clone()
    }

    /// Whether the text names a transport that this build does not have (`EPROTONOSUPPORT` in
    /// libzmq), as opposed to a malformed or misplaced endpoint (`EINVAL`).
    #[must_use]
    pub fn is_protocol_not_supported(&self) -> bool {
        matches!(
            self.inner.kind,
            EndpointErrorKind::UnknownScheme | EndpointErrorKind::IpcNotSupported
        )
    }
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            endpoint,
            kind,
            span,
        } = &*self.inner;
        write!(f, "endpoint {endpoint:?}: {}", kind.what())?;
        if span.is_empty() {
            write!(f, " (at offset {})", span.start)?;
        } else {
            let part = &endpoint[span.clone()];
            write!(f, " ({part:?} at offset {})", span.start)?;
        }
        write!(f, "; {}", kind.remedy())
    }
}

impl fmt::Debug for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointError")
            .field("endpoint", &self.inner.endpoint)
            .field("kind", &self.inner.kind)
            .field("span", &self.inner.span)
            .finish()
    }
}

impl Error for EndpointError {}

/// The cause of an [`EndpointError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndpointErrorKind {
    /// There is no `://` or nothing in front of it.
    MissingScheme,
    /// The scheme is not one of `tcp`, `ipc`, `inproc`, `pgm` and `epgm`. Schemes are case-sensitive.
    UnknownScheme,
    /// Nothing follows the `://`.
    EmptyAddress,
    /// A tcp address has no host.
    EmptyHost,
    /// A host contains a character that no host name, interface name or address has.
    InvalidHost,
    /// A host looks like an IPv4 address but is none.
    InvalidIpv4,
    /// A host looks like an IPv6 address but is none.
    InvalidIpv6,
    /// An opening `[` has no closing `]`.
    UnclosedBracket,
    /// The zone behind `%` is empty, has a character that no zone has, or does not follow an
    /// IPv6 address or a name.
    InvalidZone,
    /// A tcp address has no port.
    MissingPort,
    /// A port is neither a decimal number nor `*`.
    InvalidPort,
    /// A port is above 65535.
    PortOutOfRange,
    /// An ipc path or abstract name is longer than a socket address can hold.
    PathTooLong,
    /// A relative ipc path is too long for a socket address once it is made absolute.
    AbsolutePathTooLong,
    /// An ipc path is relative to a current directory that is gone, or whose name is not UTF-8.
    NoCurrentDirectory,
    /// An ipc path or abstract name contains a NUL byte.
    NulInPath,
    /// An ipc path starts with `*` but is not the wildcard `*` alone.
    AmbiguousWildcard,
    /// The abstract name behind `ipc://@` is empty.
    EmptyAbstractName,
    /// This system has no Unix domain sockets (Windows).
    IpcNotSupported,
    /// Abstract socket names exist on Linux only.
    AbstractNotSupported,
    /// The host `*` stands for every local address and cannot be connected to.
    WildcardHostInConnect,
    /// The port `*` or 0 stands for any free port and cannot be connected to.
    WildcardPortInConnect,
    /// The ipc wildcard `*` stands for a new path and cannot be connected to.
    WildcardPathInConnect,
    /// A source address (`source;destination`) makes sense for connecting only.
    SourceInBind,
    /// A multicast endpoint has more parts than interface, groups and the group to send to.
    TooManyParts,
    /// A multicast endpoint names more than one interface.
    SeveralInterfaces,
    /// The interface of a multicast endpoint looks like a network but is none.
    InvalidNetwork,
    /// A group of a multicast endpoint is no multicast address.
    NotAGroup,
    /// A multicast endpoint has more groups than it may have.
    TooManyGroups,
    /// A multicast endpoint has addresses of IPv4 and of IPv6.
    MixedFamilies,
    /// All who take part in a multicast session have the same port, so there is no free one to be chosen.
    ZeroPort,
}

impl EndpointErrorKind {
    fn what(self) -> &'static str {
        match self {
            Self::MissingScheme => "the transport is missing",
            Self::UnknownScheme => "unknown transport",
            Self::EmptyAddress => "nothing follows the transport",
            Self::EmptyHost => "the host is empty",
            Self::InvalidHost => "the host contains an invalid character or is too long",
            Self::InvalidIpv4 => "the host is not an IPv4 address",
            Self::InvalidIpv6 => "the host is not an IPv6 address",
            Self::UnclosedBracket => "the bracket is not closed",
            Self::InvalidZone => "the zone is invalid",
            Self::MissingPort => "the port is missing",
            Self::InvalidPort => "the port is not a number",
            Self::PortOutOfRange => "the port is above 65535",
            Self::PathTooLong => "the path is longer than a socket address can hold",
            Self::AbsolutePathTooLong => {
                "with the current directory in front, the path is longer than a socket address can hold"
            }
            Self::NoCurrentDirectory => {
                "the path is relative to a current directory that is gone or whose name is not UTF-8"
            }
            Self::NulInPath => "the path contains a NUL byte",
            Self::AmbiguousWildcard => "the path starts with the wildcard",
            Self::EmptyAbstractName => "the abstract name is empty",
            Self::IpcNotSupported => "this system has no ipc",
            Self::AbstractNotSupported => "abstract names exist on Linux only",
            Self::WildcardHostInConnect => "a wildcard host cannot be connected to",
            Self::WildcardPortInConnect => "a wildcard port cannot be connected to",
            Self::WildcardPathInConnect => "a wildcard path cannot be connected to",
            Self::SourceInBind => "a source address has no meaning in bind",
            Self::TooManyParts => "the endpoint has too many parts",
            Self::SeveralInterfaces => "the endpoint names several interfaces",
            Self::InvalidNetwork => "the interface is not a network",
            Self::NotAGroup => "the group is not a multicast address",
            Self::TooManyGroups => "the endpoint has too many groups",
            Self::MixedFamilies => "the endpoint mixes IPv4 and IPv6",
            Self::ZeroPort => "a multicast endpoint cannot have port 0",
        }
    }

    fn remedy(self) -> &'static str {
        match self {
            Self::MissingScheme => "write transport://address, for example tcp://127.0.0.1:5555",
            Self::UnknownScheme => "use tcp, ipc, inproc, pgm or epgm, in lower case",
            Self::EmptyAddress => {
                "add an address: host:port for tcp, a path for ipc, a name for inproc, interface;group:port for pgm and epgm"
            }
            Self::EmptyHost => "name a host or an address, or * to bind to all addresses",
            Self::InvalidHost => {
                "use letters, digits, '.', '-' and '_' (at most 253), or an IP address"
            }
            Self::InvalidIpv4 => "write four numbers from 0 to 255",
            Self::InvalidIpv6 => "write it in brackets, for example tcp://[::1]:5555",
            Self::UnclosedBracket => "add a ']' after the IPv6 address",
            Self::InvalidZone => {
                "put an interface name or number behind the '%' of an IPv6 address"
            }
            Self::MissingPort => "add ':' and a port, or ':*' to bind to any free one",
            Self::InvalidPort => "use a number from 1 to 65535, or * to bind to any free port",
            Self::PortOutOfRange => "use a number from 1 to 65535",
            Self::PathTooLong | Self::AbsolutePathTooLong if MAX_IPC_PATH < 107 => {
                "use a path of at most 103 bytes, counted from the root"
            }
            Self::PathTooLong | Self::AbsolutePathTooLong => {
                "use a path of at most 107 bytes, counted from the root"
            }
            Self::NoCurrentDirectory => "use an absolute path",
            Self::NulInPath => "remove it",
            Self::AmbiguousWildcard => {
                "write ipc://* alone, or ipc://./* for a file whose name starts with *"
            }
            Self::EmptyAbstractName => "add a name after the '@'",
            Self::IpcNotSupported => "use tcp on the loopback address, or inproc",
            Self::AbstractNotSupported => "use a path",
            Self::WildcardHostInConnect | Self::WildcardPortInConnect => {
                "name one host and one port"
            }
            Self::WildcardPathInConnect => "connect to the endpoint that bind returned",
            Self::SourceInBind => "remove the part up to the ';'",
            Self::TooManyParts => "write interface;groups;group-to-send-to:port",
            Self::SeveralInterfaces => "use one endpoint for each interface",
            Self::InvalidNetwork => "write it like 192.168.1.0/24",
            Self::NotAGroup => {
                "use addresses from 224.0.0.0 to 239.255.255.255, or that begin with ff"
            }
            Self::TooManyGroups => "use at most 10, or several endpoints",
            Self::MixedFamilies => "use addresses of one family",
            Self::ZeroPort => "use a number from 1 to 65535, the same on all sides",
        }
    }
}

impl fmt::Display for EndpointErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what())
    }
}
