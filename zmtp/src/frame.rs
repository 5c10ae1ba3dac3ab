//! One frame: a body of bytes, kept where it is cheapest.

use alloc::string::String;
use alloc::vec::Vec;
use core::borrow::Borrow;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::ops::Deref;
use core::str::Utf8Error;

use bytes::Bytes;

/// One frame of a message: an opaque body of bytes.
///
/// A body of up to [`Frame::INLINE_CAPACITY`] bytes that is copied in lives inside the value itself
/// and costs no allocation. A `Vec<u8>` or a `String` is taken over as it is, and so is a [`Bytes`]
/// handle, whose clones share one buffer. A frame dereferences to `[u8]`; two frames are equal when
/// their bodies are, however they are stored.
///
/// Whether more frames follow is not a property of the frame: the order inside a
/// [`Message`](crate::Message) says so.
///
/// # Examples
///
/// ```
/// use zmtp::Frame;
///
/// let mut frame = Frame::from("hello");
/// assert_eq!(frame.len(), 5);
/// assert_eq!(frame, "hello");
///
/// frame.assign(b"a receive loop reuses the same frame again and again");
/// assert_eq!(frame.as_str(), Ok("a receive loop reuses the same frame again and again"));
/// ```
pub struct Frame(Repr);

enum Repr {
    Inline {
        len: u8,
        buf: [u8; Frame::INLINE_CAPACITY],
    },
    Owned(Vec<u8>),
    Shared(Bytes),
}

impl Frame {
    /// The longest body, in bytes, that is stored without an allocation.
    ///
    /// With the tag and the length byte it makes a frame 72 bytes, a multiple of the word size.
    pub const INLINE_CAPACITY: usize = 70;

    /// Makes a frame with an empty body.
    #[inline]
    #[must_use]
    pub const fn new() -> Self {
        Self(Repr::Inline {
            len: 0,
            buf: [0; Self::INLINE_CAPACITY],
        })
    }

