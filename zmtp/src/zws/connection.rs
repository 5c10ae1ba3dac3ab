//! One WebSocket connection, whole.

use alloc::collections::VecDeque;
use core::fmt;
use std::time::Instant;

use bytes::{Buf, Bytes};
use zeroize::Zeroize;

use super::error::{CLOSE_NORMAL, CLOSE_PROTOCOL_ERROR, CLOSE_TOO_BIG};
use super::head::HeadBuffer;
use super::{
    Control, Decoder, Encoder, MAX_HEADER_LEN, Protocol, Request, Response, Role, Target,
    UpgradeError,
};
use super::{Gate, Violation};
use crate::connection::MAX_EVENTS;
use crate::header;
use crate::heartbeat::Heartbeat;
use crate::secret::wiped_bytes;
#[cfg(feature = "zap")]
use crate::zap;
use crate::{
    Blame, Command, ConnectionConfig, Error, Event, HandshakeConfig, HeartbeatConfig, Limits,
    Message, Peer, Random, SansIo, SendError, Version,
};

/// How much input is turned into ZMTP frames at a time, in bytes.
const PIECE: usize = 16 * 1024;

/// The largest buffer, in bytes, that is kept for the next input.
const KEPT: usize = 8 * 1024;

/// The shortest WebSocket frame that becomes an event: header, and the flags byte of ZWS.
const MIN_FRAME: usize = 3;

/// How much more than a frame's body may be in fragments, in bytes: the flags, and what CURVE adds.
const FRAGMENTS_OVERHEAD: u64 = 1 + 33;

/// How many PONGs may wait to be sent. A peer that sends PINGs and reads nothing gets no more
/// answers, so it cannot make the queue grow.
const MAX_QUEUED_PONGS: usize = 1024;

/// One end of a WebSocket connection as a state machine without I/O and without a clock.
///
/// It is driven like [`zmtp::Connection`](crate::Connection), and yields the same events; what drives
/// both is written over [`SansIo`]:
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
/// An error from 2 or 3 is final: write what [`poll_transmit`](Self::poll_transmit) still has, which
/// tells the peer why, and close the socket. That the peer closes the WebSocket is such an error,
/// [`Error::ClosedByPeer`], though nobody's fault.
///
/// What differs from a stream: subscriptions always travel as messages, and the peer's version says
/// so, 3.0, or 2.0 without a mechanism. Heartbeats are WebSocket pings, which have no time to live.
///
/// # Examples
///
/// ```
/// use std::time::Instant;
/// use zmtp::{Event, HandshakeConfig, SocketType, zws};
///
/// let now = Instant::now();
/// let target = zws::Target::new("example.com", "/")?;
/// let push = HandshakeConfig::new(SocketType::Push);
/// let mut push = zws::Connection::connect(push, &target, now)?;
/// let mut pull = zws::Connection::accept(HandshakeConfig::new(SocketType::Pull), now);
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
pub struct Connection {
    upgrade: Upgrade,
    decoder: Decoder,
    encoder: Encoder,
    /// What happens inside the WebSocket. It keeps the deadline of the handshake, the upgrade
    /// included, and the cause of the end.
    inner: crate::Connection,
    heartbeat_config: HeartbeatConfig,
    /// There is one once the handshake is complete.
    heartbeat: Option<Heartbeat>,
    limits: Limits,
    /// Frames for the peer; those bytes before `sent` are gone.
    out: Vec<u8>,
    sent: usize,
    queued_pongs: usize,
    /// Whether CLOSE went out, after which nothing may follow.
    close_sent: bool,
    events: VecDeque<Event>,
    /// Where input is turned into ZMTP frames; empty in between, unless a ZAP handler has to speak
    /// before more is looked at.
    frames: Vec<u8>,
    /// What came behind these frames.
    next: Option<Next>,
    /// Whether what this end still has to send may be a secret, though masked.
    tells_secrets: bool,
}

#[derive(Debug)]
enum Upgrade {
    /// The client has sent its request.
    Requested(HeadBuffer, Request),
    /// The server waits for a request, and grants one for these protocols that passes the gate.
    Awaited(HeadBuffer, Vec<Protocol>, Gate),
    Done(Protocol),
}

/// What ended a piece of frames.
#[derive(Debug)]
enum Next {
    Control(Control),
    Violation(Violation),
}

