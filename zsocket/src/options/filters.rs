//! Whom bound endpoints let in.

use ztransport::net::{AcceptFilter, IpNetwork};

use super::{
    ALL_TYPES, SocketOptions,
    registry::{Access, Effect, Entry, Target, Then, Zmq},
    value::{Kind, Value},
};
use crate::{Error, OptionId};

pub(super) static FILTERS: &[&Entry] = &[
    &TCP_ACCEPT_FILTER,
    &IPC_FILTER_PID,
    &IPC_FILTER_UID,
    &IPC_FILTER_GID,
];

macro_rules! filter {
    ($id:ident $name:literal $zmq:literal $number:literal $kind:ident $range:literal $what:literal, |$options:ident, $value:ident| $set:expr) => {
        pub(super) static $id: Entry = Entry {
            name: $name,
            zmq: Some(Zmq {
                name: $zmq,
                number: $number,
                none: None,
            }),
            kind: Kind::$kind,
            is_optional: true,
            range: $range,
            types: &ALL_TYPES,
            effect: Effect::LaterEndpoints,
            access: Access::WriteOnly,
            then: Then::Nothing,
            documentation: concat!(
                "Adds ",
                $what,
                "; none takes all of them back. \
                Together they are [`Socket::set_accept_filter`](crate::Socket::set_accept_filter)."
            ),
            read: |_| Err($id.no_access()),
            write: |to, $value| {
                let $options = &mut to.options.transport.tuning.accept;
                $set
            },
        };

        impl OptionId {
            #[doc = concat!("[`Socket::set_accept_filter`](crate::Socket::set_accept_filter): ", $what, ".")]
            pub const $id: Self = Self(&$id);
        }
    };
}

filter! {
    TCP_ACCEPT_FILTER "tcp_accept_filter" "ZMQ_TCP_ACCEPT_FILTER" 38 Text
    "an IP address, or one and the number of its bits, as in 10.1.0.0/16"
    "a network from which tcp connections are accepted",
    |filter, value| {
        match TCP_ACCEPT_FILTER.typed::<Option<String>>(value)? {
            None => filter.networks.clear(),
            // What libzmq clears them by.
            Some(text) if text.is_empty() => filter.networks.clear(),
            Some(text) => {
                let network = text.parse::<IpNetwork>();
                filter.networks.push(network.map_err(|_| TCP_ACCEPT_FILTER.out_of_range())?);
            }
        }
        Ok(())
    }
}

filter! {
    IPC_FILTER_PID "ipc_filter_pid" "ZMQ_IPC_FILTER_PID" 58 Integer "0 to 4,294,967,295"
    "a process whose ipc connections are accepted",
    |filter, value| add(&mut filter.pids, &IPC_FILTER_PID, value)
}

filter! {
    IPC_FILTER_UID "ipc_filter_uid" "ZMQ_IPC_FILTER_UID" 59 Integer "0 to 4,294,967,295"
    "a user whose ipc connections are accepted",
    |filter, value| add(&mut filter.uids, &IPC_FILTER_UID, value)
}

filter! {
    IPC_FILTER_GID "ipc_filter_gid" "ZMQ_IPC_FILTER_GID" 60 Integer "0 to 4,294,967,295"
    "a group whose members' ipc connections are accepted",
    |filter, value| add(&mut filter.gids, &IPC_FILTER_GID, value)
}

fn add(to: &mut Vec<u32>, entry: &'static Entry, value: Value) -> Result<(), Error> {
    match entry.typed::<Option<u32>>(value)? {
        None => to.clear(),
        Some(id) => to.push(id),
    }
    Ok(())
}

/// The whole filter at once, which is no single option by name.
fn write(to: Target<'_>, filter: AcceptFilter) {
    let options: &mut SocketOptions = to.options;
    options.transport.tuning.accept = filter;
}

/// Whom bound endpoints let in.
impl<P: crate::Pattern> crate::Socket<P> {
    /// Whom endpoints bound from now on let in, by where they come from: IP networks over tcp; processes, users and groups
    /// over ipc. Default: all. Whoever is not admitted finds the connection closed before a byte was exchanged, is counted
    /// ([`Connections::accept_refused`](crate::Connections::accept_refused)) and reported
    /// ([`Event::AcceptRefused`](crate::Event::AcceptRefused)). It replaces the filter that was set before. By name and by
    /// libzmq's number one entry at a time is added: `ZMQ_TCP_ACCEPT_FILTER`, `ZMQ_IPC_FILTER_PID`, `ZMQ_IPC_FILTER_UID`,
    /// `ZMQ_IPC_FILTER_GID`.
    ///
    /// # Errors
    ///
    /// None: a filter that exists is well-formed. (As of all setters, so that one day there may be.)
    ///
    /// # Examples
    ///
    /// ```
    /// use zsocket::{AcceptFilter, Context, Pull};
    ///
    /// let pull = Context::new().socket::<Pull>()?;
    /// pull.set_accept_filter(AcceptFilter {
    ///     networks: vec!["127.0.0.0/8".parse()?, "::1".parse()?],
    ///     ..AcceptFilter::default()
    /// })?;
    /// // The same, one by one.
    /// pull.set_option("tcp_accept_filter", zsocket::Value::None)?;
    /// pull.set_option("ZMQ_TCP_ACCEPT_FILTER", "127.0.0.0/8")?;
    /// pull.set_option("ZMQ_TCP_ACCEPT_FILTER", "::1")?;
    /// assert_eq!(pull.accept_filter().networks.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_accept_filter(&self, filter: AcceptFilter) -> Result<(), Error> {
        self.with_core(|core| {
            core.set_option(&TCP_ACCEPT_FILTER, |to| {
                write(to, filter);
                Ok(())
            })
        })
    }

    /// The value that [`set_accept_filter`](Self::set_accept_filter) sets.
    #[must_use]
    pub fn accept_filter(&self) -> AcceptFilter {
        self.with_core(|core| core.options.transport.tuning.accept.clone())
    }
}

/// Whom bound endpoints let in.
impl<P: crate::Pattern> crate::SocketBuilder<P> {
    /// Whom bound endpoints let in: see [`Socket::set_accept_filter`](crate::Socket::set_accept_filter).
    #[must_use]
    pub fn accept_filter(self, filter: AcceptFilter) -> Self {
        self.with_option(&TCP_ACCEPT_FILTER, |to| {
            write(to, filter);
            Ok(())
        })
    }
}
