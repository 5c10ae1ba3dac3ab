//! The answer to "why does it hang?".

use std::fmt;

use zmtp::SocketType;
use ztransport::Holding;

/// What still holds a context that was to end.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TermReport {
    /// The types of sockets that are still open: the application has to close them.
    pub sockets: Vec<SocketType>,
    /// Connections that still linger, with the messages they have queued.
    pub connections: Vec<Holding>,
}

impl fmt::Display for TermReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the context is held by {} open sockets",
            self.sockets.len()
        )?;
        for socket in &self.sockets {
            write!(f, " {}", socket.name())?;
        }
        write!(f, " and {} connections", self.connections.len())?;
        for held in &self.connections {
            let direction = if held.outgoing { "to" } else { "accepted at" };
            write!(f, "; {direction} {}", held.endpoint)?;
            match held.messages {
                Some(messages) => write!(f, " with {messages} messages queued")?,
                None => f.write_str(" which is sending")?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for TermReport {}
