//! What is behind a socket of any type: its links, its mailbox, and how calls move messages.
//!
//! Everything here runs on the application's thread, inside a call. What happened meanwhile, links
//! that came, went, filled or drained, has been queued in the ready list and is taken in at the
//! beginning of a call; one relaxed load tells that there is nothing.
//!
//! The socket lends the core for a call, and foreign code, wakers and the `Drop` of bodies, may call the
//! socket. So every way that may come upon such code begins the core's [`Deferral`], and the socket
//! ends it when it has the core back.

use std::{
    sync::Arc,
    task::{Wake, Waker},
    time::{Duration, Instant},
};

use zmtp::{Message, SocketType, header::Flags};
use zpipe::{
    Limits, Mailbox, Process, Readiness, ReadySet, SPLICE_MIN, Spinner, Writer,
    deferred::{self, Deferral},
};
use ztransport::{Driver, Endpoint, InputPoll, Left, Letter, Link, Options, SocketHandle};

use crate::{
    Error, PeerLoss,
    context::Shared,
    departed::Departed,
    endpoints::{Attachment, Endpoints, Use},
    error::Refusal,
    links::{Links, Slot},
    options::SocketOptions,
    pattern::{rep::Rep, req::Req, req::Verdict},
    stats::SocketStats,
    tasks::{Place, Tasks},
};

/// Token of the mailbox; link ids begin at 1.
pub(crate) const MAIL_TOKEN: u64 = 0;

/// See the module documentation.
pub(crate) struct Core {
    context: Arc<Shared>,
    id: u64,
    kind: Kind,
    ready: ReadySet,
    mailbox: Mailbox<Letter>,
    pub(crate) handle: SocketHandle,
    links: Links,
    pub(crate) options: SocketOptions,
    endpoints: Endpoints,
    last_endpoint: Option<Endpoint>,
    /// How this socket waits for input itself, since it blocked in `recv` for the first time.
    input: Option<InputPoll>,
    /// For waits that a peer is likely to end at once.
    spinner: Spinner,
    tasks: Arc<Tasks>,
    /// Why every call fails from now on.
    ended: Option<Refusal>,
    /// Links without a peer that have messages.
    departed: Departed,
    /// Where the socket was made. Nothing of it may be touched in a forked child: others may hold its locks
    /// there for ever, and its descriptors are shared with the parent.
    process: Process,
    /// What [`Refusal::PeerLost`] is about.
    loss: PeerLoss,
    stats: SocketStats,
    /// Open if this call has come upon foreign code.
    pub(crate) deferral: Deferral,
}

/// How long a receiver takes in parts of a message before it looks at its deadline again.
const BETWEEN_LOOKS: Duration = Duration::from_micros(200);
/// Messages that a receiver drops, because they are none of the pattern, before it looks at its deadline
/// again. They may be large, and have many frames.
const DISCARDS_BETWEEN_LOOKS: u32 = 16;

/// What a caller does if there is no message, or no room.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// Wait for one. A sender waits until a pipe has drained to half.
    Wait,
    /// Something else. A sender then wants to know of any room.
    Return,
}

/// A message on its way into a pipe.
enum Outgoing<'a> {
    /// One frame, to be copied. `lent` if its buffer is the caller's and stays so.
    Body { body: &'a [u8], lent: bool },
    /// Any message. Large bodies are taken out of it when it is sent.
    Message(&'a mut Message),
}

impl Outgoing<'_> {
    /// A body that the pipe would rather have the buffer of has to come as a message. One that is only lent
    /// would be copied for that, into memory that one thread allocates and another frees: over inproc half
    /// as many messages of 4 KiB a second as by copying it into the pipe and out of it.
    #[inline]
    fn check(&self, writer: &Writer) -> Result<(), Refusal> {
        let (len, most) = match self {
            Self::Body { body, lent: true } => (body.len(), SPLICE_MIN),
            Self::Body { body, lent: false } => (body.len(), writer.splice_min()),
            Self::Message(_) => return Ok(()),
        };
        if len >= most {
            return Err(Refusal::TooLargeToCopy);
        }
        Ok(())
    }

    /// Writes the frames, without committing them.
    #[inline(always)]
    fn append_to(&mut self, writer: &mut Writer) {
        match self {
            Self::Body { body, .. } => writer.append(Flags::NONE, body),
            Self::Message(message) => writer.append_message(message),
        }
    }
}

