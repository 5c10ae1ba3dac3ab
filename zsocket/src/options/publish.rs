//! What PUB, XPUB, SUB and XSUB do.

use bytes::Bytes;
use zmtp::Frame;

use super::{
    copied,
    macros::{argument, given, special, zmq},
};
use crate::pattern::Settings;

special! {
    /// Options of a publisher. On a [`Dynamic`](crate::Dynamic) socket of another type each is
    /// [`InvalidOption::NotOfType`](crate::InvalidOption::NotOfType).
    PUBLISHER for CanPublish {
        /// Whether a message waits until all who should get it have room for it, or is refused where nothing waits:
        /// nobody loses one, and the slowest peer sets the pace. Default false. From now on. `ZMQ_XPUB_NODROP`.
        NO_DROP = no_drop / set_no_drop(no_drop: bool) / no_drop: bool,
        zmq "ZMQ_XPUB_NODROP" 69,
        of Pub | XPub,
        when AtOnce,
        part |pattern| pattern.rules().map(|rules| &mut rules.no_drop);

        /// Whether an XPUB receives each subscription, not only the first one to a topic. Default false. From now on.
        /// Not for a PUB, which receives nothing. `ZMQ_XPUB_VERBOSE`.
        VERBOSE = verbose / set_verbose(verbose: bool) / verbose: bool,
        zmq "ZMQ_XPUB_VERBOSE" 40,
        of XPub,
        when AtOnce,
        get |pattern| pattern.receiving_rules().map(|rules| rules.verbose),
        set |pattern, value| pattern.receiving_rules().map(|rules| {
            rules.verbose = value;
            rules.verbose_cancel = false;
            Ok(())
        });

        /// Whether an XPUB receives each subscription and each cancellation, also those that the end of a connection
        /// means. Default false. From now on. Not for a PUB. `ZMQ_XPUB_VERBOSER`.
        VERBOSER = verboser / set_verboser(verboser: bool) / verboser: bool,
        zmq "ZMQ_XPUB_VERBOSER" 78,
        of XPub,
        when AtOnce,
        get |pattern| pattern.receiving_rules().map(|rules| rules.verbose_cancel),
        set |pattern, value| pattern.receiving_rules().map(|rules| {
            rules.verbose = value;
            rules.verbose_cancel = value;
            Ok(())
        });

        /// Whether peers only ask, and the application decides: an XPUB receives each request, and
        /// [`subscribe_last`](crate::Socket::subscribe_last) says what the peer that has made it gets. Default false.
        /// From now on. Not for a PUB. `ZMQ_XPUB_MANUAL`.
        MANUAL = manual / set_manual(manual: bool) / manual: bool,
        zmq "ZMQ_XPUB_MANUAL" 71,
        of XPub,
        when AtOnce,
        get |pattern| pattern.receiving_rules().map(|rules| rules.manual),
        set |pattern, value| pattern.receiving_rules().map(|rules| {
            rules.manual = value;
            rules.last_value = false;
            Ok(())
        });

        /// As [`set_manual`](crate::Socket::set_manual), and the first message that is sent after a request was
        /// received goes to no one but the peer that has made it: the last value for a newcomer. Default false. From
        /// now on. Not for a PUB. `ZMQ_XPUB_MANUAL_LAST_VALUE`.
        MANUAL_LAST_VALUE = manual_last_value / set_manual_last_value(manual: bool) / manual_last_value: bool,
        zmq "ZMQ_XPUB_MANUAL_LAST_VALUE" 98,
        of XPub,
        when AtOnce,
        get |pattern| pattern.receiving_rules().map(|rules| rules.last_value),
        set |pattern, value| pattern.receiving_rules().map(|rules| {
            rules.manual = value;
            rules.last_value = value;
            Ok(())
        });

        /// A message of one frame that is sent to each new peer before all others; a SUB receives it if it has
        /// subscribed to it by then. `None`, the default, for none. It is copied. For peers that come from now on.
        /// `ZMQ_XPUB_WELCOME_MSG`.
        WELCOME_MESSAGE = welcome_message / set_welcome_message(body: Option<Frame> => copied(body.as_deref()))
            / welcome_message: Option<Bytes>,
        zmq "ZMQ_XPUB_WELCOME_MSG" 72,
        of Pub | XPub,
        when NewPeers,
        part |pattern| pattern.rules().map(|rules| &mut rules.welcome),
        store |body| copied(body.as_deref());
    }
}

special! {
    /// An option of those that match messages with subscriptions. On a [`Dynamic`](crate::Dynamic) socket of another
    /// type it is [`InvalidOption::NotOfType`](crate::InvalidOption::NotOfType).
    MATCHING for CanMatch {
        /// Whether messages go to the peers that have *not* subscribed to them, or a SUB receives those that match
        /// *none* of its subscriptions. It is for both sides: a SUB has to be told as its publishers are. An XSUB has
        /// no such option, because it does not filter. Default false. From now on. `ZMQ_INVERT_MATCHING`.
        INVERT_MATCHING = invert_matching / set_invert_matching(invert: bool) / invert_matching: bool,
        zmq "ZMQ_INVERT_MATCHING" 74,
        of Pub | XPub | Sub,
        when AtOnce,
        part |pattern| match pattern {
            Settings::Publisher(publisher) => Some(&mut publisher.rules().invert),
            Settings::Subscriber(subscriber) => subscriber.invert(),
            _ => None,
        };
    }
}

special! {
    /// An option of those to whom subscriptions are messages. On a [`Dynamic`](crate::Dynamic) socket of another type
    /// it is [`InvalidOption::NotOfType`](crate::InvalidOption::NotOfType).
    ONLY_FIRST for CanPassSubscriptions {
        /// Whether all frames of a message are a user's if its first one is. Otherwise, by default, each frame that
        /// begins with 01 or 00 is a subscription or a cancellation, wherever it stands: at a publisher in what comes
        /// from its peers, at an XSUB in what is sent. From now on. `ZMQ_ONLY_FIRST_SUBSCRIBE`.
        ONLY_FIRST_SUBSCRIBE = only_first_subscribe
            / set_only_first_subscribe(only_first: bool)
            / only_first_subscribe: bool,
        zmq "ZMQ_ONLY_FIRST_SUBSCRIBE" 108,
        of Pub | XPub | XSub,
        when AtOnce,
        part |pattern| match pattern {
            Settings::Publisher(publisher) => Some(&mut publisher.rules().only_first),
            Settings::Subscriber(subscriber) => subscriber.only_first(),
            _ => None,
        };
    }
}

special! {
    /// An option of an XSUB. On a [`Dynamic`](crate::Dynamic) socket of another type, and on a SUB, it is
    /// [`InvalidOption::NotOfType`](crate::InvalidOption::NotOfType).
    XSUB for CanSubscribe {
        /// Whether an XSUB passes each cancellation on, also if it has subscribed to the topic more often or not at
        /// all. The peer ends its subscription at the first one. Default false. From now on. Not for a SUB.
        /// `ZMQ_XSUB_VERBOSE_UNSUBSCRIBE`.
        VERBOSE_UNSUBSCRIBE = verbose_unsubscribe / set_verbose_unsubscribe(verbose: bool) / verbose_unsubscribe: bool,
        zmq "ZMQ_XSUB_VERBOSE_UNSUBSCRIBE" 115,
        of XSub,
        when AtOnce,
        part |pattern| match pattern {
            Settings::Subscriber(subscriber) => subscriber.verbose_unsubscribe(),
            _ => None,
        };
    }
}