    /// Makes an empty frame whose buffer holds `capacity` bytes without growing.
    ///
    /// No buffer is allocated when `capacity` fits inline.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        if capacity <= Self::INLINE_CAPACITY {
            Self::new()
        } else {
            Self(Repr::Owned(Vec::with_capacity(capacity)))
        }
    }

    /// Makes a frame by copying `body`.
    #[inline]
    #[must_use]
    pub fn copy_from_slice(body: &[u8]) -> Self {
        // Filled in its place: a body that is copied into a buffer first and moved with it into the
        // frame costs more than twice the copy, because the move reads in other pieces than the
        // copy has just written.
        let mut frame = Self::new();
        frame.assign(body);
        frame
    }

    /// The body.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            // `min` lets the compiler drop the bounds check; `len` never exceeds the capacity.
            Repr::Inline { len, buf } => &buf[..usize::from(*len).min(Self::INLINE_CAPACITY)],
            Repr::Owned(body) => body,
            Repr::Shared(body) => body,
        }
    }

    /// The body as text.
    ///
    /// # Errors
    ///
    /// When the body is not valid UTF-8.
    #[inline]
    pub fn as_str(&self) -> Result<&str, Utf8Error> {
        str::from_utf8(self.as_slice())
    }

    /// The body for writing, unless it is a shared buffer.
    ///
    /// See [`make_mut`](Self::make_mut) for the variant that copies a shared body first.
    #[inline]
    pub fn as_mut_slice(&mut self) -> Option<&mut [u8]> {
        match &mut self.0 {
            Repr::Inline { len, buf } => {
                Some(&mut buf[..usize::from(*len).min(Self::INLINE_CAPACITY)])
            }
            Repr::Owned(body) => Some(body),
            Repr::Shared(_) => None,
        }
    }

    /// The body for writing; a shared body is copied first unless this is its only handle.
    pub fn make_mut(&mut self) -> &mut [u8] {
        if let Repr::Shared(body) = &mut self.0 {
            self.0 = Repr::Owned(Vec::from(core::mem::take(body)));
        }
        match &mut self.0 {
            Repr::Inline { len, buf } => &mut buf[..usize::from(*len).min(Self::INLINE_CAPACITY)],
            Repr::Owned(body) => body,
            Repr::Shared(_) => &mut [],
        }
    }

    /// Empties the frame. A buffer of its own is kept for the next [`assign`](Self::assign).
    #[inline]
    pub fn clear(&mut self) {
        match &mut self.0 {
            Repr::Inline { len, .. } => *len = 0,
            Repr::Owned(body) => body.clear(),
            Repr::Shared(_) => *self = Self::new(),
        }
    }

    /// Replaces the body by a copy of `body`.
    ///
    /// A buffer that the frame owns is written again, so a loop that receives into the same frame
    /// allocates only while the largest body so far grows. Otherwise a body that fits is stored
    /// inline.
    #[inline]
    pub fn assign(&mut self, body: &[u8]) {
        match &mut self.0 {
            Repr::Inline { len, buf } if body.len() <= Self::INLINE_CAPACITY => {
                copy_small(buf, body);
                *len = body.len() as u8;
            }
            _ => self.assign_slow(body),
        }
    }

    /// Takes the body out as [`Bytes`]. Only an inline body is copied.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Repr::Inline { len, buf } => Bytes::copy_from_slice(&buf[..usize::from(len)]),
            Repr::Owned(body) => Bytes::from(body),
            Repr::Shared(body) => body,
        }
    }

    /// A handle on the body that shares its buffer with this frame from now on. Only an inline body
    /// is copied.
    pub fn to_bytes(&mut self) -> Bytes {
        match &mut self.0 {
            Repr::Inline { len, buf } => Bytes::copy_from_slice(&buf[..usize::from(*len)]),
            Repr::Owned(body) => {
                let shared = Bytes::from(core::mem::take(body));
                self.0 = Repr::Shared(shared.clone());
                shared
            }
            Repr::Shared(body) => body.clone(),
        }
    }

    /// Takes the body out as a vector. An inline body is copied, and so is one that others share.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        match self.0 {
            Repr::Inline { len, buf } => buf[..usize::from(len)].to_vec(),
            Repr::Owned(body) => body,
            Repr::Shared(body) => Vec::from(body),
        }
    }

    /// Whether the body is stored inside the value itself.
    #[inline]
    #[must_use]
    pub const fn is_inline(&self) -> bool {
        matches!(self.0, Repr::Inline { .. })
    }

    /// Whether the body is a [`Bytes`] handle. Its buffer may have other handles, and an owner that does
    /// something of its own when the last one is dropped.
    #[inline]
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        matches!(self.0, Repr::Shared(_))
    }

    fn assign_slow(&mut self, body: &[u8]) {
        match &mut self.0 {
            Repr::Owned(own) => {
                own.clear();
                own.extend_from_slice(body);
            }
            _ if body.len() <= Self::INLINE_CAPACITY => {
                let mut buf = [0; Self::INLINE_CAPACITY];
                copy_small(&mut buf, body);
                self.0 = Repr::Inline {
                    len: body.len() as u8,
                    buf,
                };
            }
            _ => self.0 = Repr::Owned(body.to_vec()),
        }
    }
}

/// Copies a body that fits inline.
///
/// Two overlapping moves of a constant size each replace the call of `memcpy` that a slice copy of
/// unknown length is: this runs once per small message received.
#[inline]
fn copy_small(dst: &mut [u8; Frame::INLINE_CAPACITY], src: &[u8]) {
    let len = src.len();
    let Some(dst) = dst.get_mut(..len) else {
        return;
    };
    if len >= 32 {
        if len > 64 {
            copy_ends::<48>(dst, src);
        } else {
            copy_ends::<32>(dst, src);
        }
    } else if len >= 16 {
        copy_ends::<16>(dst, src);
    } else if len >= 8 {
        copy_ends::<8>(dst, src);
    } else if len >= 4 {
        copy_ends::<4>(dst, src);
    } else if len >= 2 {
        copy_ends::<2>(dst, src);
    } else {
        copy_ends::<1>(dst, src);
    }
}

/// Copies the first and the last `N` bytes, which together are everything when `N <= len <= 2 * N`.
#[inline]
fn copy_ends<const N: usize>(dst: &mut [u8], src: &[u8]) {
    if let (Some(to), Some(from)) = (dst.first_chunk_mut::<N>(), src.first_chunk::<N>()) {
        *to = *from;
    }
    if let (Some(to), Some(from)) = (dst.last_chunk_mut::<N>(), src.last_chunk::<N>()) {
        *to = *from;
    }
}

