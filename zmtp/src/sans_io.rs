//! What a driver needs of a connection, whatever it runs over.

use std::time::Instant;

use bytes::Bytes;

#[cfg(feature = "zap")]
use crate::zap;
use crate::{Command, Connection, Error, Event, Message, Peer, SendError};

/// A connection without I/O, whatever it runs over: a [`Connection`] or a
/// [`zws::Connection`](crate::zws::Connection).
///
/// Whoever owns the socket, the driver, is the same for both, and is written once: over this trait, which
/// can be a trait object too. The types have methods of the same names, which say more about each.
///
/// The trait is implemented here only, so methods may be added to it.
///
/// # Examples
///
/// One turn of a driver:
///
/// ```
/// use std::io::{self, IoSlice, Read, Write};
/// use std::time::Instant;
///
/// use zmtp::{Event, SansIo};
///
/// /// Writes what there is to write, reads once, and shows what has happened.
/// fn turn(
///     connection: &mut dyn SansIo,
///     stream: &mut (impl Read + Write),
///     on_event: &mut dyn FnMut(Event),
/// ) -> io::Result<()> {
///     while connection.wants_write() {
///         let mut pieces = [&[][..]; 16];
///         let filled = connection.transmit_slices(&mut pieces);
///         let slices = pieces.map(IoSlice::new);
///         let written = stream.write_vectored(&slices[..filled])?;
///         connection.advance_transmit(written);
///     }
///     let mut buffer = [0; 8192];
///     let len = stream.read(&mut buffer)?;
///     let mut input = &buffer[..len];
///     while !input.is_empty() {
///         let used = connection.handle_input(input, Instant::now()).map_err(io::Error::other)?;
///         input = &input[used..];
///         while let Some(event) = connection.poll_event() {
///             on_event(event);
///         }
///         // While a ZAP handler thinks, a program keeps the rest of the input instead.
///         assert!(used > 0 || connection.wants_input());
///     }
///     Ok(())
/// }
/// # struct Stream(Vec<u8>);
/// # impl Read for Stream {
/// #     fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
/// #         (&b"\xff\0\0\0\0\0\0\0\x01\x7f\x03"[..]).read(buffer)
/// #     }
/// # }
/// # impl Write for Stream {
/// #     fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
/// #         self.0.write(bytes)
/// #     }
/// #     fn flush(&mut self) -> io::Result<()> {
/// #         Ok(())
/// #     }
/// # }
/// # let config = zmtp::HandshakeConfig::new(zmtp::SocketType::Push);
/// # let mut stream = Stream(Vec::new());
/// # let mut connection = zmtp::Connection::new(config, Instant::now());
/// # turn(&mut connection, &mut stream, &mut |_| {})?;
/// # turn(&mut connection, &mut stream, &mut |_| {})?;
/// # assert_eq!(stream.0.len(), 64);
/// # Ok::<(), io::Error>(())
/// ```
pub trait SansIo: sealed::Sealed {
    /// Takes bytes that the peer sent, and returns how many of them it has consumed; see
    /// [`Connection::handle_input`].
    ///
    /// # Errors
    ///
    /// Why the connection failed; [`Error::Closed`] when it had failed before.
    fn handle_input(&mut self, input: &[u8], now: Instant) -> Result<usize, Error>;

    /// Does what is due at `now`; see [`Connection::handle_timeout`].
    ///
    /// # Errors
    ///
    /// Which time is over; [`Error::Closed`] when the connection had failed before.
    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error>;

    /// Takes the answer to [`Event::Authenticate`]; see [`Connection::handle_zap`].
    ///
    /// # Errors
    ///
    /// Why the peer is refused; [`Error::UnexpectedZapAnswer`] when nothing was asked.
    #[cfg(feature = "zap")]
    fn handle_zap(&mut self, answer: zap::Answer, now: Instant) -> Result<(), Error>;

    /// When [`handle_timeout`](Self::handle_timeout) has to be called next, if ever.
    fn poll_timeout(&self) -> Option<Instant>;

    /// Whether input would be consumed now.
    fn wants_input(&self) -> bool;

    /// Whether there is anything to be written to the peer.
    fn wants_write(&self) -> bool;

    /// How many bytes wait to be written to the peer, at least.
    fn unsent_bytes(&self) -> usize;

    /// Takes the next event.
    fn poll_event(&mut self) -> Option<Event>;

    /// Takes the next bytes to be written to the peer, all of them and in order.
    fn poll_transmit(&mut self) -> Option<Bytes>;