impl Connection {
    /// Starts the end that asks for the upgrade, at `now`.
    ///
    /// # Errors
    ///
    /// [`Error::RandomUnavailable`] when there is no randomness for the request.
    pub fn connect(
        config: impl Into<ConnectionConfig>,
        target: &Target,
        now: Instant,
    ) -> Result<Self, Error> {
        Self::connect_with_random(config, target, Random::system(), Random::system(), now)
    }

    /// Starts the end that asks for the upgrade. It takes the key of the request and the masks from
    /// `masks`, and the keys and nonces of the mechanism from `keys`.
    ///
    /// # Errors
    ///
    /// [`Error::RandomUnavailable`] when there is no randomness for the request.
    pub fn connect_with_random(
        config: impl Into<ConnectionConfig>,
        target: &Target,
        mut masks: Random,
        keys: Random,
        now: Instant,
    ) -> Result<Self, Error> {
        let config = config.into();
        let offered = Protocol::for_mechanism(config.handshake.mechanism());
        let request = Request::new(target, &fitting(offered, &config.handshake), &mut masks)?;
        let out = request.encode();
        let upgrade = Upgrade::Requested(HeadBuffer::default(), request);
        let mut connection = Self::new(config, Role::Client, upgrade, masks, keys, now);
        connection.out = out;
        Ok(connection)
    }

    /// Starts the end that grants the upgrade, at `now`.
    #[must_use]
    pub fn accept(config: impl Into<ConnectionConfig>, now: Instant) -> Self {
        Self::accept_with_random(config, Random::system(), now)
    }

    /// Starts the end that grants the upgrade. It takes the keys and nonces of the mechanism from
    /// `keys`.
    #[must_use]
    pub fn accept_with_random(
        config: impl Into<ConnectionConfig>,
        keys: Random,
        now: Instant,
    ) -> Self {
        Self::accepting(Gate::new(), config.into(), keys, now)
    }

    /// Starts the end that grants the upgrade, to requests that pass a gate: those of web pages, or
    /// those that the application wants to see before.
    #[must_use]
    pub fn accept_through(gate: Gate, config: impl Into<ConnectionConfig>, now: Instant) -> Self {
        Self::accepting(gate, config.into(), Random::system(), now)
    }

    fn accepting(gate: Gate, config: ConnectionConfig, keys: Random, now: Instant) -> Self {
        let accepted = Protocol::accepted_for(config.handshake.mechanism());
        let accepted = fitting(accepted, &config.handshake);
        let upgrade = Upgrade::Awaited(HeadBuffer::default(), accepted, gate);
        // A server has no use for masks.
        Self::new(config, Role::Server, upgrade, Random::system(), keys, now)
    }

    /// Goes on behind an upgrade that another library has done, with the protocol that both ends have
    /// agreed on: the first byte that goes in or comes out is that of a WebSocket frame. Who may come
    /// from where was that library's business.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Instant;
    /// use zmtp::zws::{Connection, Protocol, Role};
    /// use zmtp::{Event, HandshakeConfig, SocketType};
    ///
    /// let now = Instant::now();
    /// let config = HandshakeConfig::new(SocketType::Pair);
    /// let mut client = Connection::upgraded(config.clone(), Role::Client, Protocol::Null, now)?;
    /// let mut server = Connection::upgraded(config, Role::Server, Protocol::Null, now)?;
    /// client.send("hello")?;
    /// for _ in 0..3 {
    ///     while let Some(bytes) = client.poll_transmit() {
    ///         server.handle_input(&bytes, now)?;
    ///     }
    ///     while let Some(bytes) = server.poll_transmit() {
    ///         client.handle_input(&bytes, now)?;
    ///     }
    /// }
    /// assert!(matches!(server.poll_event(), Some(Event::Connected(_))));
    /// assert_eq!(server.poll_event(), Some(Event::Message("hello".into())));
    /// # Ok::<(), zmtp::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Upgrade`] with [`UpgradeError::NoProtocol`] when the protocol does not fit the
    /// mechanism; those of [`HandshakeConfig::check`]; [`Error::RandomUnavailable`].
    pub fn upgraded(
        config: impl Into<ConnectionConfig>,
        role: Role,
        protocol: Protocol,
        now: Instant,
    ) -> Result<Self, Error> {
        let config = config.into();
        let accepted = Protocol::accepted_for(config.handshake.mechanism());
        if !fitting(accepted, &config.handshake).contains(&protocol) {
            let cause = UpgradeError::NoProtocol;
            return Err(Error::Upgrade { cause });
        }
        let (masks, keys) = (Random::system(), Random::system());
        let mut connection = Self::new(config, role, Upgrade::Done(protocol), masks, keys, now);
        connection.begin(protocol)?;
        Ok(connection)
    }

