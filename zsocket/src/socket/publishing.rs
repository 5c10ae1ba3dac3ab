//! Subscribing, and the options of those who publish.

use std::time::Duration;

use zmtp::Frame;

use super::{Socket, deadline};
use crate::{
    CanPublish, CanSubscribe, Error,
    core::Core,
    pattern::{Publisher, Rules, Subscriber},
};

/// What a subscriber wants. On a [`Dynamic`](crate::Dynamic) socket of another type each call is
/// [`Error::NotSupported`].
impl<P: CanSubscribe> Socket<P> {
    fn with_subscriber<R>(&self, f: impl FnOnce(&mut dyn Subscriber) -> R) -> Result<R, Error> {
        self.with_core(|core| {
            let result = P::subscriber(&mut core.state).map(f);
            core.tell_changes();
            result
        })
        .ok_or(Error::NotSupported)
    }

    /// Subscribes to all messages whose first frame begins with `topic`; an empty one means all messages. Every publisher that
    /// the socket is or will be connected to is told, at once and again whenever its connection is made again, whether the
    /// application calls or not. Without a subscription nothing is received.
    ///
    /// A topic that was subscribed to twice has to be unsubscribed from twice. Publishers are told each time, so that one that
    /// has something for whoever comes can send it. Over inproc a publisher that connects is told in the next call of this
    /// socket. `ZMQ_SUBSCRIBE`.
    ///
    /// # Errors
    ///
    /// [`Error::TopicTooLong`], [`Error::NotSupported`], [`Error::Terminated`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use zsocket::{Context, Pub, Sub};
    ///
    /// let context = Context::new();
    /// let publisher = context.socket::<Pub>()?;
    /// let endpoint = publisher.bind("tcp://127.0.0.1:*")?;
    /// let subscriber = context.socket::<Sub>()?;
    /// subscriber.connect(&endpoint)?;
    /// subscriber.subscribe("weather.")?;
    ///
    /// // What is published before the publisher has heard of it goes to nobody.
    /// publisher.wait_subscribed("weather.", 1, Duration::from_secs(10))?;
    /// publisher.send(["news.local", "nothing"])?;
    /// publisher.send(["weather.zurich", "sunny"])?;
    /// assert_eq!(subscriber.recv()?[1], "sunny");
    /// # Ok::<(), zsocket::Error>(())
    /// ```
    pub fn subscribe(&self, topic: impl AsRef<[u8]>) -> Result<(), Error> {
        let topic = topic.as_ref();
        self.with_core(|core| core.process())?;
        self.with_subscriber(|subscriber| subscriber.subscribe(topic))?
            .map_err(Error::from)
    }

    /// Takes one subscription to `topic` back. What has come by then and matches no other subscription is not received any
    /// more (by a SUB). A topic that was not subscribed to changes nothing. `ZMQ_UNSUBSCRIBE`.
    ///
    /// # Errors
    ///
    /// [`Error::NotSupported`], [`Error::Terminated`].
    pub fn unsubscribe(&self, topic: impl AsRef<[u8]>) -> Result<(), Error> {
        let topic = topic.as_ref();
        self.with_core(|core| core.process())?;
        self.with_subscriber(|subscriber| {
            subscriber.unsubscribe(topic);
        })
    }

    /// How many different topics are subscribed to. `ZMQ_TOPICS_COUNT`.
    ///
    /// # Errors
    ///
    /// [`Error::NotSupported`].
    pub fn subscribed_topics(&self) -> Result<usize, Error> {
        self.with_subscriber(|subscriber| subscriber.topics())
    }

    /// Whether a SUB receives the messages that match *none* of its subscriptions, instead of those that match one. Its
    /// publishers have to have [the same option](Self::set_invert_publishing). Default false. From now on.
    /// `ZMQ_INVERT_MATCHING`.
    ///
    /// # Errors
    ///
    /// [`Error::NotSupported`].
    pub fn set_invert_matching(&self, invert: bool) -> Result<(), Error> {
        self.with_subscriber(|subscriber| *subscriber.invert() = invert)
    }

