//! Forks while other threads are in this library.
//!
//! A child has a copy of everything, and of the threads only the one that has forked. A lock that another one held is held there
//! for ever. Those of this library's own tables would keep the child from making a context of its own; so a fork waits until
//! they are free, and holds them meanwhile.

use std::{any::Any, cell::RefCell, sync::Once};

use crate::{context, poll, socket, utility};

thread_local! {
    /// What the thread that forks holds.
    static HELD: RefCell<Vec<Box<dyn Any>>> = const { RefCell::new(Vec::new()) };
}

/// From now on forks are watched. Whoever puts something into a table calls this before.
pub(crate) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the functions stay where they are, and do nothing that is forbidden around a fork: the C library's allocator
        // works there, on both sides. Without memory for this, forks are as they were.
        unsafe { libc::pthread_atfork(Some(hold), Some(let_go), Some(let_go)) };
    });
}

/// Before: in the order in which nobody takes one of them while holding the next.
extern "C" fn hold() {
    let _ = HELD.try_with(|held| {
        if let Ok(mut held) = held.try_borrow_mut() {
            held.push(Box::new(context::hold()));
            held.push(Box::new(poll::poller::hold()));
            held.push(Box::new(utility::timers::hold()));
            held.push(Box::new(socket::slots::hold()));
        }
    });
}

/// After, in the parent and in the child.
extern "C" fn let_go() {
    let _ = HELD.try_with(|held| {
        let held = held
            .try_borrow_mut()
            .map(|mut held| std::mem::take(&mut *held));
        drop(held);
    });
}