    fn new(
        mut config: ConnectionConfig,
        role: Role,
        upgrade: Upgrade,
        masks: Random,
        keys: Random,
        now: Instant,
    ) -> Self {
        let limits = *config.handshake.limits();
        let tells_secrets = config.handshake.mechanism().tells_secrets();
        let heartbeat_config = core::mem::replace(&mut config.heartbeat, HeartbeatConfig::off());
        Self {
            upgrade,
            decoder: Decoder::new(role),
            encoder: Encoder::new(role, masks),
            inner: crate::Connection::without_greeting(config, keys, now),
            heartbeat_config,
            heartbeat: None,
            limits,
            out: Vec::new(),
            sent: 0,
            queued_pongs: 0,
            close_sent: false,
            events: VecDeque::new(),
            frames: Vec::new(),
            next: None,
            tells_secrets,
        }
    }

    /// Takes bytes that the peer sent, in pieces of any size, and returns how many of them it has
    /// consumed, as [`zmtp::Connection::handle_input`](crate::Connection::handle_input) does.
    ///
    /// # Errors
    ///
    /// Why the connection failed; [`Error::Closed`] when it had failed before.
    pub fn handle_input(&mut self, input: &[u8], now: Instant) -> Result<usize, Error> {
        if self.inner.error().is_some() {
            return Err(Error::Closed);
        }
        let result = self.process_input(input, now);
        self.close_on_error(result)
    }

