//! One connection, whole: handshake, messages, commands and heartbeats, without I/O and without a
//! clock.

mod config;
#[cfg(all(test, feature = "curve"))]
mod tests;

use alloc::collections::VecDeque;
use core::fmt;
use std::time::Instant;

use bytes::Bytes;
pub use config::ConnectionConfig;

#[cfg(any(feature = "ws", all(test, feature = "curve")))]
use crate::Version;
use crate::command::MAX_SAFE_TTL;
use crate::decoder::{Decoder, Item};
use crate::header::Flags;
use crate::heartbeat::{Heartbeat, HeartbeatConfig};
use crate::outbound::Outbound;
#[cfg(feature = "zap")]
use crate::zap;
use crate::{
    Command, Encoder, Error, Established, Frame, Handshake, Message, Peer, Random, SansIo,
    SocketType,
};

/// How many PONGs may wait to be sent. A peer that sends PINGs and reads nothing gets no more
/// answers, so it cannot make the queue grow.
const MAX_QUEUED_PONGS: usize = 1024;

/// How many events may wait to be taken. An event is much larger than the smallest frame that makes
/// one, so a peer could fill fifty times the memory of what it sends otherwise.
pub(crate) const MAX_EVENTS: usize = 256;

/// Something that happened on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The peer has shown what it has, and a ZAP handler is to be asked about it. The handshake goes
    /// on with [`Connection::handle_zap`].
    #[cfg(feature = "zap")]
    Authenticate(Box<zap::Request>),
    /// The handshake is complete.
    Connected(Peer),
    /// A message arrived.
    Message(Message),
    /// A PING arrived; it has been answered already.
    Ping {
        /// How long the peer may now be silent at most, in tenths of a second. 0: for ever.
        ttl: u16,
        /// What the answer repeats.
        context: Frame,
    },
    /// A PONG arrived.
    Pong {
        /// The context of the PING it answers.
        context: Frame,
    },
    /// Any other command arrived, such as SUBSCRIBE. This is its body, for [`Command::decode`];
    /// what cannot be decoded, or has no meaning for the socket type, is to be ignored.
    Command(Frame),
}

/// One end of a connection as a state machine without I/O and without a clock.
///
/// Whoever owns the socket moves bytes and tells the time:
///
/// 1. Write what [`poll_transmit`](Self::poll_transmit) returns to the peer, until it returns
///    `None`.
/// 2. Pass what was read from the peer to [`handle_input`](Self::handle_input). What it does not
///    consume is to be passed again after 4; while [`wants_input`](Self::wants_input) says no, nothing
///    need be read.
/// 3. Call [`handle_timeout`](Self::handle_timeout) when the time that
///    [`poll_timeout`](Self::poll_timeout) names has come.
/// 4. After each of these, take the events from [`poll_event`](Self::poll_event) until there are
///    none, and go on at 1.
///
/// The times passed in must not go backwards. An error from 2 or 3 is final: write what
/// [`poll_transmit`](Self::poll_transmit) still has, which is at most an ERROR command that tells a
/// refused peer why, and close the socket. Events that were decoded before the error can still be
/// taken; a message that is not complete then is lost.
///
/// Memory is bounded: at most a few hundred events wait in the connection until they are taken, and
/// an incomplete message is kept within the [limits](crate::Limits).
///
/// # Examples
///
/// ```
/// use std::time::Instant;
/// use zmtp::{Connection, Event, HandshakeConfig, SocketType};
///
/// let now = Instant::now();
/// let mut push = Connection::new(HandshakeConfig::new(SocketType::Push), now);
/// let mut pull = Connection::new(HandshakeConfig::new(SocketType::Pull), now);
/// push.send("hello").unwrap();
///
/// // The two are wired together here; in a program there is a socket in between.
/// for _ in 0..5 {
///     while let Some(bytes) = push.poll_transmit() {
///         pull.handle_input(&bytes, now)?;
///     }
///     while let Some(bytes) = pull.poll_transmit() {
///         push.handle_input(&bytes, now)?;
///     }
/// }
/// assert!(matches!(pull.poll_event(), Some(Event::Connected(_))));
/// assert_eq!(pull.poll_event(), Some(Event::Message("hello".into())));
/// # Ok::<(), zmtp::Error>(())
/// ```
#[derive(Debug)]
pub struct Connection {
    state: State,
    heartbeat_config: HeartbeatConfig,
    handshake_deadline: Option<Instant>,
    /// What was sent before the handshake was complete.
    waiting: VecDeque<Outgoing>,
    out: Outbound,
    queued_pongs: usize,
    events: VecDeque<Event>,
}

