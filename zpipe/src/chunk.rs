//! One piece of rope: append-only memory with an atomic *committed* mark.
//!
//! ```text
//!            committed        appended
//!            ▼                ▼
//! [frame][frame][frame of an open message]......free......[splice 1][splice 0]
//! 0                                                                           capacity
//! ```
//!
//! Frames grow up from the start, splice entries (a large body's `Bytes` and the offset where it
//! belongs) grow down from the end. Exactly one writer appends and commits, exactly one reader
//! looks at what lies below the mark. Neither ever needs a lock: memory below the mark is never
//! written again until the reader has handed the whole chunk back.

use std::{ops::Range, ptr::NonNull};

use bytes::Bytes;

use crate::{
    spent::Spent,
    sync::{AtomicPtr, AtomicU64, Ordering, prefetch},
};

/// A large body that is not in the rope's memory.
pub(crate) struct Splice {
    /// Offset in the chunk of the first byte *after* the body's frame header.
    pub(crate) offset: usize,
    pub(crate) body: Bytes,
}

/// Bytes that one splice entry takes from the chunk's end, a multiple of its alignment.
pub(crate) const SPLICE_ENTRY: usize = size_of::<Splice>();

// An entry without padding leaves the memory it lay in initialised.
const _: () = assert!(SPLICE_ENTRY == size_of::<usize>() + size_of::<Bytes>());

/// Debug builds write this into the `offset` of an entry that has been taken.
const TAKEN: usize = usize::MAX;

/// What a chunk's mark says, decoded.
///
/// Layout of the `u64` (one word, so that length and count can never be seen apart):
///
/// | bits | field |
/// |---|---|
/// | 0..24 | bytes committed in this chunk |
/// | 24 | closed: nothing will be added, go on with the next chunk |
/// | 25..36 | splice entries committed in this chunk |
/// | 36 | closed inside a message, which goes on in the next chunk |
/// | 37..64 | messages committed in the whole rope when this mark was set, modulo 2^27 |
///
/// The count may wrap because a reader passes every chunk, and no chunk can hold 2^27 messages: the
/// difference between two marks it sees in a row is always exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark(u64);

impl Mark {
    const CLOSED: u64 = 1 << 24;
    const LEN: u64 = Self::CLOSED - 1;
    const MID_MESSAGE: u64 = 1 << 36;
    const MESSAGES: u64 = (1 << 27) - 1;
    /// The most splice entries one chunk can hold.
    pub(crate) const MAX_SPLICES: u32 = (1 << 11) - 1;
    /// The most bytes one chunk can hold.
    pub(crate) const MAX_CAPACITY: usize = Self::LEN as usize & !7;

    #[inline(always)]
    pub(crate) const fn new(len: usize, splices: u32, messages: u64) -> Self {
        Self(len as u64 | (splices as u64) << 25 | (messages & Self::MESSAGES) << 37)
    }

    #[inline(always)]
    pub(crate) const fn close(self, mid_message: bool) -> Self {
        let mid_message = if mid_message { Self::MID_MESSAGE } else { 0 };
        Self(self.0 | Self::CLOSED | mid_message)
    }

    #[inline(always)]
    pub(crate) const fn len(self) -> usize {
        (self.0 & Self::LEN) as usize
    }

    #[inline(always)]
    pub(crate) const fn is_closed(self) -> bool {
        self.0 & Self::CLOSED != 0
    }

    /// Whether what is committed in this chunk ends with the beginning of a message. Never so while
    /// it is open, since only whole messages are committed.
    #[inline(always)]
    pub(crate) const fn is_mid_message(self) -> bool {
        self.0 & Self::MID_MESSAGE != 0
    }

    #[inline(always)]
    pub(crate) const fn splices(self) -> u32 {
        (self.0 >> 25) as u32 & Self::MAX_SPLICES
    }

    /// The full message count, given one that is not later and less than 2^27 behind.
    #[inline(always)]
    pub(crate) const fn messages_since(self, earlier: u64) -> u64 {
        earlier + ((self.0 >> 37).wrapping_sub(earlier) & Self::MESSAGES)
    }
}

