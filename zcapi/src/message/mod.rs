//! `zmq_msg_t`: 64 bytes of the program's own memory, with a short body inside and a long one behind a pointer.
//!
//! | kind | where the body is | copies share it |
//! |---|---|---|
//! | inline | in the message itself | no |
//! | block | in a counted block of bytes of this library | yes |
//! | kept | in memory that a [`Keeper`] holds: a program's, or a received body's | yes |
//! | constant | in memory that outlives everything | yes |
//!
//! Nothing in a message points to itself, so it may be moved, as programs do.

pub(crate) mod calls;
mod keeper;
mod meta;

use std::{
    ffi::{CString, c_char},
    ptr,
    sync::Arc,
};

use bytes::Bytes;
use zsocket::Frame;

use self::keeper::Byte;
pub use self::keeper::zmq_free_fn;
pub(crate) use self::{
    keeper::{Constant, Keeper},
    meta::Meta,
};
use crate::errno::Errno;

/// The longest body inside a message: what is left beside two pointers and eight bytes.
pub(crate) const INLINE: usize = 64 - 2 * size_of::<usize>() - 8;

/// Received bodies up to this size are copied, so that the buffer they came in is used again.
const COPIED: usize = 1024;

/// Bodies from this size on are handed to the socket as they are, and shorter ones copied into its pipe: from here on pipes
/// take bodies without copying them.
pub(crate) const HANDED_OVER: usize = zpipe::SPLICE_MIN;

/// A message: one frame. Its fields are this library's business.
#[repr(C)]
#[allow(non_camel_case_types, reason = "its name in C")]
pub struct zmq_msg_t {
    body: Body,
    /// Where it came from: an `Arc`, or null.
    meta: *const Meta,
    /// A `CString`, or null.
    group: *mut c_char,
    routing_id: u32,
    kind: u8,
    flags: u8,
    /// Of an inline body.
    len: u8,
    magic: u8,
}

const _: () =
    assert!(size_of::<zmq_msg_t>() == 64 && align_of::<zmq_msg_t>() == size_of::<usize>());

#[repr(C)]
#[derive(Clone, Copy)]
union Body {
    inline: [u8; INLINE],
    long: Long,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Long {
    data: *mut u8,
    size: usize,
    /// An `Arc`, of a kept body.
    keeper: *const Keeper,
}

// Unlikely values, so that memory which is no message is told from one.
const INLINE_KIND: u8 = 0x91;
const BLOCK_KIND: u8 = 0x92;
const KEPT_KIND: u8 = 0x93;
const CONSTANT_KIND: u8 = 0x94;
const MAGIC: u8 = 0x5a;

const MORE: u8 = 1;
const SHARED: u8 = 2;

impl zmq_msg_t {
    /// An empty message.
    pub(crate) const fn empty() -> Self {
        Self {
            body: Body {
                inline: [0; INLINE],
            },
            meta: ptr::null(),
            group: ptr::null_mut(),
            routing_id: 0,
            kind: INLINE_KIND,
            flags: 0,
            len: 0,
            magic: MAGIC,
        }
    }

    /// One of so many bytes, all zero: what was never written is read by whoever sends it.
    pub(crate) fn zeroed(size: usize) -> Result<Self, Errno> {
        let mut message = Self::empty();
        if size <= INLINE {
            message.len = size as u8;
        } else if size <= COPIED {
            message.set_block(Byte::slice(size, |_| {}));
        } else {
            message.set_kept(Keeper::zeroed(size)?);
        }
        Ok(message)
    }

    pub(crate) fn copy_of(body: &[u8]) -> Result<Self, Errno> {
        let mut message = Self::empty();
        if let Some(inline) = message.inline_mut(body.len()) {
            inline.copy_from_slice(body);
        } else if body.len() <= COPIED {
            message.set_block(Byte::slice(body.len(), |block| block.copy_from_slice(body)));
        } else {
            message.set_kept(Keeper::copy_of(body)?);
        }
        Ok(message)
    }

    /// One that a frame has become. A frame that owns a small buffer keeps it.
    pub(crate) fn take_frame(frame: &mut Frame) -> Self {
        let mut message = Self::empty();
        let size = frame.len();
        if let Some(inline) = message.inline_mut(size) {
            inline.copy_from_slice(frame);
            if frame.is_shared() {
                *frame = Frame::new();
            }
        } else if size <= COPIED && !frame.is_shared() {
            message.set_block(Byte::slice(size, |block| block.copy_from_slice(frame)));
        } else {
            let (keeper, is_shared) = Keeper::of_bytes(std::mem::take(frame).into_bytes());
            message.set_kept(keeper);
            if is_shared {
                message.flags |= SHARED;
            }
        }
        message
    }

