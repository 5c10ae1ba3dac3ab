//! Calls that have to wait, or that do not come in turn.

use std::fmt;

use zmtp::SocketType;
use ztransport::Endpoint;

/// What a call that would block was waiting for: in [`Error::WouldBlock`](crate::Error::WouldBlock).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Blocked {
    /// No peer is there, or none whose handshake is complete. [`Socket::diagnose`](crate::Socket::diagnose) may know why.
    NoPeer,
    /// Peers are there, and those that the message may go to have as many messages as their high-water mark allows.
    NoRoom,
    /// Peers are there, and no message of theirs.
    NoMessage,
    /// The time was over, of a call that waits for something else.
    TimeOut,
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoPeer => {
                "no peer is connected yet: wait for one with `wait_connected`, or ask `diagnose`"
            }
            Self::NoRoom => {
                "every peer it may go to has reached its high-water mark: try again later"
            }
            Self::NoMessage => "no message has come: try again later",
            Self::TimeOut => "the time was over",
        })
    }
}

/// Which call a socket waits for instead: in [`Error::WrongState`](crate::Error::WrongState).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WrongState(Option<Box<Misstep>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Misstep {
    socket_type: SocketType,
    turn: Turn,
    from: Option<Endpoint>,
}

/// What a socket whose calls take turns waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Turn {
    /// A REQ has sent a request: receive the reply.
    ReceiveReply,
    /// A REQ has no request under way: send one.
    SendRequest,
    /// A REP has no request to answer: receive one.
    ReceiveRequest,
    /// A REP has received a request: send the reply.
    SendReply,
    /// Subscriptions of an XPUB's peers count by themselves: make it [manual](crate::Socket::set_manual) first.
    Manual,
}

impl WrongState {
    pub(crate) fn new(socket_type: SocketType, turn: Turn, from: Option<Endpoint>) -> Self {
        Self(Some(Box::new(Misstep {
            socket_type,
            turn,
            from,
        })))
    }

    /// The type of the socket, if it is known.
    #[must_use]
    pub fn socket_type(&self) -> Option<SocketType> {
        Some(self.0.as_ref()?.socket_type)
    }

    /// What the socket waits for, if it is known.
    #[must_use]
    pub fn turn(&self) -> Option<Turn> {
        Some(self.0.as_ref()?.turn)
    }

    /// At which endpoint the peer is that has the request, or whose request it is, if there is one.
    #[must_use]
    pub fn endpoint(&self) -> Option<&Endpoint> {
        self.0.as_ref()?.from.as_ref()
    }
}

impl fmt::Display for WrongState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(misstep) = &self.0 else {
            return f
                .write_str("the socket's pattern expects the other operation: send or receive");
        };
        let peer = |f: &mut fmt::Formatter<'_>, word| match &misstep.from {
            Some(endpoint) => write!(f, " {word} {}", endpoint.as_written()),
            None => Ok(()),
        };
        write!(f, "this {} ", misstep.socket_type.name())?;
        match misstep.turn {
            Turn::ReceiveReply => {
                f.write_str("waits for the reply to its request")?;
                peer(f, "from")?;
                f.write_str(": receive it first, or make the socket `relaxed`")
            }
            Turn::SendRequest => f.write_str("has no request under way: send one first"),
            Turn::ReceiveRequest => f.write_str("has no request to answer: receive one first"),
            Turn::SendReply => {
                f.write_str("has a request to answer")?;
                peer(f, "of a peer at")?;
                f.write_str(": send the reply first")
            }
            Turn::Manual => {
                f.write_str("lets its peers subscribe by themselves: set `manual` first")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misstep_names_the_socket_what_it_waits_for_and_from_whom() {
        let endpoint = Endpoint::parse("tcp://127.0.0.1:5555").unwrap();
        let req = WrongState::new(SocketType::Req, Turn::ReceiveReply, Some(endpoint.clone()));
        assert_eq!(
            req.to_string(),
            "this REQ waits for the reply to its request from tcp://127.0.0.1:5555: receive it first, or make the \
             socket `relaxed`"
        );
        assert_eq!(req.endpoint(), Some(&endpoint));
        let rep = WrongState::new(SocketType::Rep, Turn::ReceiveRequest, None);
        assert_eq!(
            rep.to_string(),
            "this REP has no request to answer: receive one first"
        );
        assert_eq!(
            (rep.socket_type(), rep.turn()),
            (Some(SocketType::Rep), Some(Turn::ReceiveRequest))
        );
    }
}
