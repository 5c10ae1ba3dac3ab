//! The control socket: libzmq's commands and replies.

use zsocket::{CanReceive, Dynamic, Message, Pair, Rep, Socket, SocketType, Sub};

use crate::ProxyStatistics;

/// Patterns that can be a proxy's control socket: PAIR, REP, SUB, and `Dynamic`, which has to be one of these.
pub trait CanControl: CanReceive {
    #[doc(hidden)]
    fn reply(socket: &Socket<Self>, reply: Message)
    where
        Self: Sized;
}

macro_rules! controls {
    ($($pattern:ty),*) => {$(
        impl CanControl for $pattern {
            fn reply(socket: &Socket<Self>, reply: Message) {
                // Who asks and does not take the answer goes without: the proxy waits for nobody.
                let _ = socket.try_send(reply);
            }
        }
    )*};
}

controls!(Pair, Rep, Dynamic);

impl CanControl for Sub {
    /// Nobody could be told.
    fn reply(_: &Socket<Self>, _: Message) {}
}

/// What came in on a control socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Pause,
    Resume,
    Terminate,
    Statistics,
    /// None of these: ignored, as in libzmq.
    Unknown,
}

impl Command {
    pub(crate) fn new(message: &Message) -> Self {
        match message.frames() {
            [only] => match only.as_slice() {
                b"PAUSE" => Self::Pause,
                b"RESUME" => Self::Resume,
                b"TERMINATE" => Self::Terminate,
                b"STATISTICS" => Self::Statistics,
                _ => Self::Unknown,
            },
            _ => Self::Unknown,
        }
    }

    /// What is answered: statistics to those who can hear them, and a REP answers everything.
    pub(crate) fn answer(self, to: SocketType, statistics: &ProxyStatistics) -> Option<Message> {
        match self {
            Self::Statistics => {
                let mut reply = Message::with_capacity(8);
                for number in statistics.numbers() {
                    reply.push_back(&number.to_ne_bytes()[..]);
                }
                Some(reply)
            }
            _ if to == SocketType::Rep => Some(Message::from("")),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_compared_exactly() {
        let command = |text: &str| Command::new(&Message::from(text));
        assert_eq!(command("PAUSE"), Command::Pause);
        assert_eq!(command("RESUME"), Command::Resume);
        assert_eq!(command("TERMINATE"), Command::Terminate);
        assert_eq!(command("STATISTICS"), Command::Statistics);
        for other in ["", "pause", "PAUSE ", "PAUSED", "TERMINAT"] {
            assert_eq!(command(other), Command::Unknown, "{other}");
        }
        let two = Message::from(["PAUSE", ""]);
        assert_eq!(Command::new(&two), Command::Unknown);
    }

    #[test]
    fn a_rep_answers_everything_and_others_only_statistics() {
        let statistics = ProxyStatistics::default();
        let answer = |command: Command, to| command.answer(to, &statistics);
        for command in [Command::Pause, Command::Terminate, Command::Unknown] {
            assert_eq!(answer(command, SocketType::Rep), Some(Message::from("")));
            assert_eq!(answer(command, SocketType::Pair), None);
        }
        let reply = answer(Command::Statistics, SocketType::Pair).unwrap();
        assert_eq!(reply.len(), 8);
        assert!(reply.iter().all(|number| number.len() == 8));
    }
}