/// The pattern and its state.
enum Kind {
    Push,
    Pull,
    Req(Req),
    Rep(Rep),
}

impl Core {
    pub(crate) fn new(
        context: Arc<Shared>,
        id: u64,
        socket_type: SocketType,
        ready: ReadySet,
        mailbox: Mailbox<Letter>,
        handle: SocketHandle,
        options: SocketOptions,
    ) -> Result<Self, Error> {
        let kind = match socket_type {
            SocketType::Push => Kind::Push,
            SocketType::Pull => Kind::Pull,
            SocketType::Req => Kind::Req(Req::default()),
            SocketType::Rep => Kind::Rep(Rep::default()),
            _ => return Err(Error::NotSupported),
        };
        let spinner = match kind {
            Kind::Push | Kind::Pull => Spinner::for_streams(),
            Kind::Req(_) | Kind::Rep(_) => Spinner::new(),
        };
        Ok(Self {
            context,
            id,
            kind,
            ready,
            mailbox,
            handle,
            links: Links::default(),
            options,
            endpoints: Endpoints::default(),
            last_endpoint: None,
            input: None,
            spinner,
            tasks: Arc::new(Tasks::new()),
            ended: None,
            departed: Departed::default(),
            process: Process::current(),
            loss: PeerLoss::Gone,
            stats: SocketStats::default(),
            deferral: Deferral::default(),
        })
    }

    // ---- Taking in what happened ----

    /// Takes in everything that was signalled since the last call.
    #[inline]
    pub(crate) fn process(&mut self) -> Result<(), Refusal> {
        if self.process.is_forked() {
            return Err(Refusal::Forked);
        }
        if !self.ready.is_empty() {
            self.process_signals();
        }
        match self.ended {
            None => Ok(()),
            Some(refusal) => Err(refusal),
        }
    }

    #[inline(never)]
    fn process_signals(&mut self) {
        self.deferral.begin();
        let mut mail = false;
        let mut gone = Vec::new();
        let (ready, links, kind) = (&mut self.ready, &mut self.links, &mut self.kind);
        ready.drain(|token, what| {
            if token == MAIL_TOKEN {
                mail = true;
            } else if let Some(at) = links.find(token) {
                links.on_signal(at, what);
                if what.contains(Readiness::MAIL)
                    && let Some(slot) = links.get_mut(at)
                {
                    on_news(kind, &slot.link);
                }
                if links.get_mut(at).is_some_and(|s| s.link.writer.is_closed()) {
                    gone.push(at);
                }
            }
        });
        for at in gone {
            self.on_gone(at);
        }
        if mail {
            let letters = self.mailbox.take();
            // From here on what those in these letters have left is bounded here.
            self.handle.forget_departed();
            for letter in letters {
                self.on_letter(letter);
            }
            if self.context.sockets.is_shut_down() {
                self.ended = Some(Refusal::Terminated);
            }
        }
    }

    fn on_letter(&mut self, letter: Letter) {
        match letter {
            // What is gone does not come back, so that is what every call says, and not only the next.
            Letter::IoThreadLost => self.ended = Some(Refusal::IoThreadLost),
            Letter::Attach(link) => self.attach(*link),
            // There is nobody to ask about a peer: a question is answered by being dropped.
            Letter::Authenticate(_) => {}
            _ => {}
        }
    }

    fn attach(&mut self, mut link: Link) {
        let connection = link.driver.as_ref().map(|driver| driver.connection());
        let was_disconnected =
            link.outgoing && connection.is_some_and(|id| self.endpoints.get(id).is_none());
        if was_disconnected {
            // The letter was under way then.
            return close_link(link, self.options.linger);
        }
        link.signal_to(&self.handle);
        // They may have changed since the endpoint was bound.
        set_marks(&mut link, &self.options);
        let at = self.insert(link);
        // It may be gone already, and the signal of that came to nobody.
        self.on_gone(at);
    }

