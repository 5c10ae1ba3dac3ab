//! Being waited for among others.

use zpipe::Notifier;
use ztransport::{Arrived, InputPoll};

use super::Socket;
use crate::{Error, Interest, Pattern};

mod sealed {
    pub trait Sealed {}
}

pub(crate) use sealed::Sealed;

/// A socket of whatever pattern, or a [`Monitor`](crate::Monitor), as a poller sees it.
pub trait Pollable: Sealed {
    /// See [`Socket::readiness`]; whoever [leads](Socket::lead) the socket has looked at its streams.
    fn readiness(&self, interest: Interest) -> Interest;

    /// See [`Socket::watch`].
    ///
    /// # Errors
    ///
    /// As there.
    fn watch(&self, by: Notifier) -> Result<(), Error>;

    /// See [`Socket::unwatch`].
    fn unwatch(&self);

    /// See [`Socket::lead`].
    fn lead(&self, poll: &mut Option<InputPoll>, token: u64) -> bool;

    /// See [`Socket::read_stream`].
    fn read_stream(&self, arrived: Arrived);
}

impl<P: Pattern> Sealed for Socket<P> {}

impl<P: Pattern> Pollable for Socket<P> {
    fn readiness(&self, interest: Interest) -> Interest {
        self.lend_core_unseen(|core| {
            core.note_leader();
            core.readiness(interest)
        })
    }

    fn watch(&self, by: Notifier) -> Result<(), Error> {
        self.watch(by)
    }

    fn unwatch(&self) {
        self.unwatch();
    }

    fn lead(&self, poll: &mut Option<InputPoll>, token: u64) -> bool {
        self.lead(poll, token)
    }

    fn read_stream(&self, arrived: Arrived) {
        self.read_stream(arrived);
    }
}

impl<P: Pattern> Socket<P> {
    /// Which of these the socket can do now: a call then returns at once, with a message, with success or, if the
    /// context is shut down for example, with an error.
    ///
    /// That is the truth. There is something to receive only if the pattern accepts it: a SUB whose
    /// messages are all filtered has none, nor has a REQ for which a late reply to an earlier request lies there. To
    /// know that, the socket may take a message out of its pipe and keep it for the next call; so with each poller
    /// one message more may wait than the high-water mark says. What a pattern cannot do at all it is never ready for.
    ///
    /// Of messages that are none of the pattern it drops a few at most, as [`try_recv`](Self::try_recv) does, and says that
    /// there is nothing though there may be more behind them; whoever [watches](Self::watch) is told to look again.
    ///
    /// A ROUTER that is not mandatory can always send, as libzmq's: what has no room is dropped and counted. A mandatory
    /// one, and a STREAM, can if any peer has room. A publisher can, except one that drops nothing and was refused
    /// by a full subscriber. All others can if a message would have room now.
    ///
    /// This ends the time in which the calling thread reads the socket's streams itself, if the socket can not receive:
    /// its I/O thread does it again. Of a socket that a poller [leads](Self::lead) that is so at the second time without a wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use zsocket::{Context, Interest, Pull, Push};
    ///
    /// let context = Context::new();
    /// let (push, pull) = (context.socket::<Push>()?, context.socket::<Pull>()?);
    /// assert_eq!(push.readiness(Interest::SEND), Interest::NONE);
    /// pull.bind("inproc://a")?;
    /// push.connect("inproc://a")?;
    /// assert_eq!(push.readiness(Interest::BOTH), Interest::SEND);
    /// assert_eq!(pull.readiness(Interest::BOTH), Interest::NONE);
    /// push.send("hello")?;
    /// assert_eq!(pull.readiness(Interest::BOTH), Interest::RECV);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn readiness(&self, interest: Interest) -> Interest {
        self.lend_core_unseen(|core| core.readiness(interest))
    }

    /// Has `by` signalled whenever what [`readiness`](Self::readiness) has last said not to be possible may be
    /// possible: by peers, by time, or by a call on this socket. After a signal ask again. This is what a poller stands
    /// on; programs use `zpoll`.
    ///
    /// # Errors
    ///
    /// [`Error::Watched`], [`Error::Forked`].
    pub fn watch(&self, by: Notifier) -> Result<(), Error> {
        self.lend_core_unseen(|core| core.watch(by))
    }

    /// Lets whoever [watches](Self::watch) read this socket's streams itself, along with those of other sockets, instead of an I/O
    /// thread: what a blocked [`recv`](Self::recv) does for its socket. Streams of this socket, now and later, join the poll,
    /// which is made if there is none and is reported with the token; those of other I/O threads than the poll's go on to be
    /// signalled. What the poll finds is for [`read_stream`](Self::read_stream). Until [`unwatch`](Self::unwatch), a call that
    /// blocks on this socket leaves the reading to the I/O thread, for all sockets of the poll.
    ///
    /// `false` if nobody watches, or if there is no stream yet to make a poll for.
    pub fn lead(&self, poll: &mut Option<InputPoll>, token: u64) -> bool {
        self.lend_core_unseen(|core| core.lead(poll, token))
    }

    /// Reads a stream that has input. Ask for the [`readiness`](Self::readiness) after that.
    pub fn read_stream(&self, arrived: Arrived) {
        self.lend_core_unseen(|core| {
            core.deferral.begin();
            core.read_stream(arrived);
        });
    }

    /// Ends [`watch`](Self::watch). A signal that is on its way may still arrive.
    pub fn unwatch(&self) {
        self.lend_core_unseen(|core| {
            core.deferral.begin();
            core.unwatch();
        });
    }
}
