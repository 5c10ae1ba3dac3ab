//! Random operations on pipes, compared with an oracle; see `oracle.rs`.

#![cfg(not(loom))]

mod frames;
mod input;
mod oracle;
mod raw;

use oracle::{Step, limits};
use proptest::prelude::*;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(any::<Step>(), 0..200)
}

fn config() -> ProptestConfig {
    ProptestConfig {
        max_shrink_iters: 20_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn frames_come_out_as_they_went_in(a: u32, b: u32, steps in steps()) {
        allocation::balanced(|| frames::run(limits(a, b), &steps));
    }

    #[test]
    fn bytes_come_out_as_the_wire_wants_them(a: u32, b: u32, steps in steps()) {
        allocation::balanced(|| raw::run(limits(a, b), &steps));
    }

    #[test]
    fn input_comes_out_as_messages(a: u32, steps in steps()) {
        allocation::balanced(|| input::run(limits(a, 0).messages, &steps));
    }
}

/// Counts what each thread allocates, so that a chunk which nobody freed is found.
mod allocation {
    use std::{
        alloc::{GlobalAlloc, Layout, System},
        cell::Cell,
    };

    thread_local! {
        static LIVE: Cell<isize> = const { Cell::new(0) };
    }

    struct Counting;

    #[global_allocator]
    static ALLOCATOR: Counting = Counting;

    fn count(bytes: isize) {
        LIVE.with(|live| live.set(live.get() + bytes));
    }

    // SAFETY: forwards everything to the system's allocator.
    unsafe impl GlobalAlloc for Counting {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            count(layout.size() as isize);
            // SAFETY: forwarded.
            unsafe { System.alloc(layout) }
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            count(layout.size() as isize);
            // SAFETY: forwarded.
            unsafe { System.alloc_zeroed(layout) }
        }

        unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
            count(-(layout.size() as isize));
            // SAFETY: forwarded.
            unsafe { System.dealloc(at, layout) }
        }

        unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            count(size as isize - layout.size() as isize);
            // SAFETY: forwarded.
            unsafe { System.realloc(at, layout, size) }
        }
    }

    /// Runs `f`, after which this thread must have as much memory as before.
    pub(crate) fn balanced(f: impl FnOnce()) {
        let before = LIVE.with(Cell::get);
        f();
        assert_eq!(LIVE.with(Cell::get), before, "bytes leaked");
    }
}
