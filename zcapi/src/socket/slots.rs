//! Handles of sockets: places in a table that only grows, so that any pointer can be judged without being followed.
//!
//! ```text
//!   handle ──▶ in one of the table's blocks, at the beginning of a slot? ──▶ slot ── state: free | open | busy
//!                                                                                 └─ the socket
//! ```
//!
//! A call takes its socket by one compare-and-exchange from *open* to *busy* and gives it back by a plain store: that is all that a
//! message pays for the thread rules. It makes two things true that libzmq leaves to the program. A socket may go from thread to
//! thread, and whoever takes it sees what the last one did. And a second thread, or a function that is called back, finds it busy and
//! is refused; so nothing is ever done to a socket by two at once. (A mark of the thread that used it last would save the exchange,
//! but then a thread that takes it over would have to make sure of the other one with a system call.)
//!
//! Slots are used again in the order in which they became free, and only when a hundred others have: a stale handle is told from
//! the next socket's for a long time. What lies at a handle is never one of the tags that libraries look for there, such as those
//! of czmq's objects.

use std::{
    cell::UnsafeCell,
    collections::VecDeque,
    ffi::c_void,
    ops::{Deref, DerefMut},
    sync::{
        LazyLock, OnceLock,
        atomic::{AtomicU8, Ordering},
    },
};

use zpipe::Guarded;

use super::State;
use crate::errno::Errno;

const FREE: u8 = 0;
const OPEN: u8 = 1;
const BUSY: u8 = 2;

/// One socket, or room for one: a cache line of its own, since threads use sockets side by side.
#[repr(C, align(64))]
struct Slot {
    /// What others find at a handle that they take for a pointer to something of theirs.
    nothing: [u32; 4],
    state: AtomicU8,
    socket: UnsafeCell<Option<Box<State>>>,
}

// SAFETY: the socket is only touched by whoever has made the state busy, one at a time, and may be used by any thread.
unsafe impl Sync for Slot {}

/// A state goes from thread to thread.
const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<State>();
};

/// Slots of the first block; each further one has twice as many as the one before.
const FIRST: usize = 256;
const BLOCKS: usize = 12;

static TABLE: [OnceLock<Box<[Slot]>>; BLOCKS] = [const { OnceLock::new() }; BLOCKS];

/// Slots that may be used again, and how many blocks there are.
static FREED: LazyLock<Guarded<Freed>> = LazyLock::new(Guarded::default);

#[derive(Default)]
struct Freed {
    slots: VecDeque<&'static Slot>,
    blocks: usize,
}

/// Free slots that stay so when one could be used again.
const RESTING: usize = 100;

/// A socket that is this call's alone.
pub(crate) struct Taken {
    slot: &'static Slot,
}

/// Opens a slot for a socket; `None` if there are too many.
pub(super) fn insert(socket: Box<State>) -> Option<*mut c_void> {
    let slot = free_slot()?;
    // SAFETY: a free slot that is in no list is this thread's.
    unsafe { *slot.socket.get() = Some(socket) };
    slot.state.store(OPEN, Ordering::Release);
    Some(std::ptr::from_ref(slot).cast_mut().cast())
}

/// Keeps everybody out of the list of free slots, for a fork.
pub(crate) fn hold() -> impl std::any::Any {
    FREED.lock()
}

fn free_slot() -> Option<&'static Slot> {
    let mut freed = FREED.lock();
    if freed.slots.len() <= RESTING {
        let block = TABLE.get(freed.blocks);
        if let Some(block) = block {
            let slots = FIRST << freed.blocks;
            freed.blocks += 1;
            let block = block.get_or_init(|| (0..slots).map(|_| Slot::new()).collect());
            freed.slots.extend(block.iter());
        }
    }
    freed.slots.pop_front()
}

impl Slot {
    const fn new() -> Self {
        Self {
            nothing: [0; 4],
            state: AtomicU8::new(FREE),
            socket: UnsafeCell::new(None),
        }
    }

    #[inline]
    fn find(handle: *const c_void) -> Option<&'static Self> {
        for block in &TABLE {
            let slots = block.get()?;
            let offset = handle.addr().wrapping_sub(slots.as_ptr().addr());
            if offset < size_of_val(&**slots) {
                let is_slot = offset.is_multiple_of(size_of::<Self>());
                return is_slot.then(|| &slots[offset / size_of::<Self>()]);
            }
        }
        None
    }
}

