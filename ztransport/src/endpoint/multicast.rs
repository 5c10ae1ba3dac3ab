//! `pgm://` and `epgm://`: a network interface, groups and a port.
//!
//! ```text
//! epgm://eth0;239.192.1.1:5555                   by name
//! epgm://192.168.1.5;239.192.1.1:5555            by its address, or by its network
//! epgm://eth0;239.192.1.1,239.192.1.2;239.192.1.3:5555   receives from two groups, and sends to a third
//! epgm://239.192.1.1:5555                        by the routing table
//! ```

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::Range,
    sync::Arc,
};

use super::{EndpointError, EndpointErrorKind as Kind};
use crate::net::IpNetwork;

/// The groups that one endpoint may receive from.
pub const MAX_GROUPS: usize = 10;
/// What is used when no group is named.
const DEFAULT_V4: Ipv4Addr = Ipv4Addr::new(239, 192, 0, 1);
const DEFAULT_V6: Ipv6Addr = Ipv6Addr::new(0xff08, 0, 0, 0, 0, 0, 0, 1);

/// The interface that a multicast endpoint uses.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum MulticastInterface {
    /// The one that the routing table says.
    Any,
    /// The one of this name.
    Name(Box<str>),
    /// The one with this address, or with an address in the network that has it as its first one.
    Address(IpAddr),
    /// The one with an address in the network of this address, which has so many bits.
    Network(IpAddr, u8),
}

/// The address of a `pgm://` or `epgm://` endpoint.
///
/// `Display` prints it as it was written, and endpoints are equal if they were written alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MulticastEndpoint {
    text: Arc<str>,
    encapsulated: bool,
    interface: MulticastInterface,
    groups: Vec<IpAddr>,
    send_group: IpAddr,
    port: u16,
}

impl MulticastEndpoint {
    /// Whether packets travel in UDP datagrams: `epgm://`.
    #[must_use]
    pub fn is_encapsulated(&self) -> bool {
        self.encapsulated
    }

    /// The interface.
    #[must_use]
    pub fn interface(&self) -> &MulticastInterface {
        &self.interface
    }

    /// The groups that are received from: at least one.
    #[must_use]
    pub fn groups(&self) -> &[IpAddr] {
        &self.groups
    }

