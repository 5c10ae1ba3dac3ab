//! Forwarding messages to another socket.

use zmtp::Message;
use zpipe::deferred::{self, Scope};

use super::Socket;
use crate::{
    Budget, CanReceive, CanSend, Error, ForwardEnd, ForwardError, ForwardSide, Forwarded, Pattern,
    Traffic,
    core::{Core, Given, Then},
    error::Refusal,
};

mod sealed {
    use super::{Message, Refusal};

    pub trait Sealed {
        /// Where it lies, to be told from others.
        fn address(&self) -> *const ();

        /// Whether it has room for a copy now.
        fn has_room(&self) -> Result<bool, Refusal>;

        /// Sends a copy, without waiting; says whether that was possible.
        fn capture(&self, copy: Message) -> bool;
    }
}

/// A socket that can get copies of what is forwarded between two others: any that sends.
pub trait Capture: sealed::Sealed {}

impl<P: CanSend> Capture for Socket<P> {}

impl<P: CanSend> sealed::Sealed for Socket<P> {
    fn address(&self) -> *const () {
        address(self)
    }

    fn has_room(&self) -> Result<bool, Refusal> {
        self.with_core(Core::takes_another)
    }

    fn capture(&self, mut copy: Message) -> bool {
        let captured = self.lend_core(|core| core.try_send(&mut copy, Then::Return));
        // What is left of it is foreign.
        deferred::drop_bodies(&mut copy);
        captured.is_ok()
    }
}