impl Default for Frame {
    #[inline]
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for Frame {
    /// Shares the buffer of a shared body; copies any other body.
    #[inline]
    fn clone(&self) -> Self {
        match &self.0 {
            Repr::Inline { len, buf } => Self(Repr::Inline {
                len: *len,
                buf: *buf,
            }),
            Repr::Owned(body) => Self::copy_from_slice(body),
            Repr::Shared(body) => Self(Repr::Shared(body.clone())),
        }
    }

    fn clone_from(&mut self, source: &Self) {
        match &source.0 {
            Repr::Shared(body) => self.0 = Repr::Shared(body.clone()),
            _ => self.assign(source),
        }
    }
}

impl Deref for Frame {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl AsRef<[u8]> for Frame {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl Borrow<[u8]> for Frame {
    #[inline]
    fn borrow(&self) -> &[u8] {
        self.as_slice()
    }
}

impl fmt::Debug for Frame {
    /// Prints the length and the beginning of the body, as text when it is text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 32;
        let body = self.as_slice();
        write!(f, "Frame({}", body.len())?;
        if !body.is_empty() {
            f.write_str(", ")?;
            fmt_body(f, &body[..body.len().min(SHOWN)])?;
            if body.len() > SHOWN {
                f.write_str("…")?;
            }
        }
        f.write_str(")")
    }
}

fn fmt_body(f: &mut fmt::Formatter<'_>, body: &[u8]) -> fmt::Result {
    match str::from_utf8(body) {
        Ok(text) if !text.chars().any(char::is_control) => write!(f, "{text:?}"),
        _ => {
            f.write_str("0x")?;
            body.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
        }
    }
}

impl PartialEq for Frame {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Frame {}

impl PartialOrd for Frame {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Frame {
    /// The order of the bodies, byte by byte.
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}

impl Hash for Frame {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

impl PartialEq<[u8]> for Frame {
    #[inline]
    fn eq(&self, other: &[u8]) -> bool {
        self.as_slice() == other
    }
}

impl PartialEq<&[u8]> for Frame {
    #[inline]
    fn eq(&self, other: &&[u8]) -> bool {
        self.as_slice() == *other
    }
}

impl<const N: usize> PartialEq<[u8; N]> for Frame {
    #[inline]
    fn eq(&self, other: &[u8; N]) -> bool {
        self.as_slice() == other
    }
}

impl<const N: usize> PartialEq<&[u8; N]> for Frame {
    #[inline]
    fn eq(&self, other: &&[u8; N]) -> bool {
        self.as_slice() == *other
    }
}

impl PartialEq<Vec<u8>> for Frame {
    #[inline]
    fn eq(&self, other: &Vec<u8>) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl PartialEq<Bytes> for Frame {
    #[inline]
    fn eq(&self, other: &Bytes) -> bool {
        self.as_slice() == other.as_ref()
    }
}

impl PartialEq<str> for Frame {
    #[inline]
    fn eq(&self, other: &str) -> bool {
        self.as_slice() == other.as_bytes()
    }
}

impl PartialEq<&str> for Frame {
    #[inline]
    fn eq(&self, other: &&str) -> bool {
        self.as_slice() == other.as_bytes()
    }
}

impl From<&[u8]> for Frame {
    #[inline]
    fn from(body: &[u8]) -> Self {
        Self::copy_from_slice(body)
    }
}

impl<const N: usize> From<&[u8; N]> for Frame {
    #[inline]
    fn from(body: &[u8; N]) -> Self {
        Self::copy_from_slice(body)
    }
}

impl<const N: usize> From<[u8; N]> for Frame {
    #[inline]
    fn from(body: [u8; N]) -> Self {
        Self::copy_from_slice(&body)
    }
}

impl From<&str> for Frame {
    #[inline]
    fn from(body: &str) -> Self {
        Self::copy_from_slice(body.as_bytes())
    }
}

impl From<String> for Frame {
    /// Takes over the buffer.
    #[inline]
    fn from(body: String) -> Self {
        Self(Repr::Owned(body.into_bytes()))
    }
}

impl From<&String> for Frame {
    #[inline]
    fn from(body: &String) -> Self {
        Self::copy_from_slice(body.as_bytes())
    }
}

impl From<Vec<u8>> for Frame {
    /// Takes over the buffer.
    #[inline]
    fn from(body: Vec<u8>) -> Self {
        Self(Repr::Owned(body))
    }
}

impl From<&Vec<u8>> for Frame {
    #[inline]
    fn from(body: &Vec<u8>) -> Self {
        Self::copy_from_slice(body)
    }
}

impl From<Bytes> for Frame {
    /// Keeps the handle; nothing is copied.
    #[inline]
    fn from(body: Bytes) -> Self {
        Self(Repr::Shared(body))
    }
}

impl From<&Self> for Frame {
    #[inline]
    fn from(frame: &Self) -> Self {
        frame.clone()
    }
}

impl From<Frame> for Bytes {
    #[inline]
    fn from(frame: Frame) -> Self {
        frame.into_bytes()
    }
}

impl From<Frame> for Vec<u8> {
    #[inline]
    fn from(frame: Frame) -> Self {
        frame.into_vec()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn body(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 7 + 1) as u8).collect()
    }

