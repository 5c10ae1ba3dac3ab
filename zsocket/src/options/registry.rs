//! What every option is, and finding one by its name or number.

use std::{
    fmt,
    hash::{Hash, Hasher},
};

use ztransport::Endpoint;

use super::{
    SocketOptions, absent, actions, admission, filters, heartbeat, identity, limits, multicast,
    pattern, proxy, publish, queues, security, tcp, times,
    value::{Kind, Typed, Unfit, Value},
};
use crate::{
    Error, InvalidOption, SocketType,
    pattern::{Any, Settings, State},
};

/// An option of sockets: its names, what it takes, and which sockets have it.
///
/// Each one is here as a constant, and [`all`](Self::all) of them together make the page
/// `docs/OPTIONS.md`. A program that knows its options uses the setters of
/// [`Socket`](crate::Socket); this is for those that are told of them at run time.
///
/// # Examples
///
/// ```
/// use zsocket::{OptionId, SocketType};
///
/// let option = OptionId::from_name("ZMQ_ROUTER_MANDATORY").unwrap();
/// assert_eq!(option, OptionId::MANDATORY);
/// assert_eq!(option.name(), "mandatory");
/// assert!(option.socket_types().contains(&SocketType::Router));
///
/// let of_pull = OptionId::all().filter(|option| option.socket_types().contains(&SocketType::Pull));
/// assert!(of_pull.count() > 10);
/// ```
#[derive(Clone, Copy)]
pub struct OptionId(pub(super) &'static Entry);

/// When a new value of an option counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Effect {
    /// From now on.
    AtOnce,
    /// For peers that come from now on.
    NewPeers,
    /// For what the socket binds or connects to from now on, and the connections that come of it.
    LaterEndpoints,
    /// The option cannot be changed any more when the socket has been bound or connected.
    BeforeEndpoints,
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AtOnce => "at once",
            Self::NewPeers => "for new peers",
            Self::LaterEndpoints => "for later endpoints",
            Self::BeforeEndpoints => "only before the first endpoint",
        })
    }
}

/// What can be done with an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Access {
    /// It is set and read.
    ReadWrite,
    /// It is only read.
    ReadOnly,
    /// It is only set.
    WriteOnly,
}

/// What the socket does when an option was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    Nothing,
    /// Gives pipes their marks.
    Marks,
    /// Bounds what peers that are gone have left.
    Departed,
    /// Takes in what has come before, and tells publishers what has changed after.
    Look,
}

/// One option.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(super) zmq: Option<Zmq>,
    pub(super) kind: Kind,
    pub(super) is_optional: bool,
    pub(super) range: &'static str,
    pub(super) types: &'static [SocketType],
    pub(super) effect: Effect,
    pub(super) access: Access,
    pub(crate) then: Then,
    pub(super) documentation: &'static str,
    pub(crate) read: fn(Target<'_>) -> Result<Value, Error>,
    pub(crate) write: fn(Target<'_>, Value) -> Result<(), Error>,
}

/// What libzmq calls an option.
pub(super) struct Zmq {
    pub(super) name: &'static str,
    pub(super) number: i32,
    /// The integer that stands for no value there.
    pub(super) none: Option<i128>,
}

/// What has options: a socket, or what is going to be one.
pub(crate) struct Target<'a> {
    pub(crate) socket_type: SocketType,
    pub(crate) options: &'a mut SocketOptions,
    pub(crate) pattern: Settings<'a>,
    pub(crate) last_endpoint: Option<&'a Endpoint>,
}

impl Entry {
    /// Whether a socket of this type, which has been bound or connected or not, may have the option set.
    pub(crate) fn check_writable(
        &'static self,
        socket_type: SocketType,
        has_endpoints: bool,
    ) -> Result<(), Error> {
        self.check_type(socket_type)?;
        if self.access == Access::ReadOnly {
            return Err(self.no_access());
        }
        if self.effect == Effect::BeforeEndpoints && has_endpoints {
            return Err(Error::from(InvalidOption::TooLate { option: self.name }));
        }
        Ok(())
    }

