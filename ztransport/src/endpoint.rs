//! Endpoints: where a socket binds or connects.
//!
//! ```text
//! tcp://host:port             ipc:///path/to/socket       inproc://any name
//! tcp://*:*                   ipc://@abstract-name
//! tcp://source:port;host:port ipc://*
//! epgm://interface;group:port pgm://interface;group:port
//! ```
//!
//! Text is parsed once into an [`Endpoint`]; everything behind it works with the typed form.
//! Parsing says nothing about whether a host or a path exists, only whether it could.

mod error;
mod ipc;
mod multicast;
mod spelling;
mod tcp;

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;

pub use error::{EndpointError, EndpointErrorKind};
pub use ipc::{IpcEndpoint, MAX_IPC_PATH};
pub use multicast::{MAX_GROUPS, MulticastEndpoint, MulticastInterface};
pub use tcp::{TcpEndpoint, TcpHost};

use EndpointErrorKind as Kind;
use spelling::Spelling;

/// An address of one of the transports, well-formed by construction.
///
/// `Display` prints the canonical text, which parses back to an equal endpoint: IPv6 addresses are
/// bracketed, ports have no leading zeros, and the wildcard port is `*` even if it was written `0`.
/// What the user wrote instead is kept for messages to the user, see [`as_written`](Self::as_written);
/// it plays no part when endpoints are compared.
///
/// # Examples
///
/// ```
/// use ztransport::endpoint::Endpoint;
///
/// let endpoint: Endpoint = "tcp://::1:05555".parse()?;
/// assert_eq!(endpoint.to_string(), "tcp://[::1]:5555");
/// endpoint.for_connect()?;
///
/// let any = Endpoint::parse("tcp://*:*")?;
/// any.for_bind()?;
/// assert!(any.for_connect().is_err());
/// # Ok::<(), ztransport::endpoint::EndpointError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Endpoint {
    /// `tcp://[source;]host:port`.
    Tcp(TcpEndpoint),
    /// `ipc://path`, `ipc://@name` or `ipc://*`: Unix domain stream sockets.
    Ipc(IpcEndpoint),
    /// `inproc://name`: between sockets of one context.
    Inproc(InprocName),
    /// `pgm://interface;group:port` and `epgm://interface;group:port`: multicast.
    Multicast(MulticastEndpoint),
}