    /// The room of an inline body of this size, if it is one.
    fn inline_mut(&mut self, size: usize) -> Option<&mut [u8]> {
        if size > INLINE {
            return None;
        }
        self.len = size as u8;
        // SAFETY: an empty message has an inline body, whose bytes are all there.
        let inline = unsafe { &mut self.body.inline };
        Some(&mut inline[..size])
    }

    fn set_block(&mut self, block: Arc<[Byte]>) {
        let size = block.len();
        let data = Arc::into_raw(block).cast::<u8>().cast_mut();
        self.set_long(BLOCK_KIND, data, size, ptr::null());
    }

    pub(crate) fn set_kept(&mut self, keeper: Keeper) {
        let (data, size) = (keeper.data(), keeper.size());
        let keeper = Arc::into_raw(Arc::new(keeper));
        self.set_long(KEPT_KIND, data, size, keeper);
    }

    /// # Safety
    ///
    /// The memory stays as it is for ever.
    pub(crate) unsafe fn set_constant(&mut self, data: *mut u8, size: usize) {
        self.set_long(CONSTANT_KIND, data, size, ptr::null());
    }

    fn set_long(&mut self, kind: u8, data: *mut u8, size: usize, keeper: *const Keeper) {
        self.kind = kind;
        self.body.long = Long { data, size, keeper };
    }

    /// Whether this is a message that was not closed, as far as its bytes tell.
    pub(crate) const fn is_valid(&self) -> bool {
        self.magic == MAGIC && matches!(self.kind, INLINE_KIND..=CONSTANT_KIND)
    }

    fn long(&self) -> Long {
        debug_assert_ne!(self.kind, INLINE_KIND);
        // SAFETY: every other kind has a long body.
        unsafe { self.body.long }
    }

    pub(crate) fn size(&self) -> usize {
        match self.kind {
            INLINE_KIND => usize::from(self.len).min(INLINE),
            _ => self.long().size,
        }
    }

    pub(crate) fn data(&mut self) -> *mut u8 {
        match self.kind {
            INLINE_KIND => (&raw mut self.body).cast(),
            _ => self.long().data,
        }
    }

    pub(crate) fn body(&self) -> &[u8] {
        match self.kind {
            INLINE_KIND => {
                // SAFETY: an inline body has all its bytes.
                let inline = unsafe { &self.body.inline };
                &inline[..self.size()]
            }
            _ => {
                let Long { data, size, .. } = self.long();
                if size == 0 {
                    return &[];
                }
                // SAFETY: the memory lives as long as this handle; a program that writes to a message while it sends it breaks
                // its word, as with libzmq.
                unsafe { std::slice::from_raw_parts(data, size) }
            }
        }
    }

    /// A handle on the body that outlives the message. Only for long ones.
    pub(crate) fn to_bytes(&self) -> Bytes {
        match self.kind {
            INLINE_KIND => Bytes::copy_from_slice(self.body()),
            BLOCK_KIND => Bytes::from_owner(keeper::Block(self.clone_block())),
            KEPT_KIND => Bytes::from_owner(keeper::Kept(self.clone_keeper())),
            _ => {
                let Long { data, size, .. } = self.long();
                // SAFETY: a constant body stays as it is for ever.
                Bytes::from_owner(unsafe { Constant::new(data, size) })
            }
        }
    }

    fn block(&self) -> *const [Byte] {
        let Long { data, size, .. } = self.long();
        ptr::slice_from_raw_parts(data.cast::<Byte>(), size)
    }

    fn clone_block(&self) -> Arc<[Byte]> {
        let block = self.block();
        // SAFETY: the pointer is that of an `Arc`, of which this message holds one handle; this makes another.
        unsafe {
            Arc::increment_strong_count(block);
            Arc::from_raw(block)
        }
    }

    fn clone_keeper(&self) -> Arc<Keeper> {
        let keeper = self.long().keeper;
        // SAFETY: likewise.
        unsafe {
            Arc::increment_strong_count(keeper);
            Arc::from_raw(keeper)
        }
    }

    /// Makes a second one of the same content. Both know that they share it.
    pub(crate) fn share(&mut self) -> Self {
        match self.kind {
            BLOCK_KIND => {
                let _ = Arc::into_raw(self.clone_block());
                self.flags |= SHARED;
            }
            KEPT_KIND => {
                let _ = Arc::into_raw(self.clone_keeper());
                self.flags |= SHARED;
            }
            _ => {}
        }
        let meta = self.meta().map_or(ptr::null(), |meta| {
            // SAFETY: the pointer is that of an `Arc`, of which this message holds one handle.
            unsafe { Arc::increment_strong_count(self.meta) };
            ptr::from_ref(meta)
        });
        let group = self
            .group_text()
            .map_or(ptr::null_mut(), |group| group.to_owned().into_raw());
        Self {
            body: self.body,
            meta,
            group,
            ..*self
        }
    }