    /// Whether a socket of this type has the option.
    pub(crate) fn check_type(&'static self, socket_type: SocketType) -> Result<(), Error> {
        if self.types.contains(&socket_type) {
            Ok(())
        } else {
            Err(self.not_of(socket_type))
        }
    }

    #[cold]
    pub(super) fn not_of(&'static self, socket_type: SocketType) -> Error {
        Error::from(InvalidOption::NotOfType {
            option: self.name,
            socket_type,
            types: self.types,
        })
    }

    pub(super) fn no_access(&'static self) -> Error {
        Error::from(InvalidOption::Access {
            option: self.name,
            access: self.access,
        })
    }

    pub(super) fn out_of_range(&'static self) -> Error {
        Error::from(InvalidOption::Value {
            option: self.name,
            expected: self.range,
        })
    }

    /// A value as the option's type.
    pub(super) fn typed<T: Typed>(&'static self, value: Value) -> Result<T, Error> {
        let none = self.zmq.as_ref().and_then(|zmq| zmq.none);
        T::read(value, none).map_err(|unfit| match unfit {
            Unfit::Range => self.out_of_range(),
            Unfit::Kind => Error::from(InvalidOption::Kind {
                option: self.name,
                expected: self.kind,
                or_none: self.is_optional,
            }),
        })
    }
}

/// All options, by what they are about.
static ALL: [&[&Entry]; 26] = [
    queues::QUEUES,
    queues::CONFLATE,
    queues::CONFLATE_BY_TOPIC,
    limits::LIMITS,
    admission::ADMISSION,
    times::TIMES,
    heartbeat::HEARTBEAT,
    identity::IDENTITY,
    security::SECURITY,
    tcp::TCP,
    multicast::MULTICAST,
    filters::FILTERS,
    proxy::PROXY,
    pattern::MANDATORY,
    pattern::ROUTER,
    pattern::NAMES,
    pattern::STREAM,
    pattern::REQ,
    pattern::GREETING,
    pattern::HICCUP,
    pattern::PROBE,
    publish::PUBLISHER,
    publish::MATCHING,
    publish::ONLY_FIRST,
    publish::XSUB,
    actions::ACTIONS,
];

impl OptionId {
    /// Every option there is.
    pub fn all() -> impl Iterator<Item = Self> {
        ALL.iter().copied().flatten().map(|entry| Self(entry))
    }

    /// The option of this name: its own, or libzmq's, with or without `ZMQ_` in front. Upper and lower case are the
    /// same.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let is_own = |option: &Self| option.0.name.eq_ignore_ascii_case(name);
        Self::all().find(is_own).or_else(|| {
            let zmq = absent::without_prefix(name);
            let zmq = absent::modern_name(zmq);
            Self::all().find(|option| {
                let other = option.zmq_name().map(absent::without_prefix);
                other.is_some_and(|other| other.eq_ignore_ascii_case(zmq))
            })
        })
    }

    /// The option with this number in libzmq.
    #[must_use]
    pub fn from_zmq_number(number: i32) -> Option<Self> {
        Self::all().find(|option| option.zmq_number() == Some(number))
    }

    pub(crate) const fn entry(self) -> &'static Entry {
        self.0
    }

    /// The name: that of the getter of [`Socket`](crate::Socket) and of the setter behind `set_`, with few
    /// exceptions, and that of the method of [`SocketBuilder`](crate::SocketBuilder).
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0.name
    }

    /// The name in libzmq, with `ZMQ_` in front. `None` if it has no such option.
    #[must_use]
    pub fn zmq_name(self) -> Option<&'static str> {
        self.0.zmq.as_ref().map(|zmq| zmq.name)
    }

    /// The number in libzmq.
    #[must_use]
    pub fn zmq_number(self) -> Option<i32> {
        self.0.zmq.as_ref().map(|zmq| zmq.number)
    }

    /// The integer that stands for [`Value::None`] in libzmq, if there is one.
    #[must_use]
    pub fn zmq_none(self) -> Option<i128> {
        self.0.zmq.as_ref().and_then(|zmq| zmq.none)
    }

    /// What kind of value it has.
    #[must_use]
    pub const fn kind(self) -> Kind {
        self.0.kind
    }

    /// Whether its value may be [`Value::None`].
    #[must_use]
    pub const fn may_be_none(self) -> bool {
        self.0.is_optional
    }

    /// Which values it takes, in words.
    #[must_use]
    pub const fn range(self) -> &'static str {
        self.0.range
    }

    /// The value of a new socket. `None` if the option has none that could be read.
    #[must_use]
    pub fn default_value(self) -> Option<Value> {
        let socket_type = *self.0.types.first()?;
        if self.0.access != Access::ReadWrite {
            return None;
        }
        let mut state = Any::new(socket_type)?;
        let mut options = SocketOptions::new(socket_type);
        let target = Target {
            socket_type,
            options: &mut options,
            pattern: state.settings(),
            last_endpoint: None,
        };
        (self.0.read)(target).ok()
    }

    /// The types of sockets that have it.
    #[must_use]
    pub const fn socket_types(self) -> &'static [SocketType] {
        self.0.types
    }

    /// When a new value counts.
    #[must_use]
    pub const fn effect(self) -> Effect {
        self.0.effect
    }

    /// Whether it can be read, set, or both.
    #[must_use]
    pub const fn access(self) -> Access {
        self.0.access
    }

    /// What is said about it, in Markdown. The first paragraph begins with a summary.
    #[must_use]
    pub const fn documentation(self) -> &'static str {
        self.0.documentation
    }
}

