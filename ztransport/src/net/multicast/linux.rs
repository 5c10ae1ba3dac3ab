//! The sockets on Linux.
//!
//! A receiving socket is bound to its group and not to any address, so the system brings it nothing that was sent to other
//! groups. A sender has a socket bound to its own address, for what receivers ask of it: of several sockets on one port, a
//! datagram for one address goes to one that is bound to it before it goes to one that is bound to any. So the sender on the
//! same machine is asked also if there are receivers of libzmq, which bind to any address.

use std::{
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6, UdpSocket},
};

use rustix::{
    io::Errno,
    net::{RecvFlags, SendFlags, SocketAddrAny},
};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};

use super::Received;
use crate::{
    endpoint::{Endpoint, MulticastEndpoint, MulticastInterface},
    net::{
        BindError, SocketTuning,
        filter::IpNetwork,
        interface::{self, Local},
    },
    poll::{Interest, Watched},
};

/// The protocol number of PGM.
const PROTOCOL: i32 = 113;
/// Ways to ask one address: sockets that differ in their ports.
const WAYS: usize = 8;
/// What a receiver asks the system for if it is not told otherwise. The system gives as much of it as it allows, which is
/// more than without asking: nothing holds back those who send.
const RECEIVE_BUFFER: usize = 8 << 20;
/// What libzmq marks packets with: expedited forwarding.
const TOS: u32 = 0xb8;

/// The sockets of one endpoint.
#[derive(Debug)]
pub(crate) struct MulticastSockets {
    /// Of a receiver: each with its group. Of a sender: one for what is asked of it, with its own address.
    inputs: Vec<(Watched, IpAddr)>,
    /// Where reading goes on.
    next: usize,
    output: Watched,
    /// Others to ask sources from, as far as they were needed.
    ways: Vec<Socket>,
    nla: IpAddr,
    index: u32,
    port: u16,
    groups: Vec<IpAddr>,
    send_group: IpAddr,
    /// Packets come with the header of IPv4.
    has_header: bool,
}

impl MulticastSockets {
    /// Opens what a sender needs, or a receiver.
    pub(crate) fn open(
        at: &MulticastEndpoint,
        sends: bool,
        tuning: &SocketTuning,
    ) -> Result<Self, BindError> {
        let endpoint = Endpoint::Multicast(at.clone());
        let failed = |error| match Errno::from_io_error(&error) {
            Some(Errno::PERM | Errno::ACCESS) if !at.is_encapsulated() => {
                BindError::NeedsRawSockets(endpoint.clone())
            }
            _ => BindError::from_io(&endpoint, error),
        };
        let Some((index, local)) = find_interface(at).map_err(failed)? else {
            let error = io::Error::from(ErrorKind::NotFound);
            return Err(BindError::UnknownHost(endpoint, error));
        };
        Self::open_at(at, index, local, sends, tuning).map_err(failed)
    }

    fn open_at(
        at: &MulticastEndpoint,
        index: u32,
        local: IpAddr,
        sends: bool,
        tuning: &SocketTuning,
    ) -> io::Result<Self> {
        let scoped = |ip, port| scoped(ip, port, index);
        // Raw sockets have no ports.
        let port = if at.is_encapsulated() { at.port() } else { 0 };
        let output = make_socket(at, tuning)?;
        output.bind(&scoped(local, 0).into())?;
        let multicast = &tuning.multicast;
        let hops = if sends { u32::from(multicast.hops) } else { 1 };
        let tos = match tuning.tcp.type_of_service {
            0 => TOS,
            other => u32::from(other),
        };
        match local {
            IpAddr::V4(ip) => {
                if index > 0 {
                    output.set_multicast_if_v4(&ip)?;
                }
                output.set_multicast_loop_v4(multicast.loopback)?;
                output.set_multicast_ttl_v4(hops)?;
                output.set_tos_v4(tos)?;
            }
            IpAddr::V6(_) => {
                output.set_multicast_if_v6(index)?;
                output.set_multicast_loop_v6(multicast.loopback)?;
                output.set_multicast_hops_v6(hops)?;
                if tuning.tcp.type_of_service != 0 {
                    output.set_tclass_v6(tos)?;
                }
            }
        }
        let mut inputs = Vec::new();
        if sends {
            // Everything goes to one place, which the system then looks up once.
            output.connect(&scoped(at.send_group(), port).into())?;
            let input = make_socket(at, tuning)?;
            input.bind(&scoped(local, port).into())?;
            inputs.push((Watched::new(input), local));
        } else {
            for group in at.groups() {
                let input = make_socket(at, tuning)?;
                if tuning.recv_buffer.is_none() {
                    // Without it there is more to repair.
                    let _ = input.set_recv_buffer_size(RECEIVE_BUFFER);
                }
                input.bind(&scoped(*group, port).into())?;
                match group {
                    IpAddr::V4(group) => {
                        input.set_multicast_all_v4(false)?;
                        input.join_multicast_v4_n(group, &InterfaceIndexOrAddress::Index(index))?;
                    }
                    IpAddr::V6(group) => {
                        input.set_multicast_all_v6(false)?;
                        input.join_multicast_v6(group, index)?;
                    }
                }
                inputs.push((Watched::new(input), *group));
            }
        }
        Ok(Self {
            inputs,
            next: 0,
            output: Watched::new(output),
            ways: Vec::new(),
            nla: local,
            index,
            port,
            groups: at.groups().to_vec(),
            send_group: at.send_group(),
            has_header: !at.is_encapsulated() && !at.is_ipv6(),
        })
    }

