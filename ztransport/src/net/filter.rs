//! Whom a listener lets in, by where they come from.

use std::{error::Error, fmt, net::IpAddr, str::FromStr};

use super::{PeerAddress, ProcessCredentials};

/// Which peers a listener admits before a byte is exchanged with them. Without entries that concern a transport, all of
/// that transport. Who is not admitted finds the connection closed.
///
/// It says nothing about who somebody is, only where he is: whoever has the right address gets in. Security mechanisms are
/// for the rest.
///
/// # Platform
///
/// Only Linux tells who is at the other end of an ipc connection. Elsewhere nobody is admitted whose process, user or group is asked
/// for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AcceptFilter {
    /// tcp: networks of which a peer's address has to be in one.
    pub networks: Vec<IpNetwork>,
    /// ipc: processes that are admitted.
    pub pids: Vec<u32>,
    /// ipc: users that are admitted.
    pub uids: Vec<u32>,
    /// ipc: groups whose members are admitted: those whose process has it as its group, or as one of its further groups
    /// where the system tells (Linux).
    pub gids: Vec<u32>,
}

impl AcceptFilter {
    /// Whether a peer may come in. `groups` tells the further groups of its process; it is asked only if that matters.
    pub(super) fn admits(&self, peer: &PeerAddress, groups: impl FnOnce() -> Vec<u32>) -> bool {
        match peer {
            PeerAddress::Tcp(address) => {
                let ip = address.ip();
                self.networks.is_empty() || self.networks.iter().any(|network| network.contains(ip))
            }
            PeerAddress::Ipc { credentials, .. } => {
                if self.pids.is_empty() && self.uids.is_empty() && self.gids.is_empty() {
                    return true;
                }
                // Whom the system does not know is not admitted.
                let Some(ProcessCredentials { pid, uid, gid }) = *credentials else {
                    return false;
                };
                pid.is_some_and(|pid| self.pids.contains(&pid))
                    || self.uids.contains(&uid)
                    || self.gids.contains(&gid)
                    || !self.gids.is_empty() && groups().iter().any(|gid| self.gids.contains(gid))
            }
            // Gone already, and where it came from nobody knows.
            PeerAddress::Unknown => *self == Self::default(),
        }
    }
}

/// A range of IP addresses: an address, and how many of its leading bits count.
///
/// Text is `address` or `address/bits`. An IPv6 address that stands for an IPv4 one (`::ffff:1.2.3.4`) is that one.
///
/// # Examples
///
/// ```
/// use ztransport::net::IpNetwork;
///
/// let network: IpNetwork = "10.1.0.0/16".parse()?;
/// assert!(network.contains("10.1.2.3".parse().unwrap()));
/// assert!(network.contains("::ffff:10.1.2.3".parse().unwrap()));
/// assert!(!network.contains("10.2.0.1".parse().unwrap()));
/// assert!("10.1.0.0/33".parse::<IpNetwork>().is_err());
/// # Ok::<(), ztransport::net::IpNetworkError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IpNetwork {
    address: IpAddr,
    bits: u8,
}

impl IpNetwork {
    /// The addresses whose first `bits` bits are those of `address`. `None` if an address has fewer bits.
    #[must_use]
    pub fn new(address: IpAddr, bits: u8) -> Option<Self> {
        match address {
            IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
                // Less than the part that says "this is an IPv4 address" has no counterpart there.
                Some(v4) if bits >= 96 => Self::new(v4.into(), bits - 96),
                _ => (bits <= 128).then_some(Self { address, bits }),
            },
            IpAddr::V4(_) => (bits <= 32).then_some(Self { address, bits }),
        }
    }

    /// Whether an address is one of these.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let differs = match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(other)) => {
                let differing = network.to_bits() ^ other.to_bits();
                differing
                    .checked_shr(32 - u32::from(self.bits))
                    .unwrap_or(0)
                    != 0
            }
            (IpAddr::V6(network), _) => {
                let other = match address {
                    IpAddr::V4(v4) => v4.to_ipv6_mapped(),
                    IpAddr::V6(v6) => v6,
                };
                let differing = network.to_bits() ^ other.to_bits();
                differing
                    .checked_shr(128 - u32::from(self.bits))
                    .unwrap_or(0)
                    != 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) => true,
        };
        !differs
    }
}

impl From<IpAddr> for IpNetwork {
    /// This address alone.
    fn from(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let bits = if address.is_ipv4() { 32 } else { 128 };
        Self { address, bits }
    }
}

impl fmt::Display for IpNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl FromStr for IpNetwork {
    type Err = IpNetworkError;

    fn from_str(text: &str) -> Result<Self, IpNetworkError> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| IpNetworkError(()))?;
        let Some(bits) = bits else {
            return Ok(address.into());
        };
        // `str::parse` would take a sign.
        let is_number = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
        let bits = if is_number { bits.parse().ok() } else { None };
        bits.and_then(|bits| Self::new(address, bits))
            .ok_or(IpNetworkError(()))
    }
}

