//! The network, and what is found at its ends.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    io::IoSlice,
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use zmtp::{Limits, Message, encode_message};

use crate::pgm::{
    Delivery, Identity, Packer, Packet, Receiver, ReceiverCounts, Settings, Source, To, Tsi,
    Unpacker,
};

const PORT: u16 = 5555;
const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(239, 192, 1, 1));
/// Whatever happens is over by then.
const END: Duration = Duration::from_secs(1000);

/// What happens in a simulation.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) sources: usize,
    pub(super) receivers: usize,
    /// Of each source.
    pub(super) messages: usize,
    pub(super) max_tsdu: usize,
    pub(super) window: u32,
    /// Of each packet on its way to each end.
    pub(super) loss: f64,
    pub(super) doubled: f64,
    pub(super) delay: Duration,
    pub(super) jitter: Duration,
    /// One receiver, or all, are cut off meanwhile.
    pub(super) partition: Option<(Duration, Duration)>,
    /// When receivers are there.
    pub(super) late: Duration,
    /// Receivers do not take what has come at once.
    pub(super) slow: bool,
}

struct Sender {
    source: Source,
    packer: Packer,
    rope: Vec<u8>,
    /// When the next messages come, and how many are left.
    next: Instant,
    left: usize,
    made: u32,
    /// When the rate allows the next packet.
    free_at: Option<Instant>,
    tsi: Tsi,
}

struct Listener {
    receiver: Receiver,
    unpackers: HashMap<Tsi, Unpacker>,
    /// For slow ones: when something is taken next.
    takes_at: Instant,
    /// The numbers of the messages of each source.
    found: HashMap<Tsi, Vec<u32>>,
    packets: HashMap<Tsi, u64>,
    lost: HashMap<Tsi, u64>,
}

#[derive(Clone, Copy)]
enum End {
    Sender(usize),
    Listener(usize),
}

pub(super) struct Network {
    random: fastrand::Rng,
    start: Instant,
    now: Instant,
    senders: Vec<Sender>,
    listeners: Vec<Listener>,
    /// What is under way: when it arrives, a number that makes it unique, and where.
    under_way: BinaryHeap<Reverse<(Instant, u64)>>,
    datagrams: HashMap<u64, (End, IpAddr, Vec<u8>)>,
    number: u64,
    pub(super) cuts_all: bool,
    /// Packets that a partition has swallowed.
    pub(super) cut: u64,
}

/// What was found at the end.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    found: Vec<HashMap<Tsi, Vec<u32>>>,
    packets: Vec<HashMap<Tsi, (u64, u64)>>,
    pub(super) lost: u64,
    sources: Vec<Tsi>,
}

fn address(end: usize) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, end as u8).into()
}

/// A message with its number in the first frame.
fn message(number: u32, random: &mut fastrand::Rng) -> Message {
    let mut frames = vec![number.to_be_bytes().to_vec()];
    for _ in 0..random.usize(..3) {
        let size = if random.u8(..10) == 0 { 600 } else { 60 };
        frames.push(vec![number as u8; random.usize(..size)]);
    }
    Message::from_iter(frames)
}