    /// This end's address.
    pub(crate) fn nla(&self) -> IpAddr {
        self.nla
    }

    /// The group that is sent to.
    pub(crate) fn send_group(&self) -> IpAddr {
        self.send_group
    }

    /// What is watched for input, and what for output.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = &Watched> {
        self.inputs.iter().map(|(socket, _)| socket)
    }

    pub(crate) fn output(&self) -> &Watched {
        &self.output
    }

    /// Sends to the group, as a sender.
    pub(crate) fn send(&self, packet: &[u8]) -> io::Result<()> {
        let sent = rustix::net::send(&self.output, packet, SendFlags::NOSIGNAL);
        if sent == Err(Errno::AGAIN) {
            self.output.would_block(Interest::OUTPUT);
        }
        sent?;
        Ok(())
    }

    fn send_to(&self, from: &Socket, to: IpAddr, packet: &[u8]) -> io::Result<()> {
        let address = scoped(to, self.port, self.index);
        rustix::net::sendto(from, packet, SendFlags::NOSIGNAL, &address)?;
        Ok(())
    }

    /// Sends to a source, as a receiver. Each attempt comes from another port than the one before: see
    /// [`To::Source`](crate::pgm::To::Source).
    pub(crate) fn ask(&mut self, to: IpAddr, attempt: u32, packet: &[u8]) -> io::Result<()> {
        let way = attempt as usize % WAYS;
        if self.port == 0 || way == 0 {
            // Raw sockets all get what comes.
            return self.send_to(&self.output, to, packet);
        }
        while self.ways.len() < way {
            let domain = if self.nla.is_ipv6() {
                Domain::IPV6
            } else {
                Domain::IPV4
            };
            let socket = Socket::new(domain, Type::DGRAM.nonblocking().cloexec(), None)?;
            socket.bind(&scoped(self.nla, 0, self.index).into())?;
            self.ways.push(socket);
        }
        self.send_to(&self.ways[way - 1], to, packet)
    }

    /// Sends to all groups that are received from.
    pub(crate) fn send_to_groups(&self, packet: &[u8]) -> io::Result<()> {
        let groups = self.groups.iter();
        let sent = groups.map(|group| self.send_to(&self.output, *group, packet));
        sent.fold(Ok(()), Result::and)
    }

    /// Reads the next packet; `None` if there is none. What was wrong with earlier ones that were sent is passed over.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> Option<Received> {
        while self.next < self.inputs.len() {
            let (socket, to) = &self.inputs[self.next];
            match rustix::net::recvfrom(socket, &mut *buffer, RecvFlags::empty()) {
                Ok((length, _, from)) => {
                    let length = length.min(buffer.len());
                    let Some(from) = from.and_then(address_of) else {
                        continue;
                    };
                    let begin = if self.has_header {
                        header_of(&buffer[..length])
                    } else {
                        Some(0)
                    };
                    let Some(begin) = begin else { continue };
                    let (bytes, to) = (begin..length, *to);
                    return Some(Received { bytes, from, to });
                }
                Err(Errno::INTR) => {}
                // What a router or a host has said of what was sent.
                Err(
                    Errno::CONNREFUSED
                    | Errno::HOSTUNREACH
                    | Errno::NETUNREACH
                    | Errno::NETDOWN
                    | Errno::HOSTDOWN,
                ) => {}
                Err(_) => {
                    socket.would_block(Interest::INPUT);
                    self.next += 1;
                }
            }
        }
        self.next = 0;
        None
    }
}