/// A text that is no [`IpNetwork`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpNetworkError(());

impl fmt::Display for IpNetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no network: write an IP address, or an address and the number of its bits, as in 10.1.0.0/16")
    }
}

impl Error for IpNetworkError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn network(text: &str) -> IpNetwork {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn what_is_no_network() {
        // The first six are those of libzmq's own test.
        for text in [
            "foo",
            "0.0.0.0foo",
            "0.0.0.0/foo",
            "0.0.0.0/",
            "0.0.0.0/-1",
            "0.0.0.0/33",
            "",
            "/8",
            "1.2.3/8",
            "::1/129",
            "::1/+1",
            "1.2.3.4/256",
            "1.2.3.4/8/8",
            "localhost",
            "1.2.3.4:80",
        ] {
            assert!(text.parse::<IpNetwork>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_in_a_network() {
        for (text, inside, outside) in [
            (
                "10.1.2.3/8",
                vec!["10.0.0.0", "10.255.255.255", "::ffff:10.0.0.1"],
                vec!["11.0.0.0", "::1"],
            ),
            (
                "127.0.0.1",
                vec!["127.0.0.1"],
                vec!["127.0.0.2", "127.0.0.0"],
            ),
            ("0.0.0.0/0", vec!["255.255.255.255", "1.2.3.4"], vec!["::1"]),
            ("::/0", vec!["::1", "ffff::", "1.2.3.4"], vec![]),
            ("::1", vec!["::1"], vec!["::2", "127.0.0.1"]),
            (
                "fe80::/10",
                vec!["fe80::1", "febf::"],
                vec!["fec0::", "254.128.0.0"],
            ),
            (
                "::ffff:10.0.0.0/104",
                vec!["10.9.9.9", "::ffff:10.0.0.1"],
                vec!["11.0.0.0"],
            ),
        ] {
            let network = network(text);
            for address in inside {
                assert!(
                    network.contains(address.parse().unwrap()),
                    "{address} in {text}"
                );
            }
            for address in outside {
                assert!(
                    !network.contains(address.parse().unwrap()),
                    "{address} in {text}"
                );
            }
        }
    }

    #[test]
    fn whom_the_filters_admit() {
        let none = || -> Vec<u32> { panic!("nobody has to ask") };
        let tcp = |text: &str| PeerAddress::Tcp(text.parse().unwrap());
        let ipc = |credentials| PeerAddress::Ipc {
            path: None,
            credentials,
        };
        let me = Some(ProcessCredentials {
            pid: Some(7),
            uid: 8,
            gid: 9,
        });

        let all = AcceptFilter::default();
        for peer in [tcp("1.2.3.4:5"), ipc(me), ipc(None), PeerAddress::Unknown] {
            assert!(all.admits(&peer, none));
        }
        let tcp_only = AcceptFilter {
            networks: vec![network("1.2.3.0/24"), network("::1")],
            ..AcceptFilter::default()
        };
        for (peer, admitted) in [
            (tcp("1.2.3.4:5"), true),
            (tcp("[::1]:5"), true),
            (tcp("1.2.4.4:5"), false),
            (ipc(me), true),
            (PeerAddress::Unknown, false),
        ] {
            assert_eq!(tcp_only.admits(&peer, none), admitted, "{peer}");
        }
        // Any of the three is enough.
        let of = |pids: &[u32], uids: &[u32], gids: &[u32]| AcceptFilter {
            pids: pids.to_vec(),
            uids: uids.to_vec(),
            gids: gids.to_vec(),
            ..AcceptFilter::default()
        };
        assert!(of(&[7], &[0], &[]).admits(&ipc(me), none));
        assert!(of(&[0], &[8], &[]).admits(&ipc(me), none));
        assert!(of(&[], &[0], &[9]).admits(&ipc(me), none));
        assert!(of(&[], &[], &[10]).admits(&ipc(me), || vec![4, 10]));
        assert!(!of(&[], &[], &[10]).admits(&ipc(me), || vec![4, 11]));
        assert!(!of(&[8, 9], &[7, 9], &[]).admits(&ipc(me), none));
        assert!(!of(&[7], &[8], &[9]).admits(&ipc(None), none));
        assert!(of(&[1], &[], &[]).admits(&tcp("1.2.3.4:5"), none));
    }

    proptest! {
        #[test]
        fn networks_read_back_and_have_their_own_address(address: IpAddr, bits in 0_u8..=128) {
            if let Some(network) = IpNetwork::new(address, bits) {
                prop_assert_eq!(network.to_string().parse(), Ok(network));
                prop_assert!(network.contains(address));
            }
        }
    }
}