    /// Does what is due at `now`: gives up, or sends a ping. May be called at any time.
    ///
    /// # Errors
    ///
    /// [`Error::HandshakeTimeout`] or [`Error::HeartbeatTimeout`] when the peer was silent for too
    /// long; [`Error::Closed`] when the connection had failed before.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        self.inner.handle_timeout(now)?;
        let due = match &mut self.heartbeat {
            Some(heartbeat) => heartbeat.handle_timeout(now),
            None => return Ok(()),
        };
        let result = due.and_then(|due| match due {
            Some(_) => self.push_control(&Control::Ping(Bytes::new())),
            None => Ok(()),
        });
        self.close_on_error(result)
    }

    /// Takes the answer to [`Event::Authenticate`], which has come by `now`.
    ///
    /// # Errors
    ///
    /// As [`zmtp::Connection::handle_zap`](crate::Connection::handle_zap).
    #[cfg(feature = "zap")]
    pub fn handle_zap(&mut self, answer: zap::Answer, now: Instant) -> Result<(), Error> {
        let result = self.inner.handle_zap(answer, now);
        self.after_inner(now);
        result?;
        // What has waited for the answer.
        let result = self.process_frames(&[], now).map(drop);
        self.close_on_error(result)
    }

    /// When [`handle_timeout`](Self::handle_timeout) has to be called next, if ever. Changes with
    /// each call of the other methods.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.inner.error().is_some() {
            return None;
        }
        let heartbeat = self.heartbeat.as_ref().and_then(Heartbeat::poll_timeout);
        self.inner.poll_timeout().into_iter().chain(heartbeat).min()
    }

    /// Whether input would be consumed now: not while as many events wait as may, nor while a ZAP
    /// handler is to decide before more is looked at, nor after the end.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        self.events.len() < MAX_EVENTS && self.inner.wants_input()
    }

    /// How many bytes wait to be written to the peer, without the headers of frames that are still to
    /// be made.
    #[must_use]
    pub fn unsent_bytes(&self) -> usize {
        let inner = if self.close_sent {
            0
        } else {
            self.inner.unsent_bytes()
        };
        self.out.len() - self.sent + inner
    }

    /// Whether there is anything to be written to the peer.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.unsent_bytes() > 0
    }

    /// Shows the next bytes to be written to the peer, in pieces for a vectored write, and returns how
    /// many of `slices` are filled. What was written is taken by
    /// [`advance_transmit`](Self::advance_transmit).
    ///
    /// All of it lies in one piece, since each frame has been put into one of WebSocket.
    pub fn transmit_slices<'a>(&'a mut self, slices: &mut [&'a [u8]]) -> usize {
        self.pump();
        let unsent = &self.out[self.sent..];
        match slices.first_mut() {
            Some(first) if !unsent.is_empty() => {
                *first = unsent;
                1
            }
            _ => 0,
        }
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
        assert!(
            len <= self.out.len() - self.sent,
            "advanced beyond what there is to send"
        );
        self.sent += len;
        if self.sent < self.out.len() {
            return;
        }
        self.sent = 0;
        self.queued_pongs = 0;
        if self.tells_secrets {
            self.out.zeroize();
            self.tells_secrets = self.inner.peer().is_none();
        }
        self.out.clear();
        if self.out.capacity() > KEPT {
            self.out = Vec::new();
        }
    }

    /// Takes the next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Takes the next bytes to be written to the peer, all of them and in order.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        self.pump();
        self.queued_pongs = 0;
        let out = core::mem::take(&mut self.out);
        let sent = core::mem::take(&mut self.sent);
        if out.is_empty() {
            return None;
        }
        let mut bytes = if self.tells_secrets {
            self.tells_secrets = self.inner.peer().is_none();
            wiped_bytes(out)
        } else {
            Bytes::from(out)
        };
        bytes.advance(sent);
        Some(bytes)
    }

    /// Sends a message. One that is sent before the handshake is complete waits, without limit,
    /// until it is.
    ///
    /// # Errors
    ///
    /// Hands the message back when the connection is closed.
    pub fn send(&mut self, message: impl Into<Message>) -> Result<(), SendError> {
        if self.close_sent {
            return Err(SendError {
                error: Error::Closed,
                message: Box::new(message.into()),
            });
        }
        self.inner.send(message)
    }

    /// Takes the messages that are still waiting for the handshake, in order. After a handshake
    /// that failed, these are the ones that never left.
    pub fn take_unsent(&mut self) -> Vec<Message> {
        self.inner.take_unsent()
    }

    /// Sends a command. One that is sent before the handshake is complete waits until it is.
    ///
    /// PING and PONG become those of WebSocket, which have a context and no time to live; before the
    /// handshake is complete they are not sent. SUBSCRIBE and CANCEL become messages.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] when the connection is closed; those of [`Command::check`], which change
    /// nothing.
    pub fn send_command(&mut self, command: Command<'_>) -> Result<(), Error> {
        self.ensure_not_closed()?;
        let control = match command {
            Command::Ping { context, .. } => Control::Ping(Bytes::copy_from_slice(context)),
            Command::Pong { context } => Control::Pong(Bytes::copy_from_slice(context)),
            _ => return self.inner.send_command(command),
        };
        if self.heartbeat.is_none() {
            return Ok(());
        }
        let result = self.push_control(&control);
        self.close_on_error(result)
    }

    /// Subscribes to a topic, by a message of the byte 01 and the topic.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] when the connection is closed.
    pub fn subscribe(&mut self, topic: impl Into<Bytes>) -> Result<(), Error> {
        self.ensure_not_closed()?;
        self.inner.subscribe(topic)
    }

    /// Takes a subscription back, by a message of the byte 00 and the topic.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] when the connection is closed.
    pub fn cancel(&mut self, topic: impl Into<Bytes>) -> Result<(), Error> {
        self.ensure_not_closed()?;
        self.inner.cancel(topic)
    }

    /// Closes the WebSocket, behind everything that was sent.
    ///
    /// Nothing can be sent any more, and what the peer sends still arrives, until
    /// [`handle_input`](Self::handle_input) tells by [`Error::ClosedByPeer`] that it has closed too.
    /// How long to wait for that is the caller's decision. Before the upgrade is complete there is
    /// nothing to close but the socket.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] when the connection is closed.
    pub fn close(&mut self) -> Result<(), Error> {
        self.ensure_not_closed()?;
        let result = self.push_close(CLOSE_NORMAL);
        self.close_on_error(result)
    }

    /// Which protocol the two ends agreed on, once the upgrade is complete.
    #[must_use]
    pub const fn protocol(&self) -> Option<Protocol> {
        match self.upgrade {
            Upgrade::Done(protocol) => Some(protocol),
            _ => None,
        }
    }

    /// Who the peer is, once the handshake is complete.
    #[must_use]
    pub fn peer(&self) -> Option<&Peer> {
        self.inner.peer()
    }

    /// Why the connection failed, if it did.
    #[must_use]
    pub const fn error(&self) -> Option<&Error> {
        self.inner.error()
    }

    fn process_input(&mut self, input: &[u8], now: Instant) -> Result<usize, Error> {
        let (Upgrade::Requested(head, _) | Upgrade::Awaited(head, ..)) = &mut self.upgrade else {
            return self.process_frames(input, now);
        };
        let (used, complete) = head
            .fill(input, &self.limits)
            .map_err(|cause| Error::Upgrade { cause })?;
        if !complete {
            return Ok(used);
        }
        let protocol = self.on_head().map_err(|cause| Error::Upgrade { cause })?;
        self.upgrade = Upgrade::Done(protocol);
        self.begin(protocol)?;
        Ok(used + self.process_frames(&input[used..], now)?)
    }

    /// The upgrade is done.
    fn begin(&mut self, protocol: Protocol) -> Result<(), Error> {
        // A stranger's message is kept in fragments as long as a command of the handshake may be.
        let limit = self.limits.max_handshake_command_size;
        self.decoder
            .set_max_fragments(limit.saturating_add(FRAGMENTS_OVERHEAD));
        self.decoder.set_stepwise(true);
        self.inner.skip_greeting(match protocol {
            Protocol::Bare => Version::V2_0,
            // What tells 3.1 from 3.0 on a stream is the form of subscriptions.
            _ => Version::V3_0,
        })
    }

    fn on_head(&mut self) -> Result<Protocol, UpgradeError> {
        match &mut self.upgrade {
            Upgrade::Requested(head, request) => {
                Response::decode(head.head(), &self.limits)?.check(request)
            }
            Upgrade::Awaited(head, accepted, gate) => {
                let request = Request::decode(head.head(), &self.limits)?;
                core::mem::take(gate).pass(&request)?;
                let protocol = request.choose(accepted)?;
                self.out = Response::new(&request, protocol).encode();
                Ok(protocol)
            }
            Upgrade::Done(protocol) => Ok(*protocol),
        }
    }

    fn process_frames(&mut self, input: &[u8], now: Instant) -> Result<usize, Error> {
        if let Some(heartbeat) = &mut self.heartbeat
            && !input.is_empty()
        {
            heartbeat.on_input();
        }
        let mut used = 0;
        loop {
            if !self.pass_frames(now)? {
                return Ok(used);
            }
            match self.next.take() {
                Some(Next::Control(control)) => self.on_control(control)?,
                Some(Next::Violation(cause)) => return Err(Error::WebSocket { cause }),
                None => {}
            }
            let room = MAX_EVENTS.saturating_sub(self.events.len());
            let rest = &input[used..];
            if room == 0 || rest.is_empty() {
                return Ok(used);
            }
            // No more than what has room among the events; the payload that is arriving makes one at
            // most.
            let most = self.decoder.missing().saturating_add(MIN_FRAME * room);
            let piece = &rest[..rest.len().min(PIECE).min(most)];
            if self.inner.peer().is_none() {
                // The peer's credentials may be in there, and nothing of a buffer that grows may stay.
                self.frames.reserve(2 * piece.len() + MAX_HEADER_LEN);
            }
            match self.decoder.decode(piece, &mut self.frames) {
                Ok((taken, control)) => {
                    used += taken;
                    self.next = control.map(Next::Control);
                }
                // What came before counts.
                Err(cause) => self.next = Some(Next::Violation(cause)),
            }
        }
    }

    /// Passes on the frames that were taken out of the input. Returns whether that were all: a ZAP
    /// handler may have to speak before.
    fn pass_frames(&mut self, now: Instant) -> Result<bool, Error> {
        let mut frames = core::mem::take(&mut self.frames);
        let mut passed = 0;
        while passed < frames.len() {
            let is_stranger = self.heartbeat.is_none();
            let taken = self.inner.handle_input(&frames[passed..], now);
            self.after_inner(now);
            if is_stranger {
                let gone = taken.as_ref().map_or(frames.len(), |taken| passed + taken);
                frames[passed..gone].zeroize();
            }
            match taken? {
                0 => break,
                taken => passed += taken,
            }
        }
        let is_done = passed == frames.len();
        frames.drain(..passed);
        if frames.capacity() <= KEPT || !is_done {
            self.frames = frames;
        }
        Ok(is_done)
    }

    fn on_control(&mut self, control: Control) -> Result<(), Error> {
        match control {
            Control::Ping(payload) => {
                if self.queued_pongs < MAX_QUEUED_PONGS {
                    self.queued_pongs += 1;
                    self.push_control(&Control::Pong(payload.clone()))?;
                }
                self.events.push_back(Event::Ping {
                    ttl: 0,
                    context: payload.into(),
                });
                Ok(())
            }
            Control::Pong(payload) => {
                self.events.push_back(Event::Pong {
                    context: payload.into(),
                });
                Ok(())
            }
            Control::Close(payload) => {
                let code = payload.first_chunk().copied().map(u16::from_be_bytes);
                self.push_control(&Control::Close(payload))?;
                self.close_sent = true;
                Err(Error::ClosedByPeer { code })
            }
        }
    }

    /// Takes over what the inner connection has to tell.
    fn after_inner(&mut self, now: Instant) {
        self.events
            .extend(core::iter::from_fn(|| self.inner.poll_event()));
        if self.heartbeat.is_none() && self.inner.peer().is_some() {
            self.heartbeat = Some(Heartbeat::new(self.heartbeat_config, now));
            self.decoder.set_stepwise(false);
            let limits = &self.limits;
            let frame = limits.max_frame_size.unwrap_or(u64::MAX);
            // A command may be longer than a message.
            let message = limits.max_message_size.unwrap_or(u64::MAX);
            let limit = frame.min(message.max(limits.max_command_size));
            self.decoder
                .set_max_fragments(limit.saturating_add(FRAGMENTS_OVERHEAD));
        }
    }

    /// Turns all that the inner connection has to send into WebSocket frames.
    fn pump(&mut self) {
        let pieces: Vec<_> = core::iter::from_fn(|| self.inner.poll_transmit()).collect();
        if pieces.is_empty() {
            return;
        }
        let mut frames = pieces.concat();
        if self.tells_secrets {
            self.make_room_for(&frames);
        }
        // After CLOSE nothing may follow.
        if !self.close_sent
            && let Err(error) = self.encoder.encode(&frames, &mut self.out)
        {
            self.inner.fail(error);
        }
        if self.tells_secrets {
            frames.zeroize();
        }
    }

    /// Makes room for these frames in those of WebSocket, so that what goes out does not grow and leave
    /// a secret where it was.
    fn make_room_for(&mut self, frames: &[u8]) {
        let mut count = 0;
        let mut rest = frames;
        while let Ok(Some((header, len))) = header::decode(rest) {
            rest = rest.get(len + header.size as usize..).unwrap_or_default();
            count += 1;
        }
        let needed = self.out.len() + frames.len() + count * MAX_HEADER_LEN;
        if needed > self.out.capacity() {
            let mut grown = Vec::with_capacity(needed);
            grown.extend_from_slice(&self.out);
            core::mem::replace(&mut self.out, grown).zeroize();
        }
    }

    /// Sends a control frame behind what was sent before, unless CLOSE was.
    fn push_control(&mut self, control: &Control) -> Result<(), Error> {
        if self.close_sent {
            return Ok(());
        }
        self.pump();
        self.encoder.encode_control(control, &mut self.out)
    }

    fn push_close(&mut self, code: u16) -> Result<(), Error> {
        if self.protocol().is_none() {
            return Ok(());
        }
        let payload = Bytes::copy_from_slice(&code.to_be_bytes());
        self.push_control(&Control::Close(payload))?;
        self.close_sent = true;
        Ok(())
    }

    fn ensure_not_closed(&self) -> Result<(), Error> {
        if self.close_sent || self.inner.error().is_some() {
            return Err(Error::Closed);
        }
        Ok(())
    }

    /// Tells the peer why, if that helps anybody.
    fn close_on_error<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        let Err(error) = &result else {
            return result;
        };
        self.inner.fail(error.clone());
        match error {
            Error::Upgrade { cause } if matches!(self.upgrade, Upgrade::Awaited(..)) => {
                self.out = cause.response().to_vec();
                self.sent = 0;
            }
            _ => {
                let code = match (error, error.blame()) {
                    (Error::WebSocket { cause }, _) => cause.close_code(),
                    (_, Blame::Protocol) => CLOSE_PROTOCOL_ERROR,
                    (_, Blame::Limit) => CLOSE_TOO_BIG,
                    _ => return result,
                };
                // Without randomness there is no way to say it.
                let _ = self.push_close(code);
            }
        }
        result
    }
}

impl fmt::Debug for Connection {
    /// Shows how much there is to send and not what, which may be a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("upgrade", &self.upgrade)
            .field("inner", &self.inner)
            .field("heartbeat", &self.heartbeat)
            .field("unsent", &self.out.len())
            .field("close_sent", &self.close_sent)
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}

/// Those of these protocols that this end offers or accepts. The one without a mechanism is open to
/// everybody, like ZMTP 2.0.
fn fitting(protocols: &[Protocol], config: &HandshakeConfig) -> Vec<Protocol> {
    protocols
        .iter()
        .copied()
        .filter(|protocol| {
            *protocol != Protocol::Bare || config.check_version(Version::V2_0).is_ok()
        })
        .collect()
}