impl Endpoint {
    /// Parses the text of an endpoint.
    ///
    /// Schemes are case-sensitive. A tcp host is `*`, an IPv4 address, an IPv6 address (in
    /// brackets or not, with an optional `%zone`) or a name; a port is a decimal number up to
    /// 65535 or `*`. Nothing is trimmed and nothing may follow.
    ///
    /// # Errors
    ///
    /// [`EndpointError`] says which bytes are wrong, why, and what to write instead. An unknown
    /// scheme is told apart by [`EndpointError::is_protocol_not_supported`].
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let scheme_end = match text.find("://") {
            Some(0) | None => {
                return Err(EndpointError::new(text, Kind::MissingScheme, 0..0));
            }
            Some(end) => end,
        };
        let start = scheme_end + "://".len();
        let scheme = &text[..scheme_end];
        if !matches!(scheme, "tcp" | "ipc" | "inproc" | "pgm" | "epgm") {
            let kind = Kind::UnknownScheme;
            return Err(EndpointError::new(text, kind, 0..scheme_end));
        }
        if start == text.len() {
            return Err(EndpointError::new(text, Kind::EmptyAddress, start..start));
        }
        let mut endpoint = match scheme {
            "tcp" => Self::Tcp(TcpEndpoint::parse(text, start)?),
            "ipc" => Self::Ipc(IpcEndpoint::parse(text, start)?),
            "pgm" | "epgm" => {
                Self::Multicast(MulticastEndpoint::parse(text, start, scheme == "epgm")?)
            }
            _ => Self::Inproc(InprocName(text[start..].into())),
        };
        if let Self::Tcp(tcp) = &mut endpoint
            && tcp.to_string() != text[start..]
        {
            tcp.spelling = Spelling::of(text);
        }
        Ok(endpoint)
    }

    /// The text that this endpoint was parsed from, before anything was resolved; the canonical text
    /// if it was not parsed. Errors quote it, so that users find what they wrote.
    ///
    /// # Examples
    ///
    /// ```
    /// use ztransport::endpoint::Endpoint;
    ///
    /// let endpoint = Endpoint::parse("tcp://127.0.0.1:0")?;
    /// assert_eq!(endpoint.to_string(), "tcp://127.0.0.1:*");
    /// assert_eq!(endpoint.as_written(), "tcp://127.0.0.1:0");
    /// # Ok::<(), ztransport::endpoint::EndpointError>(())
    /// ```
    #[must_use]
    pub fn as_written(&self) -> Cow<'_, str> {
        let spelling = match self {
            Self::Tcp(tcp) => &tcp.spelling,
            Self::Ipc(ipc) => &ipc.spelling,
            Self::Inproc(_) | Self::Multicast(_) => &Spelling::CANONICAL,
        };
        match spelling.text() {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(self.to_string()),
        }
    }

    /// This endpoint, with a relative ipc path made absolute, so that it goes on meaning the same when
    /// the process changes its current directory. Every other endpoint stays as it is.
    ///
    /// # Errors
    ///
    /// [`AbsolutePathTooLong`](EndpointErrorKind::AbsolutePathTooLong),
    /// [`NoCurrentDirectory`](EndpointErrorKind::NoCurrentDirectory).
    pub fn absolute(&self) -> Result<Self, EndpointError> {
        match self {
            Self::Ipc(ipc) => Ok(Self::Ipc(ipc.absolute()?)),
            other => Ok(other.clone()),
        }
    }

    /// The scheme: `tcp`, `ipc`, `inproc`, `pgm` or `epgm`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        match self {
            Self::Tcp(_) => "tcp",
            Self::Ipc(_) => "ipc",
            Self::Inproc(_) => "inproc",
            Self::Multicast(multicast) if multicast.is_encapsulated() => "epgm",
            Self::Multicast(_) => "pgm",
        }
    }

    /// Checks that the endpoint can be bound.
    ///
    /// # Errors
    ///
    /// [`SourceInBind`](EndpointErrorKind::SourceInBind) if a tcp endpoint has a source part.
    pub fn for_bind(&self) -> Result<(), EndpointError> {
        match self {
            Self::Tcp(tcp) if tcp.source().is_some() => {
                let text = self.as_written();
                let end = text.rfind(';').map_or(text.len(), |at| at + 1);
                let start = self.scheme().len() + "://".len();
                Err(EndpointError::new(&text, Kind::SourceInBind, start..end))
            }
            _ => Ok(()),
        }
    }

    /// Checks that the endpoint can be connected to.
    ///
    /// # Errors
    ///
    /// One of the `Wildcard…InConnect` kinds if the host, port or path is a wildcard. (The source
    /// part may have wildcards.)
    pub fn for_connect(&self) -> Result<(), EndpointError> {
        let kind = match self {
            Self::Tcp(tcp) if *tcp.host() == TcpHost::Any => Kind::WildcardHostInConnect,
            Self::Tcp(tcp) if tcp.port().is_none() => Kind::WildcardPortInConnect,
            Self::Ipc(ipc) if ipc.is_wildcard() => Kind::WildcardPathInConnect,
            _ => return Ok(()),
        };
        let text = self.as_written();
        // The port is behind the last colon, the host before it; neither contains a `;`.
        let start = self.scheme().len() + "://".len();
        let address = text.rfind(';').map_or(start, |at| at + 1);
        let colon = text.rfind(':').unwrap_or(text.len());
        let span = match kind {
            Kind::WildcardHostInConnect => address..colon,
            Kind::WildcardPortInConnect => colon + 1..text.len(),
            _ => address..text.len(),
        };
        Err(EndpointError::new(&text, kind, span))
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        Self::parse(text)
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address.into())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(tcp) => write!(f, "tcp://{tcp}"),
            Self::Ipc(ipc) => write!(f, "ipc://{ipc}"),
            Self::Inproc(name) => write!(f, "inproc://{name}"),
            Self::Multicast(multicast) => write!(f, "{}://{multicast}", self.scheme()),
        }
    }
}

/// The name of an inproc endpoint: any text that is not empty, compared byte for byte. Cloning it
/// is cheap.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InprocName(Arc<str>);

impl InprocName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InprocName {
    /// Prints the name without the scheme.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What can be used as an endpoint: text, which is parsed, or an [`Endpoint`].
pub trait IntoEndpoint {
    /// Converts, parsing if need be.
    ///
    /// # Errors
    ///
    /// [`EndpointError`] if text does not parse.
    fn into_endpoint(self) -> Result<Endpoint, EndpointError>;
}

impl IntoEndpoint for Endpoint {
    fn into_endpoint(self) -> Result<Endpoint, EndpointError> {
        Ok(self)
    }
}

impl IntoEndpoint for &Endpoint {
    fn into_endpoint(self) -> Result<Endpoint, EndpointError> {
        Ok(self.clone())
    }
}

impl IntoEndpoint for &str {
    fn into_endpoint(self) -> Result<Endpoint, EndpointError> {
        Endpoint::parse(self)
    }
}

impl IntoEndpoint for String {
    fn into_endpoint(self) -> Result<Endpoint, EndpointError> {
        Endpoint::parse(&self)
    }
}

impl IntoEndpoint for &String {
    fn into_endpoint(self) -> Result<Endpoint, EndpointError> {
        Endpoint::parse(self)
    }
}

#[cfg(test)]
mod tests;
