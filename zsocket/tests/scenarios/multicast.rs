//! Publishers and subscribers over epgm, on the loopback interface. Where packets have to be lost, the publisher is a plain UDP
//! socket that leaves them out.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    sync::atomic::{AtomicU8, Ordering},
    time::{Duration, Instant},
};

use zsocket::{
    BindError, Context, Endpoint, Error, Event, Message, Pub, Push, Security, Socket, Sub, XPub,
    XSub,
};
use ztransport::pgm::{
    Packet, Sequence, Tsi,
    packet::{
        Body,
        encode::{self, Spm},
    },
};

use crate::support::{PATIENCE, eventually, wait_for};

/// A group that nobody else uses: not even another run of these tests at the same time, most likely.
fn group() -> (Ipv4Addr, u16) {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let process = std::process::id().to_be_bytes();
    let port = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = port.local_addr().unwrap().port();
    (Ipv4Addr::new(239, process[2], process[3], number), port)
}

fn endpoint() -> String {
    let (group, port) = group();
    format!("epgm://127.0.0.1;{group}:{port}")
}

/// Sockets that are fast enough for a test.
fn publisher(context: &Context, endpoint: &str) -> Socket<Pub> {
    let publisher = context.socket::<Pub>().unwrap();
    publisher.set_multicast_rate(100_000).unwrap();
    publisher.connect(endpoint).unwrap();
    publisher
}

fn subscriber(context: &Context, endpoint: &str) -> Socket<Sub> {
    let subscriber = context.socket::<Sub>().unwrap();
    subscriber.set_multicast_rate(100_000).unwrap();
    subscriber.connect(endpoint).unwrap();
    subscriber.subscribe("").unwrap();
    subscriber
}

fn receive(socket: &Socket<Sub>) -> Message {
    socket.recv_timeout(PATIENCE).unwrap()
}

#[test]
fn messages_of_all_sizes_reach_all_subscribers() {
    let context = Context::new();
    let endpoint = endpoint();
    let subscribers = [(); 3].map(|()| subscriber(&context, &endpoint));
    let publisher = publisher(&context, &endpoint);
    let sizes = [
        0, 1, 253, 254, 255, 1424, 1425, 1426, 1427, 4000, 100_000, 0,
    ];
    for (number, size) in sizes.into_iter().enumerate() {
        let number = number as u8;
        publisher
            .send([vec![number; size], vec![], vec![number; 5]])
            .unwrap();
    }
    for subscriber in &subscribers {
        for (number, size) in sizes.into_iter().enumerate() {
            let number = number as u8;
            let expected = Message::from([vec![number; size], vec![], vec![number; 5]]);
            assert_eq!(receive(subscriber), expected, "{size}");
        }
        // They are counted at the end of the I/O thread's turn.
        eventually("the packets are counted", || {
            subscriber.stats().multicast.packets_received > 70
        });
        let stats = subscriber.stats().multicast;
        assert_eq!((stats.lost, stats.malformed), (0, 0));
    }
    let stats = publisher.stats().multicast;
    assert!(stats.packets_sent > 70, "{stats:?}");
}

#[test]
fn binding_and_connecting_are_the_same() {
    let context = Context::new();
    let endpoint = endpoint();
    let xsub = context.socket::<XSub>().unwrap();
    let bound = xsub.bind(&endpoint).unwrap();
    assert_eq!(bound.to_string(), endpoint);
    assert_eq!(xsub.last_endpoint().unwrap().to_string(), endpoint);
    // It can say what it wants, and nobody hears it.
    xsub.subscribe("topic").unwrap();
    let xpub = context.socket::<XPub>().unwrap();
    xpub.bind(&endpoint).unwrap();
    xpub.send("topic and more").unwrap();
    assert_eq!(xsub.recv_timeout(PATIENCE).unwrap()[0], "topic and more");
    assert!(matches!(xpub.try_recv(), Err(Error::WouldBlock(_))));
    xsub.unbind(&endpoint).unwrap();
    xpub.unbind(&endpoint).unwrap();
    assert!(matches!(
        xsub.unbind(&endpoint),
        Err(Error::NoSuchEndpoint(_))
    ));
    // Nor does an XPUB hear of the end.
    assert!(matches!(xpub.try_recv(), Err(Error::WouldBlock(_))));
    xpub.send("nobody gets this").unwrap();
    assert_eq!(xpub.stats().dropped.no_subscriber, 1);
}