    /// Shows the next bytes to be written to the peer in pieces for a vectored write, and returns how
    /// many of `slices` are filled. What was written is taken by
    /// [`advance_transmit`](Self::advance_transmit).
    fn transmit_slices<'a>(&'a mut self, slices: &mut [&'a [u8]]) -> usize;

    /// Copies the next bytes to be written to the peer into `buffer`, as many as fit, and returns how
    /// many these are. They count as sent.
    fn transmit_into(&mut self, buffer: &mut [u8]) -> usize {
        let mut copied = 0;
        while copied < buffer.len() {
            let mut next = [&[][..]];
            if self.transmit_slices(&mut next) == 0 {
                break;
            }
            let len = next[0].len().min(buffer.len() - copied);
            buffer[copied..copied + len].copy_from_slice(&next[0][..len]);
            self.advance_transmit(len);
            copied += len;
        }
        copied
    }

    /// Tells that the first `len` bytes that [`transmit_slices`](Self::transmit_slices) showed are
    /// written.
    ///
    /// # Panics
    ///
    /// When there were not so many.
    fn advance_transmit(&mut self, len: usize);

    /// Sends a message; see [`Connection::send`].
    ///
    /// # Errors
    ///
    /// Hands the message back when the connection is closed.
    fn send(&mut self, message: Message) -> Result<(), SendError>;

    /// Takes the messages that are still waiting for the handshake, in order.
    fn take_unsent(&mut self) -> Vec<Message>;

    /// Sends a command; see [`Connection::send_command`].
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] when the connection is closed; those of [`Command::check`].
    fn send_command(&mut self, command: Command<'_>) -> Result<(), Error>;

    /// Subscribes to a topic; see [`Connection::subscribe`].
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] when the connection is closed.
    fn subscribe(&mut self, topic: Bytes) -> Result<(), Error>;

    /// Takes a subscription back; see [`Connection::cancel`].
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] when the connection is closed.
    fn cancel(&mut self, topic: Bytes) -> Result<(), Error>;

    /// Says good-bye behind everything that was sent, where there is a word for it: over WebSocket, see
    /// [`zws::Connection::close`](crate::zws::Connection::close). A stream of bytes has none but its end,
    /// so there this does nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] when the connection is closed.
    fn close(&mut self) -> Result<(), Error>;

    /// Who the peer is, once the handshake is complete.
    fn peer(&self) -> Option<&Peer>;

    /// Why the connection failed, if it did.
    fn error(&self) -> Option<&Error>;
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for crate::Connection {}

    #[cfg(feature = "ws")]
    impl Sealed for crate::zws::Connection {}
}

/// Passes on to the methods of the same name.
macro_rules! pass_on {
    ($connection:ty) => {
        fn handle_input(&mut self, input: &[u8], now: Instant) -> Result<usize, Error> {
            <$connection>::handle_input(self, input, now)
        }

        fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
            <$connection>::handle_timeout(self, now)
        }

        #[cfg(feature = "zap")]
        fn handle_zap(&mut self, answer: zap::Answer, now: Instant) -> Result<(), Error> {
            <$connection>::handle_zap(self, answer, now)
        }

        fn poll_timeout(&self) -> Option<Instant> {
            <$connection>::poll_timeout(self)
        }

        fn wants_input(&self) -> bool {
            <$connection>::wants_input(self)
        }

        fn wants_write(&self) -> bool {
            <$connection>::wants_write(self)
        }

        fn unsent_bytes(&self) -> usize {
            <$connection>::unsent_bytes(self)
        }

        fn poll_event(&mut self) -> Option<Event> {
            <$connection>::poll_event(self)
        }

        fn poll_transmit(&mut self) -> Option<Bytes> {
            <$connection>::poll_transmit(self)
        }

        fn transmit_slices<'a>(&'a mut self, slices: &mut [&'a [u8]]) -> usize {
            <$connection>::transmit_slices(self, slices)
        }

        fn advance_transmit(&mut self, len: usize) {
            <$connection>::advance_transmit(self, len);
        }

        fn send(&mut self, message: Message) -> Result<(), SendError> {
            <$connection>::send(self, message)
        }

        fn take_unsent(&mut self) -> Vec<Message> {
            <$connection>::take_unsent(self)
        }

        fn send_command(&mut self, command: Command<'_>) -> Result<(), Error> {
            <$connection>::send_command(self, command)
        }

        fn subscribe(&mut self, topic: Bytes) -> Result<(), Error> {
            <$connection>::subscribe(self, topic)
        }

        fn cancel(&mut self, topic: Bytes) -> Result<(), Error> {
            <$connection>::cancel(self, topic)
        }

        fn peer(&self) -> Option<&Peer> {
            <$connection>::peer(self)
        }

        fn error(&self) -> Option<&Error> {
            <$connection>::error(self)
        }
    };
}

impl SansIo for Connection {
    pass_on!(Self);

    fn close(&mut self) -> Result<(), Error> {
        match Self::error(self) {
            Some(_) => Err(Error::Closed),
            None => Ok(()),
        }
    }
}

#[cfg(feature = "ws")]
impl SansIo for crate::zws::Connection {
    pass_on!(Self);

    fn close(&mut self) -> Result<(), Error> {
        Self::close(self)
    }
}