    fn insert(&mut self, link: Link) -> usize {
        if let (Some(input), Some(driver)) = (&self.input, &link.driver) {
            input.join(driver);
        }
        self.links.insert(link)
    }

    /// If the other end of a link is gone, nothing is sent there any more, and the link is forgotten
    /// as soon as there is nothing left to receive.
    fn on_gone(&mut self, at: usize) {
        let Some(slot) = self.links.get_mut(at) else {
            return;
        };
        if !slot.link.writer.is_closed() {
            return;
        }
        let receives = match &self.kind {
            Kind::Push => false,
            Kind::Req(req) => req.awaits(slot.link.id).is_some(),
            Kind::Pull | Kind::Rep(_) => true,
        };
        if receives && !slot.link.reader.is_closed() {
            let (id, left) = (slot.link.id, slot.link.left());
            self.links.outbound.remove(at);
            self.departed.insert(id, left);
            self.bound_departed();
        } else {
            self.lose(at);
        }
    }

    /// Drops what peers that are gone have left, as far as it is too much.
    fn bound_departed(&mut self) {
        let limits = self.options.departed();
        let links = &mut self.links;
        let mut left = |id| {
            let slot = links.find(id).and_then(|at| links.get_mut(at));
            slot.map_or_else(Left::default, |slot| slot.link.left())
        };
        let mut excess = Vec::new();
        while let Some(id) = self.departed.excess(limits, &mut left) {
            self.stats.dropped.departed += left(id).messages;
            self.departed.remove(id);
            excess.push(id);
        }
        for id in excess {
            if let Some(at) = self.links.find(id) {
                self.lose(at);
            }
        }
    }

    /// Forgets a link whose other end is gone.
    fn lose(&mut self, at: usize) {
        let Some(link) = self.links.remove(at) else {
            return;
        };
        self.endpoints.remove(link.id);
        self.departed.remove(link.id);
        if let Kind::Req(req) = &self.kind
            && let Some(number) = req.awaits(link.id)
        {
            self.loss = loss_of(&link, number);
        }
        self.stats.dropped.peer_lost += link.unclaimed();
    }

    // ---- Sending ----

    /// Sends a small body, if that is possible now. `lent` if its buffer is the caller's and stays so.
    #[inline(never)]
    pub(crate) fn try_send_body(
        &mut self,
        body: &[u8],
        lent: bool,
        then: Then,
    ) -> Result<(), Refusal> {
        self.send_now(&mut Outgoing::Body { body, lent }, then)
    }

    /// Sends if that is possible now. The message is taken only then.
    #[inline(never)]
    pub(crate) fn try_send(&mut self, message: &mut Message, then: Then) -> Result<(), Refusal> {
        self.send_now(&mut Outgoing::Message(message), then)
    }

    /// Inlined all the way, once for each kind of message: a small one takes so little time that a few
    /// calls and matches on the way are a tenth of it.
    #[inline(always)]
    fn send_now(&mut self, message: &mut Outgoing<'_>, then: Then) -> Result<(), Refusal> {
        self.process()?;
        match &self.kind {
            Kind::Push => {
                self.send_balanced(message, false, then)?;
            }
            Kind::Req(req) => {
                req.begin_send()?;
                let (link, number) = self.send_balanced(message, true, then)?;
                if let Kind::Req(req) = &mut self.kind {
                    req.sent(link, number);
                }
            }
            Kind::Rep(_) => self.reply(message)?,
            Kind::Pull => return Err(Refusal::NotSupported),
        }
        self.stats.messages_sent += 1;
        Ok(())
    }