/// See the module documentation. Lives on the heap behind a raw pointer that writer, reader or the
/// spare slot owns; which one it is follows from the mark's `closed` bit and the hand-back.
pub(crate) struct Chunk {
    /// A [`Mark`]. Stored by the writer with `Release`, loaded by the reader with `Acquire`.
    mark: AtomicU64,
    /// The chunk that follows. Set by the writer before it sets the mark's `closed` bit; the reader
    /// looks only after it has seen that bit.
    next: AtomicPtr<Self>,
    memory: Memory,
}

/// Bytes that a processor fetches at a time.
const CACHE_LINE: usize = 64;

impl Chunk {
    /// Allocates a chunk of at least `capacity` bytes and gives up ownership of it.
    pub(crate) fn alloc(capacity: usize) -> NonNull<Self> {
        let chunk = Box::new(Self {
            mark: AtomicU64::new(0),
            next: AtomicPtr::new(std::ptr::null_mut()),
            memory: Memory::new(capacity),
        });
        NonNull::from(Box::leak(chunk))
    }

    /// Frees a chunk.
    ///
    /// # Safety
    ///
    /// `chunk` came from [`Chunk::alloc`], nobody else will use it again, and all its splice entries
    /// have been taken (one that is not is leaked).
    pub(crate) unsafe fn free(chunk: NonNull<Self>) {
        // SAFETY: the caller owns the chunk, which was made by `Box::leak`.
        drop(unsafe { Box::from_raw(chunk.as_ptr()) });
    }

    /// Moves the bodies of the entries in the given range out.
    ///
    /// # Safety
    ///
    /// As for [`take_splice`](Self::take_splice), for each of them.
    pub(crate) unsafe fn take_splices(&self, range: Range<u32>, spent: &mut Spent) {
        for index in range {
            // SAFETY: by contract.
            spent.push(unsafe { self.take_splice(index) });
        }
    }

    /// Makes a chunk that the reader has handed back ready for the writer.
    ///
    /// # Safety
    ///
    /// The caller is the only one that can reach the chunk, and all its splices have been taken.
    pub(crate) unsafe fn reset(&self) {
        self.memory.note_use();
        self.mark.store(0, Ordering::Relaxed);
        self.next.store(std::ptr::null_mut(), Ordering::Relaxed);
    }

    #[inline(always)]
    pub(crate) fn capacity(&self) -> usize {
        self.memory.len()
    }

    #[inline(always)]
    pub(crate) fn load_mark(&self) -> Mark {
        self.memory.note_use();
        Mark(self.mark.load(Ordering::Acquire))
    }

    /// Publishes a mark.
    ///
    /// Not a method: once the reader sees a closed mark it may free the chunk, even before this call
    /// has returned, and memory behind a `&self` must not go away that soon.
    ///
    /// # Safety
    ///
    /// The caller is the writer, and the chunk's present mark is not closed. If `mark` is, and the
    /// reader can reach the chunk, then this is the caller's last use of it.
    #[inline(always)]
    pub(crate) unsafe fn store_mark(chunk: NonNull<Self>, mark: Mark) {
        // SAFETY: an open chunk is in place until the store, and only the atomic field is borrowed then.
        unsafe {
            (*chunk.as_ptr()).memory.note_use();
            (*chunk.as_ptr()).mark.store(mark.0, Ordering::Release);
        }
    }

    #[inline]
    pub(crate) fn next(&self) -> Option<NonNull<Self>> {
        self.memory.note_use();
        NonNull::new(self.next.load(Ordering::Acquire))
    }

    /// What follows a chunk whose mark is closed.
    #[inline]
    pub(crate) fn successor(&self) -> NonNull<Self> {
        self.next().expect("a closed chunk has a successor")
    }

    #[inline]
    pub(crate) fn set_next(&self, next: Option<NonNull<Self>>) {
        let next = next.map_or(std::ptr::null_mut(), NonNull::as_ptr);
        self.memory.note_use();
        self.next.store(next, Ordering::Release);
    }

    /// The end of the room for frames when `splices` entries are in place.
    #[inline(always)]
    pub(crate) fn frame_limit(&self, splices: u32) -> usize {
        self.capacity() - splices as usize * SPLICE_ENTRY
    }

    /// Bytes `start..start + len` for reading.
    ///
    /// # Safety
    ///
    /// The range lies within the capacity and the writer does not write to it while the slice
    /// lives: it is below the mark, or the caller is the writer.
    #[inline(always)]
    pub(crate) unsafe fn bytes(&self, start: usize, len: usize) -> &[u8] {
        debug_assert!(start + len <= self.capacity());
        // SAFETY: forwarded to the caller.
        unsafe { self.memory.slice(start, len) }
    }

