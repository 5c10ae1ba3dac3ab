//! A message: one or more frames that travel together.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::iter::FusedIterator;
use core::ops::{Index, IndexMut};
use core::{array, slice};

use bytes::Bytes;

use crate::Frame;

/// One or more [`Frame`]s that are sent, routed and received as a unit.
///
/// A message of a single frame, the common case, lives in the value itself: no allocation when the
/// body is short. Anything that converts into a frame converts into a message, and arrays and
/// iterators of such things convert into a message of several frames.
///
/// A message under construction may hold no frame at all ([`Message::new`],
/// [`pop_front`](Self::pop_front) of the last frame, an empty array or iterator). There is no such
/// thing on the wire: wherever a message is sent, one without frames goes out as one empty frame,
/// which is what [`ensure_frame`](Self::ensure_frame) makes of it.
///
/// # Examples
///
/// ```
/// use zmtp::Message;
///
/// let single = Message::from("hello");
/// assert_eq!(single.len(), 1);
///
/// let mut request = Message::from(["service", "body"]);
/// request.push_front("");
/// assert_eq!(request.len(), 3);
/// assert_eq!(request[1], "service");
/// assert_eq!(request.byte_len(), 11);
///
/// let counted: Message = (1..=3).map(|n| n.to_string()).collect();
/// assert_eq!(counted, Message::from(["1", "2", "3"]));
/// ```
///
/// # Reuse
///
/// A receive loop fills one message again and again, frame by frame, and keeps the buffers that its
/// frames own:
///
/// ```
/// use zmtp::Message;
///
/// let mut message = Message::new();
/// for bodies in [&[&b"first"[..], b"second"][..], &[b"third"]] {
///     for (index, body) in bodies.iter().enumerate() {
///         message.reuse_frame(index).assign(body);
///     }
///     message.truncate(bodies.len());
/// }
/// assert_eq!(message, Message::from("third"));
/// ```
#[derive(Clone)]
pub struct Message(Repr);

/// The usual message is one frame, and costs neither an allocation nor more room than the frame
/// itself.
#[derive(Clone)]
enum Repr {
    One(Frame),
    Many(Vec<Frame>),
}

impl Message {
    /// Makes a message without frames.
    #[inline]
    #[must_use]
    pub const fn new() -> Self {
        Self(Repr::Many(Vec::new()))
    }

    /// Makes a message of one frame.
    #[inline]
    #[must_use]
    pub fn single(frame: impl Into<Frame>) -> Self {
        Self(Repr::One(frame.into()))
    }

    /// Makes a message without frames that has room for `frames` of them.
    #[must_use]
    pub fn with_capacity(frames: usize) -> Self {
        // A single frame needs no room.
        Self(Repr::Many(if frames > 1 {
            Vec::with_capacity(frames)
        } else {
            Vec::new()
        }))
    }

