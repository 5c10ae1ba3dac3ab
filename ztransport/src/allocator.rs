//! A hint to the system's allocator.

use std::{hint::black_box, sync::Once};

/// Free memory that the allocator shall keep, in bytes: some bodies on their way from a stream to an
/// application that drops them.
const KEEP: usize = 4 << 20;

/// Keeps the allocator from giving memory back to the system and asking for it again with each large
/// message.
///
/// A receiver allocates a buffer for each large body and frees it a moment later. With glibc's
/// defaults the end of the heap is returned as soon as 128 KiB of it are free, so bodies of 64 KiB can
/// cost a system call and sixteen page faults each: a third of the throughput over tcp, in some runs
/// and not in others, as the heap happens to lie. glibc raises that limit by itself when it sees a
/// larger block freed, to twice its size. So one is allocated and freed here; its pages are never
/// touched. Other allocators take no notice.
pub(crate) fn expect_large_messages() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| drop(black_box(Vec::<u8>::with_capacity(KEEP))));
}