    /// Gives the message, as a request if `request`, to the link whose turn it is, and returns that
    /// link's id and the message's number there.
    #[inline(always)]
    fn send_balanced(
        &mut self,
        message: &mut Outgoing<'_>,
        request: bool,
        then: Then,
    ) -> Result<(u64, u64), Refusal> {
        loop {
            let Some(at) = self.links.outbound.current() else {
                if then == Then::Return && self.links.find_room() {
                    continue;
                }
                return Err(Refusal::WouldBlock);
            };
            if let Some(slot) = self.links.get_mut(at)
                && slot.link.writer.has_room()
            {
                message.check(&slot.link.writer)?;
                if request {
                    if !Self::forget_replies(slot, &mut self.stats, &mut self.deferral) {
                        return Err(Refusal::Again);
                    }
                    Req::wrap(&mut slot.link.writer);
                }
                message.append_to(&mut slot.link.writer);
                slot.commit(request, &mut self.deferral);
                let sent = (slot.link.id, slot.link.writer.written());
                self.links.next_outbound();
                return Ok(sent);
            }
            self.make_room(at, then);
        }
    }

    /// A link was found full: empties its pipe, or takes it out of the circle until it has drained.
    #[inline(never)]
    fn make_room(&mut self, at: usize, then: Then) {
        self.deferral.begin();
        let Some(slot) = self.links.get_mut(at) else {
            return self.links.outbound.remove(at);
        };
        if slot.link.writer.is_closed() {
            return self.lose(at);
        }
        // This thread has nothing better to do than to empty it.
        slot.flush();
        if slot.link.writer.is_closed() {
            // Found out just now. It has room for ever, for what nobody will read.
            return self.lose(at);
        }
        if slot.link.writer.has_room() {
            return;
        }
        self.links.rest(at, then == Then::Wait);
    }

    /// Late replies to earlier requests are none to the next one. `false` when there are more of them.
    fn forget_replies(slot: &mut Slot, stats: &mut SocketStats, deferral: &mut Deferral) -> bool {
        if !slot.link.reader.is_readable() {
            return true;
        }
        deferral.begin();
        let mut stale = Message::new();
        for _ in 0..DISCARDS_BETWEEN_LOOKS {
            if !slot.link.reader.read_message_unreleased(&mut stale) {
                return true;
            }
            stats.dropped.unexpected += 1;
            slot.release(deferral);
            deferred::drop_bodies(&mut stale);
        }
        false
    }

    fn reply(&mut self, message: &mut Outgoing<'_>) -> Result<(), Refusal> {
        let Kind::Rep(rep) = &mut self.kind else {
            return Err(Refusal::NotSupported);
        };
        let id = rep.owed()?;
        let slot = self.links.find(id).and_then(|at| self.links.get_mut(at));
        match slot {
            Some(slot) if !slot.link.writer.is_closed() => {
                if slot.link.writer.has_room() {
                    message.check(&slot.link.writer)?;
                    rep.wrap(&mut slot.link.writer);
                    message.append_to(&mut slot.link.writer);
                    slot.commit(true, &mut self.deferral);
                } else {
                    self.stats.dropped.hwm += 1;
                }
            }
            _ => self.stats.dropped.no_peer += 1,
        }
        rep.replied();
        Ok(())
    }

    // ---- Receiving ----

    /// Receives into `message` if there is something now, or, if the caller is going to wait anyway, so
    /// soon that sleeping would take longer.
    #[inline]
    pub(crate) fn try_recv(&mut self, message: &mut Message, then: Then) -> Result<(), Refusal> {
        self.process()?;
        match &self.kind {
            Kind::Pull => {
                self.recv_fair(message, then)?;
            }
            Kind::Req(_) => self.recv_reply(message, then)?,
            Kind::Rep(rep) => {
                rep.begin_recv()?;
                self.recv_request(message, then)?;
            }
            Kind::Push => return Err(Refusal::NotSupported),
        }
        self.stats.messages_received += 1;
        Ok(())
    }