    /// The number of frames.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        match &self.0 {
            Repr::One(_) => 1,
            Repr::Many(frames) => frames.len(),
        }
    }

    /// Whether there is no frame. A message of one empty frame is not empty.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sum of the lengths of all bodies, in bytes.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.iter().map(|frame| frame.len()).sum()
    }

    /// The frames as a slice.
    #[inline]
    #[must_use]
    pub const fn frames(&self) -> &[Frame] {
        match &self.0 {
            Repr::One(frame) => slice::from_ref(frame),
            Repr::Many(frames) => frames.as_slice(),
        }
    }

    /// The frames as a slice for writing.
    #[inline]
    #[must_use]
    pub const fn frames_mut(&mut self) -> &mut [Frame] {
        match &mut self.0 {
            Repr::One(frame) => slice::from_mut(frame),
            Repr::Many(frames) => frames.as_mut_slice(),
        }
    }

    /// The frames in order.
    #[inline]
    pub fn iter(&self) -> slice::Iter<'_, Frame> {
        self.frames().iter()
    }

    /// The frames in order, for writing.
    #[inline]
    pub fn iter_mut(&mut self) -> slice::IterMut<'_, Frame> {
        self.frames_mut().iter_mut()
    }

    /// The frame at `index`, if there is one.
    #[inline]
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&Frame> {
        self.frames().get(index)
    }

    /// The first frame, if there is one.
    #[inline]
    #[must_use]
    pub fn first(&self) -> Option<&Frame> {
        self.frames().first()
    }

    /// The last frame, if there is one.
    #[inline]
    #[must_use]
    pub fn last(&self) -> Option<&Frame> {
        self.frames().last()
    }

    /// Appends a frame.
    #[inline]
    pub fn push_back(&mut self, frame: impl Into<Frame>) {
        let frame = frame.into();
        match &mut self.0 {
            Repr::Many(frames) if frames.capacity() == 0 => self.0 = Repr::One(frame),
            Repr::Many(frames) => frames.push(frame),
            Repr::One(_) => self.spill(|frames| frames.push(frame)),
        }
    }

    /// Puts a frame before the others, in time proportional to their number.
    pub fn push_front(&mut self, frame: impl Into<Frame>) {
        let frame = frame.into();
        match &mut self.0 {
            Repr::Many(frames) if frames.capacity() == 0 => self.0 = Repr::One(frame),
            Repr::Many(frames) => frames.insert(0, frame),
            Repr::One(_) => self.spill(|frames| frames.insert(0, frame)),
        }
    }

    /// Takes the last frame off.
    #[inline]
    pub fn pop_back(&mut self) -> Option<Frame> {
        match &mut self.0 {
            Repr::One(_) => self.take_only(),
            Repr::Many(frames) => frames.pop(),
        }
    }

    /// Takes the first frame off, in time proportional to the number of the others.
    #[inline]
    pub fn pop_front(&mut self) -> Option<Frame> {
        match &mut self.0 {
            Repr::One(_) => self.take_only(),
            Repr::Many(frames) if frames.is_empty() => None,
            Repr::Many(frames) => Some(frames.remove(0)),
        }
    }

    /// Takes the first `count` frames off, or all if there are fewer, in time proportional to the number
    /// of frames. What the caller does not take of them is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use zmtp::Message;
    ///
    /// let mut request = Message::from(["client", "", "body"]);
    /// let envelope: Vec<_> = request.drain_front(2).collect();
    /// assert_eq!(envelope, ["client", ""]);
    /// assert_eq!(request, Message::from("body"));
    /// ```
    pub fn drain_front(&mut self, count: usize) -> impl Iterator<Item = Frame> + '_ {
        let only = match &self.0 {
            Repr::One(_) if count > 0 => self.take_only(),
            _ => None,
        };
        let many = match &mut self.0 {
            Repr::Many(frames) => {
                let count = count.min(frames.len());
                Some(frames.drain(..count))
            }
            Repr::One(_) => None,
        };
        only.into_iter().chain(many.into_iter().flatten())
    }

    /// Takes the frame out of a message of exactly one frame.
    ///
    /// # Errors
    ///
    /// Hands the message back when it has another number of frames.
    ///
    /// # Examples
    ///
    /// ```
    /// use zmtp::Message;
    ///
    /// assert_eq!(Message::from("alone").into_single().unwrap(), "alone");
    /// assert!(Message::from(["a", "b"]).into_single().is_err());
    /// ```
    pub fn into_single(self) -> Result<Frame, Self> {
        match self.0 {
            Repr::One(frame) => Ok(frame),
            Repr::Many(mut frames) if frames.len() == 1 => Ok(frames.remove(0)),
            many @ Repr::Many(_) => Err(Self(many)),
        }
    }

    /// Drops all frames.
    #[inline]
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// Keeps the first `len` frames and drops the others.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        match &mut self.0 {
            Repr::One(_) if len == 0 => *self = Self::new(),
            Repr::One(_) => {}
            // The steady receive loop comes here with nothing to drop.
            Repr::Many(frames) if frames.len() <= len => {}
            Repr::Many(frames) => frames.truncate(len),
        }
    }

    /// Makes the number of frames `len`: the surplus is dropped, and what is missing is added as
    /// empty frames. Existing frames keep their bodies and buffers.
    pub fn resize_frames(&mut self, len: usize) {
        self.truncate(len);
        while self.len() < len {
            self.push_back(Frame::new());
        }
    }

    /// The frame at `index`, to be filled with [`Frame::assign`]; missing frames up to `index` are
    /// added, empty.
    ///
    /// The frame still has its old body. A loop that fills a message in place calls this for each
    /// index in turn and [`truncate`](Self::truncate) at the end.
    #[inline]
    pub fn reuse_frame(&mut self, index: usize) -> &mut Frame {
        if index >= self.len() {
            self.resize_frames(index + 1);
        }
        &mut self.frames_mut()[index]
    }

    /// Turns the message into a single frame with a copy of `body`, keeping the buffer of the first
    /// frame: the shortest way to receive a message of one frame in place.
    #[inline]
    pub fn assign_single(&mut self, body: &[u8]) {
        self.reuse_frame(0).assign(body);
        self.truncate(1);
    }

    /// Adds an empty frame if there is no frame, which makes the message fit to be sent.
    #[inline]
    pub fn ensure_frame(&mut self) {
        if self.is_empty() {
            self.push_back(Frame::new());
        }
    }

    /// Takes the only frame, leaving none.
    fn take_only(&mut self) -> Option<Frame> {
        core::mem::take(self).into_single().ok()
    }

    /// Moves the only frame into a vector, to be joined by another.
    fn spill(&mut self, join: impl FnOnce(&mut Vec<Frame>)) {
        let mut frames = Vec::with_capacity(4);
        frames.extend(self.take_only());
        join(&mut frames);
        self.0 = Repr::Many(frames);
    }
}

