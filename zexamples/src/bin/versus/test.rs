//! What there is to measure.

use std::fmt;

use clap::ValueEnum;
use zexamples::Transport;
use zexamples::perf::Library;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Test {
    /// PUSH to PULL, messages per second; nobody writes the bodies.
    Throughput,
    /// The same with bodies that are allocated and written for each message.
    Filled,
    /// REQ to REP, microseconds one way.
    Latency,
    /// One PUSH to one PULL over many links.
    Links,
    /// Many PUSH sockets, used in turn by one thread, to one PULL.
    Sockets,
    /// PUSH sockets of several processes to one PULL.
    Senders,
    /// One PUSH to several PULL sockets, each in a thread, over inproc.
    Fan,
    /// REQ sockets of several processes to one REP, round trips per second in total.
    Clients,
    /// One ROUTER that answers many DEALER sockets of one thread, round trips per second in total.
    Routed,
    /// One PUB to SUB sockets of one thread, each message to all of them, deliveries per second.
    Published,
    /// One PUB to SUB sockets of one thread, each message to one of them.
    Matched,
    /// One PUB to one SUB that has very many topics: times and memory.
    Topics,
    /// Waits of a poller of one busy socket and many idle ones, over inproc, with sending and receiving the message.
    Polled,
    /// PUB to SUB through a proxy of XSUB and XPUB, with the default high-water marks.
    Forwarded,
    /// Many REQ sockets through a proxy of ROUTER and DEALER to one REP, likewise, round trips per second in total.
    Brokered,
    /// REQ to REP, microseconds one way, while others are connected to the REP and idle.
    Neighbours,
}

/// What the figures of a test are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Messages or round trips per second: more is better.
    PerSecond,
    /// Microseconds one way: less is better.
    Micros,
    /// Each line says what it is: less is better.
    Several,
}

/// Who takes part in a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Library(Library),
    /// Plain sockets: what the machine allows.
    Plain,
}

impl Side {
    pub(crate) const OURS: Self = Self::Library(Library::Ours);
    pub(crate) const LIBZMQ: Self = Self::Library(Library::Libzmq);
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Library(library) => library.fmt(f),
            Self::Plain => f.pad("plain sockets"),
        }
    }
}

impl Test {
    pub(crate) const ALL: [Self; 16] = [
        Self::Throughput,
        Self::Filled,
        Self::Latency,
        Self::Links,
        Self::Sockets,
        Self::Senders,
        Self::Fan,
        Self::Clients,
        Self::Routed,
        Self::Published,
        Self::Matched,
        Self::Topics,
        Self::Polled,
        Self::Forwarded,
        Self::Brokered,
        Self::Neighbours,
    ];

    /// Whether the sockets of this test can be protected.
    pub(crate) fn has_mechanisms(self) -> bool {
        matches!(
            self,
            Self::Throughput | Self::Filled | Self::Latency | Self::Links
        )
    }

    pub(crate) fn transports(self) -> &'static [Transport] {
        match self {
            Self::Throughput | Self::Filled | Self::Latency | Self::Forwarded => &Transport::ALL,
            Self::Fan | Self::Polled => &[Transport::Inproc],
            Self::Topics => &[Transport::Tcp],
            _ => &[Transport::Tcp, Transport::Ipc],
        }
    }

    pub(crate) fn unit(self) -> Unit {
        match self {
            Self::Latency | Self::Neighbours => Unit::Micros,
            Self::Topics => Unit::Several,
            _ => Unit::PerSecond,
        }
    }

    pub(crate) fn sides(self) -> &'static [Side] {
        match self {
            Self::Clients => &[Side::OURS, Side::LIBZMQ, Side::Plain],
            _ => &[Side::OURS, Side::LIBZMQ],
        }
    }

    /// What stands over its table.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Throughput => "PUSH/PULL, msg/s",
            Self::Filled => "PUSH/PULL with filled bodies, msg/s",
            Self::Latency => "REQ/REP, us one way",
            Self::Links => "one PUSH, one PULL, many links, msg/s",
            Self::Sockets => "many PUSH of one thread, one PULL, msg/s",
            Self::Senders => "PUSH of many processes, one PULL, msg/s",
            Self::Fan => "one PUSH, many PULL threads, msg/s",
            Self::Clients => "REQ of many processes, one REP, round trips/s",
            Self::Routed => "many DEALER of one thread, one ROUTER, round trips/s",
            Self::Published => "one PUB, many SUB of one thread, each message to all, deliveries/s",
            Self::Matched => "one PUB, many SUB of one thread, each message to one, msg/s",
            Self::Topics => "one PUB, one SUB with many topics",
            Self::Polled => "a poller of one busy socket and many idle ones, waits/s",
            Self::Forwarded => "PUB, XSUB and XPUB, SUB, msg/s",
            Self::Brokered => "many REQ, ROUTER and DEALER, one REP, round trips/s",
            Self::Neighbours => "REQ/REP beside idle connections, us one way",
        }
    }

    /// What there is one or many of; `None` for the tests of one sender and one receiver.
    pub(crate) fn peers(self) -> Option<&'static str> {
        match self {
            Self::Throughput | Self::Filled | Self::Latency | Self::Forwarded => None,
            Self::Links => Some("links"),
            Self::Sockets => Some("sockets"),
            Self::Senders => Some("senders"),
            Self::Fan => Some("receivers"),
            Self::Clients | Self::Brokered => Some("clients"),
            Self::Routed => Some("dealers"),
            Self::Published | Self::Matched => Some("subscribers"),
            Self::Topics => Some("topics"),
            Self::Polled => Some("idle"),
            Self::Neighbours => Some("neighbours"),
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Throughput => "throughput",
            Self::Filled => "filled",
            Self::Latency => "latency",
            Self::Links => "links",
            Self::Sockets => "sockets",
            Self::Senders => "senders",
            Self::Fan => "fan",
            Self::Clients => "clients",
            Self::Routed => "routed",
            Self::Published => "published",
            Self::Matched => "matched",
            Self::Topics => "topics",
            Self::Polled => "polled",
            Self::Forwarded => "forwarded",
            Self::Brokered => "brokered",
            Self::Neighbours => "neighbours",
        })
    }
}
