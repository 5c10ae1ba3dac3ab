//! The sockets of a proxy, owned or borrowed.

use std::rc::Rc;

use zsocket::{Pattern, Socket, SocketType};

mod sealed {
    pub trait Sealed {}
}

/// A socket of a [`Proxy`](crate::Proxy): a `Socket`, which the proxy then closes in the end, or a `&Socket` or `Rc<Socket>`.
pub trait Side: sealed::Sealed {
    /// Its pattern.
    type Pattern: Pattern;

    /// The socket.
    fn socket(&self) -> &Socket<Self::Pattern>;
}

macro_rules! sides {
    ($($side:ty),*) => {$(
        impl<P: Pattern> sealed::Sealed for $side {}
        impl<P: Pattern> Side for $side {
            type Pattern = P;

            fn socket(&self) -> &Socket<P> {
                self
            }
        }
    )*};
}

sides!(Socket<P>, &Socket<P>, Rc<Socket<P>>);

/// Whether two sides are the same socket.
pub(crate) fn are_same<A: Pattern, B: Pattern>(a: &Socket<A>, b: &Socket<B>) -> bool {
    std::ptr::addr_eq(a, b)
}

/// Whether messages of the one type may be sent by the other.
pub(crate) fn leads_to(from: SocketType, to: SocketType) -> bool {
    !matches!(from, SocketType::Push | SocketType::Pub)
        && !matches!(to, SocketType::Pull | SocketType::Sub)
}