/// Where PGM begins behind the header of IPv4, unless it is a fragment or cut off.
fn header_of(packet: &[u8]) -> Option<usize> {
    let length = usize::from(packet.first()? & 0xf) * 4;
    let fragment = u16::from_be_bytes([*packet.get(6)?, *packet.get(7)?]) & 0x3fff;
    (fragment == 0 && length >= 20 && length <= packet.len()).then_some(length)
}

fn address_of(address: SocketAddrAny) -> Option<IpAddr> {
    SocketAddr::try_from(address)
        .ok()
        .map(|address| address.ip())
}

fn scoped(ip: IpAddr, port: u16, index: u32) -> SocketAddr {
    match ip {
        IpAddr::V4(_) => SocketAddr::new(ip, port),
        IpAddr::V6(v6) => {
            // The same address may be there on several links.
            let on_link = v6.is_unicast_link_local() || v6.is_multicast();
            SocketAddrV6::new(v6, port, 0, if on_link { index } else { 0 }).into()
        }
    }
}

fn make_socket(at: &MulticastEndpoint, tuning: &SocketTuning) -> io::Result<Socket> {
    let domain = if at.is_ipv6() {
        Domain::IPV6
    } else {
        Domain::IPV4
    };
    let socket = if at.is_encapsulated() {
        let socket = Socket::new(domain, Type::DGRAM.nonblocking().cloexec(), None)?;
        // As libzmq has it: without it the second program on a machine could not bind.
        socket.set_reuse_port(true)?;
        if at.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket
    } else {
        let protocol = Some(Protocol::from(PROTOCOL));
        Socket::new(domain, Type::RAW.nonblocking().cloexec(), protocol)?
    };
    tuning.apply(&socket)?;
    Ok(socket)
}

/// The number of the interface, 0 if the routing table decides, and this end's address there.
fn find_interface(at: &MulticastEndpoint) -> io::Result<Option<(u32, IpAddr)>> {
    let group = at.send_group();
    let here = |local: &Local| local.address.is_ipv6() == group.is_ipv6();
    let found = match at.interface() {
        MulticastInterface::Any => return Ok(Some((0, routed(group)?))),
        MulticastInterface::Name(name) => {
            let Ok(index) = interface::index(name) else {
                return Ok(None);
            };
            let all = interface::all()?.into_iter();
            let mut locals: Vec<Local> = all
                .filter(here)
                .filter(|local| local.index == index)
                .collect();
            // An address that is good beyond the link, if there is one.
            locals.sort_by_key(is_link_local);
            locals.first().copied()
        }
        MulticastInterface::Address(ip) => {
            let all: Vec<Local> = interface::all()?.into_iter().filter(here).collect();
            let exact = all.iter().find(|local| local.address.ip() == *ip);
            let network = || all.iter().find(|local| network_of(local) == Some(*ip));
            exact.or_else(network).copied()
        }
        MulticastInterface::Network(ip, bits) => {
            let network = IpNetwork::new(*ip, *bits);
            let mut all = interface::all()?.into_iter().filter(here);
            all.find(|local| network.is_some_and(|network| network.contains(local.address.ip())))
        }
    };
    Ok(found.map(|local| (local.index, local.address.ip())))
}

fn is_link_local(local: &Local) -> bool {
    matches!(local.address.ip(), IpAddr::V6(v6) if v6.is_unicast_link_local())
}

/// The first address of the network that an address is in.
fn network_of(local: &Local) -> Option<IpAddr> {
    match local.address.ip() {
        IpAddr::V4(ip) => {
            let mask = u32::MAX
                .checked_shl(32 - u32::from(local.bits))
                .unwrap_or(0);
            Some(Ipv4Addr::from_bits(ip.to_bits() & mask).into())
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX
                .checked_shl(128 - u32::from(local.bits))
                .unwrap_or(0);
            Some(IpAddr::V6((ip.to_bits() & mask).into()))
        }
    }
}