#[test]
fn subscribers_filter_what_comes() {
    let context = Context::new();
    let endpoint = endpoint();
    let subscriber = context.socket::<Sub>().unwrap();
    subscriber.connect(&endpoint).unwrap();
    subscriber.subscribe("a").unwrap();
    let publisher = publisher(&context, &endpoint);
    for body in ["b", "a", "c", "ab"] {
        publisher.send(body).unwrap();
    }
    assert_eq!(receive(&subscriber)[0], "a");
    assert_eq!(receive(&subscriber)[0], "ab");
    assert_eq!(subscriber.stats().dropped.not_subscribed, 2);
}

#[test]
fn several_publishers_share_a_group() {
    let context = Context::new();
    let endpoint = endpoint();
    let subscriber = subscriber(&context, &endpoint);
    let publishers = [(); 3].map(|()| publisher(&context, &endpoint));
    for number in 0..50u8 {
        for (source, publisher) in publishers.iter().enumerate() {
            publisher
                .send([vec![source as u8, number], vec![0; 2000]])
                .unwrap();
        }
    }
    let mut next = [0; 3];
    for _ in 0..150 {
        let message = receive(&subscriber);
        let source = usize::from(message[0][0]);
        assert_eq!(message[0][1], next[source], "of {source}");
        next[source] += 1;
    }
    assert_eq!(next, [50; 3]);
}

#[test]
fn a_publisher_that_closes_sends_the_rest() {
    let context = Context::new();
    let endpoint = endpoint();
    let subscriber = subscriber(&context, &endpoint);
    let publisher = context.socket::<Pub>().unwrap();
    // 125,000 bytes go out at once, and the rest takes half a second.
    publisher.set_multicast_rate(1000).unwrap();
    publisher.connect(&endpoint).unwrap();
    for number in 0..180u8 {
        publisher.send(vec![number; 1000]).unwrap();
    }
    let begin = Instant::now();
    drop(publisher);
    for number in 0..180u8 {
        assert_eq!(receive(&subscriber)[0], vec![number; 1000]);
    }
    let took = begin.elapsed();
    assert!(
        took > Duration::from_millis(300),
        "the rate is kept, and it took {took:?}"
    );
}

#[test]
fn what_cannot_be_is_refused_with_its_reason() {
    let context = Context::new();
    let publisher = context.socket::<Pub>().unwrap();
    let push = context.socket::<Push>().unwrap();
    for result in [push.connect(endpoint()), push.bind(endpoint()).map(drop)] {
        let Err(Error::Bind(error)) = result else {
            panic!("{result:?}");
        };
        assert!(matches!(*error, BindError::NotPublishing(..)));
        assert!(error.to_string().contains("PUSH"), "{error}");
    }
    let result = publisher.connect("epgm://nosuch0;239.192.1.1:5555");
    assert!(
        matches!(&result, Err(Error::Bind(error)) if matches!(**error, BindError::UnknownHost(..))),
        "{result:?}"
    );
    for malformed in [
        "epgm://lo;10.0.0.1:5555",
        "epgm://lo;239.192.1.1",
        "pgm://a,b;239.0.0.1:1",
    ] {
        let result = publisher.connect(malformed);
        assert!(
            matches!(result, Err(Error::InvalidEndpoint(_))),
            "{result:?}"
        );
    }
    assert!(publisher.set_multicast_packet_size(100).is_err());
    assert!(publisher.set_multicast_rate(0).is_err());
    assert!(publisher.set_multicast_hops(0).is_err());
    // Nothing protects what goes to a group.
    let plain = Security::plain_client("user", "password").unwrap();
    publisher.set_security(plain).unwrap();
    assert!(matches!(
        publisher.connect(endpoint()),
        Err(Error::NotSupported)
    ));
    publisher.set_security(Security::null()).unwrap();
    publisher.connect(endpoint()).unwrap();
}

