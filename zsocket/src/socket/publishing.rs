//! Subscribing, and the options of those who publish.

use std::time::Duration;

use super::{Socket, deadline};
use crate::{
    CanPublish, CanSubscribe, Error, OptionId, SocketType, Turn, WrongState,
    core::Core,
    pattern::{Publisher, State, Subscriber},
};

/// What a subscriber wants. On a [`Dynamic`](crate::Dynamic) socket of another type each call is
/// [`Error::NotSupported`].
impl<P: CanSubscribe> Socket<P> {
    fn with_subscriber<R>(&self, f: impl FnOnce(&mut dyn Subscriber) -> R) -> Result<R, Error> {
        self.with_core(|core| {
            let result = core.state.settings().subscriber().map(f);
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
}

/// What a publisher knows, and what it decides. On a [`Dynamic`](crate::Dynamic) socket of another type each is [`Error::NotSupported`].
impl<P: CanPublish> Socket<P> {
    fn with_publisher<R>(&self, f: impl FnOnce(&mut dyn Publisher) -> R) -> Result<R, Error> {
        self.with_core(|core| Self::publisher(core).map(f))
            .ok_or(Error::NotSupported)
    }

    fn publisher(core: &mut Core<P::State>) -> Option<&mut dyn Publisher> {
        core.state.settings().publisher()
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
                return Err(Error::WrongState(WrongState::new(
                    SocketType::XPub,
                    Turn::Manual,
                    None,
                )));
            }
            Ok(f(publisher))
        })?
    }

    /// The same as [`set_invert_matching`](Self::set_invert_matching), by another name.
    ///
    /// # Errors
    ///
    /// [`InvalidOption::NotOfType`](crate::InvalidOption::NotOfType).
    pub fn set_invert_publishing(&self, invert: bool) -> Result<(), Error> {
        self.set_option(OptionId::INVERT_MATCHING, invert)
    }
}
