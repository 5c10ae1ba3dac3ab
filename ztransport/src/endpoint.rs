//! Endpoints: where a socket binds or connects.
//!
//! ```text
//! tcp://host:port             ipc:///path/to/socket       inproc://any name
//! tcp://*:*                   ipc://@abstract-name
//! tcp://source:port;host:port ipc://*
//! ```
//!
//! Text is parsed once into an [`Endpoint`]; everything behind it works with the typed form.
//! Parsing says nothing about whether a host or a path exists, only whether it could.

mod error;
mod tcp;

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

pub use error::{EndpointError, EndpointErrorKind};
pub use tcp::{TcpEndpoint, TcpHost};

use EndpointErrorKind as Kind;

/// The longest ipc path or abstract name (with its `@`) in bytes: what fits into a socket address
/// together with the terminating NUL.
pub const MAX_IPC_PATH: usize = 107;

/// An address of one of the transports, well-formed by construction.
///
/// `Display` prints the canonical text, which parses back to an equal endpoint: IPv6 addresses are
/// bracketed, ports have no leading zeros, and the wildcard port is `*` even if it was written `0`.
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
        if !matches!(scheme, "tcp" | "ipc" | "inproc") {
            let kind = Kind::UnknownScheme;
            return Err(EndpointError::new(text, kind, 0..scheme_end));
        }
        if start == text.len() {
            return Err(EndpointError::new(text, Kind::EmptyAddress, start..start));
        }
        Ok(match scheme {
            "tcp" => Self::Tcp(TcpEndpoint::parse(text, start)?),
            "ipc" => Self::Ipc(IpcEndpoint::parse(text, start)?),
            _ => Self::Inproc(InprocName(text[start..].into())),
        })
    }

    /// The scheme: `tcp`, `ipc` or `inproc`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        match self {
            Self::Tcp(_) => "tcp",
            Self::Ipc(_) => "ipc",
            Self::Inproc(_) => "inproc",
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
                let text = self.to_string();
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
            Self::Ipc(IpcEndpoint(IpcForm::Wildcard)) => Kind::WildcardPathInConnect,
            _ => return Ok(()),
        };
        let text = self.to_string();
        let at = match kind {
            Kind::WildcardHostInConnect => text.rfind("*:"),
            _ => text.rfind('*'),
        };
        let span = at.map_or(0..text.len(), |at| at..at + 1);
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
        }
    }
}

/// The address of an ipc endpoint: a file system path, an abstract name (Linux), or the wildcard
/// that makes a new path when it is bound.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IpcEndpoint(IpcForm);

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum IpcForm {
    Path(Box<str>),
    Abstract(Box<str>),
    Wildcard,
}

impl IpcEndpoint {
    /// The path, if the endpoint is a file system path.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.0 {
            IpcForm::Path(path) => Some(Path::new(&**path)),
            _ => None,
        }
    }

    /// The name behind the `@`, if the endpoint is in the abstract namespace.
    #[must_use]
    pub fn abstract_name(&self) -> Option<&str> {
        match &self.0 {
            IpcForm::Abstract(name) => Some(name),
            _ => None,
        }
    }

    /// Whether this is `ipc://*`.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.0 == IpcForm::Wildcard
    }

    fn parse(text: &str, start: usize) -> Result<Self, EndpointError> {
        let address = &text[start..];
        let fail = |kind, span| Err(EndpointError::new(text, kind, span));
        if let Some(at) = address.find('\0') {
            return fail(Kind::NulInPath, start + at..start + at + 1);
        }
        if address.len() > MAX_IPC_PATH {
            return fail(Kind::PathTooLong, start..text.len());
        }
        let form = match address.as_bytes()[0] {
            b'*' if address.len() > 1 => {
                return fail(Kind::AmbiguousWildcard, start..start + 1);
            }
            b'*' => IpcForm::Wildcard,
            b'@' if address.len() == 1 => {
                return fail(Kind::EmptyAbstractName, text.len()..text.len());
            }
            b'@' if cfg!(not(any(target_os = "linux", target_os = "android"))) => {
                return fail(Kind::AbstractNotSupported, start..text.len());
            }
            b'@' => IpcForm::Abstract(address[1..].into()),
            _ => IpcForm::Path(address.into()),
        };
        Ok(Self(form))
    }
}

impl fmt::Display for IpcEndpoint {
    /// Prints the address without its scheme.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            IpcForm::Path(path) => f.write_str(path),
            IpcForm::Abstract(name) => write!(f, "@{name}"),
            IpcForm::Wildcard => f.write_str("*"),
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