    /// Has the processor fetch the memory at `start`.
    #[inline(always)]
    pub(crate) fn prefetch(&self, start: usize) {
        prefetch(self.memory.address(start));
        prefetch(self.memory.address(start + CACHE_LINE));
    }

    /// Bytes `start..start + len` for writing.
    ///
    /// # Safety
    ///
    /// The caller is the writer, the range lies within the capacity and at or above the mark, and
    /// no other slice of it is alive.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)] // Exclusive by the contract above, as with `UnsafeCell`.
    pub(crate) unsafe fn bytes_mut(&self, start: usize, len: usize) -> &mut [u8] {
        debug_assert!(start + len <= self.capacity());
        // SAFETY: forwarded to the caller.
        unsafe { self.memory.slice_mut(start, len) }
    }

    /// Puts the entry with the given index in place. The mark announces it.
    ///
    /// # Safety
    ///
    /// The caller is the writer, `index` is the number of entries in place, and the entry's room is
    /// free.
    pub(crate) unsafe fn put_splice(&self, index: u32, splice: Splice) {
        let at = self.frame_limit(index + 1);
        // SAFETY: the room is within the memory, aligned (capacity, entry size and base are
        // multiples of the entry's alignment) and unused.
        unsafe { self.memory.slot(at).write(splice) };
    }

    /// Looks at an entry.
    ///
    /// # Safety
    ///
    /// The entry is in place and has not been taken, and the mark covers it or the caller is the
    /// writer.
    #[inline]
    pub(crate) unsafe fn splice(&self, index: u32) -> &Splice {
        // SAFETY: initialised, aligned, and not written while shared.
        let splice = unsafe { &*self.memory.slot_const(self.frame_limit(index + 1)) };
        debug_assert_ne!(splice.offset, TAKEN);
        splice
    }

    /// Moves an entry's body out.
    ///
    /// # Safety
    ///
    /// As for [`splice`](Self::splice), and nobody uses the entry again.
    #[inline]
    pub(crate) unsafe fn take_splice(&self, index: u32) -> Bytes {
        let at = self.frame_limit(index + 1);
        // SAFETY: by contract the entry is initialised and this is its last use.
        let splice = unsafe { self.memory.slot_const(at).read() };
        if cfg!(debug_assertions) {
            debug_assert_ne!(splice.offset, TAKEN);
            let taken = Splice {
                offset: TAKEN,
                body: Bytes::new(),
            };
            // SAFETY: nobody else uses the entry any more.
            unsafe { self.memory.slot(at).write(taken) };
        }
        splice.body
    }
}

/// Zero-initialised memory, aligned for [`Splice`].
///
/// It is always initialised, so that a chunk's free room can be lent to a reader of a file
/// descriptor as a plain `&mut [u8]`. Under loom each eight bytes have a shadow cell, and every
/// slice that is made registers its access there, so that an overlap of writer and reader is found. One
/// more cell stands for the chunk as a whole: using it reads, freeing it writes.
struct Memory {
    base: NonNull<u64>,
    words: usize,
    #[cfg(loom)]
    shadow: Vec<loom::cell::UnsafeCell<()>>,
    #[cfg(loom)]
    whole: loom::cell::UnsafeCell<()>,
}