    /// Whether an XSUB passes each cancellation on, also if it has subscribed to the topic more often or not at all. The peer
    /// ends its subscription at the first one. Default false. From now on. `ZMQ_XSUB_VERBOSE_UNSUBSCRIBE`.
    ///
    /// # Errors
    ///
    /// [`Error::NotSupported`], also for a SUB.
    pub fn set_verbose_unsubscribe(&self, verbose: bool) -> Result<(), Error> {
        self.with_subscriber(|subscriber| {
            let option = subscriber.verbose_unsubscribe();
            option.map(|option| *option = verbose)
        })?
        .ok_or(Error::NotSupported)
    }
}

/// Options of a publisher. On a [`Dynamic`](crate::Dynamic) socket of another type each is [`Error::NotSupported`].
impl<P: CanPublish> Socket<P> {
    fn with_publisher<R>(&self, f: impl FnOnce(&mut dyn Publisher) -> R) -> Result<R, Error> {
        self.with_core(|core| Self::publisher(core).map(f))
            .ok_or(Error::NotSupported)
    }

    fn publisher(core: &mut Core<P::State>) -> Option<&mut dyn Publisher> {
        P::publisher(&mut core.state)
    }

    fn set_rule(&self, set: impl FnOnce(&mut Rules)) -> Result<(), Error> {
        self.with_publisher(|publisher| set(publisher.rules()))
    }

    /// A rule about what an XPUB receives.
    fn set_receiving_rule(&self, set: impl FnOnce(&mut Rules)) -> Result<(), Error> {
        self.with_publisher(|publisher| {
            let receives = publisher.is_xpub();
            receives.then(|| set(publisher.rules()))
        })?
        .ok_or(Error::NotSupported)
    }

    /// How many peers would get a message whose first frame is this, as far as their subscriptions have come.
    ///
    /// # Errors
    ///
    /// [`Error::NotSupported`], [`Error::Terminated`].
    pub fn subscriber_count(&self, first_frame: impl AsRef<[u8]>) -> Result<usize, Error> {
        self.with_core(|core| {
            core.process()?;
            let publisher = Self::publisher(core).ok_or(Error::NotSupported)?;
            Ok(publisher.subscribers(first_frame.as_ref()))
        })
    }

    /// Waits until so many peers would get a message whose first frame is this. What is published before goes to nobody, or
    /// not to all: a subscription takes a moment.
    ///
    /// # Errors
    ///
    /// [`Error::WouldBlock`] when that takes longer than `timeout`, and on an I/O thread, which never waits;
    /// [`Error::NotSupported`], [`Error::Terminated`].
    pub fn wait_subscribed(
        &self,
        first_frame: impl AsRef<[u8]>,
        peers: usize,
        timeout: Duration,
    ) -> Result<(), Error> {
        let first_frame = first_frame.as_ref();
        self.wait_until(deadline(Some(timeout)), |core| {
            let publisher = Self::publisher(core).ok_or(Error::NotSupported)?;
            Ok(publisher.subscribers(first_frame) >= peers)
        })
    }

    /// How many different topics peers have subscribed to. `ZMQ_TOPICS_COUNT`.
    ///
    /// # Errors
    ///
    /// [`Error::NotSupported`], [`Error::Terminated`].
    pub fn published_topics(&self) -> Result<usize, Error> {
        self.with_core(|core| {
            core.process()?;
            let publisher = Self::publisher(core).ok_or(Error::NotSupported)?;
            Ok(publisher.topics())
        })
    }

    /// Whether a message waits until all who should get it have room for it, or is refused where nothing waits: nobody
    /// loses one, and the slowest peer sets the pace. Default false. From now on. `ZMQ_XPUB_NODROP`.
    ///
    /// # Errors
    ///
    /// [`Error::NotSupported`].
    pub fn set_no_drop(&self, no_drop: bool) -> Result<(), Error> {
        self.set_rule(|rules| rules.no_drop = no_drop)
    }

    /// Whether an XPUB receives each subscription, not only the first one to a topic. Default false. From now on.
    /// `ZMQ_XPUB_VERBOSE`.
    ///
    /// # Errors
    ///
    /// [`Error::NotSupported`], also for a PUB.
    pub fn set_verbose(&self, verbose: bool) -> Result<(), Error> {
        self.set_receiving_rule(|rules| {
            rules.verbose = verbose;
            rules.verbose_cancel = false;
        })
    }