impl Network {
    pub(super) fn new(plan: &Plan, mut random: fastrand::Rng) -> Self {
        let start = Instant::now();
        let settings = Settings {
            // A window of as many packets as the plan says.
            rate: 8 * 1000,
            recovery: Duration::from_millis(u64::from(plan.window)),
            max_tpdu: 1000,
            in_udp: true,
            ipv6: false,
        };
        assert_eq!(settings.window(), plan.window);
        let senders = (0..plan.sources).map(|number| {
            let tsi = Tsi {
                gsi: [7; 6],
                port: number as u16,
            };
            let who = Identity {
                tsi,
                session_port: PORT,
                nla: address(number),
                group: GROUP,
            };
            // Numbers begin again at 0 in many of them.
            let first = crate::pgm::Sequence::new(random.u32(..40)).minus(random.u32(..40));
            Sender {
                source: Source::beginning_with(first, who, &settings, start),
                packer: Packer::new(plan.max_tsdu),
                rope: Vec::new(),
                next: start + Duration::from_millis(random.u64(..50)),
                left: plan.messages,
                made: 0,
                free_at: None,
                tsi,
            }
        });
        let senders = senders.collect();
        let listeners = (0..plan.receivers).map(|_| Listener {
            receiver: Receiver::new(PORT, plan.window, random.fork()),
            unpackers: HashMap::new(),
            takes_at: start,
            found: HashMap::new(),
            packets: HashMap::new(),
            lost: HashMap::new(),
        });
        let listeners = listeners.collect();
        Self {
            random,
            start,
            now: start,
            senders,
            listeners,
            under_way: BinaryHeap::new(),
            datagrams: HashMap::new(),
            number: 0,
            cuts_all: false,
            cut: 0,
        }
    }

    pub(super) fn receivers(&self) -> impl Iterator<Item = ReceiverCounts> {
        self.listeners
            .iter()
            .map(|listener| listener.receiver.counts())
    }

    fn is_cut(&mut self, plan: &Plan, end: &End) -> bool {
        let since = self.now - self.start;
        let is_cut = match *end {
            End::Listener(0) => true,
            End::Listener(_) => self.cuts_all,
            End::Sender(_) => false,
        };
        let cut = is_cut
            && plan
                .partition
                .is_some_and(|(from, to)| (from..to).contains(&since));
        self.cut += u64::from(cut);
        cut
    }

    fn launch(&mut self, plan: &Plan, end: End, from: IpAddr, datagram: &[u8]) {
        if self.is_cut(plan, &end) || self.random.f64() < plan.loss {
            return;
        }
        if matches!(end, End::Listener(_)) && self.now < self.start + plan.late {
            return;
        }
        let copies = if self.random.f64() < plan.doubled {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let jitter = plan.jitter.as_nanos() as u64;
            let jitter = Duration::from_nanos(self.random.u64(0..=jitter));
            self.number += 1;
            self.under_way
                .push(Reverse((self.now + plan.delay + jitter, self.number)));
            self.datagrams
                .insert(self.number, (end, from, datagram.to_vec()));
        }
    }

    /// Runs until nothing happens any more but heartbeats.
    pub(super) fn run(&mut self, plan: &Plan) -> Verdict {
        let mut busy_at = self.start;
        loop {
            if !self.is_over() {
                busy_at = self.now;
            } else if self.now - busy_at > Duration::from_secs(3) {
                break;
            }
            assert!(
                self.now < self.start + END,
                "it stalls: {plan:?} {}",
                self.state()
            );
            self.drive_senders(plan);
            self.drive_listeners(plan);
            self.now = self.next_time(plan);
            self.arrive();
        }
        self.verdict()
    }

    fn is_over(&self) -> bool {
        let has_sent = |sender: &Sender| {
            sender.left == 0
                && sender.rope.is_empty()
                && sender.packer.is_empty()
                && sender.source.is_idle()
        };
        self.senders.iter().all(has_sent) && self.under_way.is_empty() && {
            let heads = self
                .senders
                .iter()
                .map(|sender| (sender.tsi, sender.source.next()));
            let heads: Vec<_> = heads.collect();
            self.listeners.iter().all(|listener| {
                heads
                    .iter()
                    .all(|(tsi, next)| listener.receiver.commit(*tsi).is_none_or(|at| at == *next))
            })
        }
    }

    /// For whoever wants to know why it stalls.
    fn state(&self) -> String {
        let mut state = String::new();
        for sender in &self.senders {
            let next = sender.source.next();
            state += &format!(
                "\n{}: {} left, next {next}, idle {}",
                sender.tsi,
                sender.left,
                sender.source.is_idle()
            );
            for listener in &self.listeners {
                let commit = listener.receiver.commit(sender.tsi);
                let counts = listener.receiver.counts();
                state += &format!(
                    "\n  at {commit:?}, {:?}, {counts:?}",
                    listener.receiver.due_at().map(|at| at - self.start)
                );
            }
        }
        state
    }

