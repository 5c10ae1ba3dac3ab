//! Where long bodies are.

use std::{
    alloc::{Layout, alloc_zeroed, dealloc},
    cell::UnsafeCell,
    ffi::c_void,
    sync::Arc,
};

use bytes::{Bytes, BytesMut};

use crate::errno::Errno;

/// Gives memory back to the program that has lent it.
#[allow(non_camel_case_types, reason = "its name in C")]
pub type zmq_free_fn = unsafe extern "C" fn(data: *mut c_void, hint: *mut c_void);

/// A byte that the program may write as long as it has the only handle.
#[repr(transparent)]
pub(super) struct Byte(UnsafeCell<u8>);

// SAFETY: who writes has the only handle, or has promised that nobody reads meanwhile: see `zmq_msg_t::body`.
unsafe impl Sync for Byte {}

impl Byte {
    /// A counted block: one allocation for count and bytes.
    pub(super) fn slice(size: usize, fill: impl FnOnce(&mut [u8])) -> Arc<[Self]> {
        let mut block = Arc::<[u8]>::new_uninit_slice(size);
        if let Some(room) = Arc::get_mut(&mut block) {
            room.fill(std::mem::MaybeUninit::new(0));
            // SAFETY: all bytes have just been written.
            fill(unsafe { &mut *(std::ptr::from_mut(room) as *mut [u8]) });
        }
        let block = Arc::into_raw(block) as *const [Self];
        // SAFETY: a byte in a cell lies in memory as a byte does, and all of them are written.
        unsafe { Arc::from_raw(block) }
    }
}

/// A handle on a counted block, as the owner of what a socket is given.
pub(super) struct Block(pub(super) Arc<[Byte]>);

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        let block: *const [Byte] = Arc::as_ptr(&self.0);
        // SAFETY: as in `zmq_msg_t::body`: nobody writes to what was sent.
        unsafe { &*(block as *const [u8]) }
    }
}

/// A handle on a kept body, likewise.
pub(super) struct Kept(pub(super) Arc<Keeper>);

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        if self.0.size() == 0 {
            return &[];
        }
        // SAFETY: likewise.
        unsafe { std::slice::from_raw_parts(self.0.data(), self.0.size()) }
    }
}

/// Memory that outlives everything.
pub(crate) struct Constant(*const u8, usize);

// SAFETY: nobody writes there, ever.
unsafe impl Send for Constant {}
// SAFETY: likewise.
unsafe impl Sync for Constant {}

impl Constant {
    /// # Safety
    ///
    /// The memory is there and stays as it is for ever.
    pub(crate) const unsafe fn new(data: *const u8, size: usize) -> Self {
        Self(data, size)
    }
}

impl AsRef<[u8]> for Constant {
    fn as_ref(&self) -> &[u8] {
        if self.1 == 0 {
            return &[];
        }
        // SAFETY: whoever made it has promised that.
        unsafe { std::slice::from_raw_parts(self.0, self.1) }
    }
}

/// Holds a long body until the last handle is gone, on whatever thread that is.
pub(crate) struct Keeper {
    data: *mut u8,
    size: usize,
    memory: Memory,
}

enum Memory {
    /// From the allocator, with this layout.
    Allocated(Layout),
    /// The program's.
    Lent(zmq_free_fn, *mut c_void),
    /// A received body that is this handle's alone, and the one that is not. Only kept.
    Own(#[expect(dead_code, reason = "it holds the memory")] BytesMut),
    Shared(#[expect(dead_code, reason = "it holds the memory")] Bytes),
}

// SAFETY: the memory is this handle's, and what a program lends may be given back on any thread, says the manual.
unsafe impl Send for Keeper {}
// SAFETY: a shared keeper gives out nothing but the place of the memory.
unsafe impl Sync for Keeper {}

impl Keeper {
    /// Memory of so many bytes, all zero. Large blocks come so from the system, at no cost.
    pub(super) fn zeroed(size: usize) -> Result<Self, Errno> {
        let layout = Layout::array::<u8>(size.max(1)).map_err(|_| Errno::NOMEM)?;
        // SAFETY: the layout has at least one byte.
        let data = unsafe { alloc_zeroed(layout) };
        if data.is_null() {
            return Err(Errno::NOMEM);
        }
        Ok(Self {
            data,
            size,
            memory: Memory::Allocated(layout),
        })
    }

    pub(super) fn copy_of(body: &[u8]) -> Result<Self, Errno> {
        let keeper = Self::zeroed(body.len())?;
        // SAFETY: the block is new, so it does not overlap, and as long.
        unsafe { std::ptr::copy_nonoverlapping(body.as_ptr(), keeper.data, body.len()) };
        Ok(keeper)
    }

    /// A received body, and whether others have handles on it.
    pub(super) fn of_bytes(bytes: Bytes) -> (Self, bool) {
        let size = bytes.len();
        match bytes.try_into_mut() {
            Ok(mut own) => {
                let data = own.as_mut_ptr();
                let memory = Memory::Own(own);
                (Self { data, size, memory }, false)
            }
            Err(shared) => {
                let data = shared.as_ptr().cast_mut();
                let memory = Memory::Shared(shared);
                (Self { data, size, memory }, true)
            }
        }
    }

    /// The program's memory, given back by its function.
    ///
    /// # Safety
    ///
    /// The memory is there until then.
    pub(crate) unsafe fn lent(
        data: *mut u8,
        size: usize,
        free: zmq_free_fn,
        hint: *mut c_void,
    ) -> Self {
        Self {
            data,
            size,
            memory: Memory::Lent(free, hint),
        }
    }

    pub(super) const fn data(&self) -> *mut u8 {
        self.data
    }

    pub(super) const fn size(&self) -> usize {
        self.size
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        match &self.memory {
            // SAFETY: allocated with this layout, and nobody uses it again.
            Memory::Allocated(layout) => unsafe { dealloc(self.data, *layout) },
            // SAFETY: what the program has said to do, once.
            Memory::Lent(free, hint) => unsafe { free(self.data.cast(), *hint) },
            Memory::Own(_) | Memory::Shared(_) => {}
        }
    }
}