impl<P: Pattern> Socket<P> {
    /// Moves messages that have come in here to another socket, which sends them: whole messages, in order, until there are no
    /// more, the other socket has no room, or the budget is used up. Never waits. A message for which there is no room
    /// stays here, and is the next to be received or forwarded.
    ///
    /// Each pattern does to a message what it does when it is received and sent: a ROUTER puts the routing id in front, and takes
    /// one off to send by; what an XPUB receives are subscriptions, which an XSUB passes on to its publishers. So a ROUTER
    /// and a DEALER are a broker, an XSUB and an XPUB a proxy between publishers and subscribers. The counters of both sockets
    /// go on as with [`recv`](Self::recv) and [`send`](Self::send). The two may be of different contexts. Small bodies are copied,
    /// large ones are handed over; no memory is allocated for each message. If both are the same socket, it is an echo.
    ///
    /// Of a mandatory ROUTER, and of a STREAM, one peer may be full while others have room. A message for it then makes the
    /// whole socket count as full, also for pollers, until that peer has room or is gone: none overtakes another.
    ///
    /// A message that names a peer which is not there, to a STREAM or a mandatory ROUTER, is dropped and counted
    /// ([`Dropped::no_peer`](crate::Dropped::no_peer)). One that the other type can never send, such as a single frame for a
    /// ROUTER, is dropped and counted here ([`Dropped::unexpected`](crate::Dropped::unexpected)). A client that has
    /// gone must not end a broker.
    ///
    /// Programs use `zproxy`, which also waits.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv) and [`send`](Self::send), with the socket that has failed. No message is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use zsocket::{Budget, Context, ForwardEnd, Pull, Push};
    ///
    /// let context = Context::new();
    /// let (from, to) = (context.socket::<Pull>()?, context.socket::<Push>()?);
    /// from.bind("inproc://tasks")?;
    /// to.bind("inproc://workers")?;
    /// let (ventilator, worker) = (context.socket::<Push>()?, context.socket::<Pull>()?);
    /// ventilator.connect("inproc://tasks")?;
    /// ventilator.send("task")?;
    ///
    /// // There is no worker yet.
    /// assert_eq!(from.forward_to(&to, Budget::default())?.end, ForwardEnd::Full);
    /// worker.connect("inproc://workers")?;
    /// let forwarded = from.forward_to(&to, Budget::default())?;
    /// assert_eq!((forwarded.sent.messages, forwarded.sent.bytes), (1, 4));
    /// assert_eq!(forwarded.end, ForwardEnd::Empty);
    /// assert_eq!(worker.recv()?[0], "task");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn forward_to<Q: CanSend>(
        &self,
        to: &Socket<Q>,
        budget: Budget,
    ) -> Result<Forwarded, ForwardError>
    where
        P: CanReceive,
    {
        self.forward_with(to, None, budget)
    }

    /// Like [`forward_to`](Self::forward_to) for sockets of whatever types, with copies for a third one if it has room. What a
    /// capture has no room for it does not get, and that is counted; so nobody ever waits for it.
    ///
    /// # Errors
    ///
    /// As for [`forward_to`](Self::forward_to); [`Error::NotSupported`] if the one type does not receive, or the other does not
    /// send, or if the capture is one of the two.
    pub fn forward_with<Q: Pattern>(
        &self,
        to: &Socket<Q>,
        capture: Option<&dyn Capture>,
        budget: Budget,
    ) -> Result<Forwarded, ForwardError> {
        if capture.is_some_and(|capture| [address(self), address(to)].contains(&capture.address()))
        {
            return Err(ForwardError {
                at: ForwardSide::Capture,
                error: Error::NotSupported,
            });
        }
        let mut done = Forwarded::nothing(ForwardEnd::Empty);
        let result = self.forward_messages(to, capture, budget, &mut done);
        let result = result.map(|end| done.end = end);
        if done.end != ForwardEnd::Budget {
            // Nothing more is forwarded now: what this thread has gathered is written.
            self.lend_core(Core::uncork);
        }
        let Err((at, refusal)) = result else {
            return Ok(done);
        };
        if done.received.messages == 0 {
            let error = match at {
                ForwardSide::Source => self.lend_core(|core| core.error(refusal, false)),
                _ => refusal.into(),
            };
            return Err(ForwardError { at, error });
        }
        // What was done is told first. The next call fails.
        if at == ForwardSide::Source {
            self.lend_core(|core| core.put_back_refusal(refusal));
        }
        done.end = ForwardEnd::Budget;
        Ok(done)
    }

    fn forward_messages<Q: Pattern>(
        &self,
        to: &Socket<Q>,
        capture: Option<&dyn Capture>,
        budget: Budget,
        done: &mut Forwarded,
    ) -> Result<ForwardEnd, (ForwardSide, Refusal)> {
        let at_destination = |refusal| (ForwardSide::Destination, refusal);
        let is_echo = address(self) == address(to);
        let mut has_room = to.with_core(Core::takes_another).map_err(at_destination)?;
        let mut message = Message::new();
        let in_runs = capture.is_none() && !is_echo && self.forwards_runs(to);
        while done.received.messages < budget.messages.max(1)
            && done.received.bytes < budget.bytes.max(1)
        {
            // A REP that answers itself may send when it has received.
            let goes_on = has_room || is_echo && self.with_core(|core| core.has_to_receive());
            if !goes_on {
                return Ok(ForwardEnd::Full);
            }
            if in_runs {
                let left = Traffic {
                    messages: budget.messages.max(1) - done.received.messages,
                    bytes: budget.bytes.max(1) - done.received.bytes,
                };
                let (moved, more) = self.forward_run(to, left)?;
                has_room = more;
                done.received += moved;
                done.sent += moved;
                if moved.messages > 0 {
                    continue;
                }
            }
            let captures = match capture {
                None => false,
                Some(capture) => {
                    let has_room = capture.has_room();
                    has_room.map_err(|refusal| (ForwardSide::Capture, refusal))?
                }
            };
            // Before the core is lent, as when receiving.
            deferred::drop_bodies(&mut message);
            let from = match self.lend_core(|core| core.take_for_another(&mut message)) {
                Ok(from) => from,
                Err(Refusal::WouldBlock | Refusal::WrongState) => return Ok(ForwardEnd::Empty),
                // There are many that are none of the pattern.
                Err(Refusal::Again) => return Ok(ForwardEnd::Budget),
                Err(refusal) => return Err((ForwardSide::Source, refusal)),
            };
            let bytes = message.byte_len() as u64;
            // Sending takes large bodies out of the message, so a copy is made before, which shares these.
            let copy = captures.then(|| message.clone());
            let given = match to.lend_core(|core| core.give(&mut message)) {
                Ok((given, more)) => {
                    has_room = more;
                    given
                }
                Err(refusal) => {
                    self.with_core(|core| core.put_back(message, from));
                    return Err((ForwardSide::Destination, refusal));
                }
            };
            match given {
                Given::Sent => done.sent.count(bytes),
                Given::Unroutable => {}
                Given::Unsendable => self.lend_core(Core::note_unexpected),
                Given::Full => {
                    self.with_core(|core| core.put_back(message, from));
                    return Ok(ForwardEnd::Full);
                }
            }
            done.received.count(bytes);
            if let Some(capture) = capture {
                if copy.is_some_and(|copy| capture.capture(copy)) {
                    done.captured.count(bytes);
                } else {
                    done.capture_dropped += 1;
                }
            }
        }
        Ok(ForwardEnd::Budget)
    }
}

impl<P: Pattern> Socket<P> {
    fn forwards_runs<Q: Pattern>(&self, to: &Socket<Q>) -> bool {
        let _scope = Scope::open();
        self.lend_core(|from| to.lend_core(|to| from.forwards_runs(to)))
    }

    #[inline]
    fn forward_run<Q: Pattern>(
        &self,
        to: &Socket<Q>,
        most: Traffic,
    ) -> Result<(Traffic, bool), (ForwardSide, Refusal)> {
        // Foreign code runs when both cores are back.
        let scope = Scope::open();
        let moved = self.lend_core(|from| to.lend_core(|to| from.forward_run(to, most)));
        let panics = scope.close();
        if panics > 0 {
            self.lend_core(|core| core.handle.counters().foreign_panics.add(panics));
        }
        moved
    }
}

fn address<P: Pattern>(socket: &Socket<P>) -> *const () {
    (&raw const *socket).cast()
}
