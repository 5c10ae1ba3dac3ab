//! Network interfaces by name: their numbers and addresses.
//!
//! The addresses come from the routing netlink socket (rtnetlink(7)), which needs no privileges
//! and no unsafe call. On other systems than Linux interfaces have no names: where a name may also be that of a host,
//! it is one, and otherwise it is an error that says so.

use std::io;
use std::net::SocketAddr;

/// The number of an interface, for the scope id of a link-local address. A number stands for
/// itself.
pub(super) fn index(name: &str) -> io::Result<u32> {
    match name.parse() {
        // It stands for no interface.
        Ok(0) => {}
        Ok(number) => return Ok(number),
        Err(_) => {}
    }
    system::index(name)?.ok_or_else(|| {
        let text = format!("no network interface is called {name}");
        io::Error::new(io::ErrorKind::NotFound, text)
    })
}

/// The addresses of an interface, with port 0; IPv4 first, in the order of the system. Empty if
/// there is no interface of this name.
pub(super) fn addresses(name: &str) -> io::Result<Vec<SocketAddr>> {
    let mut found = system::addresses(name)?;
    found.sort_by_key(SocketAddr::is_ipv6);
    Ok(found)
}

/// An address of an interface, with how many of its bits are those of its network.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Local {
    pub(super) index: u32,
    pub(super) address: SocketAddr,
    pub(super) bits: u8,
}

/// The addresses of all interfaces, with port 0, in the order of the system.
#[cfg(target_os = "linux")]
pub(super) fn all() -> io::Result<Vec<Local>> {
    system::all()
}

#[cfg(target_os = "linux")]
mod system {
    use std::fs;
    use std::io;
    use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

    use super::Local;

    use rustix::io::Errno;
    use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

    // linux/netlink.h, linux/rtnetlink.h, linux/if_addr.h
    const NLMSG_ERROR: u16 = 2;
    const NLMSG_DONE: u16 = 3;
    const RTM_NEWADDR: u16 = 20;
    const RTM_GETADDR: u16 = 22;
    const NLM_F_REQUEST: u16 = 0x001;
    const NLM_F_DUMP: u16 = 0x300;
    const IFA_ADDRESS: u16 = 1;
    const IFA_LOCAL: u16 = 2;
    const AF_INET: u8 = 2;
    const AF_INET6: u8 = 10;
    const MESSAGE_HEADER: usize = 16;
    const ADDRESS_HEADER: usize = 8;
    const ATTRIBUTE_HEADER: usize = 4;

    pub(super) fn index(name: &str) -> io::Result<Option<u32>> {
        // The caller's names have no '/', but '..' must not lead out of the directory either.
        if name.starts_with('.') {
            return Ok(None);
        }
        match fs::read_to_string(format!("/sys/class/net/{name}/ifindex")) {
            Ok(text) => Ok(text.trim().parse().ok()),
            // Also `NotADirectory`, for the few plain files there.
            Err(_) => Ok(None),
        }
    }

    pub(super) fn addresses(name: &str) -> io::Result<Vec<SocketAddr>> {
        index(name)?.map_or_else(|| Ok(Vec::new()), addresses_of)
    }

    fn addresses_of(index: u32) -> io::Result<Vec<SocketAddr>> {
        let all = all()?.into_iter();
        let found = all.filter(|local| local.index == index);
        Ok(found.map(|local| local.address).collect())
    }