    #[test]
    fn is_nine_words_and_holds_70_bytes_inline() {
        assert_eq!(size_of::<Frame>(), 72);
        assert!(Frame::from(&body(70)[..]).is_inline());
        assert!(!Frame::from(&body(71)[..]).is_inline());
    }

    #[test]
    fn copies_every_length_around_the_inline_limit() {
        for len in 0..=160 {
            let body = body(len);
            let frame = Frame::from(&body[..]);
            assert_eq!(frame, body, "length {len}");
            assert_eq!(frame.clone(), frame);
            assert_eq!(frame.clone().into_vec(), body);
            assert_eq!(frame.into_bytes(), body);
        }
    }

    #[test]
    fn assign_reuses_the_owned_buffer_for_any_smaller_body() {
        let mut frame = Frame::from(body(4096));
        let address = frame.as_ptr();
        for len in [4096, 0, 1, 70, 71, 4000] {
            frame.assign(&body(len));
            assert_eq!(frame, body(len));
            assert_eq!(frame.as_ptr(), address, "length {len}");
        }
        frame.clear();
        assert!(frame.is_empty());
        frame.assign(&body(100));
        assert_eq!(frame.as_ptr(), address);
    }

    #[test]
    fn assign_overwrites_any_representation() {
        let sources = [
            Frame::from("x"),
            Frame::from(Bytes::from_static(b"shared")),
            Frame::from(body(200)),
            Frame::new(),
        ];
        for source in sources {
            for len in 0..=100 {
                let mut frame = source.clone();
                frame.assign(&body(len));
                assert_eq!(frame, body(len));
            }
        }
    }

    #[test]
    fn owned_and_shared_bodies_are_not_copied() {
        let own = body(1000);
        let address = own.as_ptr();
        let mut frame = Frame::from(own);
        assert_eq!(frame.as_ptr(), address);
        let shared = frame.to_bytes();
        assert_eq!(shared.as_ptr(), address);
        let clone = frame.clone();
        assert_eq!(clone.as_ptr(), address);
        assert_eq!(clone.into_bytes().as_ptr(), address);
        assert_eq!(frame.into_bytes().as_ptr(), address);
    }

    #[test]
    fn mutation_never_reaches_other_handles() {
        let shared = Bytes::from(body(100));
        let mut frame = Frame::from(shared.clone());
        assert!(frame.as_mut_slice().is_none());
        frame.make_mut()[0] = 0xEE;
        assert_eq!(frame[0], 0xEE);
        assert_eq!(shared, body(100));
        assert!(frame.as_mut_slice().is_some());

        let mut inline = Frame::from("abc");
        inline.as_mut_slice().unwrap()[1] = b'X';
        inline.make_mut()[2] = b'Y';
        assert_eq!(inline, "aXY");
    }

    #[test]
    fn equality_order_and_hash_follow_the_body() {
        let inline = Frame::from("same");
        let owned = Frame::from(String::from("same"));
        let shared = Frame::from(Bytes::from_static(b"same"));
        assert_eq!(inline, owned);
        assert_eq!(owned, shared);
        let (a, b) = (Frame::from("a"), Frame::from("b"));
        assert!(a < b);
        let set: HashSet<Frame> = [inline, owned, shared].into_iter().collect();
        assert_eq!(set.len(), 1);
        assert!(set.contains(&b"same"[..]));
    }

    #[test]
    fn debug_is_short() {
        assert_eq!(format!("{:?}", Frame::new()), "Frame(0)");
        assert_eq!(format!("{:?}", Frame::from("hi")), "Frame(2, \"hi\")");
        assert_eq!(format!("{:?}", Frame::from([0, 255])), "Frame(2, 0x00ff)");
        let long = format!("{:?}", Frame::from("a".repeat(100)));
        assert_eq!(long, format!("Frame(100, \"{}\"…)", "a".repeat(32)));
    }
}
