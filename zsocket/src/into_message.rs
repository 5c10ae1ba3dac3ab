//! What can be sent.

use std::borrow::Cow;

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

impl<const N: usize> IntoMessage for [u8; N] {
    const COPIES: bool = true;

    #[inline]
    fn into_message(self) -> Message {
        Message::from(Frame::from(self))
    }

    #[inline]
    fn body(&self) -> Option<&[u8]> {
        Some(self)
    }
}

/// What can be one frame of several: see [`IntoMessage`], which arrays, vectors, slices and tuples of such have. For a type of
/// your own:
///
/// ```
/// use zsocket::{Frame, IntoFrame, IntoMessage};
///
/// struct Celsius(f32);
///
/// impl IntoFrame for Celsius {
///     fn into_frame(self) -> Frame {
///         Frame::from(self.0.to_string())
///     }
/// }
///
/// let message = ("weather", Celsius(21.5)).into_message();
/// assert_eq!((&message[0], &message[1]), (&"weather".into(), &"21.5".into()));
/// ```
pub trait IntoFrame {
    /// Makes the frame.
    fn into_frame(self) -> Frame;
}

macro_rules! frames {
    ($([$($generics:tt)*] $from:ty;)*) => {$(
        impl<$($generics)*> IntoFrame for $from {
            #[inline]
            fn into_frame(self) -> Frame {
                Frame::from(self)
            }
        }
    )*};
}

frames! {
    [] Frame;
    [] &Frame;
    [] Bytes;
    [] Vec<u8>;
    [] &Vec<u8>;
    [] &[u8];
    [const N: usize] [u8; N];
    [const N: usize] &[u8; N];
    [] String;
    [] &String;
    [] &str;
}

/// Texts and buffers that become one that is a frame. Copied if they are lent, taken over if not.
macro_rules! owned {
    ($($from:ty as $shown:ty, $own:ident;)*) => {$(
        impl IntoMessage for $from {
            #[inline]
            fn into_message(self) -> Message {
                Message::from(self.into_frame())
            }

            #[inline]
            fn body(&self) -> Option<&[u8]> {
                let shown: &$shown = self;
                Some(shown.as_ref())
            }
        }

        impl IntoFrame for $from {
            #[inline]
            fn into_frame(self) -> Frame {
                Frame::from(self.$own())
            }
        }
    )*};
}

owned! {
    Box<[u8]> as [u8], into_vec;
    Box<str> as str, into_string;
    Cow<'_, [u8]> as [u8], into_owned;
    Cow<'_, str> as str, into_owned;
}

fn collect(frames: impl IntoIterator<Item: IntoFrame>) -> Message {
    frames.into_iter().map(IntoFrame::into_frame).collect()
}

impl<F: IntoFrame, const N: usize> IntoMessage for [F; N] {
    #[inline]
    fn into_message(self) -> Message {
        collect(self)
    }
}

impl<F: IntoFrame> IntoMessage for Vec<F> {
    #[inline]
    fn into_message(self) -> Message {
        collect(self)
    }
}

impl<F: IntoFrame + Clone> IntoMessage for &[F] {
    #[inline]
    fn into_message(self) -> Message {
        collect(self.iter().cloned())
    }
}

impl<F: IntoFrame + Clone, const N: usize> IntoMessage for &[F; N] {
    #[inline]
    fn into_message(self) -> Message {
        collect(self.iter().cloned())
    }
}

impl<F: IntoFrame + Clone> IntoMessage for &Vec<F> {
    #[inline]
    fn into_message(self) -> Message {
        collect(self.iter().cloned())
    }
}

/// One frame each, of whatever types.
macro_rules! tuples {
    ($(($($member:ident)*))*) => {$(
        impl<$($member: IntoFrame),*> IntoMessage for ($($member,)*) {
            #[expect(non_snake_case, reason = "named as their types")]
            #[inline]
            fn into_message(self) -> Message {
                let ($($member,)*) = self;
                collect([$($member.into_frame()),*])
            }
        }
    )*};
}

tuples! {
    (A)
    (A B)
    (A B C)
    (A B C D)
    (A B C D E)
    (A B C D E F)
    (A B C D E F G)
    (A B C D E F G H)
}

impl IntoMessage for &Message {
    #[inline]
    fn into_message(self) -> Message {
        Message::from(self)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(message: impl IntoMessage) -> Vec<Vec<u8>> {
        let message = message.into_message();
        message
            .frames()
            .iter()
            .map(|frame| frame.to_vec())
            .collect()
    }

    #[test]
    fn what_is_at_hand_can_be_sent() {
        let one = [b"one".to_vec()];
        assert_eq!(frames(*b"one"), one);
        assert_eq!(frames(b"one"), one);
        assert_eq!(frames(Cow::from("one")), one);
        assert_eq!(frames(Cow::<str>::from("one".to_owned())), one);
        assert_eq!(frames(Cow::from(&b"one"[..])), one);
        assert_eq!(frames(Box::<[u8]>::from(*b"one")), one);
        assert_eq!(frames(Box::<str>::from("one")), one);

        let two = [b"one".to_vec(), b"two".to_vec()];
        assert_eq!(frames(two.clone()), two);
        assert_eq!(frames(&two), two);
        assert_eq!(frames(two.to_vec()), two);
        assert_eq!(frames(vec!["one", "two"]), two);
        assert_eq!(frames(vec!["one".to_owned(), "two".to_owned()]), two);
        assert_eq!(frames(vec![Bytes::from("one"), Bytes::from("two")]), two);
        let vector = vec![Frame::from("one"), Frame::from("two")];
        assert_eq!(frames(&vector), two);
        assert_eq!(frames(vector), two);
        assert_eq!(frames(&[&b"one"[..], &b"two"[..]][..]), two);
        assert_eq!(frames([*b"one", *b"two"]), two);
        assert_eq!(frames(("one", b"two")), two);
        assert_eq!(frames((Cow::from("one"), Bytes::from("two"))), two);
        assert_eq!(
            frames((Box::<str>::from("one"), Cow::from(&b"two"[..]))),
            two
        );
        let eight = frames(("a", 1_u8.to_be_bytes(), "c", "d", "e", "f", "g", vec![8]));
        assert_eq!((eight.len(), &eight[1], &eight[7]), (8, &vec![1], &vec![8]));
        assert!(frames(Vec::<&str>::new()).is_empty());
    }

    #[test]
    fn a_single_body_is_shown_so_that_it_need_not_become_a_message() {
        assert_eq!(b"one".body(), Some(&b"one"[..]));
        assert_eq!(Cow::from("one").body(), Some(&b"one"[..]));
        assert_eq!(Box::<str>::from("one").body(), Some(&b"one"[..]));
        assert_eq!(Box::<[u8]>::from(*b"one").body(), Some(&b"one"[..]));
        assert_eq!(["one"].body(), None);
    }
}