/// This end's address on the way to a group.
fn routed(group: IpAddr) -> io::Result<IpAddr> {
    let any = if group.is_ipv6() {
        "[::]:0"
    } else {
        "0.0.0.0:0"
    };
    let probe = UdpSocket::bind(any)?;
    // Sends nothing.
    probe.connect((group, 9))?;
    Ok(probe.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use std::{
        process,
        time::{Duration, Instant},
    };

    use super::*;

    fn endpoint(text: &str) -> MulticastEndpoint {
        let Ok(Endpoint::Multicast(at)) = Endpoint::parse(text) else {
            panic!("{text}");
        };
        at
    }

    #[test]
    fn interfaces_are_found_in_every_way() {
        let loopback = Some((
            interface::index("lo").unwrap(),
            IpAddr::from([127, 0, 0, 1]),
        ));
        for interface in ["lo", "127.0.0.1", "127.0.0.0", "127.0.0.0/8", "127.1.2.3/8"] {
            let at = endpoint(&format!("epgm://{interface};239.192.1.1:5555"));
            assert_eq!(find_interface(&at).unwrap(), loopback, "{interface}");
        }
        for interface in ["nosuch0", "198.51.100.77", "198.51.100.0/24"] {
            let at = endpoint(&format!("epgm://{interface};239.192.1.1:5555"));
            assert_eq!(find_interface(&at).unwrap(), None, "{interface}");
            let error = MulticastSockets::open(&at, true, &SocketTuning::default()).unwrap_err();
            assert!(matches!(error, BindError::UnknownHost(..)), "{error:?}");
        }
    }

    #[test]
    fn headers_of_ipv4_are_taken_off() {
        let mut packet = [0; 40];
        packet[0] = 0x45;
        packet[6] = 0x40; // Not to be cut into fragments.
        assert_eq!(header_of(&packet), Some(20));
        packet[0] = 0x46;
        assert_eq!(header_of(&packet), Some(24));
        packet[7] = 1;
        assert_eq!(header_of(&packet), None, "a fragment");
        packet[6..8].fill(0);
        packet[0] = 0x4f;
        assert_eq!(header_of(&packet), None, "cut off");
        packet[0] = 0x44;
        assert_eq!(header_of(&packet), None, "too short");
        assert_eq!(header_of(&packet[..7]), None);
    }

    /// The next packet, which may take a moment on the way.
    fn hear(sockets: &mut MulticastSockets, buffer: &mut [u8]) -> Received {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(received) = sockets.receive(buffer) {
                return received;
            }
            assert!(Instant::now() < deadline, "nothing comes");
            std::thread::yield_now();
        }
    }

    #[test]
    fn two_ends_on_one_machine_hear_each_other() {
        // Of this process alone, and no port that the system gives to whoever asks for any.
        let (group, port) = (process::id() % 250 + 1, process::id() % 20_000 + 10_000);
        let at = endpoint(&format!("epgm://127.0.0.1;239.192.88.{group}:{port}"));
        let tuning = SocketTuning::default();
        let sender = MulticastSockets::open(&at, true, &tuning).unwrap();
        let mut receiver = MulticastSockets::open(&at, false, &tuning).unwrap();
        // A second receiver of the same port.
        let mut other = MulticastSockets::open(&at, false, &tuning).unwrap();
        sender.send(b"to all").unwrap();
        let mut buffer = [0; 100];
        for receiver in [&mut receiver, &mut other] {
            let received = hear(receiver, &mut buffer);
            assert_eq!(&buffer[received.bytes], b"to all");
            assert_eq!(received.from, sender.nla());
            assert_eq!(received.to, IpAddr::from([239, 192, 88, group as u8]));
            assert!(receiver.receive(&mut buffer).is_none());
        }
        let mut sender = sender;
        for attempt in 0..20 {
            receiver.ask(sender.nla(), attempt, b"to one").unwrap();
            let received = hear(&mut sender, &mut buffer);
            assert_eq!(&buffer[received.bytes], b"to one");
            assert_eq!(received.to, sender.nla());
        }
    }
}