    /// Takes a message from the link whose turn it is, and returns that link's id.
    #[inline]
    fn recv_fair(&mut self, message: &mut Message, then: Then) -> Result<u64, Refusal> {
        loop {
            let at = self.links.inbound.current().ok_or(Refusal::WouldBlock)?;
            let Some(slot) = self.links.get_mut(at) else {
                self.links.inbound.remove(at);
                continue;
            };
            if slot.link.reader.read_message_unreleased(message) {
                slot.release(&mut self.deferral);
                let id = slot.link.id;
                self.links.next_inbound();
                return Ok(id);
            }
            if self.look_again(at, then) {
                continue;
            }
            let Some(slot) = self.links.get_mut(at) else {
                continue;
            };
            if slot.link.reader.is_closed() {
                self.deferral.begin();
                self.lose(at);
            } else if slot.link.reader.set_idle() {
                self.links.inbound.remove(at);
            }
        }
    }

    /// A link was found empty by a caller that is going to wait. Before that wait is announced, which
    /// costs the writer a wake-up, looks whether there is more after all.
    #[inline(never)]
    fn look_again(&mut self, at: usize, then: Then) -> bool {
        self.deferral.begin();
        let only = self.links.only() == Some(at);
        let Some(Slot { link, .. }) = self.links.get_mut(at) else {
            return false;
        };
        if !only {
            // The wait looks for input itself.
            return false;
        }
        let ready = &self.ready;
        match &link.driver {
            // This thread waits for the only stream itself, so a look for input is a read.
            Some(driver) if self.input.as_ref().is_some_and(InputPoll::is_leased) => {
                self.input.as_ref().inspect(|input| input.touch());
                if then == Then::Return {
                    driver.read_arrived(false);
                    return link.reader.is_readable();
                }
                // As long as parts of a message keep coming, the rest is worth waiting for. The caller
                // wants to look at its deadline now and then.
                let begin = Instant::now();
                while begin.elapsed() < BETWEEN_LOOKS {
                    let mut progress = false;
                    self.spinner.until(|| {
                        progress = driver.read_arrived(false);
                        progress || link.reader.is_readable() || !ready.is_empty()
                    });
                    if link.reader.is_readable() {
                        return true;
                    }
                    if !progress || !ready.is_empty() {
                        return false;
                    }
                }
                false
            }
            None if then == Then::Wait => {
                self.spinner
                    .until(|| link.reader.is_readable() || !ready.is_empty())
                    && link.reader.is_readable()
            }
            _ => false,
        }
    }

    fn recv_request(&mut self, message: &mut Message, then: Then) -> Result<(), Refusal> {
        for _ in 0..DISCARDS_BETWEEN_LOOKS {
            let id = self.recv_fair(message, then)?;
            let Kind::Rep(rep) = &mut self.kind else {
                return Err(Refusal::NotSupported);
            };
            match rep.on_message(id, message) {
                Verdict::Deliver => return Ok(()),
                Verdict::Discard => self.discard(message),
            }
        }
        Err(Refusal::Again)
    }

    /// A message that is not for the application.
    fn discard(&mut self, message: &mut Message) {
        self.stats.dropped.unexpected += 1;
        self.deferral.begin();
        deferred::drop_bodies(message);
    }

    fn recv_reply(&mut self, message: &mut Message, then: Then) -> Result<(), Refusal> {
        let Kind::Req(req) = &mut self.kind else {
            return Err(Refusal::NotSupported);
        };
        let id = req.awaited()?;
        let Some(at) = self.links.find(id) else {
            req.on_link_lost(id);
            return Err(Refusal::PeerLost);
        };
        let mut discarded = 0;
        loop {
            let Kind::Req(req) = &mut self.kind else {
                return Err(Refusal::NotSupported);
            };
            let Some(slot) = self.links.get_mut(at) else {
                return Err(Refusal::PeerLost);
            };
            if slot.link.reader.read_message_unreleased(message) {
                slot.release(&mut self.deferral);
                match req.on_message(message) {
                    Verdict::Deliver => return Ok(()),
                    Verdict::Discard => self.discard(message),
                }
                discarded += 1;
                if discarded == DISCARDS_BETWEEN_LOOKS {
                    return Err(Refusal::Again);
                }
                continue;
            }
            if slot.link.reader.is_closed() {
                self.deferral.begin();
                self.lose(at);
                if let Kind::Req(req) = &mut self.kind {
                    req.on_link_lost(id);
                }
                return Err(Refusal::PeerLost);
            }
            if let Some(number) = req.give_up() {
                self.loss = loss_of(&slot.link, number);
                return Err(Refusal::PeerLost);
            }
            if self.look_again(at, then) {
                continue;
            }
            if let Some(slot) = self.links.get_mut(at)
                && slot.link.reader.set_idle()
            {
                self.links.inbound.remove(at);
                return Err(Refusal::WouldBlock);
            }
        }
    }