    pub(super) fn all() -> io::Result<Vec<Local>> {
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            None, // NETLINK_ROUTE is protocol 0.
        )?;
        rustix::net::send(&socket, &dump_request(), SendFlags::empty())?;
        let mut found = Vec::new();
        // The kernel fills at most 32 KiB at a time.
        let mut buffer = vec![0; 32 * 1024];
        loop {
            let (length, _) = rustix::io::retry_on_intr(|| {
                rustix::net::recv(&socket, &mut buffer[..], RecvFlags::empty())
            })?;
            if length == 0 || !collect(&buffer[..length], &mut found)? {
                return Ok(found);
            }
        }
    }

    fn dump_request() -> [u8; MESSAGE_HEADER + ADDRESS_HEADER] {
        let mut request = [0; MESSAGE_HEADER + ADDRESS_HEADER];
        let length = (MESSAGE_HEADER + ADDRESS_HEADER) as u32;
        request[..4].copy_from_slice(&length.to_ne_bytes());
        request[4..6].copy_from_slice(&RTM_GETADDR.to_ne_bytes());
        request[6..8].copy_from_slice(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
        request[8..12].copy_from_slice(&1u32.to_ne_bytes());
        request
    }

    /// Returns whether more is to come.
    fn collect(mut bytes: &[u8], found: &mut Vec<Local>) -> io::Result<bool> {
        while let Some((kind, body, rest)) = next_message(bytes) {
            match kind {
                NLMSG_DONE => return Ok(false),
                NLMSG_ERROR => return Err(Errno::PROTO.into()),
                RTM_NEWADDR => found.extend(local(body)),
                _ => {}
            }
            bytes = rest;
        }
        Ok(true)
    }

    fn next_message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
        let length = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
        let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
        let body = bytes.get(MESSAGE_HEADER..length)?;
        let rest = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind, body, rest))
    }

    fn local(body: &[u8]) -> Option<Local> {
        let (family, bits) = (*body.first()?, *body.get(1)?);
        let index = u32::from_ne_bytes(*body.get(4..)?.first_chunk()?);
        let mut attributes = body.get(ADDRESS_HEADER..)?;
        let mut found = None;
        while let Some((kind, value, rest)) = next_attribute(attributes) {
            // On a point-to-point link IFA_ADDRESS is the other end and IFA_LOCAL is ours.
            if kind == IFA_LOCAL || (kind == IFA_ADDRESS && found.is_none()) {
                found = Some(value);
            }
            attributes = rest;
        }
        let address = match family {
            AF_INET => {
                let octets: [u8; 4] = found?.try_into().ok()?;
                (Ipv4Addr::from(octets), 0).into()
            }
            AF_INET6 => {
                let octets: [u8; 16] = found?.try_into().ok()?;
                let v6 = Ipv6Addr::from(octets);
                let scope = if v6.is_unicast_link_local() { index } else { 0 };
                SocketAddrV6::new(v6, 0, 0, scope).into()
            }
            _ => return None,
        };
        Some(Local {
            index,
            address,
            bits,
        })
    }

    fn next_attribute(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
        let length = usize::from(u16::from_ne_bytes(*bytes.first_chunk()?));
        let kind = u16::from_ne_bytes(*bytes.get(2..)?.first_chunk()?);
        let value = bytes.get(ATTRIBUTE_HEADER..length)?;
        let rest = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind, value, rest))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn truncated_answers_end_quietly() {
            let mut found = Vec::new();
            let mut message = Vec::from(dump_request());
            message[4..6].copy_from_slice(&RTM_NEWADDR.to_ne_bytes());
            for length in 0..message.len() {
                assert!(collect(&message[..length], &mut found).unwrap());
            }
            // A message that claims to be shorter than its own header.
            message[..4].copy_from_slice(&3u32.to_ne_bytes());
            assert!(collect(&message, &mut found).unwrap());
            assert!(found.is_empty());
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::io;
    use std::net::SocketAddr;

    pub(super) fn index(name: &str) -> io::Result<Option<u32>> {
        let text = format!("interfaces are known by name on Linux only: give the number of {name}");
        Err(io::Error::new(io::ErrorKind::Unsupported, text))
    }

    pub(super) fn addresses(_: &str) -> io::Result<Vec<SocketAddr>> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn loopback_has_its_address() {
        let found = addresses("lo").unwrap();
        assert!(found.contains(&"127.0.0.1:0".parse().unwrap()), "{found:?}");
        assert_eq!(
            index("lo").unwrap(),
            index(&index("lo").unwrap().to_string()).unwrap()
        );
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn unknown_interface() {
        assert!(addresses("nosuchinterface0").unwrap().is_empty());
        assert!(addresses("..").unwrap().is_empty());
        assert_eq!(
            index("nosuchinterface0").unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        assert_eq!(index("17").unwrap(), 17);
        assert_eq!(index("0").unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
