//! What tests need of the system and no safe crate offers: forking, and the size of the heap.

use std::ffi::c_int;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[repr(C)]
struct Mallinfo2 {
    /// In this order: arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks,
    /// keepcost.
    fields: [usize; 10],
}

unsafe extern "C" {
    #[cfg(unix)]
    fn fork() -> c_int;
    #[cfg(unix)]
    fn _exit(status: c_int) -> !;
    #[cfg(unix)]
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    #[cfg(unix)]
    fn kill(pid: c_int, signal: c_int) -> c_int;
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn mallinfo2() -> Mallinfo2;
}

/// Bytes that the program has allocated and not freed, over all threads; `None` where the C library
/// does not tell. Memory that the allocator keeps for later is not in it.
#[must_use]
pub fn live_heap_bytes() -> Option<u64> {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: it has no preconditions; it takes the allocator's locks itself.
        let info = unsafe { mallinfo2() };
        let [.., mapped, _, _, in_use, _, _] = info.fields;
        Some((mapped + in_use) as u64)
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    None
}

/// A process that [`fork`](Forked::fork) made.
#[derive(Debug)]
#[cfg(unix)]
pub struct Forked {
    pid: c_int,
    done: bool,
}

#[cfg(unix)]
impl Forked {
    /// Forks. The child calls `in_child` and exits with what it returns, or with 101 if it panics;
    /// nothing else of the program runs in it, no other thread and no destructor of a caller.
    ///
    /// The program may have threads. The child then finds locks locked whose owners are not there, so
    /// whatever it does may hang; glibc makes an exception for its allocator. Hence the time limit of
    /// [`wait`](Self::wait).
    ///
    /// # Errors
    /// What the system says.
    pub fn fork(in_child: impl FnOnce() -> u8) -> io::Result<Self> {
        // SAFETY: the child has a copy of this thread and of all memory. What it runs is safe code, which
        // can at worst wait for ever for threads that it does not have; it leaves by `_exit`, so it
        // never returns into frames of the caller, whose values belong to the parent.
        match unsafe { fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                let status = catch_unwind(AssertUnwindSafe(in_child)).unwrap_or(101);
                // SAFETY: it has no preconditions.
                unsafe { _exit(status.into()) }
            }
            pid => Ok(Self { pid, done: false }),
        }
    }

    /// Waits for the child's end and returns what it exited with; `None` if it did not end within
    /// `limit` or was ended by a signal. A child that is still there then is killed.
    ///
    /// # Errors
    /// What the system says.
    pub fn wait(mut self, limit: Duration) -> io::Result<Option<u8>> {
        const NO_HANG: c_int = 1;
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            let mut status = 0;
            // SAFETY: a child of this process that nobody has waited for, and a place for its status.
            match unsafe { waitpid(self.pid, &raw mut status, NO_HANG) } {
                0 => thread::sleep(Duration::from_millis(1)),
                -1 => return Err(io::Error::last_os_error()),
                _ => {
                    self.done = true;
                    let by_signal = status & 0x7f != 0;
                    return Ok((!by_signal).then_some((status >> 8) as u8));
                }
            }
        }
        Ok(None)
    }
}

#[cfg(unix)]
impl Drop for Forked {
    fn drop(&mut self) {
        const KILL: c_int = 9;
        if self.done {
            return;
        }
        let mut status = 0;
        // SAFETY: a child of this process that nobody has waited for, so the number is still its own, and
        // a place for its status.
        unsafe {
            kill(self.pid, KILL);
            waitpid(self.pid, &raw mut status, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn the_heap_grows_by_what_is_allocated() {
        const SIZE: usize = 64 << 20;
        let before = live_heap_bytes().unwrap();
        let block = vec![1u8; SIZE];
        let with = live_heap_bytes().unwrap();
        assert!(
            with >= before + SIZE as u64 / 2,
            "{before} B, then {with} B"
        );
        drop(block);
        assert!(live_heap_bytes().unwrap() < with);
    }

    #[test]
    #[cfg(unix)]
    fn a_child_returns_its_status_and_a_hanging_one_is_killed() {
        assert_eq!(Forked::fork(|| 7).unwrap().wait(LIMIT).unwrap(), Some(7));
        let hanging = Forked::fork(|| {
            loop {
                thread::park();
            }
        });
        let limit = Duration::from_millis(50);
        assert_eq!(hanging.unwrap().wait(limit).unwrap(), None);
    }
}