    // ---- Waiting ----

    /// There is more to look at: says whether there is time for it.
    pub(crate) fn has_time(&self, deadline: Option<Instant>) -> bool {
        is_in_time(deadline)
    }

    /// Blocks until something is signalled or the deadline has passed; says whether to try again. Before
    /// that the caller gives the core back, so that foreign code runs: somebody may wait for it.
    pub(crate) fn wait(&mut self, deadline: Option<Instant>) -> bool {
        if self.deferral.is_due() {
            return true;
        }
        if let Some(input) = &mut self.input {
            input.give_back();
        }
        // An I/O thread, on which foreign code has called, waits for nothing but its poll.
        let signalled = !ztransport::is_io_thread() && self.ready.wait(deadline);
        self.wake_tasks();
        signalled
    }

    /// This thread took the place in the ready list of the tasks that wait: they look again.
    fn wake_tasks(&mut self) {
        self.deferral.begin();
        self.tasks.wake_by_ref();
    }

    /// Like [`wait`](Self::wait), for a message. Where peers are behind streams this thread waits for
    /// these itself and reads them, which saves the way through the I/O thread.
    pub(crate) fn wait_recv(&mut self, deadline: Option<Instant>) -> bool {
        if self.deferral.is_due() || ztransport::is_io_thread() {
            return self.wait(deadline);
        }
        self.open_input();
        let Some(input) = &mut self.input else {
            return self.wait(deadline);
        };
        if !input.begin_wait() {
            return self.wait(deadline);
        }
        let ready = &mut self.ready;
        // With a single peer that was tried already, if it is worth it: see `look_again`.
        let found = if self.links.only().is_some() {
            false
        } else {
            self.spinner.until(|| input.look() || !ready.is_empty())
        };
        if !found && !ready.register_direct(input.waker()) {
            input.wait(deadline);
            ready.unregister();
        }
        input.end_wait();
        if !found {
            self.wake_tasks();
        }
        self.read_arrived();
        deadline.is_none_or(|deadline| Instant::now() < deadline)
    }

    /// Sees to it that this thread can wait for its streams itself, if there are any. Without descriptors
    /// left the I/O thread goes on.
    fn open_input(&mut self) {
        if self.input.is_none()
            && let Some(driver) = self.links.drivers().next()
            && let Ok(input) = InputPoll::new(driver)
        {
            self.links.drivers().for_each(|driver| input.join(driver));
            self.input = Some(input);
        }
    }

    /// Brings in what was found to have arrived.
    fn read_arrived(&mut self) {
        while let Some(arrived) = self.input.as_mut().and_then(InputPoll::pop) {
            // One that is gone is the I/O thread's again.
            let Some(at) = self.links.of_connection(arrived.connection) else {
                continue;
            };
            let Some(Slot { link, .. }) = self.links.get_mut(at) else {
                continue;
            };
            // A connection that gets a new link each time may have old ones. Its input is signalled.
            let is_its = link.id == arrived.connection;
            if is_its {
                // Not idle any more, so that what is read now signals nobody.
                link.reader.set_busy();
            }
            if let Some(driver) = &link.driver {
                driver.read_arrived(arrived.hung_up);
            }
            if is_its {
                self.links.inbound.insert(at);
            }
        }
    }

    /// Looks for input if that is up to this thread, without waiting.
    #[inline(never)]
    pub(crate) fn look_for_input(&mut self) -> bool {
        let found = (self.input.as_mut()).is_some_and(|input| input.is_leased() && input.look());
        if found {
            self.read_arrived();
        }
        found
    }

