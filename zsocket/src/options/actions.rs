//! Options by name and number that are calls in the program: what can only be done, and what can only be read.

use super::{
    ALL_TYPES,
    registry::{Access, Effect, Entry, Target, Then, Zmq},
    value::{Kind, Typed, Value},
};
use crate::{
    Bytes, Error, OptionId, SocketType, Turn, WrongState,
    pattern::{Publisher, Settings},
};

pub(super) static ACTIONS: &[&Entry] = &[
    &METADATA,
    &SUBSCRIBE,
    &UNSUBSCRIBE,
    &TOPICS_COUNT,
    &TYPE,
    &LAST_ENDPOINT,
];

pub(super) static METADATA: Entry = Entry {
    name: "metadata",
    zmq: zmq("ZMQ_METADATA", 95),
    kind: Kind::Bytes,
    is_optional: false,
    range: "up to 120 names of at most 255 letters, digits and -_.+ that begin with X-, with values that are not \
        empty, 15 KiB together",
    types: &ALL_TYPES,
    effect: Effect::LaterEndpoints,
    access: Access::WriteOnly,
    then: Then::Nothing,
    documentation: "A property that peers are told of, in the form `X-name:value`; each one counts, and of a name the last \
        one.",
    read: |_| Err(METADATA.no_access()),
    write: |to, value| {
        let property: Bytes = METADATA.typed(value)?;
        let mut parts = property.splitn(2, |byte| *byte == b':');
        let name = parts.next().and_then(|name| std::str::from_utf8(name).ok());
        match (name, parts.next()) {
            (Some(name), Some(value)) => to.options.set_metadata(name, value),
            _ => Err(METADATA.out_of_range()),
        }
    },
};

const SUBSCRIBERS: [SocketType; 3] = [SocketType::Sub, SocketType::XSub, SocketType::XPub];

pub(super) static SUBSCRIBE: Entry = Entry {
    name: "subscribe",
    zmq: zmq("ZMQ_SUBSCRIBE", 6),
    kind: Kind::Bytes,
    is_optional: false,
    range: <Bytes as Typed>::RANGE,
    types: &SUBSCRIBERS,
    effect: Effect::AtOnce,
    access: Access::WriteOnly,
    then: Then::Look,
    documentation: "Subscribes to messages that begin with this: [`Socket::subscribe`](crate::Socket::subscribe). \
        Of an XPUB that is manual: [`Socket::subscribe_last`](crate::Socket::subscribe_last).",
    read: |_| Err(SUBSCRIBE.no_access()),
    write: |to, value| {
        let topic: Bytes = SUBSCRIBE.typed(value)?;
        match to.pattern {
            Settings::Subscriber(subscriber) => subscriber.subscribe(&topic)?,
            Settings::Publisher(publisher) => {
                manual(publisher)?.subscribe_last(&topic);
            }
            _ => return Err(SUBSCRIBE.not_of(to.socket_type)),
        }
        Ok(())
    },
};

pub(super) static UNSUBSCRIBE: Entry = Entry {
    name: "unsubscribe",
    zmq: zmq("ZMQ_UNSUBSCRIBE", 7),
    kind: Kind::Bytes,
    is_optional: false,
    range: <Bytes as Typed>::RANGE,
    types: &SUBSCRIBERS,
    effect: Effect::AtOnce,
    access: Access::WriteOnly,
    then: Then::Look,
    documentation: "Takes one subscription back: [`Socket::unsubscribe`](crate::Socket::unsubscribe). \
        Of an XPUB that is manual: [`Socket::unsubscribe_last`](crate::Socket::unsubscribe_last).",
    read: |_| Err(UNSUBSCRIBE.no_access()),
    write: |to, value| {
        let topic: Bytes = UNSUBSCRIBE.typed(value)?;
        match to.pattern {
            Settings::Subscriber(subscriber) => subscriber.unsubscribe(&topic),
            Settings::Publisher(publisher) => {
                manual(publisher)?.unsubscribe_last(&topic);
            }
            _ => return Err(UNSUBSCRIBE.not_of(to.socket_type)),
        }
        Ok(())
    },
};