impl Default for Message {
    #[inline]
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.frames() == other.frames()
    }
}

impl Eq for Message {}

impl Hash for Message {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.frames().hash(state);
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Message")?;
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Index<usize> for Message {
    type Output = Frame;

    #[inline]
    fn index(&self, index: usize) -> &Frame {
        &self.frames()[index]
    }
}

impl IndexMut<usize> for Message {
    #[inline]
    fn index_mut(&mut self, index: usize) -> &mut Frame {
        &mut self.frames_mut()[index]
    }
}

impl<F: Into<Frame>> Extend<F> for Message {
    fn extend<I: IntoIterator<Item = F>>(&mut self, frames: I) {
        for frame in frames {
            self.push_back(frame);
        }
    }
}

impl<F: Into<Frame>> FromIterator<F> for Message {
    fn from_iter<I: IntoIterator<Item = F>>(frames: I) -> Self {
        let mut message = Self::new();
        message.extend(frames);
        message
    }
}

/// The frames of a message by value, in order. Made by [`Message::into_iter`].
#[derive(Debug)]
pub struct IntoIter(IntoIterRepr);

#[derive(Debug)]
enum IntoIterRepr {
    One(array::IntoIter<Frame, 1>),
    Many(vec::IntoIter<Frame>),
}

impl Iterator for IntoIter {
    type Item = Frame;

    #[inline]
    fn next(&mut self) -> Option<Frame> {
        match &mut self.0 {
            IntoIterRepr::One(frames) => frames.next(),
            IntoIterRepr::Many(frames) => frames.next(),
        }
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            IntoIterRepr::One(frames) => frames.size_hint(),
            IntoIterRepr::Many(frames) => frames.size_hint(),
        }
    }
}

impl DoubleEndedIterator for IntoIter {
    #[inline]
    fn next_back(&mut self) -> Option<Frame> {
        match &mut self.0 {
            IntoIterRepr::One(frames) => frames.next_back(),
            IntoIterRepr::Many(frames) => frames.next_back(),
        }
    }
}