    /// Has `waker` woken at the next signal, for the future with this place; `true` if there is one already.
    pub(crate) fn register(&mut self, waker: Waker, place: &mut Place) -> bool {
        self.deferral.begin();
        if let Some(input) = &mut self.input {
            input.give_back();
        }
        // Direct: it runs nothing foreign, but hands the tasks over to be woken.
        let signalled = self.ready.register_direct(&self.tasks.join(waker, place));
        if signalled {
            // The caller takes the signal in now, and it may be for another task.
            self.tasks.wake_by_ref();
        }
        signalled
    }

    // ---- Endpoints ----

    pub(crate) fn bind(&mut self, endpoint: &Endpoint) -> Result<Endpoint, Error> {
        self.process()?;
        let options = Arc::new(self.transport_options());
        let bound = self
            .context
            .reactor
            .bind(endpoint, &options, &self.handle)?;
        self.endpoints.insert(
            bound.id,
            Attachment {
                used: Use::Bound,
                given: endpoint.clone(),
                endpoint: bound.endpoint.clone(),
            },
        );
        self.last_endpoint = Some(bound.endpoint.clone());
        Ok(bound.endpoint)
    }

    pub(crate) fn connect(&mut self, given: Endpoint) -> Result<(), Error> {
        self.process()?;
        let endpoint = given.absolute()?;
        let is_inproc = matches!(endpoint, Endpoint::Inproc(_));
        if matches!(self.kind, Kind::Req(_))
            && !is_inproc
            && self.endpoints.contains(Use::Connected, &endpoint)
        {
            return Ok(()); // As libzmq: REQ has one connection per endpoint.
        }
        let options = Arc::new(self.transport_options());
        let (id, link) = self
            .context
            .reactor
            .connect(&endpoint, &options, &self.handle)?;
        if let Some(link) = link {
            self.insert(link);
        }
        self.endpoints.insert(
            id,
            Attachment {
                used: Use::Connected,
                given,
                endpoint: endpoint.clone(),
            },
        );
        self.last_endpoint = Some(endpoint);
        Ok(())
    }

    /// Unbinds or disconnects an endpoint, each time that it was bound or connected, or if it never was,
    /// what was given as this endpoint before it was resolved.
    pub(crate) fn detach(&mut self, endpoint: Endpoint, used: Use) -> Result<(), Error> {
        self.process()?;
        // Without a current directory a relative path can only be one that was given before.
        let resolved = endpoint.absolute().unwrap_or_else(|_| endpoint.clone());
        let mut found = self.endpoints.take(used, &resolved);
        if found.is_empty() {
            found = self.endpoints.take_given(used, &endpoint);
        }
        if found.is_empty() {
            return Err(Error::NoSuchEndpoint(endpoint));
        }
        for id in found {
            match used {
                Use::Bound => self.context.reactor.unbind(id, true),
                Use::Connected => self.disconnect(id),
            }
        }
        Ok(())
    }

    /// Ends a connection that this socket made.
    fn disconnect(&mut self, id: u64) {
        self.context.reactor.forget_inproc(id);
        let linger = self.options.linger;
        let mut told = false;
        for link in self.links.remove_connection(id) {
            self.departed.remove(link.id);
            if link.writer.is_closed() {
                self.stats.dropped.peer_lost += link.unclaimed();
            } else {
                told |= link.driver.is_some();
                close_link(link, linger);
            }
        }
        if !told {
            self.context.reactor.disconnect(id, linger);
        }
    }

    pub(crate) fn last_endpoint(&self) -> Option<Endpoint> {
        self.last_endpoint.clone()
    }

    fn transport_options(&self) -> Options {
        self.options.transport(self.socket_type())
    }

    // ---- Options that reach what is there already ----

    /// Applies changed high-water marks to all pipes.
    pub(crate) fn apply_marks(&mut self) {
        if self.process.is_forked() {
            return;
        }
        for (_, slot) in self.links.iter_mut() {
            set_marks(&mut slot.link, &self.options);
        }
    }

