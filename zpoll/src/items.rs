//! A single wait, in the manner of `zmq_poll`.

use std::{io, time::Duration};

use zpipe::{AsDescriptor, BorrowedDescriptor};
use zsocket::{Interest, Pollable};

use crate::{AddError, Events, Poller, descriptors::borrow};

/// Something to wait for, and what was found about it.
pub struct PollItem<'a> {
    source: Item<'a>,
    interest: Interest,
    /// What it can do, of what was asked for. Set by [`poll`].
    pub ready: Interest,
    /// Of a descriptor: an error, or the other end has closed. Set by [`poll`].
    pub failed: bool,
}

enum Item<'a> {
    Socket(&'a dyn Pollable),
    Fd(BorrowedDescriptor<'a>),
}

impl<'a> PollItem<'a> {
    /// A socket.
    #[must_use]
    pub fn socket(socket: &'a dyn Pollable, interest: Interest) -> Self {
        Self::new(Item::Socket(socket), interest)
    }

    /// A descriptor: whatever is `AsFd`, or `AsSocket` on Windows.
    #[must_use]
    pub fn fd(fd: &'a impl AsDescriptor, interest: Interest) -> Self {
        Self::new(Item::Fd(borrow(fd)), interest)
    }

    fn new(source: Item<'a>, interest: Interest) -> Self {
        Self {
            source,
            interest,
            ready: Interest::NONE,
            failed: false,
        }
    }

    /// Whether there is something to receive, or to read.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.ready.can_recv()
    }

    /// Whether there is room to send, or to write.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.ready.can_send()
    }
}

/// Waits until something is ready or the timeout is over (`None` is never), and returns how many items are, as `zmq_poll`
/// does. That takes time in proportion to the number of items; a [`Poller`] is for those who wait again and again.
///
/// # Errors
///
/// `InvalidInput` for a socket that is there twice or that a [`Poller`] waits for; otherwise the system's errors about
/// descriptors.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use zpoll::{Interest, PollItem, poll};
/// use zsocket::{Context, Pull, Push};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let context = Context::new();
/// let (push, pull) = (context.socket::<Push>()?, context.socket::<Pull>()?);
/// pull.bind("inproc://tasks")?;
/// push.connect("inproc://tasks")?;
/// push.send("hello")?;
///
/// let mut items = [
///     PollItem::socket(&pull, Interest::RECV),
///     PollItem::socket(&push, Interest::RECV),
/// ];
/// assert_eq!(poll(&mut items, Some(Duration::from_secs(1)))?, 1);
/// assert!(items[0].is_readable());
/// # Ok(())
/// # }
/// ```
pub fn poll(items: &mut [PollItem<'_>], timeout: Option<Duration>) -> io::Result<usize> {
    let mut poller = Poller::new();
    for (key, item) in items.iter().enumerate() {
        let added = match item.source {
            Item::Socket(socket) => poller.add(socket, key, item.interest),
            Item::Fd(fd) => poller.add_fd(fd, key, item.interest),
        };
        added.map_err(|error| match error {
            AddError::System(error) => error,
            other => io::Error::new(io::ErrorKind::InvalidInput, other),
        })?;
    }
    let mut events = Events::new();
    poller.wait(&mut events, timeout)?;
    drop(poller);
    for item in &mut *items {
        (item.ready, item.failed) = (Interest::NONE, false);
    }
    for event in &events {
        let item = &mut items[event.key];
        (item.ready, item.failed) = (event.ready, event.failed);
    }
    Ok(events.len())
}

impl std::fmt::Debug for PollItem<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PollItem")
            .field("interest", &self.interest)
            .field("ready", &self.ready)
            .finish_non_exhaustive()
    }
}