pub(super) static TOPICS_COUNT: Entry = Entry {
    name: "topics_count",
    zmq: zmq("ZMQ_TOPICS_COUNT", 116),
    kind: Kind::Integer,
    is_optional: false,
    range: <usize as Typed>::RANGE,
    types: &[
        SocketType::Pub,
        SocketType::XPub,
        SocketType::Sub,
        SocketType::XSub,
    ],
    effect: Effect::AtOnce,
    access: Access::ReadOnly,
    then: Then::Look,
    documentation: "How many different topics there are: [`Socket::published_topics`](crate::Socket::published_topics) of a \
        publisher, [`Socket::subscribed_topics`](crate::Socket::subscribed_topics) of a subscriber.",
    read: |from| match from.pattern {
        Settings::Publisher(publisher) => Ok(publisher.topics().into()),
        Settings::Subscriber(subscriber) => Ok(subscriber.topics().into()),
        _ => Err(TOPICS_COUNT.not_of(from.socket_type)),
    },
    write: read_only,
};

pub(super) static TYPE: Entry = Entry {
    name: "type",
    zmq: zmq("ZMQ_TYPE", 16),
    kind: Kind::Text,
    is_optional: false,
    range: "a socket type, in capitals",
    types: &ALL_TYPES,
    effect: Effect::AtOnce,
    access: Access::ReadOnly,
    then: Then::Nothing,
    documentation: "The type of the socket: [`Socket::socket_type`](crate::Socket::socket_type).",
    read: |from| Ok(from.socket_type.name().into()),
    write: read_only,
};

pub(super) static LAST_ENDPOINT: Entry = Entry {
    name: "last_endpoint",
    zmq: zmq("ZMQ_LAST_ENDPOINT", 32),
    kind: Kind::Text,
    is_optional: true,
    range: "an endpoint",
    types: &ALL_TYPES,
    effect: Effect::AtOnce,
    access: Access::ReadOnly,
    then: Then::Nothing,
    documentation: "What was bound or connected last, resolved: [`Socket::last_endpoint`](crate::Socket::last_endpoint).",
    read: |from| Ok(from.last_endpoint.map(ToString::to_string).into()),
    write: read_only,
};

const fn zmq(name: &'static str, number: i32) -> Option<Zmq> {
    Some(Zmq {
        name,
        number,
        none: None,
    })
}

/// A publisher whose application decides who gets what.
fn manual(publisher: &mut dyn Publisher) -> Result<&mut dyn Publisher, Error> {
    if publisher.rules().manual {
        Ok(publisher)
    } else {
        Err(Error::WrongState(WrongState::new(
            SocketType::XPub,
            Turn::Manual,
            None,
        )))
    }
}

/// Nobody gets here: access is checked before.
fn read_only(_: Target<'_>, _: Value) -> Result<(), Error> {
    Err(Error::WrongState(WrongState::default()))
}

impl OptionId {
    /// [`Socket::set_metadata`](crate::Socket::set_metadata).
    pub const METADATA: Self = Self(&METADATA);
    /// [`Socket::subscribe`](crate::Socket::subscribe).
    pub const SUBSCRIBE: Self = Self(&SUBSCRIBE);
    /// [`Socket::unsubscribe`](crate::Socket::unsubscribe).
    pub const UNSUBSCRIBE: Self = Self(&UNSUBSCRIBE);
    /// [`Socket::published_topics`](crate::Socket::published_topics) and
    /// [`Socket::subscribed_topics`](crate::Socket::subscribed_topics).
    pub const TOPICS_COUNT: Self = Self(&TOPICS_COUNT);
    /// [`Socket::socket_type`](crate::Socket::socket_type).
    pub const TYPE: Self = Self(&TYPE);
    /// [`Socket::last_endpoint`](crate::Socket::last_endpoint).
    pub const LAST_ENDPOINT: Self = Self(&LAST_ENDPOINT);
}