    fn next_time(&self, plan: &Plan) -> Instant {
        let arrival = self.under_way.peek().map(|Reverse((at, _))| *at);
        let senders = self.senders.iter().map(|sender| {
            let due = sender.source.due_at();
            if sender.left > 0 {
                due.min(sender.next)
            } else {
                due
            }
        });
        let listeners = self.listeners.iter().flat_map(|listener| {
            let takes = (plan.slow && listener.takes_at > self.now).then_some(listener.takes_at);
            listener.receiver.due_at().into_iter().chain(takes)
        });
        let next = senders.chain(listeners).chain(arrival).min();
        // Time always goes on.
        next.unwrap_or(self.now)
            .max(self.now + Duration::from_nanos(100))
    }

    fn arrive(&mut self) {
        while let Some(Reverse((at, number))) = self.under_way.peek().copied()
            && at <= self.now
        {
            self.under_way.pop();
            let (end, from, datagram) = self.datagrams.remove(&number).unwrap();
            let packet = Packet::decode(&datagram).unwrap();
            match end {
                End::Sender(at) => self.senders[at].source.handle(&packet, self.now),
                End::Listener(at) => {
                    let listener = &mut self.listeners[at];
                    listener.receiver.handle(&packet, from, GROUP, self.now);
                }
            }
        }
    }

    fn drive_senders(&mut self, plan: &Plan) {
        for at in 0..self.senders.len() {
            let sender = &mut self.senders[at];
            if sender.left > 0 && sender.next <= self.now {
                let burst = self.random.usize(1..=sender.left.min(8));
                for _ in 0..burst {
                    encode_message(&message(sender.made, &mut self.random), &mut sender.rope);
                    sender.made += 1;
                }
                sender.left -= burst;
                sender.next = self.now + Duration::from_micros(self.random.u64(..200_000));
            }
            loop {
                let sender = &mut self.senders[at];
                if let Some(datagram) = sender.source.poll(self.now) {
                    let datagram = datagram.to_vec();
                    sender.source.sent(self.now);
                    for listener in 0..plan.receivers {
                        self.launch(plan, End::Listener(listener), address(at), &datagram);
                    }
                    continue;
                }
                let taken = sender.packer.fill(&[IoSlice::new(&sender.rope)]);
                sender.rope.drain(..taken);
                if sender.packer.is_empty() {
                    break;
                }
                let data = sender.packer.data();
                sender.free_at = sender.source.submit(data, self.now).err();
                if sender.free_at.is_some() {
                    break;
                }
                sender.packer.clear();
            }
        }
    }

    fn drive_listeners(&mut self, plan: &Plan) {
        for at in 0..self.listeners.len() {
            let now = self.now;
            let listener = &mut self.listeners[at];
            listener.receiver.handle_timeout(now);
            if !plan.slow || listener.takes_at <= now {
                let mut some = if plan.slow { 5 } else { usize::MAX };
                while some > 0
                    && let Some(delivery) = listener.receiver.next_delivery()
                {
                    listener.take(delivery);
                    some -= 1;
                }
                listener.takes_at = now + Duration::from_millis(20);
            }
            let mut out = Vec::new();
            while let Some(packet) = listener.receiver.poll() {
                out.push(packet);
            }
            let from = address(100 + at);
            for (to, datagram) in out {
                match to {
                    To::Source(to, _) => {
                        let sender = (0..plan.sources).find(|number| address(*number) == to);
                        self.launch(plan, End::Sender(sender.unwrap()), from, &datagram);
                    }
                    To::Groups => {
                        for other in (0..plan.receivers).filter(|other| *other != at) {
                            self.launch(plan, End::Listener(other), from, &datagram);
                        }
                    }
                }
            }
        }
    }

