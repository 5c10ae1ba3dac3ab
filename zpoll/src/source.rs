//! The sockets and monitors that are waited for.

use std::rc::{Rc, Weak};

use zsocket::{Monitor, Pattern, Pollable, Socket};

/// A socket that a [`Poller`](crate::Poller) waits for, of whatever pattern: made from `&Socket`, `Rc<Socket>` or `Weak<Socket>`.
/// Or, in the same way, a [`Monitor`]: it is ready to receive when there is an event, and after the last one.
pub struct Source<'a>(Holding<'a>);

enum Holding<'a> {
    Borrowed(&'a dyn Pollable),
    Shared(Rc<dyn Pollable>),
    Weak(Weak<dyn Pollable>),
}

impl Source<'_> {
    /// Looks at the socket; `None` if it is closed.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&dyn Pollable) -> R) -> Option<R> {
        match &self.0 {
            Holding::Borrowed(socket) => Some(look(*socket)),
            Holding::Shared(socket) => Some(look(&**socket)),
            Holding::Weak(socket) => socket.upgrade().map(|socket| look(&*socket)),
        }
    }
}

impl<'a, P: Pattern> From<&'a Socket<P>> for Source<'a> {
    fn from(socket: &'a Socket<P>) -> Self {
        Self(Holding::Borrowed(socket))
    }
}

impl<'a> From<&'a dyn Pollable> for Source<'a> {
    fn from(socket: &'a dyn Pollable) -> Self {
        Self(Holding::Borrowed(socket))
    }
}

impl<P: Pattern> From<Rc<Socket<P>>> for Source<'_> {
    fn from(socket: Rc<Socket<P>>) -> Self {
        Self(Holding::Shared(socket))
    }
}

impl<P: Pattern> From<Weak<Socket<P>>> for Source<'_> {
    fn from(socket: Weak<Socket<P>>) -> Self {
        Self(Holding::Weak(socket))
    }
}

impl<'a> From<&'a Monitor> for Source<'a> {
    fn from(monitor: &'a Monitor) -> Self {
        Self(Holding::Borrowed(monitor))
    }
}

impl From<Rc<Monitor>> for Source<'_> {
    fn from(monitor: Rc<Monitor>) -> Self {
        Self(Holding::Shared(monitor))
    }
}

impl From<Weak<Monitor>> for Source<'_> {
    fn from(monitor: Weak<Monitor>) -> Self {
        Self(Holding::Weak(monitor))
    }
}

impl std::fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match &self.0 {
            Holding::Borrowed(_) => "Source::Borrowed",
            Holding::Shared(_) => "Source::Shared",
            Holding::Weak(_) => "Source::Weak",
        })
    }
}
