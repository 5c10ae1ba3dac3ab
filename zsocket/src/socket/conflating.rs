//! Only the latest message: the options of those who need no history.

use zmtp::SocketType;

use super::{Socket, SocketBuilder};
use crate::{CanConflate, CanConflateByTopic, Error, options::SocketOptions, pattern::State};

fn conflate(
    options: &mut SocketOptions,
    socket_type: SocketType,
    conflate: bool,
) -> Result<(), Error> {
    let is_possible = matches!(
        socket_type,
        SocketType::Push
            | SocketType::Pull
            | SocketType::Pub
            | SocketType::Sub
            | SocketType::Dealer
    );
    if !is_possible {
        return Err(Error::NotSupported);
    }
    options.conflate = conflate;
    Ok(())
}

fn conflate_by_topic(
    options: &mut SocketOptions,
    socket_type: SocketType,
    topics: Option<u32>,
) -> Result<(), Error> {
    if !matches!(socket_type, SocketType::Pull | SocketType::Sub) {
        return Err(Error::NotSupported);
    }
    if topics == Some(0) {
        return Err(Error::InvalidOption {
            option: "conflate_by_topic",
            expected: "None or at least 1 topic",
        });
    }
    options.conflate_by_topic = topics;
    Ok(())
}

/// An option of PUSH, PULL, PUB, SUB and DEALER. On a [`Dynamic`](crate::Dynamic) socket of another type it is
/// [`Error::NotSupported`].
impl<P: CanConflate> Socket<P> {
    /// Whether only the latest message waits: for each connection, and each direction in which the socket moves messages, one
    /// that was not sent or not received yet is replaced by the next. That is counted
    /// ([`Dropped::conflated`](crate::Dropped::conflated)). The high-water marks do not matter then: sending never waits
    /// for a connection that is there, and a peer that sends is never held up by this end. Default false. For later
    /// endpoints. `ZMQ_CONFLATE`.
    ///
    /// The last message is never missed, and messages of several frames are replaced and kept whole. (libzmq loses the last
    /// value if the reader looks just when it is written, and replaces single frames.) Several messages may be on their way
    /// all the same, one in each pipe and as many as the operating systems buffer: whoever sends faster than the peer reads
    /// and wants the peer to be up to date sets it on that side. Over inproc it is enough if either side asks. What peers
    /// subscribe to is no message in this sense, and is not replaced. (libzmq forgets all subscriptions but the last.)
    ///
    /// A SUB takes the latest of what its publishers send. These filter, except those of ZMTP 1.0, so with such a
    /// publisher it may be one that the SUB has not subscribed to, and that is dropped.
    ///
    /// # Errors
    ///
    /// [`Error::NotSupported`].
    ///
    /// # Examples
    ///
    /// ```
    /// use zsocket::{Context, Pull, Push};
    ///
    /// let context = Context::new();
    /// let display = context.socket::<Pull>()?;
    /// display.set_conflate(true)?;
    /// display.bind("inproc://temperature")?;
    /// let sensor = context.socket::<Push>()?;
    /// sensor.connect("inproc://temperature")?;
    /// for temperature in ["20.1", "20.3", "20.2"] {
    ///     sensor.send(temperature)?;
    /// }
    /// assert_eq!(display.recv()?[0], "20.2");
    /// assert_eq!(display.stats().dropped.conflated, 2);
    /// # Ok::<(), zsocket::Error>(())
    /// ```
    pub fn set_conflate(&self, value: bool) -> Result<(), Error> {
        self.with_core(|core| conflate(&mut core.options, core.state.socket_type(), value))
    }

    /// The value that [`set_conflate`](Self::set_conflate) sets.
    #[must_use]
    pub fn conflate(&self) -> bool {
        self.with_core(|core| core.options.conflate)
    }
}

/// An option of PULL and SUB. On a [`Dynamic`](crate::Dynamic) socket of another type it is [`Error::NotSupported`].
impl<P: CanConflateByTopic> Socket<P> {
    /// Whether only the latest message of each topic waits to be received, for each connection; a message's topic is its
    /// first frame, all of it. With this, topics are received in the order in which they came, each with its latest message,
    /// and what was said of messages in [`set_conflate`](Socket::set_conflate) holds for those of a topic. It goes before
    /// that option.
    ///
    /// The value is how many topics wait at most, at least 1. One more drops the message of the one that came first, which is
    /// counted ([`Dropped::crowded_out`](crate::Dropped::crowded_out)): peers may think of any number of them. Memory is what
    /// these messages take, for each connection. 10,000 is a number that serves most. Default `None`. For later
    /// endpoints. libzmq has no such option.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] for 0, [`Error::NotSupported`]; nothing has changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// use zsocket::{Context, Pull, Push};
    ///
    /// let context = Context::new();
    /// let display = context.socket::<Pull>()?;
    /// display.set_conflate_by_topic(Some(10_000))?;
    /// display.bind("inproc://weather")?;
    /// let sensors = context.socket::<Push>()?;
    /// sensors.connect("inproc://weather")?;
    /// sensors.send(["temperature", "20.1"])?;
    /// sensors.send(["pressure", "1013"])?;
    /// sensors.send(["temperature", "20.2"])?;
    /// assert_eq!(display.recv()?[1], "20.2");
    /// assert_eq!(display.recv()?[1], "1013");
    /// # Ok::<(), zsocket::Error>(())
    /// ```
    pub fn set_conflate_by_topic(&self, topics: Option<u32>) -> Result<(), Error> {
        self.with_core(|core| {
            conflate_by_topic(&mut core.options, core.state.socket_type(), topics)
        })
    }

    /// The value that [`set_conflate_by_topic`](Self::set_conflate_by_topic) sets.
    #[must_use]
    pub fn conflate_by_topic(&self) -> Option<u32> {
        self.with_core(|core| core.options.conflate_by_topic)
    }
}

impl<P: CanConflate> SocketBuilder<P> {
    /// Whether only the latest message waits: see [`Socket::set_conflate`].
    ///
    /// Whether the type has this option is checked by [`build`](Self::build).
    #[must_use]
    pub fn conflate(mut self, value: bool) -> Self {
        let socket_type = self.socket_type;
        self.set(|options| conflate(options, socket_type, value));
        self
    }
}

impl<P: CanConflateByTopic> SocketBuilder<P> {
    /// Whether only the latest message of each topic waits: see [`Socket::set_conflate_by_topic`].
    ///
    /// The value is checked by [`build`](Self::build).
    #[must_use]
    pub fn conflate_by_topic(mut self, topics: Option<u32>) -> Self {
        let socket_type = self.socket_type;
        self.set(|options| conflate_by_topic(options, socket_type, topics));
        self
    }
}