impl ExactSizeIterator for IntoIter {}

impl FusedIterator for IntoIter {}

impl IntoIterator for Message {
    type Item = Frame;
    type IntoIter = IntoIter;

    #[inline]
    fn into_iter(self) -> IntoIter {
        IntoIter(match self.0 {
            Repr::One(frame) => IntoIterRepr::One([frame].into_iter()),
            Repr::Many(frames) => IntoIterRepr::Many(frames.into_iter()),
        })
    }
}

impl<'a> IntoIterator for &'a Message {
    type Item = &'a Frame;
    type IntoIter = slice::Iter<'a, Frame>;

    #[inline]
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a> IntoIterator for &'a mut Message {
    type Item = &'a mut Frame;
    type IntoIter = slice::IterMut<'a, Frame>;

    #[inline]
    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

macro_rules! single_frame_from {
    ($($(#[$meta:meta])* [$($generics:tt)*] $from:ty;)*) => {$(
        impl<$($generics)*> From<$from> for Message {
            /// Makes a message of one frame.
            #[inline]
            fn from(body: $from) -> Self {
                Self::single(body)
            }
        }
    )*};
}

single_frame_from! {
    [] Frame;
    [] &Frame;
    [] &str;
    [] String;
    [] &String;
    [] Vec<u8>;
    [] &Vec<u8>;
    [] Bytes;
    [const N: usize] &[u8; N];
}

impl From<&[u8]> for Message {
    /// Makes a message of one frame.
    #[inline]
    fn from(body: &[u8]) -> Self {
        // Filled in its place, see `Frame::copy_from_slice`.
        let mut message = Self(Repr::One(Frame::new()));
        if let Repr::One(frame) = &mut message.0 {
            frame.assign(body);
        }
        message
    }
}

impl<F: Into<Frame>, const N: usize> From<[F; N]> for Message {
    /// Makes a message of `N` frames.
    fn from(frames: [F; N]) -> Self {
        frames.into_iter().collect()
    }
}

impl From<Vec<Frame>> for Message {
    /// Makes a message of these frames, taking over the vector.
    fn from(frames: Vec<Frame>) -> Self {
        Self(Repr::Many(frames))
    }
}

impl From<&[Frame]> for Message {
    /// Makes a message of clones of these frames.
    fn from(frames: &[Frame]) -> Self {
        frames.iter().collect()
    }
}

impl From<&Self> for Message {
    /// Clones the message.
    fn from(message: &Self) -> Self {
        message.clone()
    }
}

impl From<Message> for Vec<Frame> {
    fn from(message: Message) -> Self {
        match message.0 {
            Repr::One(frame) => vec![frame],
            Repr::Many(frames) => frames,
        }
    }
}

macro_rules! single_frame_eq {
    ($([$($generics:tt)*] $other:ty;)*) => {$(
        impl<$($generics)*> PartialEq<$other> for Message {
            /// Whether the message is one frame with this body.
            fn eq(&self, other: &$other) -> bool {
                matches!(self.frames(), [only] if only == other)
            }
        }
    )*};
}

single_frame_eq! {
    [] str;
    [] &str;
    [] [u8];
    [] &[u8];
    [const N: usize] [u8; N];
    [const N: usize] &[u8; N];
    [] Vec<u8>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_no_larger_than_a_frame() {
        assert_eq!(size_of::<Message>(), size_of::<Frame>());
    }

    #[test]
    fn every_conversion_gives_the_frames_it_names() {
        assert_eq!(Message::from("a"), "a");
        assert_eq!(Message::from(String::from("a")), "a");
        assert_eq!(Message::from(&b"ab"[..]), b"ab");
        assert_eq!(Message::from(b"ab"), b"ab");
        assert_eq!(Message::from(vec![1u8, 2]), [1, 2]);
        assert_eq!(Message::from(Bytes::from_static(b"xyz")), "xyz");
        assert_eq!(Message::from(Frame::from("f")), "f");
        assert_eq!(Message::from(["a", "b"]).len(), 2);
        assert_eq!(Message::from([vec![0u8; 100], vec![]]).byte_len(), 100);
        assert_eq!(Message::from([Frame::from("a"), Frame::from("b")])[1], "b");
        assert_eq!(
            Message::from(vec![Frame::from("a"), Frame::from("b")]).len(),
            2
        );
        assert_eq!(
            ["a", "b", "c"].iter().copied().collect::<Message>().len(),
            3
        );
        assert_ne!(Message::from(["a", "a"]), "a");
    }

    #[test]
    fn works_as_a_double_ended_list() {
        let mut message = Message::new();
        assert!(message.is_empty());
        message.push_back("b");
        message.push_back("c");
        message.push_front("a");
        assert_eq!(message, Message::from(["a", "b", "c"]));
        assert_eq!(message.first().unwrap(), "a");
        assert_eq!(message.last().unwrap(), "c");
        assert_eq!(message.pop_front().unwrap(), "a");
        assert_eq!(message.pop_back().unwrap(), "c");
        assert_eq!(message.pop_front().unwrap(), "b");
        assert_eq!(message.pop_front(), None);
        message.ensure_frame();
        message.ensure_frame();
        assert_eq!(message, "");
    }

    #[test]
    fn frames_are_taken_off_the_front() {
        for len in 0..5 {
            for count in 0..7 {
                let all: Vec<Frame> = (0..len).map(|n| Frame::from(n.to_string())).collect();
                let mut message: Message = all.iter().cloned().collect();
                let taken: Vec<_> = message.drain_front(count).collect();
                let split = count.min(len);
                assert_eq!(taken, all[..split]);
                assert_eq!(message.frames(), &all[split..]);
            }
        }
        // What is not taken is gone all the same.
        let mut message = Message::from(["a", "b", "c"]);
        assert_eq!(message.drain_front(2).next().unwrap(), "a");
        assert_eq!(message, Message::from("c"));
        let mut message = Message::from("a");
        drop(message.drain_front(1));
        assert!(message.is_empty());
    }

    #[test]
    fn by_value_iteration_goes_both_ways() {
        let mut frames = Message::from(["a", "b", "c"]).into_iter();
        assert_eq!(frames.len(), 3);
        assert_eq!(frames.next_back().unwrap(), "c");
        assert_eq!(frames.next().unwrap(), "a");
        assert_eq!(frames.next().unwrap(), "b");
        assert_eq!(frames.next(), None);
    }

    #[test]
    fn filling_in_place_keeps_the_buffers() {
        let mut message = Message::from([vec![1u8; 500], vec![2u8; 500]]);
        let addresses: Vec<_> = message.iter().map(|frame| frame.as_ptr()).collect();
        message.reuse_frame(0).assign(&[3; 400]);
        message.reuse_frame(1).assign(&[4; 10]);
        message.truncate(2);
        assert_eq!(message[0], vec![3; 400]);
        assert_eq!(message[1], [4; 10]);
        let after: Vec<_> = message.iter().map(|frame| frame.as_ptr()).collect();
        assert_eq!(addresses, after);
        message.assign_single(b"one");
        assert_eq!(message, b"one");
        assert_eq!(message[0].as_ptr(), addresses[0]);
        message.reuse_frame(2).assign(b"three");
        assert_eq!(message, Message::from(["one", "", "three"]));
    }

    #[test]
    fn into_single_hands_other_messages_back() {
        assert_eq!(Message::from("x").into_single().unwrap(), "x");
        assert_eq!(Message::new().into_single().unwrap_err(), Message::new());
        let two = Message::from(["x", "y"]);
        assert_eq!(two.clone().into_single().unwrap_err(), two);
    }
}