// SAFETY: plain memory; who may touch which part is governed by the chunk's mark.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    fn new(capacity: usize) -> Self {
        let words = capacity.div_ceil(8);
        assert!(
            words * 8 <= Mark::MAX_CAPACITY,
            "a chunk's length fits into its mark"
        );
        let base = Box::leak(vec![0u64; words].into_boxed_slice());
        Self {
            base: NonNull::from(base).cast(),
            words,
            #[cfg(loom)]
            shadow: (0..words)
                .map(|_| loom::cell::UnsafeCell::new(()))
                .collect(),
            #[cfg(loom)]
            whole: loom::cell::UnsafeCell::new(()),
        }
    }

    #[inline(always)]
    fn len(&self) -> usize {
        self.words * 8
    }

    #[inline(always)]
    fn note(&self, _start: usize, _len: usize, _write: bool) {
        self.note_use();
        // Words that a range only touches in part are left out: a frame may end inside a word
        // whose rest is appended later, which is no conflict.
        #[cfg(loom)]
        for word in _start.div_ceil(8).._start.saturating_add(_len) / 8 {
            if _write {
                self.shadow[word].with_mut(|_| ());
            } else {
                self.shadow[word].with(|_| ());
            }
        }
    }

    /// For what is not in the memory itself.
    #[inline(always)]
    fn note_use(&self) {
        #[cfg(loom)]
        self.whole.with(|_| ());
    }

    /// The address of a byte, which need not be in range: nobody looks there.
    #[inline(always)]
    fn address(&self, at: usize) -> *const u8 {
        self.base.as_ptr().cast::<u8>().wrapping_add(at)
    }

    #[inline(always)]
    unsafe fn slice(&self, start: usize, len: usize) -> &[u8] {
        self.note(start, len, false);
        // SAFETY: in range by the caller's contract, always initialised.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr().cast::<u8>().add(start), len) }
    }

    #[inline(always)]
    #[allow(clippy::mut_from_ref)] // See `Chunk::bytes_mut`.
    unsafe fn slice_mut(&self, start: usize, len: usize) -> &mut [u8] {
        self.note(start, len, true);
        // SAFETY: in range and exclusive by the caller's contract, always initialised.
        unsafe { std::slice::from_raw_parts_mut(self.base.as_ptr().cast::<u8>().add(start), len) }
    }

    #[inline(always)]
    unsafe fn slot(&self, at: usize) -> *mut Splice {
        self.note(at, SPLICE_ENTRY, true);
        // SAFETY: in range by the caller's contract.
        unsafe { self.base.as_ptr().cast::<u8>().add(at).cast() }
    }

    #[inline(always)]
    unsafe fn slot_const(&self, at: usize) -> *const Splice {
        self.note(at, SPLICE_ENTRY, false);
        // SAFETY: in range by the caller's contract.
        unsafe { self.base.as_ptr().cast::<u8>().add(at).cast() }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        #[cfg(loom)]
        self.whole.with_mut(|_| ());
        let words = std::ptr::slice_from_raw_parts_mut(self.base.as_ptr(), self.words);
        // SAFETY: made by `Box::leak` of a boxed slice of this length.
        drop(unsafe { Box::from_raw(words) });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn mark_keeps_its_fields_apart() {
        let mark = Mark::new(Mark::MAX_CAPACITY, Mark::MAX_SPLICES, u64::MAX);
        assert_eq!(mark.len(), Mark::MAX_CAPACITY);
        assert_eq!(mark.splices(), Mark::MAX_SPLICES);
        assert!(!mark.is_closed() && !mark.is_mid_message());
        for mid_message in [false, true] {
            let closed = Mark::new(5, 7, 9).close(mid_message);
            assert!(closed.is_closed());
            assert_eq!(closed.is_mid_message(), mid_message);
            assert_eq!((closed.len(), closed.splices()), (5, 7));
            assert_eq!(closed.messages_since(0), 9);
        }
    }

    #[test]
    fn message_count_survives_wrapping() {
        for earlier in [0, (1 << 27) - 2, (1 << 27) - 1, 5 << 27, u64::MAX >> 1] {
            for step in [0, 1, 1000, (1 << 27) - 1] {
                let mark = Mark::new(1, 0, earlier + step);
                assert_eq!(mark.messages_since(earlier), earlier + step);
            }
        }
    }

    #[test]
    fn entries_are_aligned_and_dropped() {
        assert_eq!(SPLICE_ENTRY % align_of::<Splice>(), 0);
        let body = Bytes::from(vec![1u8; 100]);
        let chunk = Chunk::alloc(1000);
        // SAFETY: this test owns the chunk alone.
        unsafe {
            let c = chunk.as_ref();
            c.put_splice(
                0,
                Splice {
                    offset: 9,
                    body: body.clone(),
                },
            );
            c.put_splice(
                1,
                Splice {
                    offset: 18,
                    body: body.clone(),
                },
            );
            assert_eq!(c.splice(1).offset, 18);
            drop(c.take_splice(1));
            assert_eq!(c.splice(0).body, body);
            c.take_splices(0..1, &mut Spent::default());
            Chunk::free(chunk);
        }
        assert!(body.is_unique());
    }
}