    /// Applies changed bounds on what peers that are gone have left.
    pub(crate) fn apply_departed(&mut self) {
        if !self.process.is_forked() {
            self.bound_departed();
        }
    }

    // ---- About the socket ----

    pub(crate) fn socket_type(&self) -> SocketType {
        match self.kind {
            Kind::Push => SocketType::Push,
            Kind::Pull => SocketType::Pull,
            Kind::Req(_) => SocketType::Req,
            Kind::Rep(_) => SocketType::Rep,
        }
    }

    /// A refusal as an error that tells all that is known.
    #[cold]
    pub(crate) fn error(&mut self, refusal: Refusal) -> Error {
        match refusal {
            Refusal::PeerLost => Error::PeerLost(std::mem::take(&mut self.loss)),
            refusal => refusal.into(),
        }
    }

    pub(crate) fn stats(&self) -> SocketStats {
        self.stats.with(self.handle.counters())
    }

    /// How many peers the socket has pipes to.
    pub(crate) fn peers(&self) -> usize {
        self.links.len()
    }
}

impl Drop for Core {
    /// Closes the socket: names and ports are free when this returns; what is queued is sent in the
    /// background for as long as the linger option says.
    fn drop(&mut self) {
        if self.process.is_forked() {
            return self.abandon();
        }
        for letter in self.mailbox.take() {
            self.on_letter(letter);
        }
        for (id, used) in self.endpoints.take_all() {
            match used {
                Use::Bound => self.context.reactor.unbind(id, false),
                Use::Connected => self.disconnect(id),
            }
        }
        let all: Vec<usize> = self.links.iter_mut().map(|(at, _)| at).collect();
        for at in all {
            if let Some(link) = self.links.remove(at) {
                close_link(link, self.options.linger);
            }
        }
        self.context.sockets.close(self.id);
    }
}

impl Core {
    /// Leaves all to the parent, of which this is a copy in a forked child: no drop, no lock, no signal.
    fn abandon(&mut self) {
        use std::mem::{forget, replace, take};
        forget((take(&mut self.links), self.input.take()));
        let ready = replace(&mut self.ready, ReadySet::new());
        let (_, mailbox) = zpipe::mailbox(self.ready.notifier(MAIL_TOKEN));
        forget((ready, replace(&mut self.mailbox, mailbox)));
        // Handles that are never dropped keep what they lead to.
        forget((
            Arc::clone(&self.context),
            self.handle.clone(),
            Arc::clone(&self.tasks),
        ));
    }
}

/// The connection of a link broke, or was made again.
fn on_news(kind: &mut Kind, link: &Link) {
    let news = link.driver.as_ref().map(Driver::take_news);
    if let (Kind::Req(req), Some(taken)) = (kind, news.and_then(|news| news.taken)) {
        req.on_interrupted(link.id, taken);
    }
}

fn is_in_time(deadline: Option<Instant>) -> bool {
    deadline.is_none_or(|deadline| Instant::now() < deadline)
}

/// Gives a link's pipes the marks of the options. Those of inproc are a sum that was made when the two
/// sockets met.
fn set_marks(link: &mut Link, options: &SocketOptions) {
    let limits = |messages: u32| Limits {
        messages: u64::from(messages),
        bytes: 0,
    };
    if link.driver.is_some() {
        link.writer.set_limits(limits(options.send_hwm));
        link.reader.set_limits(limits(options.recv_hwm));
    }
}

/// Why the message with this number, a request, gets no reply from this link any more.
fn loss_of(link: &Link, number: u64) -> PeerLoss {
    match link.close_reason() {
        Some(reason) if link.is_refused(number) => PeerLoss::Refused(reason),
        Some(reason) => PeerLoss::Disconnected(reason),
        None => PeerLoss::Gone,
    }
}

/// Lets go of a link: first its pipes, then, so that the engine finds them closed, its connection.
fn close_link(link: Link, linger: Option<Duration>) {
    let Link {
        writer,
        reader,
        driver,
        ..
    } = link;
    drop((writer, reader));
    if let Some(driver) = driver {
        driver.linger(linger);
    }
}