/// Raw sockets are for those who may open them. Who may can use them here.
#[test]
fn pgm_takes_privileges() {
    let context = Context::new();
    let endpoint = endpoint().replace("epgm", "pgm");
    let subscriber = context.socket::<Sub>().unwrap();
    subscriber.subscribe("").unwrap();
    match subscriber.connect(&endpoint) {
        Err(Error::Bind(error)) if matches!(*error, BindError::NeedsRawSockets(_)) => {
            assert!(error.to_string().contains("CAP_NET_RAW"), "{error}");
        }
        Err(other) => panic!("{other}"),
        Ok(()) => {
            let publisher = publisher(&context, &endpoint);
            publisher.send("raw").unwrap();
            assert_eq!(receive(&subscriber)[0], "raw");
        }
    }
}

#[test]
fn a_message_that_could_not_be_repaired_is_refused() {
    let context = Context::new();
    let publisher = context.socket::<Pub>().unwrap();
    let endpoint: Endpoint = endpoint().parse().unwrap();
    // At the default rate it would take ten seconds to send what is sent here.
    publisher.set_linger(Some(Duration::ZERO)).unwrap();
    publisher.connect(&endpoint).unwrap();
    // 80 packets of 1426 bytes.
    let limit = 80 * 1426;
    publisher.send(vec![0; limit]).unwrap();
    let refused = publisher.send(vec![0; limit + 1]).unwrap_err();
    assert!(matches!(refused.error, Error::MessageTooLarge), "{refused}");
    let refused = publisher.send([vec![0; limit], vec![0; 1]]).unwrap_err();
    assert!(matches!(refused.error, Error::MessageTooLarge), "{refused}");
    publisher.disconnect(&endpoint).unwrap();
    publisher.send(vec![0; limit + 1]).unwrap();
}

/// A publisher that does what a test says.
struct Script {
    socket: UdpSocket,
    upstream: UdpSocket,
    to: SocketAddr,
    tsi: Tsi,
    next: u32,
    spm: u32,
}

impl Script {
    fn new((group, port): (Ipv4Addr, u16)) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let upstream = UdpSocket::bind(("127.0.0.1", port)).unwrap();
        upstream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            socket,
            upstream,
            to: (group, port).into(),
            tsi: Tsi {
                gsi: [5; 6],
                port: 77,
            },
            next: 0,
            spm: 0,
        }
    }

    fn packet(&self, sequence: u32, trail: u32) -> Vec<u8> {
        // A message in each, with its number.
        let data = [0, 0, 2, 0, sequence as u8];
        let (mut packet, at) = (Vec::new(), Sequence::new);
        encode::data(
            &mut packet,
            self.tsi,
            self.to.port(),
            at(sequence),
            at(trail),
            &data,
        );
        packet
    }

    fn send(&self, packet: &[u8]) {
        self.socket.send_to(packet, self.to).unwrap();
    }

    /// Sends the next packet, or leaves it out.
    fn data(&mut self, leaves_out: bool) {
        let sequence = self.next;
        self.next += 1;
        if !leaves_out {
            self.send(&self.packet(sequence, 0));
        }
    }

    fn spm(&mut self, trail: u32) {
        let (mut packet, at) = (Vec::new(), Sequence::new);
        let spm = Spm {
            sequence: at(self.spm),
            trail: at(trail),
            lead: at(self.next).previous(),
            nla: IpAddr::from([127, 0, 0, 1]),
            last: false,
        };
        self.spm += 1;
        encode::spm(&mut packet, self.tsi, self.to.port(), &spm);
        self.send(&packet);
    }

    /// The numbers of the next packets that are asked for.
    fn asked(&self) -> Vec<u32> {
        let mut buffer = [0; 2000];
        loop {
            let length = self.upstream.recv(&mut buffer).unwrap();
            let packet = Packet::decode(&buffer[..length]).unwrap();
            assert_eq!(packet.tsi, self.tsi);
            if let Body::Nak(nak) = packet.body {
                assert_eq!(nak.source, IpAddr::from([127, 0, 0, 1]));
                assert_eq!(nak.group, self.to.ip());
                return packet.repairs().map(Sequence::number).collect();
            }
        }
    }
}

fn number(socket: &Socket<Sub>) -> u8 {
    receive(socket)[0][0]
}