    /// Whether an XPUB receives each subscription and each cancellation, also those that the end of a connection means.
    /// Default false. From now on. `ZMQ_XPUB_VERBOSER`.
    ///
    /// # Errors
    ///
    /// [`Error::NotSupported`], also for a PUB.
    pub fn set_verboser(&self, verboser: bool) -> Result<(), Error> {
        self.set_receiving_rule(|rules| {
            rules.verbose = verboser;
            rules.verbose_cancel = verboser;
        })
    }

    /// Whether peers only ask, and the application decides: an XPUB receives each request, and
    /// [`subscribe_last`](Self::subscribe_last) says what the peer that has made it gets. Default false. From now on.
    /// `ZMQ_XPUB_MANUAL`.
    ///
    /// # Errors
    ///
    /// [`Error::NotSupported`], also for a PUB.
    pub fn set_manual(&self, manual: bool) -> Result<(), Error> {
        self.set_receiving_rule(|rules| {
            rules.manual = manual;
            rules.last_value = false;
        })
    }

    /// As [`set_manual`](Self::set_manual), and the first message that is sent after a request was received goes to no one
    /// but the peer that has made it: the last value for a newcomer. `ZMQ_XPUB_MANUAL_LAST_VALUE`.
    ///
    /// # Errors
    ///
    /// [`Error::NotSupported`], also for a PUB.
    pub fn set_manual_last_value(&self, manual: bool) -> Result<(), Error> {
        self.set_receiving_rule(|rules| {
            rules.manual = manual;
            rules.last_value = manual;
        })
    }

    /// The peer whose request was received last gets messages that begin with `topic` from now on. `false` if it is gone,
    /// nothing was received, or the answer of [`set_manual_last_value`](Self::set_manual_last_value) was sent. For [`set_manual`](Self::set_manual). `ZMQ_SUBSCRIBE` of an XPUB.
    ///
    /// # Errors
    ///
    /// [`Error::NotSupported`], [`Error::WrongState`] if peers subscribe by themselves.
    pub fn subscribe_last(&self, topic: impl AsRef<[u8]>) -> Result<bool, Error> {
        self.manually(|publisher| publisher.subscribe_last(topic.as_ref()))
    }

    /// Ends what [`subscribe_last`](Self::subscribe_last) began. `ZMQ_UNSUBSCRIBE` of an XPUB.
    ///
    /// # Errors
    ///
    /// [`Error::NotSupported`], [`Error::WrongState`] if peers subscribe by themselves.
    pub fn unsubscribe_last(&self, topic: impl AsRef<[u8]>) -> Result<bool, Error> {
        self.manually(|publisher| publisher.unsubscribe_last(topic.as_ref()))
    }

    fn manually(&self, f: impl FnOnce(&mut dyn Publisher) -> bool) -> Result<bool, Error> {
        self.with_publisher(|publisher| {
            if !publisher.rules().manual {
                return Err(Error::WrongState);
            }
            Ok(f(publisher))
        })?
    }

    /// A message of one frame that is sent to each new peer before all others; a SUB receives it if it has subscribed to it
    /// by then. `None`, the default, for none. It is copied. For peers that come from now on. `ZMQ_XPUB_WELCOME_MSG`.
    ///
    /// # Errors
    ///
    /// [`Error::NotSupported`].
    pub fn set_welcome_message(&self, body: Option<Frame>) -> Result<(), Error> {
        // A copy, since nobody can say where the last handle of an option goes.
        let body = body.map(|body| bytes::Bytes::copy_from_slice(&body));
        self.set_rule(|rules| rules.welcome = body)
    }

    /// Whether messages go to the peers that have *not* subscribed to them. Default false. From now on.
    /// `ZMQ_INVERT_MATCHING`.
    ///
    /// # Errors
    ///
    /// [`Error::NotSupported`].
    pub fn set_invert_publishing(&self, invert: bool) -> Result<(), Error> {
        self.set_rule(|rules| rules.invert = invert)
    }

    /// Whether all frames of a message are a user's if its first one is. Otherwise, by default, each frame that begins with
    /// 01 or 00 is a subscription or a cancellation. `ZMQ_ONLY_FIRST_SUBSCRIBE`.
    ///
    /// # Errors
    ///
    /// [`Error::NotSupported`].
    pub fn set_only_first_subscribe(&self, only_first: bool) -> Result<(), Error> {
        self.set_rule(|rules| rules.only_first = only_first)
    }
}