    /// The group that is sent to.
    #[must_use]
    pub fn send_group(&self) -> IpAddr {
        self.send_group
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether everything goes over IPv6.
    #[must_use]
    pub fn is_ipv6(&self) -> bool {
        self.send_group.is_ipv6()
    }

    /// Parses the address that begins at byte `start` of `text`.
    pub(super) fn parse(
        text: &str,
        start: usize,
        encapsulated: bool,
    ) -> Result<Self, EndpointError> {
        let fail = |kind, span: Range<usize>| Err(EndpointError::new(text, kind, span));
        let Some(colon) = text[start..].rfind(':').map(|at| start + at) else {
            return fail(Kind::MissingPort, text.len()..text.len());
        };
        let port = parse_port(text, colon + 1)?;
        let mut parts = Vec::new();
        let mut at = start;
        for part in text[start..colon].split(';') {
            parts.push(at..at + part.len());
            at += part.len() + 1;
        }
        if let Some(extra) = parts.get(3) {
            return fail(Kind::TooManyParts, extra.start..colon);
        }
        // A group alone has no interface before it.
        let only = &text[parts[0].clone()];
        if parts.len() == 1 && parse_ip(only).is_some_and(|ip| ip.is_multicast()) {
            parts.insert(0, start..start);
        }
        let interface = parse_interface(text, parts[0].clone())?;
        let mut groups = match parts.get(1) {
            Some(span) => parse_groups(text, span.clone())?,
            None => Vec::new(),
        };
        let sends = match parts.get(2) {
            Some(span) => parse_groups(text, span.clone())?,
            None => Vec::new(),
        };
        let address = match &interface {
            MulticastInterface::Address(ip) | MulticastInterface::Network(ip, _) => Some(*ip),
            _ => None,
        };
        if groups.is_empty() {
            let ipv6 = sends
                .first()
                .or(address.as_ref())
                .is_some_and(IpAddr::is_ipv6);
            groups.push(if ipv6 {
                DEFAULT_V6.into()
            } else {
                DEFAULT_V4.into()
            });
        }
        let send_group = sends.first().copied().unwrap_or(groups[0]);
        let mut all = groups.iter().chain(&sends).chain(&address);
        if !all.all(|ip| ip.is_ipv6() == send_group.is_ipv6()) {
            return fail(Kind::MixedFamilies, start..colon);
        }
        Ok(Self {
            text: text[start..].into(),
            encapsulated,
            interface,
            groups,
            send_group,
            port,
        })
    }
}

impl fmt::Display for MulticastEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn parse_port(text: &str, at: usize) -> Result<u16, EndpointError> {
    let digits = &text[at..];
    let fail = |kind| Err(EndpointError::new(text, kind, at..text.len()));
    if digits.is_empty() {
        return fail(Kind::MissingPort);
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return fail(Kind::InvalidPort);
    }
    match digits.parse::<u16>() {
        Ok(0) => fail(Kind::ZeroPort),
        Ok(port) => Ok(port),
        Err(_) => fail(Kind::PortOutOfRange),
    }
}

/// An address, in brackets or not.
fn parse_ip(text: &str) -> Option<IpAddr> {
    let inner = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match inner {
        Some(inner) => inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => text.parse().ok(),
    }
}

fn parse_interface(text: &str, span: Range<usize>) -> Result<MulticastInterface, EndpointError> {
    let interface = &text[span.clone()];
    let fail = |kind| Err(EndpointError::new(text, kind, span.clone()));
    if interface.is_empty() {
        return Ok(MulticastInterface::Any);
    }
    if let Some(comma) = interface.find(',') {
        let span = span.start + comma..span.end;
        return Err(EndpointError::new(text, Kind::SeveralInterfaces, span));
    }
    if let Some((address, bits)) = interface.split_once('/') {
        let network = parse_ip(address).zip(bits.parse().ok());
        return match network {
            Some((ip, bits)) if IpNetwork::new(ip, bits).is_some() => {
                Ok(MulticastInterface::Network(ip, bits))
            }
            _ => fail(Kind::InvalidNetwork),
        };
    }
    if let Some(ip) = parse_ip(interface) {
        return Ok(MulticastInterface::Address(ip));
    }
    let is_bad = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    if let Some((at, c)) = interface.char_indices().find(|(_, c)| is_bad(*c)) {
        let at = span.start + at;
        return Err(EndpointError::new(
            text,
            Kind::InvalidHost,
            at..at + c.len_utf8(),
        ));
    }
    Ok(MulticastInterface::Name(interface.into()))
}

fn parse_groups(text: &str, span: Range<usize>) -> Result<Vec<IpAddr>, EndpointError> {
    let mut groups = Vec::new();
    if span.is_empty() {
        return Ok(groups);
    }
    let mut at = span.start;
    for group in text[span.clone()].split(',') {
        let place = at..at + group.len();
        at = place.end + 1;
        match parse_ip(group) {
            Some(ip) if ip.is_multicast() => groups.push(ip),
            _ => return Err(EndpointError::new(text, Kind::NotAGroup, place)),
        }
        if groups.len() > MAX_GROUPS {
            return Err(EndpointError::new(text, Kind::TooManyGroups, span));
        }
    }
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Endpoint;

    fn parse(text: &str) -> Result<MulticastEndpoint, EndpointError> {
        let Endpoint::Multicast(endpoint) = Endpoint::parse(text)? else {
            panic!("{text}");
        };
        assert_eq!(Endpoint::Multicast(endpoint.clone()).to_string(), text);
        Ok(endpoint)
    }

    fn ips(text: &str) -> Vec<IpAddr> {
        text.split(' ').map(|ip| ip.parse().unwrap()).collect()
    }

    #[test]
    fn what_libzmq_accepts() {
        use MulticastInterface::{Address, Any, Name, Network};
        let name = |name: &str| Name(name.into());
        let ip = |text: &str| ips(text)[0];
        for (text, interface, groups, sends) in [
            (
                "epgm://vA;239.192.1.1:5555",
                name("vA"),
                "239.192.1.1",
                "239.192.1.1",
            ),
            (
                "epgm://10.78.0.1;239.192.1.1:5555",
                Address(ip("10.78.0.1")),
                "239.192.1.1",
                "239.192.1.1",
            ),
            (
                "epgm://10.78.0.0/24;239.192.1.1:5555",
                Network(ip("10.78.0.0"), 24),
                "239.192.1.1",
                "239.192.1.1",
            ),
            ("epgm://239.192.1.1:5555", Any, "239.192.1.1", "239.192.1.1"),
            (
                "epgm://;239.192.1.1:5555",
                Any,
                "239.192.1.1",
                "239.192.1.1",
            ),
            ("epgm://vA;:5555", name("vA"), "239.192.0.1", "239.192.0.1"),
            ("epgm://vA:5555", name("vA"), "239.192.0.1", "239.192.0.1"),
            ("epgm://:5555", Any, "239.192.0.1", "239.192.0.1"),
            (
                "epgm://vA;239.192.1.1,239.192.1.2;239.192.1.3:5555",
                name("vA"),
                "239.192.1.1 239.192.1.2",
                "239.192.1.3",
            ),
            ("epgm://vA;[ff15::1]:5555", name("vA"), "ff15::1", "ff15::1"),
            ("epgm://vA;ff15::1:5555", name("vA"), "ff15::1", "ff15::1"),
            (
                "pgm://[fd00:78::1];[ff15::1]:5555",
                Address(ip("fd00:78::1")),
                "ff15::1",
                "ff15::1",
            ),
            (
                "pgm://vA;224.0.0.5:5555",
                name("vA"),
                "224.0.0.5",
                "224.0.0.5",
            ),
        ] {
            let endpoint = parse(text).unwrap();
            assert_eq!(*endpoint.interface(), interface, "{text}");
            assert_eq!(endpoint.groups(), ips(groups), "{text}");
            assert_eq!(endpoint.send_group(), ips(sends)[0], "{text}");
            assert_eq!(
                (endpoint.port(), endpoint.is_encapsulated()),
                (5555, text.starts_with('e'))
            );
            let endpoint = Endpoint::parse(text).unwrap();
            assert!(endpoint.for_bind().is_ok() && endpoint.for_connect().is_ok());
            assert_eq!(endpoint.as_written(), text);
        }
    }

    #[test]
    fn what_is_refused_and_where() {
        let many = format!("epgm://vA;{}:1", ["239.0.0.1"; 11].join(","));
        for (text, kind, part) in [
            ("epgm://vA;239.192.1.1", Kind::MissingPort, ""),
            ("epgm://vA;239.192.1.1:", Kind::MissingPort, ""),
            ("epgm://vA;239.192.1.1:0", Kind::ZeroPort, "0"),
            ("epgm://vA;239.192.1.1:*", Kind::InvalidPort, "*"),
            ("epgm://vA;239.192.1.1:70000", Kind::PortOutOfRange, "70000"),
            ("epgm://vA;239.192.1.1:55x", Kind::InvalidPort, "55x"),
            ("epgm://vA;10.0.0.1:5555", Kind::NotAGroup, "10.0.0.1"),
            ("epgm://vA;239.0.0.1,name:5555", Kind::NotAGroup, "name"),
            (
                "epgm://vA,vB;239.192.1.1:5555",
                Kind::SeveralInterfaces,
                ",vB",
            ),
            ("epgm://vA:0;239.192.1.1:5555", Kind::InvalidHost, ":"),
            (
                "epgm://vA;239.0.0.1;239.0.0.2;x:5555",
                Kind::TooManyParts,
                "x",
            ),
            (
                "epgm://10.0.0.0/33;239.0.0.1:5555",
                Kind::InvalidNetwork,
                "10.0.0.0/33",
            ),
            (
                "epgm://10.0.0.1;[ff15::1]:5555",
                Kind::MixedFamilies,
                "10.0.0.1;[ff15::1]",
            ),
            (&many, Kind::TooManyGroups, &many[10..many.len() - 2]),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!((error.kind(), &text[error.span()]), (kind, part), "{text}");
            assert!(!error.is_protocol_not_supported());
        }
    }
}