/// Takes the socket of a handle, for a call.
///
/// # Errors
///
/// [`Errno::NOTSOCK`] if there is none, [`Errno::BUSY`] if another call has it.
#[inline]
pub(crate) fn take(handle: *const c_void) -> Result<Taken, Errno> {
    let slot = Slot::find(handle).ok_or(Errno::NOTSOCK)?;
    let taken = slot
        .state
        .compare_exchange(OPEN, BUSY, Ordering::Acquire, Ordering::Relaxed);
    match taken {
        Ok(_) => Ok(Taken { slot }),
        Err(FREE) => Err(Errno::NOTSOCK),
        Err(_) => Err(refuse(handle)),
    }
}

#[cold]
fn refuse(handle: *const c_void) -> Errno {
    if cfg!(debug_assertions) {
        eprintln!(
            "libzmq (zlayers): the socket {handle:p} is used by two threads at once, or by a function that it has called. \
             This call is refused with EBUSY. Give each thread a socket of its own, or a lock."
        );
    }
    Errno::BUSY
}

impl Taken {
    /// Closes the slot. The handle is none from now on.
    pub(super) fn close(self) -> Option<Box<State>> {
        let slot = self.slot;
        std::mem::forget(self);
        // SAFETY: the slot is busy by this call.
        let socket = unsafe { (*slot.socket.get()).take() };
        slot.state.store(FREE, Ordering::Release);
        FREED.lock().slots.push_back(slot);
        socket
    }
}

impl Deref for Taken {
    type Target = State;

    #[inline]
    fn deref(&self) -> &State {
        // SAFETY: the slot is busy by this call.
        match unsafe { &*self.slot.socket.get() } {
            Some(socket) => socket,
            None => unreachable!("a slot that is open has a socket"),
        }
    }
}

impl DerefMut for Taken {
    #[inline]
    fn deref_mut(&mut self) -> &mut State {
        // SAFETY: likewise.
        match unsafe { &mut *self.slot.socket.get() } {
            Some(socket) => socket,
            None => unreachable!("a slot that is open has a socket"),
        }
    }
}

impl Drop for Taken {
    #[inline]
    fn drop(&mut self) {
        self.slot.state.store(OPEN, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::testing::state;

    #[test]
    fn a_handle_is_a_socket_from_when_it_is_made_until_it_is_closed() {
        let handle = insert(state()).unwrap();
        let taken = take(handle).unwrap();
        assert_eq!(take(handle).err(), Some(Errno::BUSY), "by another call");
        drop(taken);
        assert!(take(handle).unwrap().close().is_some());
        assert_eq!(take(handle).err(), Some(Errno::NOTSOCK));
        let next = insert(state()).unwrap();
        assert_ne!(handle, next, "not used again so soon");
        take(next).unwrap().close();
    }

    #[test]
    fn any_other_pointer_is_none() {
        let handle = insert(state()).unwrap();
        let local = 0_u8;
        for other in [
            std::ptr::null(),
            std::ptr::without_provenance(1),
            (&raw const local).cast(),
            handle.wrapping_byte_add(1).cast_const(),
            std::ptr::without_provenance(usize::MAX),
        ] {
            assert_eq!(take(other).err(), Some(Errno::NOTSOCK), "{other:p}");
        }
        take(handle).unwrap().close();
    }

    #[test]
    fn threads_take_turns_and_see_what_the_last_has_done() {
        let handle = insert(state()).unwrap().addr();
        let count = |rounds: usize| {
            let handle = std::ptr::without_provenance(handle);
            let mut done = 0;
            while done < rounds {
                match take(handle) {
                    Ok(mut taken) => {
                        taken.count_for_test += 1;
                        done += 1;
                    }
                    Err(errno) => {
                        assert_eq!(errno, Errno::BUSY);
                        std::thread::yield_now();
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| count(1_000));
            }
        });
        let taken = take(std::ptr::without_provenance(handle)).unwrap();
        assert_eq!(taken.count_for_test, 2_000);
        taken.close();
    }
}
