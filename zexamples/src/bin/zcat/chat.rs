//! The conversation: what is sent and received, and when it is over.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use zexamples::Result;
use zpoll::{Events, Interest, Poller};
use zsocket::{Dynamic, Error, Message, Socket, SocketType};

use crate::cli::Talk;
use crate::format::Codec;
use crate::input::{Input, Next};
use crate::interrupts::Interrupts;
use crate::output::{Output, Reader};
use crate::place;
use crate::tally::Tally;

/// Messages in one direction before anything else has its turn.
const BATCH: u32 = 256;

const SOCKET: usize = 0;
const INTERRUPTS: usize = 1;

/// Who speaks when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Sends,
    Receives,
    /// Both, whenever there is something.
    Both,
    /// Sends, then receives.
    Asks,
    /// Receives, then sends.
    Answers,
    /// Receives, then sends the same.
    Echoes,
}

impl Role {
    pub(crate) fn of(kind: SocketType, echo: bool) -> Self {
        match kind {
            SocketType::Push | SocketType::Pub => Self::Sends,
            SocketType::Pull | SocketType::Sub => Self::Receives,
            SocketType::Req => Self::Asks,
            SocketType::Rep if echo => Self::Echoes,
            SocketType::Rep => Self::Answers,
            _ => Self::Both,
        }
    }
}

/// How a conversation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All is sent, or enough received.
    Complete,
    /// Less was received in time than was waited for.
    Missing,
    /// Nobody reads the output any more.
    ReaderGone,
    Interrupted,
}

pub(crate) struct Chat<'a> {
    socket: &'a Socket<Dynamic>,
    role: Role,
    talk: &'a Talk,
    codec: &'a Codec,
    output: Output,
    tally: Tally,
    input: Input,
    has_input_ended: bool,
    /// The next message to send.
    pending: Option<Message>,
    /// Who asks waits for a reply; who answers has a request to answer.
    is_in_debt: bool,
    /// Whether a person types. Then who answers takes a request before there is an answer, and nobody waits for the end of
    /// the input when enough was received.
    is_by_hand: bool,
}

impl<'a> Chat<'a> {
    pub(crate) fn new(
        socket: &'a Socket<Dynamic>,
        role: Role,
        talk: &'a Talk,
        codec: &'a Codec,
    ) -> Self {
        Self {
            socket,
            role,
            talk,
            codec,
            output: Output::new(codec.clone()),
            tally: Tally::new(talk.wire.stats),
            input: Input::Nothing,
            has_input_ended: false,
            pending: None,
            is_in_debt: false,
            is_by_hand: false,
        }
    }

    /// Sends these messages, or lines of standard input if there are none, and prints what comes.
    pub(crate) fn run(mut self, messages: Vec<Message>) -> Result<End> {
        // Outlives the poller, which borrows it.
        let interrupts;
        let mut poller = Poller::new();
        poller.add(self.socket, SOCKET, Interest::NONE)?;
        self.input = match self.role {
            Role::Receives | Role::Echoes => Input::Nothing,
            role if !messages.is_empty() => Input::given(messages, role == Role::Answers),
            _ => {
                self.is_by_hand = io::stdin().is_terminal();
                Input::lines(self.codec.clone(), poller.waker())?
            }
        };
        self.wait_for_peers()?;
        // Until here the default will do: there is nothing to bring to an end.
        interrupts = Interrupts::catch()?;
        poller.add_fd(&interrupts.pipe, INTERRUPTS, Interest::RECV)?;
        let end = self.converse(&mut poller, &interrupts);
        self.tally.tell_total();
        end
    }

    /// A publisher waits for those who would receive its first message, others for those who are connected.
    fn wait_for_peers(&mut self) -> Result<()> {
        let peers = self.talk.place.wait_peers;
        if peers == 0 {
            return Ok(());
        }
        let timeout = self.talk.place.timeout.unwrap_or(Duration::MAX);
        let publishes = matches!(
            self.socket.socket_type(),
            SocketType::Pub | SocketType::XPub
        );
        if publishes {
            self.pending = self.input.wait()?;
            self.has_input_ended = self.pending.is_none();
        }
        let waited = match &self.pending {
            Some(message) => self.socket.wait_subscribed(&message[0], peers, timeout),
            None if publishes => Ok(()),
            None => self.socket.wait_connected(peers, timeout),
        };
        waited.map_err(|error| match error {
            Error::WouldBlock(_) => {
                let what = if publishes {
                    "subscribers of the first message"
                } else {
                    "peers"
                };
                format!(
                    "fewer than {peers} {what} came within {timeout:?}{}",
                    place::diagnosis(self.socket)
                )
                .into()
            }
            error => error.into(),
        })
    }