#[derive(Debug)]
enum State {
    Handshake(Box<Handshake>),
    Open(Box<Open>),
    Closed(Error),
}

#[derive(Debug)]
struct Open {
    peer: Peer,
    encoder: Encoder,
    decoder: Decoder,
    heartbeat: Heartbeat,
    max_subscription_len: u64,
    /// Whether a message may be a subscription, as it is for publishers.
    is_publisher: bool,
}

/// Something to be sent whose bytes depend on what the handshake finds out.
#[derive(Debug)]
enum Outgoing {
    Message(Message),
    /// The body of a command.
    Command(Vec<u8>),
    Subscription {
        subscribe: bool,
        topic: Bytes,
    },
}

impl Connection {
    /// Starts a connection at `now`. It does not matter which end connected and which one accepted.
    #[must_use]
    pub fn new(config: impl Into<ConnectionConfig>, now: Instant) -> Self {
        Self::start(config.into(), Random::system(), now)
    }

    /// Starts a connection that takes its keys and nonces from `random`; only CURVE needs any.
    #[cfg(feature = "_random")]
    #[must_use]
    pub fn with_random(config: impl Into<ConnectionConfig>, random: Random, now: Instant) -> Self {
        Self::start(config.into(), random, now)
    }

    fn start(config: ConnectionConfig, random: Random, now: Instant) -> Self {
        let handshake = Handshake::start(config.handshake, random);
        let mut connection = Self {
            state: State::Handshake(Box::new(handshake)),
            heartbeat_config: config.heartbeat,
            handshake_deadline: config.handshake_timeout.and_then(|t| now.checked_add(t)),
            waiting: VecDeque::new(),
            out: Outbound::default(),
            queued_pongs: 0,
            events: VecDeque::new(),
        };
        connection.flush_handshake();
        connection
    }

    /// Starts a connection that waits for [`skip_greeting`](Self::skip_greeting) and has nothing to
    /// send until then. Its input and output begin behind the greeting.
    #[cfg(feature = "ws")]
    pub(crate) fn without_greeting(config: ConnectionConfig, random: Random, now: Instant) -> Self {
        let mut connection = Self::start(config, random, now);
        connection.out = Outbound::default();
        connection
    }

    /// Begins the handshake of a version; see [`Handshake::skip_greeting`].
    #[cfg(feature = "ws")]
    pub(crate) fn skip_greeting(&mut self, version: Version) -> Result<(), Error> {
        let result = match &mut self.state {
            State::Handshake(handshake) => handshake.skip_greeting(version),
            _ => Err(Error::Closed),
        };
        self.flush_handshake();
        self.close_on_error(result)
    }

    /// Closes the connection for a cause from outside, unless it is closed.
    #[cfg(feature = "ws")]
    pub(crate) fn fail(&mut self, error: Error) {
        // The error is what the caller already has.
        let _ = self.close_on_error::<()>(Err(error));
    }