#[test]
fn what_is_missing_is_asked_for_and_comes_in_its_order() {
    let context = Context::new();
    let (group, port) = group();
    let subscriber = subscriber(&context, &format!("epgm://127.0.0.1;{group}:{port}"));
    let monitor = subscriber.monitor();
    let mut script = Script::new((group, port));
    script.spm(0);
    for leaves_out in [false, true, false, true, true, false] {
        script.data(leaves_out);
    }
    assert_eq!(number(&subscriber), 0);
    // What is missing at the same time is asked for at once, but each may come before the next is seen.
    let mut asked = Vec::new();
    while asked.len() < 3 {
        for sequence in script.asked() {
            if !asked.contains(&sequence) {
                asked.push(sequence);
            }
        }
    }
    asked.sort_unstable();
    assert_eq!(asked, [1, 3, 4]);
    assert!(
        matches!(subscriber.try_recv(), Err(Error::WouldBlock(_))),
        "nothing overtakes"
    );
    for sequence in [4, 1, 3] {
        let mut packet = script.packet(sequence, 0);
        encode::repeat(&mut packet, Sequence::new(0));
        script.send(&packet);
        script.send(&packet);
    }
    let numbers = [(); 5].map(|()| number(&subscriber));
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    eventually("duplicates are counted", || {
        subscriber.stats().multicast.duplicates == 3
    });
    let stats = subscriber.stats().multicast;
    assert_eq!(
        (stats.packets_received, stats.repairs_received, stats.lost),
        (6, 3, 0)
    );
    assert!(stats.naks_sent >= 1, "{stats:?}");
    wait_for(&monitor, "the publisher", |event| {
        matches!(event, Event::MulticastJoined { session, address, .. }
            if *session == script.tsi && *address == IpAddr::from([127, 0, 0, 1]))
    });
}

#[test]
fn what_is_lost_for_good_is_told_and_nothing_waits_for_it() {
    let context = Context::new();
    let (group, port) = group();
    let subscriber = subscriber(&context, &format!("epgm://127.0.0.1;{group}:{port}"));
    let monitor = subscriber.monitor();
    let mut script = Script::new((group, port));
    script.spm(0);
    for leaves_out in [false, true, true, false] {
        script.data(leaves_out);
    }
    assert_eq!(number(&subscriber), 0);
    script.asked();
    // It does not have them any more.
    script.spm(3);
    assert_eq!(number(&subscriber), 3);
    let lost = wait_for(&monitor, "the loss", |event| {
        matches!(event, Event::MulticastLost { .. })
    });
    let Event::MulticastLost {
        session, packets, ..
    } = lost
    else {
        panic!("{lost:?}");
    };
    assert_eq!((session, packets), (script.tsi, 2));
    eventually("they are counted", || {
        subscriber.stats().multicast.lost == 2
    });
}

#[test]
fn nothing_from_the_network_harms_a_subscriber() {
    let context = Context::new();
    let (group, port) = group();
    let subscriber = subscriber(&context, &format!("epgm://127.0.0.1;{group}:{port}"));
    let mut script = Script::new((group, port));
    script.spm(0);
    script.data(false);
    assert_eq!(number(&subscriber), 0);
    // Each of these ends a program that uses libzmq: no data, half a field, one that points beyond the packet, a fragment.
    for data in [&b""[..], b"\0", b"\0\x09\x02\0x"] {
        let mut packet = Vec::new();
        let at = Sequence::new(script.next);
        encode::data(&mut packet, script.tsi, port, at, Sequence::new(0), data);
        script.next += 1;
        script.send(&packet);
    }
    let mut packet = script.packet(script.next, 0);
    script.next += 1;
    packet[5] = 1;
    packet.splice(
        24..24,
        [
            0, 4, 0, 20, 0x81, 16, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9,
        ],
    );
    encode::fill_checksum(&mut packet);
    script.send(&packet);
    // And what is no packet at all.
    for junk in [&b""[..], b"x", &[0xff; 40], &[0; 1500]] {
        script.send(junk);
    }
    script.data(false);
    assert_eq!(number(&subscriber), 5);
    eventually("it is counted", || {
        subscriber.stats().multicast.malformed >= 8
    });
}