    fn converse(&mut self, poller: &mut Poller<'_>, interrupts: &Interrupts) -> Result<End> {
        let mut events = Events::new();
        let mut last = Instant::now();
        loop {
            let before = self.tally.received() + self.tally.sent();
            if self.receive()? == Reader::Gone {
                return Ok(End::ReaderGone);
            }
            self.send()?;
            let is_over = self.is_over();
            let is_idle = self.tally.received() + self.tally.sent() == before;
            if (is_over || is_idle) && self.output.flush()? == Reader::Gone {
                return Ok(End::ReaderGone);
            }
            if is_over {
                return Ok(End::Complete);
            }
            if interrupts.have_come() {
                return Ok(End::Interrupted);
            }
            let now = Instant::now();
            self.tally.tell_when_due(now);
            if !is_idle {
                last = now;
                continue;
            }

            let interest = self.interest();
            let deadline = self.talk.place.timeout.filter(|_| !interest.is_none());
            let deadline = deadline.and_then(|timeout| last.checked_add(timeout));
            if deadline.is_some_and(|deadline| deadline <= now) {
                return self.give_up();
            }
            let until = [deadline, self.tally.due()].into_iter().flatten().min();
            poller.modify(SOCKET, interest)?;
            poller.wait(&mut events, until.map(|until| until - now))?;
            if deadline.is_none() {
                // Only the input was waited for, which has all the time that it wants.
                last = Instant::now();
            }
        }
    }

    // ---- What to do ----

    fn may_receive(&self) -> bool {
        if self.has_enough() {
            return false;
        }
        match self.role {
            Role::Sends => false,
            Role::Receives | Role::Both => true,
            Role::Asks => self.is_in_debt,
            Role::Answers => !self.is_in_debt && (self.pending.is_some() || self.is_by_hand),
            Role::Echoes => !self.is_in_debt,
        }
    }

    fn may_send(&self) -> bool {
        match self.role {
            Role::Receives => false,
            Role::Sends | Role::Both => true,
            Role::Asks => !self.is_in_debt,
            Role::Answers | Role::Echoes => self.is_in_debt,
        }
    }

    fn interest(&self) -> Interest {
        let receives = if self.may_receive() {
            Interest::RECV
        } else {
            Interest::NONE
        };
        let sends = if self.may_send() && self.pending.is_some() {
            Interest::SEND
        } else {
            Interest::NONE
        };
        receives | sends
    }

    fn has_enough(&self) -> bool {
        let done = match self.role {
            Role::Sends | Role::Answers | Role::Echoes => self.tally.sent(),
            Role::Receives | Role::Both | Role::Asks => self.tally.received(),
        };
        self.talk.wire.count.is_some_and(|enough| done >= enough)
    }

    fn is_over(&self) -> bool {
        let has_nothing_to_send = self.has_input_ended && self.pending.is_none();
        match self.role {
            Role::Receives | Role::Echoes => self.has_enough(),
            Role::Sends => self.has_enough() || has_nothing_to_send,
            Role::Both => {
                self.has_enough()
                    && self.pending.is_none()
                    && (self.is_by_hand || has_nothing_to_send)
            }
            Role::Asks => self.has_enough() || has_nothing_to_send && !self.is_in_debt,
            Role::Answers => self.has_enough() || has_nothing_to_send,
        }
    }

    /// Nothing has happened for too long.
    fn give_up(&self) -> Result<End> {
        let timeout = self.talk.place.timeout.unwrap_or_default();
        let diagnosis = place::diagnosis(self.socket);
        if self.may_send() && self.pending.is_some() {
            return Err(format!("no peer has taken a message for {timeout:?}{diagnosis}").into());
        }
        if self.talk.wire.count.is_none() && self.role != Role::Asks && self.tally.received() > 0 {
            return Ok(End::Complete);
        }
        eprintln!("zcat: nothing was received for {timeout:?}{diagnosis}");
        Ok(End::Missing)
    }

    // ---- Doing it ----

    fn receive(&mut self) -> Result<Reader> {
        let mut message = Message::new();
        for _ in 0..BATCH {
            if !self.may_receive() {
                break;
            }
            match self.socket.try_recv_into(&mut message) {
                Ok(()) => {}
                Err(Error::WouldBlock(_)) => break,
                Err(error) => return Err(format!("receiving: {error}").into()),
            }
            self.tally.has_received(&message);
            match self.role {
                Role::Asks => self.is_in_debt = false,
                Role::Answers => self.is_in_debt = true,
                Role::Echoes => {
                    self.is_in_debt = true;
                    self.pending = Some(message.clone());
                }
                Role::Sends | Role::Receives | Role::Both => {}
            }
            if self.output.print(&message)? == Reader::Gone {
                return Ok(Reader::Gone);
            }
        }
        Ok(Reader::Here)
    }

    fn send(&mut self) -> Result<()> {
        for _ in 0..BATCH {
            let is_enough = self.role != Role::Both && self.has_enough();
            self.fetch()?;
            if !self.may_send() || is_enough {
                return Ok(());
            }
            let Some(message) = self.pending.take() else {
                return Ok(());
            };
            let bytes = message.byte_len();
            match self.socket.try_send(message) {
                Ok(()) => self.tally.has_sent(bytes),
                Err(refused) if matches!(refused.error, Error::WouldBlock(_)) => {
                    self.pending = Some(refused.message);
                    return Ok(());
                }
                Err(refused) => return Err(format!("sending: {}", refused.error).into()),
            }
            match self.role {
                Role::Asks => self.is_in_debt = true,
                Role::Answers | Role::Echoes => self.is_in_debt = false,
                Role::Sends | Role::Receives | Role::Both => {}
            }
        }
        Ok(())
    }

    /// Looks for the next message to send.
    fn fetch(&mut self) -> Result<()> {
        if self.pending.is_none() && !self.has_input_ended && self.role != Role::Echoes {
            match self.input.next()? {
                Next::Message(message) => self.pending = Some(message),
                Next::NotYet => {}
                Next::End => self.has_input_ended = true,
            }
        }
        Ok(())
    }
}
