//! What can be sent.

use bytes::Bytes;
use zmtp::{Frame, Message};

/// What [`send`](crate::Socket::send) takes: anything that converts into a [`Message`].
///
/// It is a trait of its own, rather than `Into<Message>`, for the sake of the shortest way: a body that
/// is there as a slice is copied into the pipe from where it lies, and becomes a `Message` only if it
/// has to wait. To send a type of your own, say how it converts:
///
/// ```
/// use zsocket::{Context, IntoMessage, Message, Pull, Push};
///
/// struct Celsius(f32);
///
/// impl IntoMessage for Celsius {
///     fn into_message(self) -> Message {
///         Message::from(["celsius".to_owned(), self.0.to_string()])
///     }
/// }
///
/// let context = Context::new();
/// let (pull, push) = (context.socket::<Pull>()?, context.socket::<Push>()?);
/// pull.bind("inproc://weather")?;
/// push.connect("inproc://weather")?;
/// push.send(Celsius(21.5))?;
/// assert_eq!(pull.recv()?[1], "21.5");
/// # Ok::<(), zsocket::Error>(())
/// ```
pub trait IntoMessage: Sized {
    /// Whether making the message copies the body that [`body`](Self::body) shows. Then the body is as
    /// well copied to where the peer takes it from, up to a size where that is no gain any more; a body of
    /// which the message would take over the buffer is copied only if it is small. The default is `false`.
    const COPIES: bool = false;

    /// Makes the message.
    fn into_message(self) -> Message;

    /// The body, if the message has one frame, so that it can be copied without making the message if
    /// it is small. The default is `None`, which is always right.
    #[inline]
    fn body(&self) -> Option<&[u8]> {
        None
    }
}

/// Types that are one frame.
macro_rules! single {
    ($copies:literal: $([$($generics:tt)*] $from:ty;)*) => {$(
        impl<$($generics)*> IntoMessage for $from {
            const COPIES: bool = $copies;

            #[inline]
            fn into_message(self) -> Message {
                Message::from(self)
            }

            #[inline]
            fn body(&self) -> Option<&[u8]> {
                Some(self.as_ref())
            }
        }
    )*};
}

single! {
    true:
    [] &[u8];
    [] &str;
    [] &String;
    [] &Vec<u8>;
    [const N: usize] &[u8; N];
}

single! {
    false:
    [] String;
    [] Vec<u8>;
    [] Bytes;
    [] Frame;
}

/// Types that are messages already, or make several frames.
macro_rules! converted {
    ($([$($generics:tt)*] $from:ty;)*) => {$(
        impl<$($generics)*> IntoMessage for $from {
            #[inline]
            fn into_message(self) -> Message {
                Message::from(self)
            }
        }
    )*};
}

converted! {
    [] &Message;
    [] Vec<Frame>;
    [] &[Frame];
    [F: Into<Frame>, const N: usize] [F; N];
}

impl IntoMessage for Message {
    #[inline]
    fn into_message(self) -> Message {
        self
    }

    #[inline]
    fn body(&self) -> Option<&[u8]> {
        match self.frames() {
            [only] => Some(only),
            _ => None,
        }
    }
}