    /// Takes bytes that the peer sent, in pieces of any size, and returns how many of them it has
    /// consumed.
    ///
    /// That is all of them, unless so many events wait that they have to be taken first, or a ZAP
    /// handler has to speak before anything else of the peer is looked at. The rest is to be given
    /// again, before what is read later. Input of 8 KiB makes at most 4,096 events, of which 256 wait
    /// at a time:
    ///
    /// ```
    /// # use std::time::Instant;
    /// # use zmtp::{Connection, Error, Event};
    /// fn feed(connection: &mut Connection, mut input: &[u8], now: Instant) -> Result<(), Error> {
    ///     while !input.is_empty() {
    ///         let used = connection.handle_input(input, now)?;
    ///         input = &input[used..];
    ///         while let Some(event) = connection.poll_event() {
    ///             // Where a handler that answers later keeps the rest of the input.
    ///             # drop(event);
    ///         }
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Why the connection failed; [`Error::Closed`] when it had failed before.
    pub fn handle_input(&mut self, input: &[u8], now: Instant) -> Result<usize, Error> {
        let result = self.process_input(input, now);
        self.close_on_error(result)
    }

    /// Does what is due at `now`: gives up, or sends a PING. May be called at any time.
    ///
    /// # Errors
    ///
    /// [`Error::HandshakeTimeout`], [`Error::HeartbeatTimeout`] or [`Error::PeerTtlExpired`] when
    /// the peer was silent for too long; [`Error::Closed`] when the connection had failed before.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        let result = match &mut self.state {
            State::Closed(_) => Err(Error::Closed),
            State::Handshake(_) => match self.handshake_deadline {
                Some(deadline) if deadline <= now => Err(Error::HandshakeTimeout),
                _ => Ok(()),
            },
            State::Open(open) => open.heartbeat.handle_timeout(now).map(|due| {
                if let Some(ttl) = due {
                    let ping = Command::Ping { ttl, context: &[] };
                    self.out
                        .push_encoded(|out| open.encoder.encode_command(ping, out));
                }
            }),
        };
        self.close_on_error(result)
    }

    /// Takes the answer to [`Event::Authenticate`], which has come by `now`.
    ///
    /// # Errors
    ///
    /// Why the peer is refused, which ends the connection as an error of
    /// [`handle_input`](Self::handle_input) does. [`Error::UnexpectedZapAnswer`] when nothing was
    /// asked, [`Error::Closed`] when the connection had failed before; both change nothing.
    #[cfg(feature = "zap")]
    pub fn handle_zap(&mut self, answer: zap::Answer, now: Instant) -> Result<(), Error> {
        let handshake = match &mut self.state {
            State::Handshake(handshake) => handshake,
            State::Open(_) => return Err(Error::UnexpectedZapAnswer),
            State::Closed(_) => return Err(Error::Closed),
        };
        let result = handshake.handle_zap(answer);
        if result == Err(Error::UnexpectedZapAnswer) {
            return result;
        }
        if result.is_ok() {
            self.flush_handshake();
            self.open_if_complete(now);
        }
        self.close_on_error(result)
    }

    /// When [`handle_timeout`](Self::handle_timeout) has to be called next, if ever. Changes with
    /// each call of the other methods.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Handshake(_) => self.handshake_deadline,
            State::Open(open) => open.heartbeat.poll_timeout(),
            State::Closed(_) => None,
        }
    }

    /// Whether input would be consumed now: not while as many events wait as may, nor while a ZAP
    /// handler is to decide before more is looked at, nor after the end.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        match &self.state {
            State::Handshake(handshake) => !handshake.is_waiting(),
            State::Open(_) => self.events.len() < MAX_EVENTS,
            State::Closed(_) => false,
        }
    }

    /// How many bytes wait to be written to the peer, apart from what waits for the handshake. Whoever
    /// sends without looking at this makes a peer that reads nothing cost memory.
    #[must_use]
    pub fn unsent_bytes(&self) -> usize {
        self.out.len()
    }

    /// Whether there is anything to be written to the peer.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        !self.out.is_empty()
    }

    /// Shows the next bytes to be written to the peer, in pieces for a vectored write, and returns how
    /// many of `slices` are filled. What was written is taken by
    /// [`advance_transmit`](Self::advance_transmit).
    ///
    /// ```
    /// use std::io::{IoSlice, Write};
    ///
    /// # use zmtp::{Connection, HandshakeConfig, SocketType};
    /// # let mut stream = Vec::new();
    /// # let mut connection =
    /// #     Connection::new(HandshakeConfig::new(SocketType::Push), std::time::Instant::now());
    /// while connection.wants_write() {
    ///     let mut pieces = [&[][..]; 16];
    ///     let filled = connection.transmit_slices(&mut pieces);
    ///     let slices = pieces.map(IoSlice::new);
    ///     let written = stream.write_vectored(&slices[..filled])?;
    ///     connection.advance_transmit(written);
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn transmit_slices<'a>(&'a self, slices: &mut [&'a [u8]]) -> usize {
        self.out.slices(slices)
    }

    /// Copies the next bytes to be written to the peer into `buffer`, as many as fit, and returns how
    /// many these are. They count as sent.
    pub fn transmit_into(&mut self, buffer: &mut [u8]) -> usize {
        SansIo::transmit_into(self, buffer)
    }

    /// Tells that the first `len` bytes that [`transmit_slices`](Self::transmit_slices) showed are
    /// written.
    ///
    /// # Panics
    ///
    /// When there were not so many.
    pub fn advance_transmit(&mut self, len: usize) {
        self.out.advance(len);
        if self.out.is_empty() {
            self.queued_pongs = 0;
        }
    }

    /// Takes the next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Takes the next bytes to be written to the peer, all of them and in order.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        let bytes = self.out.pop();
        if self.out.is_empty() {
            self.queued_pongs = 0;
        }
        bytes
    }

    /// Sends a message. One that is sent before the handshake is complete waits, without limit,
    /// until it is.
    ///
    /// # Errors
    ///
    /// Hands the message back when the connection is closed.
    pub fn send(&mut self, message: impl Into<Message>) -> Result<(), SendError> {
        let message = message.into();
        if let Err(error) = self.ensure_can_send() {
            let message = Box::new(message);
            return Err(SendError { error, message });
        }
        self.dispatch(Outgoing::Message(message));
        Ok(())
    }

    /// Takes the messages that are still waiting for the handshake, in order. After a handshake
    /// that failed, these are the ones that never left.
    pub fn take_unsent(&mut self) -> Vec<Message> {
        let waiting = core::mem::take(&mut self.waiting);
        let (messages, others): (VecDeque<_>, _) = waiting
            .into_iter()
            .partition(|outgoing| matches!(outgoing, Outgoing::Message(_)));
        self.waiting = others;
        messages
            .into_iter()
            .filter_map(|outgoing| match outgoing {
                Outgoing::Message(message) => Some(message),
                _ => None,
            })
            .collect()
    }

    /// Sends a command. One that is sent before the handshake is complete waits until it is.
    ///
    /// To a peer whose version has no such command, nothing is sent; a SUBSCRIBE or CANCEL takes the
    /// form of [`subscribe`](Self::subscribe). The time to live of a PING is at most [`MAX_SAFE_TTL`].
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] when the connection is closed; those of [`Command::check`], which change
    /// nothing.
    pub fn send_command(&mut self, command: Command<'_>) -> Result<(), Error> {
        self.ensure_can_send()?;
        command.check()?;
        let command = match command {
            Command::Ping { ttl, context } => Command::Ping {
                ttl: ttl.min(MAX_SAFE_TTL),
                context,
            },
            other => other,
        };
        let mut body = Vec::new();
        command.encode_body(&mut body);
        self.dispatch(Outgoing::Command(body));
        Ok(())
    }

    /// Subscribes to a topic in the way the peer's version demands: by a SUBSCRIBE command, or
    /// before ZMTP 3.1 by a message of the byte 01 and the topic.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] when the connection is closed.
    pub fn subscribe(&mut self, topic: impl Into<Bytes>) -> Result<(), Error> {
        self.ensure_can_send()?;
        self.dispatch(Outgoing::Subscription {
            subscribe: true,
            topic: topic.into(),
        });
        Ok(())
    }

    /// Takes a subscription back, by a CANCEL command or a message that begins with 00; see
    /// [`subscribe`](Self::subscribe).
    ///
    /// libzmq publishers do not count: one CANCEL undoes any number of subscriptions to the same
    /// topic.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] when the connection is closed.
    pub fn cancel(&mut self, topic: impl Into<Bytes>) -> Result<(), Error> {
        self.ensure_can_send()?;
        self.dispatch(Outgoing::Subscription {
            subscribe: false,
            topic: topic.into(),
        });
        Ok(())
    }

    /// Who the peer is, once the handshake is complete.
    #[must_use]
    pub fn peer(&self) -> Option<&Peer> {
        match &self.state {
            State::Open(open) => Some(&open.peer),
            _ => None,
        }
    }

    /// Why the connection failed, if it did.
    #[must_use]
    pub const fn error(&self) -> Option<&Error> {
        match &self.state {
            State::Closed(error) => Some(error),
            _ => None,
        }
    }

    fn process_input(&mut self, input: &[u8], now: Instant) -> Result<usize, Error> {
        let mut used = 0;
        if let State::Handshake(handshake) = &mut self.state {
            used = handshake.handle_input(input)?;
            #[cfg(feature = "zap")]
            if let Some(request) = handshake.poll_zap() {
                self.events
                    .push_back(Event::Authenticate(Box::new(request)));
            }
            self.flush_handshake();
            self.open_if_complete(now);
        }
        let open = match &mut self.state {
            State::Open(open) => open,
            State::Handshake(_) => return Ok(used),
            State::Closed(_) => return Err(Error::Closed),
        };
        if used < input.len() {
            open.heartbeat.on_input();
        }
        while self.events.len() < MAX_EVENTS {
            let (taken, item) = open.decoder.decode(&input[used..])?;
            used += taken;
            let event = match item {
                None => return Ok(used),
                Some(Item::Message(message)) => {
                    if open.is_publisher {
                        open.check_subscription_message(&message)?;
                    }
                    Event::Message(message)
                }
                Some(Item::Command(body)) => match Command::decode(&body) {
                    Ok(Command::Ping { ttl, context }) => {
                        open.heartbeat.on_ping(ttl, now);
                        if self.queued_pongs < MAX_QUEUED_PONGS {
                            self.queued_pongs += 1;
                            let pong = Command::Pong { context };
                            self.out
                                .push_encoded(|out| open.encoder.encode_command(pong, out));
                        }
                        Event::Ping {
                            ttl,
                            context: context.into(),
                        }
                    }
                    Ok(Command::Pong { context }) => Event::Pong {
                        context: context.into(),
                    },
                    Ok(Command::Subscribe { topic } | Command::Cancel { topic }) => {
                        open.check_topic(topic.len())?;
                        Event::Command(body)
                    }
                    Err(error) if !error.is_ignorable_command() => return Err(error),
                    _ => Event::Command(body),
                },
            };
            self.events.push_back(event);
        }
        Ok(used)
    }

    fn flush_handshake(&mut self) {
        if let State::Handshake(handshake) = &mut self.state {
            if handshake.tells_secrets() {
                self.out.push_secret(handshake.transmit());
            } else {
                self.out.push_bytes(handshake.transmit());
            }
            handshake.advance_transmit(handshake.transmit().len());
        }
    }

    fn open_if_complete(&mut self, now: Instant) {
        if !matches!(&self.state, State::Handshake(handshake) if handshake.is_complete()) {
            return;
        }
        // `Closed` stands in only while the handshake is taken out by value.
        let state = core::mem::replace(&mut self.state, State::Closed(Error::Closed));
        let State::Handshake(handshake) = state else {
            self.state = state;
            return;
        };
        let max_subscription_len = handshake.config().limits().max_subscription_len;
        let own_type = handshake.config().socket_type();
        let Established {
            peer,
            encoder,
            decoder,
            // Taken before.
            unsent: _,
        } = match handshake.finish() {
            Ok(established) => established,
            Err(handshake) => {
                self.state = State::Handshake(Box::new(handshake));
                return;
            }
        };
        let takes_ping = peer.version.has_commands() && peer.socket_type != Some(SocketType::Dish);
        let heartbeat = if takes_ping {
            self.heartbeat_config
        } else {
            HeartbeatConfig::off()
        };
        self.events.push_back(Event::Connected(peer.clone()));
        self.state = State::Open(Box::new(Open {
            peer,
            encoder,
            decoder,
            heartbeat: Heartbeat::new(heartbeat, now),
            max_subscription_len,
            is_publisher: matches!(own_type, SocketType::Pub | SocketType::XPub),
        }));
        for outgoing in core::mem::take(&mut self.waiting) {
            self.dispatch(outgoing);
        }
    }

    /// Encodes what is to be sent, or lets it wait for the handshake.
    fn dispatch(&mut self, outgoing: Outgoing) {
        let State::Open(open) = &mut self.state else {
            self.waiting.push_back(outgoing);
            return;
        };
        let encoder = &mut open.encoder;
        match outgoing {
            Outgoing::Message(message) => self.out.push_message(message, encoder),
            Outgoing::Command(body) => self.out.push_encoded(|out| match Command::decode(&body) {
                Ok(command @ (Command::Subscribe { .. } | Command::Cancel { .. })) => {
                    encoder.encode_command(command, out);
                }
                _ => encoder.encode_frame(Flags::COMMAND, &body, out),
            }),
            Outgoing::Subscription { subscribe, topic } => self
                .out
                .push_encoded(|out| encoder.encode_subscription(subscribe, &topic, out)),
        }
    }

    fn ensure_can_send(&self) -> Result<(), Error> {
        match &self.state {
            State::Closed(_) => Err(Error::Closed),
            State::Open(open) if open.encoder.is_exhausted() => Err(Error::NonceExhausted),
            _ => Ok(()),
        }
    }

    fn close_on_error<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        let Err(error) = &result else {
            return result;
        };
        let tells_why = match &self.state {
            State::Closed(_) => return result,
            // What a failed handshake has to say is ERROR, and belongs behind what it has said.
            State::Handshake(handshake) => {
                handshake.is_failed() && !handshake.transmit().is_empty()
            }
            State::Open(_) => false,
        };
        if tells_why {
            self.flush_handshake();
        } else {
            self.out = Outbound::default();
        }
        self.state = State::Closed(error.clone());
        result
    }
}

impl Open {
    fn check_topic(&self, len: usize) -> Result<(), Error> {
        let (len, limit) = (len as u64, self.max_subscription_len);
        if len > limit {
            return Err(Error::SubscriptionTooLong { len, limit });
        }
        Ok(())
    }

    /// Checks the topics in a message, whose frames are subscriptions of old if they begin like one:
    /// each of them to libzmq, the first to others.
    fn check_subscription_message(&self, message: &Message) -> Result<(), Error> {
        message
            .frames()
            .iter()
            .filter(|frame| matches!(frame.first(), Some(0 | 1)))
            .try_for_each(|frame| self.check_topic(frame.len() - 1))
    }
}

/// A message that could not be sent, handed back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SendError {
    /// Why.
    pub error: Error,
    /// The message.
    pub message: Box<Message>,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message not sent: {}", self.error)
    }
}

impl core::error::Error for SendError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        error.error
    }
}
