//! How much may wait to be sent and received, and whether everything does.

use super::macros::{common, given, zmq};
use super::{ALL_TYPES, CONFLATING, CONFLATING_BY_TOPIC};

common! {
    /// How much may wait.
    QUEUES for Pattern ALL_TYPES {
        /// High-water mark for sending, per connection, in messages; 0 is unlimited. Default 1000.
        /// Reaches existing connections at once, except inproc. `ZMQ_SNDHWM`.
        SEND_HWM = send_hwm / set_send_hwm / send_hwm: u32,
        zmq "ZMQ_SNDHWM" 23,
        when AtOnce then Marks,
        at |options| options.transport.send_hwm;

        /// High-water mark for receiving, per connection, in messages; 0 is unlimited. Default 1000.
        /// Reaches existing connections at once, except inproc. `ZMQ_RCVHWM`.
        RECV_HWM = recv_hwm / set_recv_hwm / recv_hwm: u32,
        zmq "ZMQ_RCVHWM" 24,
        when AtOnce then Marks,
        at |options| options.transport.recv_hwm;

        /// How many messages of peers whose connections are gone wait to be received, of all such peers
        /// together. Each connection has a mark of its own, but there is no end to peers that connect, send
        /// and go while nobody receives. When there are more, those of the oldest connection are dropped and
        /// counted ([`Dropped::departed`](crate::Dropped::departed)); those of the newest never are, however
        /// many it has left. While the application makes no call on the socket, as many again may wait from
        /// peers that came since its last call. 0 is unlimited. Default 1,000,000, which is what a thousand peers
        /// leave that go with their pipes full. Not for peers over inproc that come and go between two calls.
        /// libzmq keeps all of them. For later endpoints, and at once for what the socket has taken in. See also
        /// [`set_departed_bytes`](crate::Socket::set_departed_bytes).
        DEPARTED_HWM = departed_hwm / set_departed_hwm / departed_hwm: u32,
        when AtOnce then Departed,
        at |options| options.departed_hwm;

        /// The same as [`set_departed_hwm`](crate::Socket::set_departed_hwm) in bytes: how many bytes these
        /// messages may have together, headers of frames included, before those of the oldest connection are
        /// dropped. Whichever limit is reached first counts. Each connection that has left a message counts
        /// 8 KiB beside. 0 is unlimited. Default 1 GiB.
        DEPARTED_BYTES = departed_bytes / set_departed_bytes / departed_bytes: u64,
        when AtOnce then Departed,
        at |options| options.transport.departed.bytes;

        /// Whether messages are queued only for connections that are established, so that none waits for
        /// a peer that may never come. Default false. For later endpoints. `ZMQ_IMMEDIATE`.
        IMMEDIATE = immediate / set_immediate / immediate: bool,
        zmq "ZMQ_IMMEDIATE" 39,
        when LaterEndpoints,
        at |options| options.transport.immediate;

        /// How many connections in a row a peer may end while the same message is being sent to it, until that
        /// message is given up. A peer for whom a message is too large, or has too many frames, can only end the
        /// connection; the message would be sent again on the next one, for ever, and nothing behind it would ever
        /// arrive. A message that is given up is counted ([`Dropped::refused`](crate::Dropped::refused)), reported
        /// ([`Event::MessageRefused`](crate::Event::MessageRefused)), and for REQ an error
        /// ([`Error::PeerLost`](crate::Error::PeerLost)). Only established connections that the peer ended count, not
        /// a lost network or a time-out; a peer that crashes looks like one that refuses. Default 2; 0 never gives a
        /// message up. Concerns connecting sockets that keep what is queued. libzmq loses whatever was being sent at
        /// the first connection that ends. For later endpoints.
        MAX_REFUSALS = max_refusals / set_max_refusals / max_refusals: u32,
        when LaterEndpoints,
        at |options| options.transport.max_refusals;
    }
}

common! {
    /// An option of PUSH, PULL, PUB, SUB and DEALER. On a [`Dynamic`](crate::Dynamic) socket of another type it is
    /// [`InvalidOption::NotOfType`](crate::InvalidOption::NotOfType).
    CONFLATE for CanConflate CONFLATING {
        /// Whether only the latest message waits: for each connection, and each direction in which the socket moves
        /// messages, one that was not sent or not received yet is replaced by the next. That is counted
        /// ([`Dropped::conflated`](crate::Dropped::conflated)). The high-water marks do not matter then: sending
        /// never waits for a connection that is there, and a peer that sends is never held up by this end. Default
        /// false. For later endpoints. `ZMQ_CONFLATE`.
        ///
        /// The last message is never missed, and messages of several frames are replaced and kept whole. (libzmq
        /// loses the last value if the reader looks just when it is written, and replaces single frames.) Several
        /// messages may be on their way all the same, one in each pipe and as many as the operating systems buffer:
        /// whoever sends faster than the peer reads and wants the peer to be up to date sets it on that side. Over
        /// inproc it is enough if either side asks. What peers subscribe to is no message in this sense, and is not
        /// replaced. (libzmq forgets all subscriptions but the last.)
        ///
        /// A SUB takes the latest of what its publishers send. These filter, except those of ZMTP 1.0, so with such a
        /// publisher it may be one that the SUB has not subscribed to, and that is dropped.
        CONFLATE = conflate / set_conflate / conflate: bool,
        zmq "ZMQ_CONFLATE" 54,
        when LaterEndpoints,
        at |options| options.conflate,
        example {
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
        };
    }
}

common! {
    /// An option of PULL and SUB. On a [`Dynamic`](crate::Dynamic) socket of another type it is
    /// [`InvalidOption::NotOfType`](crate::InvalidOption::NotOfType).
    CONFLATE_BY_TOPIC for CanConflateByTopic CONFLATING_BY_TOPIC {
        /// Whether only the latest message of each topic waits to be received, for each connection; a message's topic
        /// is its first frame, all of it. With this, topics are received in the order in which they came, each with
        /// its latest message, and what was said of messages in [`set_conflate`](crate::Socket::set_conflate) holds
        /// for those of a topic. It goes before that option.
        ///
        /// The value is how many topics wait at most, at least 1. One more drops the message of the one that came
        /// first, which is counted ([`Dropped::crowded_out`](crate::Dropped::crowded_out)): peers may think of any
        /// number of them. Memory is what these messages take, for each connection. 10,000 is a number that serves
        /// most. Default `None`. For later endpoints. libzmq has no such option.
        CONFLATE_BY_TOPIC = conflate_by_topic / set_conflate_by_topic / conflate_by_topic: Option<u32>,
        when LaterEndpoints,
        at |options| options.conflate_by_topic,
        check |value| (*value != Some(0)) => "none or at least 1 topic",
        example {
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
        };
    }
}