    fn verdict(&mut self) -> Verdict {
        let mut verdict = Verdict {
            sources: self.senders.iter().map(|sender| sender.tsi).collect(),
            ..Verdict::default()
        };
        for listener in &mut self.listeners {
            while let Some(delivery) = listener.receiver.next_delivery() {
                listener.take(delivery);
            }
            verdict.lost += listener.lost.values().sum::<u64>();
            let packets = listener.packets.iter();
            let packets = packets.map(|(tsi, packets)| {
                let lost = listener.lost.get(tsi).copied().unwrap_or_default();
                (*tsi, (*packets, lost))
            });
            verdict.packets.push(packets.collect());
            verdict.found.push(std::mem::take(&mut listener.found));
        }
        verdict
    }
}

impl Listener {
    fn take(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Joined(tsi, _) => {
                self.unpackers
                    .insert(tsi, Unpacker::new(&Limits::default()));
                self.found.entry(tsi).or_default();
            }
            Delivery::Data(tsi, data) => {
                *self.packets.entry(tsi).or_default() += 1;
                let found = self.found.get_mut(&tsi).unwrap();
                let unpacker = self.unpackers.get_mut(&tsi).unwrap();
                assert!(unpacker.push(&data, |message| {
                    let number = u32::from_be_bytes(message[0][..].try_into().unwrap());
                    for frame in message.iter().skip(1) {
                        assert!(frame.iter().all(|byte| *byte == number as u8), "garbage");
                    }
                    found.push(number);
                }));
                self.receiver.recycle(data);
            }
            Delivery::Lost(tsi, count) => {
                *self.packets.entry(tsi).or_default() += count;
                *self.lost.entry(tsi).or_default() += count;
                self.unpackers.get_mut(&tsi).unwrap().interrupt();
            }
            Delivery::Gone(_) => panic!("nobody is silent for so long"),
        }
    }
}

impl Verdict {
    /// Nothing comes twice or out of its order.
    pub(super) fn assert_in_order(&self) {
        for found in self.found.iter().flat_map(HashMap::values) {
            assert!(found.is_sorted_by(|one, next| one < next), "{found:?}");
        }
    }

    /// Everything comes, from where a receiver has begun.
    pub(super) fn assert_complete(&self, plan: &Plan) {
        for found in &self.found {
            for tsi in &self.sources {
                // Who has missed all packets, and the heartbeats that tell of them, knows of nothing.
                let Some(found) = found.get(tsi).filter(|found| !found.is_empty()) else {
                    assert!(
                        plan.loss > 0.0 || plan.partition.is_some(),
                        "nothing of {tsi}"
                    );
                    continue;
                };
                let expected: Vec<u32> = (found[0]..plan.messages as u32).collect();
                assert_eq!(*found, expected, "of {tsi}: {plan:?}");
                if plan.loss == 0.0 && plan.partition.is_none() && plan.jitter.is_zero() {
                    assert_eq!(found[0], 0);
                }
            }
        }
    }

    /// Each packet was delivered or told to be lost.
    pub(super) fn assert_accounted_for(&self, network: &Network) {
        for (listener, packets) in network.listeners.iter().zip(&self.packets) {
            for sender in &network.senders {
                let Some((packets, _)) = packets.get(&sender.tsi) else {
                    continue;
                };
                let sent = sender.source.counts().sent;
                assert!(*packets <= sent, "{packets} of {sent}");
                if let Some(at) = listener.receiver.commit(sender.tsi) {
                    assert_eq!(at, sender.source.next(), "it has not come to the end");
                }
                let begun = listener.receiver.begun(sender.tsi).unwrap();
                let expected = sender.source.next().since(begun);
                assert_eq!(*packets, u64::from(expected.unsigned_abs()));
            }
        }
    }
}
