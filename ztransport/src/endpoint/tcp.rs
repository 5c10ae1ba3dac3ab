//! `tcp://[source;]host:port`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;

use super::spelling::Spelling;
use super::{EndpointError, EndpointErrorKind as Kind};

/// The address of a tcp endpoint: host, port, and the source to connect from, if one is given.
///
/// It is made by parsing an [`Endpoint`](super::Endpoint) or from a [`SocketAddr`], so one that
/// exists is well-formed. Host names are kept as text; resolving them is a step of its own
/// ([`net::resolve`](crate::net::resolve)).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TcpEndpoint {
    target: HostPort,
    source: Option<Box<HostPort>>,
    pub(super) spelling: Spelling,
}

/// The host of a tcp endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum TcpHost {
    /// `*`: every local address.
    Any,
    /// A literal IPv4 address.
    V4(Ipv4Addr),
    /// A literal IPv6 address, with the zone (interface name or number) of a link-local one.
    V6(Ipv6Addr, Option<Box<str>>),
    /// A DNS name; when binding, or as a source, also the name of a network interface.
    Name(Box<str>),
    /// A DNS name, and the zone of its IPv6 addresses.
    ScopedName(Box<str>, Box<str>),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct HostPort {
    host: TcpHost,
    /// 0 is the wildcard.
    port: u16,
}

impl TcpEndpoint {
    /// The host to bind or to connect to.
    #[must_use]
    pub fn host(&self) -> &TcpHost {
        &self.target.host
    }

    /// The port, or `None` for the wildcard (`*` or 0).
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.target.port()
    }

    /// The local host and port to connect from, if the endpoint has a `source;` part.
    #[must_use]
    pub fn source(&self) -> Option<(&TcpHost, Option<u16>)> {
        let source = self.source.as_deref()?;
        Some((&source.host, source.port()))
    }

    /// Whether a name has to be looked up, which may block. Literal addresses and the wildcard
    /// need no look-up.
    #[must_use]
    pub fn needs_dns(&self) -> bool {
        let is_name = |at: &HostPort| matches!(at.host, TcpHost::Name(_) | TcpHost::ScopedName(..));
        is_name(&self.target) || self.source.as_deref().is_some_and(is_name)
    }

    /// This host and port, connected to from where another endpoint is connected to from.
    pub(crate) fn with_source_of(&self, other: &Self) -> Self {
        Self {
            target: self.target.clone(),
            source: other.source.clone(),
            spelling: Spelling::CANONICAL,
        }
    }

    /// Parses the address that starts at byte `start` of `text`.
    pub(super) fn parse(text: &str, start: usize) -> Result<Self, EndpointError> {
        let target_start = text[start..].rfind(';').map_or(start, |at| start + at + 1);
        let target = HostPort::parse(text, target_start..text.len())?;
        let source = if target_start > start {
            Some(Box::new(HostPort::parse(text, start..target_start - 1)?))
        } else {
            None
        };
        Ok(Self {
            target,
            source,
            spelling: Spelling::CANONICAL,
        })
    }
}

impl From<SocketAddr> for TcpEndpoint {
    /// The endpoint of one address. A scope id of an IPv6 address becomes a numeric zone.
    fn from(address: SocketAddr) -> Self {
        let host = match address {
            SocketAddr::V4(v4) => TcpHost::V4(*v4.ip()),
            SocketAddr::V6(v6) => {
                let zone = (v6.scope_id() != 0).then(|| v6.scope_id().to_string().into());
                TcpHost::V6(*v6.ip(), zone)
            }
        };
        Self {
            target: HostPort {
                host,
                port: address.port(),
            },
            source: None,
            spelling: Spelling::CANONICAL,
        }
    }
}

impl fmt::Display for TcpEndpoint {
    /// Prints the address without its scheme: `[source;]host:port`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(source) = &self.source {
            write!(f, "{source};")?;
        }
        write!(f, "{}", self.target)
    }
}

impl TcpHost {
    /// The literal address, if it is one without a zone.
    pub(crate) fn literal(&self) -> Option<IpAddr> {
        match self {
            Self::V4(v4) => Some(IpAddr::V4(*v4)),
            Self::V6(v6, None) => Some(IpAddr::V6(*v6)),
            _ => None,
        }
    }