impl PartialEq for OptionId {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for OptionId {}

impl Hash for OptionId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.name.hash(state);
    }
}

impl fmt::Debug for OptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OptionId").field(&self.0.name).finish()
    }
}

impl fmt::Display for OptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

/// What names an option at run time: an [`OptionId`], a name as [`OptionId::from_name`] takes it, or libzmq's number.
pub trait IntoOptionId {
    /// The option.
    ///
    /// # Errors
    ///
    /// [`InvalidOption::Unknown`](crate::InvalidOption::Unknown) if there is none of this name or number.
    fn into_option_id(self) -> Result<OptionId, Error>;
}

impl IntoOptionId for OptionId {
    fn into_option_id(self) -> Result<OptionId, Error> {
        Ok(self)
    }
}

impl IntoOptionId for &str {
    fn into_option_id(self) -> Result<OptionId, Error> {
        OptionId::from_name(self).ok_or_else(|| unknown(self))
    }
}

impl IntoOptionId for &String {
    fn into_option_id(self) -> Result<OptionId, Error> {
        self.as_str().into_option_id()
    }
}

impl IntoOptionId for i32 {
    fn into_option_id(self) -> Result<OptionId, Error> {
        OptionId::from_zmq_number(self).ok_or_else(|| {
            Error::from(InvalidOption::Unknown {
                option: self.to_string(),
                similar: None,
                reason: absent::reason_by_number(self),
            })
        })
    }
}

/// How alike two names have to be, from 0 to 1, that one is taken for a slip of the other.
const ALIKE: f64 = 0.8;

#[cold]
fn unknown(name: &str) -> Error {
    let reason = absent::reason_by_name(name);
    let likeness = |other: &str| {
        let (name, other) = (absent::without_prefix(name), absent::without_prefix(other));
        strsim::jaro_winkler(&name.to_ascii_lowercase(), &other.to_ascii_lowercase())
    };
    // Of two that are alike the last one counts.
    let names = OptionId::all().filter_map(OptionId::zmq_name);
    let names = names.chain(OptionId::all().map(OptionId::name));
    let alike = names.map(|other| (likeness(other), other));
    let best = alike.max_by(|a, b| a.0.total_cmp(&b.0));
    Error::from(InvalidOption::Unknown {
        // Whatever it is, it fits on a line.
        option: name.chars().take(64).collect(),
        similar: best
            .filter(|(likeness, _)| *likeness >= ALIKE && reason.is_none())
            .map(|(_, name)| name),
        reason,
    })
}
