//! The answer to "why does it hang?".

use std::{collections::BTreeMap, fmt};

use zmtp::SocketType;
use ztransport::Holding;

/// What still holds a context that was to end.
///
/// As text it fits on a screen, however much there is: what is alike is one line, and those with most messages come first.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TermReport {
    /// The types of sockets that are still open: the application has to close them.
    pub sockets: Vec<SocketType>,
    /// Connections that still linger, with the messages they have queued.
    pub connections: Vec<Holding>,
}

/// Lines that are written out.
const LINES: usize = 12;

/// Connections of one socket type at one endpoint.
#[derive(Default)]
struct Group<'a> {
    connections: usize,
    /// The peer, if there is only one.
    peer: Option<&'a ztransport::net::PeerAddress>,
    messages: u64,
    /// Connections that were busy when they were asked.
    busy: usize,
}

impl Group<'_> {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.connections, self.peer) {
            (1, Some(peer)) => write!(f, " ({peer})")?,
            (1, None) => f.write_str(" (nobody is there)")?,
            (connections, _) => write!(f, " ({connections} connections)")?,
        }
        write!(f, ": {} messages queued", self.messages)?;
        if self.busy > 0 {
            write!(f, ", and {} sending", self.busy)?;
        }
        Ok(())
    }
}

impl fmt::Display for TermReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the context is held by {} open sockets",
            self.sockets.len()
        )?;
        let mut types = BTreeMap::new();
        for socket_type in &self.sockets {
            *types.entry(socket_type.name()).or_insert(0) += 1;
        }
        for (name, count) in types {
            write!(f, " {name}")?;
            if count > 1 {
                write!(f, " ({count} times)")?;
            }
        }
        write!(f, " and {} connections", self.connections.len())?;
        let mut groups = BTreeMap::<_, Group<'_>>::new();
        for held in &self.connections {
            let key = (
                held.socket_type.name(),
                held.outgoing,
                held.endpoint.to_string(),
            );
            let group = groups.entry(key).or_default();
            group.connections += 1;
            group.peer = held.peer.as_ref();
            group.messages += held.messages.unwrap_or(0);
            group.busy += usize::from(held.messages.is_none());
        }
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.messages));
        for ((name, outgoing, endpoint), group) in groups.iter().take(LINES) {
            let direction = if *outgoing { "to" } else { "accepted at" };
            write!(f, "\n  {name} {direction} {endpoint}")?;
            group.write(f)?;
        }
        let rest = groups.get(LINES..).unwrap_or_default();
        if !rest.is_empty() {
            let connections: usize = rest.iter().map(|(_, group)| group.connections).sum();
            let messages: u64 = rest.iter().map(|(_, group)| group.messages).sum();
            write!(
                f,
                "\n  and {connections} connections at {} endpoints",
                rest.len()
            )?;
            write!(f, ": {messages} messages queued")?;
        }
        Ok(())
    }
}

impl std::error::Error for TermReport {}