    fn parse(text: &str, span: Range<usize>) -> Result<Self, EndpointError> {
        let host = &text[span.clone()];
        let fail = |kind| Err(EndpointError::new(text, kind, span.clone()));
        if host.is_empty() {
            return fail(Kind::EmptyHost);
        }
        if host == "*" {
            return Ok(Self::Any);
        }
        if host.contains(':') {
            return Self::parse_v6(text, span);
        }
        if let Some(percent) = host.find('%') {
            let percent = span.start + percent;
            let name = Self::parse(text, span.start..percent)?;
            let zone = parse_zone(text, percent..span.end)?;
            return match name {
                Self::Name(name) => Ok(Self::ScopedName(name, zone)),
                _ => Err(EndpointError::new(
                    text,
                    Kind::InvalidZone,
                    percent..span.end,
                )),
            };
        }
        if let Ok(v4) = host.parse() {
            return Ok(Self::V4(v4));
        }
        // A name whose last label is a number is a mistyped address: do not ask the DNS about it.
        let last_label = host.rsplit('.').find(|label| !label.is_empty());
        if last_label.is_none_or(|label| label.bytes().all(|b| b.is_ascii_digit())) {
            return fail(Kind::InvalidIpv4);
        }
        let bad = host
            .char_indices()
            .find(|(_, c)| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')));
        if let Some((at, c)) = bad {
            let at = span.start + at;
            return Err(EndpointError::new(
                text,
                Kind::InvalidHost,
                at..at + c.len_utf8(),
            ));
        }
        if host.len() > MAX_NAME || host.starts_with(['-', '.']) || host.contains("..") {
            return fail(Kind::InvalidHost);
        }
        Ok(Self::Name(host.into()))
    }

    fn parse_v6(text: &str, span: Range<usize>) -> Result<Self, EndpointError> {
        let host = &text[span.clone()];
        let (address, zone) = match host.split_once('%') {
            Some((address, zone)) => (address, Some(zone)),
            None => (host, None),
        };
        let Ok(v6) = address.parse::<Ipv6Addr>() else {
            return Err(EndpointError::new(text, Kind::InvalidIpv6, span));
        };
        let zone = match zone {
            Some(_) => Some(parse_zone(text, span.start + address.len()..span.end)?),
            None => None,
        };
        Ok(Self::V6(v6, zone))
    }
}

/// A zone with its `%`.
fn parse_zone(text: &str, span: Range<usize>) -> Result<Box<str>, EndpointError> {
    let zone = &text[span.start + 1..span.end];
    let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if zone.is_empty() || zone.len() > MAX_NAME || !zone.bytes().all(valid) {
        return Err(EndpointError::new(text, Kind::InvalidZone, span));
    }
    Ok(zone.into())
}

/// The longest DNS name in its text form (RFC 1035, section 2.3.4).
const MAX_NAME: usize = 253;

impl fmt::Display for TcpHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::V4(v4) => write!(f, "{v4}"),
            Self::V6(v6, None) => write!(f, "[{v6}]"),
            Self::V6(v6, Some(zone)) => write!(f, "[{v6}%{zone}]"),
            Self::Name(name) => f.write_str(name),
            Self::ScopedName(name, zone) => write!(f, "{name}%{zone}"),
        }
    }
}

impl HostPort {
    fn port(&self) -> Option<u16> {
        (self.port != 0).then_some(self.port)
    }

    fn parse(text: &str, span: Range<usize>) -> Result<Self, EndpointError> {
        let part = &text[span.clone()];
        let (host, colon) = if part.starts_with('[') {
            let Some(close) = part.find(']') else {
                return Err(EndpointError::new(text, Kind::UnclosedBracket, span));
            };
            let inside = span.start + 1..span.start + close;
            let after = span.start + close + 1;
            if after < span.end && text.as_bytes()[after] != b':' {
                return Err(EndpointError::new(text, Kind::InvalidHost, after..span.end));
            }
            (
                // What needs no brackets may have them.
                match TcpHost::parse(text, inside.clone())? {
                    TcpHost::Any => {
                        return Err(EndpointError::new(text, Kind::InvalidHost, inside));
                    }
                    host => host,
                },
                (after < span.end).then_some(after),
            )
        } else {
            // The last colon separates the port, so an unbracketed IPv6 address works too.
            let colon = part.rfind(':').map(|at| span.start + at);
            let host = span.start..colon.unwrap_or(span.end);
            (TcpHost::parse(text, host)?, colon)
        };
        let Some(colon) = colon else {
            return Err(EndpointError::new(
                text,
                Kind::MissingPort,
                span.end..span.end,
            ));
        };
        let port = parse_port(text, colon + 1..span.end)?;
        Ok(Self { host, port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            0 => write!(f, "{}:*", self.host),
            port => write!(f, "{}:{port}", self.host),
        }
    }
}

fn parse_port(text: &str, span: Range<usize>) -> Result<u16, EndpointError> {
    let port = &text[span.clone()];
    let kind = match port {
        "" => Kind::MissingPort,
        "*" => return Ok(0),
        // `str::parse` would take a sign.
        _ if !port.bytes().all(|b| b.is_ascii_digit()) => Kind::InvalidPort,
        _ => match port.parse() {
            Ok(port) => return Ok(port),
            Err(_) => Kind::PortOutOfRange,
        },
    };
    Err(EndpointError::new(text, kind, span))
}