    /// Lets go of everything. It is no message then.
    pub(crate) fn close(&mut self) {
        let closed = Self {
            kind: 0,
            magic: 0,
            ..Self::empty()
        };
        drop(Content(std::mem::replace(self, closed)));
    }

    /// Lets go of everything, and is empty.
    pub(crate) fn clear(&mut self) {
        self.replace(Self::empty());
    }

    /// Takes the place of what was there.
    pub(crate) fn replace(&mut self, with: Self) {
        drop(Content(std::mem::replace(self, with)));
    }

    // ---- What is said about it ----

    pub(crate) const fn is_more(&self) -> bool {
        self.flags & MORE != 0
    }

    pub(crate) const fn set_more(&mut self, more: bool) {
        self.flags = if more {
            self.flags | MORE
        } else {
            self.flags & !MORE
        };
    }

    pub(crate) const fn is_shared(&self) -> bool {
        self.kind == CONSTANT_KIND || self.flags & SHARED != 0
    }

    pub(crate) const fn meta(&self) -> Option<&Meta> {
        // SAFETY: null, or of an `Arc` of which this message holds one handle.
        unsafe { self.meta.as_ref() }
    }

    /// Of a message that was just received.
    pub(crate) fn set_meta(&mut self, meta: Arc<Meta>) {
        debug_assert!(self.meta.is_null());
        self.meta = Arc::into_raw(meta);
    }

    pub(crate) const fn routing_id(&self) -> u32 {
        self.routing_id
    }

    pub(crate) const fn set_routing_id(&mut self, id: u32) {
        self.routing_id = id;
    }

    pub(crate) fn group_text(&self) -> Option<&std::ffi::CStr> {
        // SAFETY: null, or of a `CString` that is this message's.
        (!self.group.is_null()).then(|| unsafe { std::ffi::CStr::from_ptr(self.group) })
    }

    pub(crate) fn set_group(&mut self, group: CString) {
        let old = std::mem::replace(&mut self.group, group.into_raw());
        drop_group(old);
    }
}

/// What a message holds, to be let go of. A message itself has no `Drop`: its memory is the program's.
struct Content(zmq_msg_t);

impl Drop for Content {
    fn drop(&mut self) {
        let message = &self.0;
        match message.kind {
            BLOCK_KIND => {
                // SAFETY: of an `Arc`, of which this is one handle, and nobody uses it again.
                drop(unsafe { Arc::from_raw(message.block()) });
            }
            KEPT_KIND => {
                // SAFETY: likewise.
                drop(unsafe { Arc::from_raw(message.long().keeper) });
            }
            _ => {}
        }
        if !message.meta.is_null() {
            // SAFETY: likewise.
            drop(unsafe { Arc::from_raw(message.meta) });
        }
        drop_group(message.group);
    }
}

fn drop_group(group: *mut c_char) {
    if !group.is_null() {
        // SAFETY: of a `CString` that was made here, and nobody uses it again.
        drop(unsafe { CString::from_raw(group) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_inline(message: &zmq_msg_t) -> bool {
        message.kind == INLINE_KIND
    }

    #[test]
    fn bodies_of_every_size_come_back_as_they_went_in() {
        for size in [
            0,
            1,
            INLINE,
            INLINE + 1,
            64,
            COPIED,
            COPIED + 1,
            HANDED_OVER,
            1 << 20,
        ] {
            let body: Vec<u8> = (0..size).map(|at| at as u8).collect();
            let mut message = zmq_msg_t::copy_of(&body).unwrap();
            assert_eq!(is_inline(&message), size <= INLINE);
            assert_eq!(message.body(), body);
            let mut copy = message.share();
            assert_eq!(message.is_shared(), size > INLINE);
            message.close();
            assert!(!message.is_valid());
            assert_eq!(copy.body(), body);
            assert_eq!(copy.to_bytes(), body);
            copy.close();
            let mut frame = Frame::copy_from_slice(&body);
            let mut received = zmq_msg_t::take_frame(&mut frame);
            assert_eq!(received.body(), body);
            received.close();
            let mut zeroed = zmq_msg_t::zeroed(size).unwrap();
            assert_eq!(zeroed.size(), size);
            assert!(zeroed.body().iter().all(|byte| *byte == 0));
            zeroed.close();
        }
    }

    #[test]
    fn more_memory_than_there_is_is_an_error() {
        assert_eq!(zmq_msg_t::zeroed(usize::MAX).err(), Some(Errno::NOMEM));
        assert_eq!(
            zmq_msg_t::zeroed(isize::MAX as usize).err(),
            Some(Errno::NOMEM)
        );
    }

    #[test]
    fn a_body_that_others_hold_outlives_the_message() {
        let mut message = zmq_msg_t::copy_of(&[7; 100]).unwrap();
        let bytes = message.to_bytes();
        message.clear();
        assert!(message.is_valid() && message.size() == 0);
        assert_eq!(bytes, [7; 100][..]);
    }
}
