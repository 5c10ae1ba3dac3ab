//! Random operations on pipes, compared with an oracle; see `oracle.rs`.

#![cfg(not(loom))]

mod frames;
mod input;
mod oracle;
mod raw;

use std::io;

use oracle::{OracleFrame, Step, limits};
use proptest::prelude::*;
use zmtp::{
    Message,
    header::{self, Flags},
};
use zpipe::{FrameLimits, ReadySet, Scan, Writer, byte_pipe, channel, ingest_pipe, pipe};

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(any::<Step>(), 0..if cfg!(miri) { 60 } else { 200 })
}

fn config() -> ProptestConfig {
    ProptestConfig {
        max_shrink_iters: 20_000,
        failure_persistence: None,
        cases: if cfg!(miri) { 2 } else { 256 },
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

/// What a pipe costs after a burst, in bytes: as it is, and trimmed.
fn cost_after_burst(burst: impl FnOnce(&mut Writer, &mut ReadySet)) -> (isize, isize) {
    let before = allocation::live();
    let mut set = ReadySet::new();
    let (mut writer, mut reader) = pipe(limits(0, 0), None, Some(set.notifier(0)));
    burst(&mut writer, &mut set);
    while reader.next_frame().is_some() {
        reader.release();
    }
    assert!(reader.set_idle());
    let large = allocation::live() - before;
    writer.trim();
    if !set.is_empty() {
        set.drain(|_, _| ());
        assert!(reader.set_idle(), "woken only to look");
    }
    (large, allocation::live() - before)
}

#[test]
#[cfg_attr(any(miri, mutants), ignore = "about memory, and long")]
fn an_idle_pipe_is_small_again_after_a_burst() {
    let (new, trimmed) = cost_after_burst(|_, _| ());
    assert_eq!(new, trimmed);
    assert!(new < 2048, "{new} bytes");
    let (large, trimmed) = cost_after_burst(|writer, _| {
        for _ in 0..10_000 {
            writer.append(Flags::NONE, &[7; 100]);
            writer.commit();
        }
    });
    assert!(large > 32 * 1024, "{large} bytes");
    assert_eq!(trimmed, new);
}

#[test]
#[cfg_attr(any(miri, mutants), ignore = "about memory, and long")]
fn an_idle_byte_pipe_is_small_again_after_a_burst() {
    let before = allocation::live();
    let (mut writer, mut reader) = byte_pipe(limits(0, 0), None, None);
    let new = allocation::live() - before;
    for _ in 0..10_000 {
        writer.append(Flags::NONE, &[7; 100]);
        writer.commit();
    }
    reader.advance(10_000 * 102);
    assert!(reader.set_idle());
    assert!(allocation::live() - before > 32 * 1024);
    writer.trim();
    assert!(reader.set_idle());
    assert_eq!(allocation::live() - before, new);
}

#[test]
#[cfg_attr(any(miri, mutants), ignore = "about memory, and long")]
fn a_whole_body_costs_the_input_behind_it_nothing() {
    let (mut ingest, mut reader) = ingest_pipe(limits(0, 0), None, None);
    let rules = FrameLimits::default();
    let mut wire = Vec::new();
    let large = OracleFrame {
        more: false,
        command: false,
        body: vec![7; 20 << 20],
    };
    large.encode(&mut wire);
    let (front, rest) = wire.split_at(1000);
    ingest.fill_from(front);
    assert_eq!(ingest.scan(&rules).stop, Scan::NeedInput);
    ingest.fill_from(rest);
    let before = allocation::live();
    ingest.fill_from(b"\x00\x01x");
    let cost = allocation::live() - before;
    assert!(cost < 4096, "{cost} bytes for three");
    assert_eq!(ingest.scan(&rules).messages, 2);
    assert_eq!(reader.next_frame().unwrap().body.as_slice(), large.body);
    assert_eq!(reader.next_frame().unwrap().body.as_slice(), b"x");
}

#[test]
#[cfg_attr(any(miri, mutants), ignore = "about memory, and long")]
fn a_pipe_without_a_reader_keeps_nothing() {
    let (mut writer, reader) = pipe(limits(0, 0), None, None);
    for _ in 0..100 {
        writer.append(Flags::NONE, &[7; 100]);
        writer.commit();
    }
    drop(reader);
    let before = allocation::live();
    for _ in 0..100_000 {
        assert!(writer.has_room());
        writer.append(Flags::MORE, &[7; 100]);
        writer.append_spliced(Flags::NONE, vec![7; 1000].into());
        writer.commit();
    }
    assert_eq!((writer.written(), writer.pending()), (100_100, 100_100));
    let cost = allocation::live() - before;
    assert!(cost < 256 * 1024, "{cost} bytes kept");
}

#[test]
#[cfg_attr(any(miri, mutants), ignore = "about memory, and long")]
fn input_without_a_reader_is_read_and_not_kept() {
    let first = limits(1, 0);
    let (mut ingest, reader) = ingest_pipe(first, None, None);
    drop(reader);
    let mut wire = Vec::new();
    for _ in 0..1000 {
        let frame = OracleFrame {
            more: false,
            command: false,
            body: vec![7; 100],
        };
        frame.encode(&mut wire);
    }
    let before = allocation::live();
    for _ in 0..100 {
        ingest.fill_from(&wire);
        let scanned = ingest.scan(&FrameLimits::default());
        assert_eq!((scanned.messages, scanned.stop), (1000, Scan::NeedInput));
        assert!(scanned.reader_was_idle);
        ingest.wake_reader();
    }
    assert_eq!(ingest.pending(), 100_000);
    let cost = allocation::live() - before;
    assert!(cost < 512 * 1024, "{cost} bytes kept");
}

/// Feeds a hundred times these bytes, all commands, and says what that costs at most, in bytes.
fn cost_of_commands(commands: &[u8], step: usize) -> isize {
    let before = allocation::live();
    let (mut writer, mut reader) = ingest_pipe(limits(0, 0), None, None);
    let rules = FrameLimits::default();
    let mut cost = 0;
    for _ in 0..100 {
        let mut input = commands;
        while !input.is_empty() {
            let filled = writer.fill_rope(step, |room| io::Read::read(&mut input, room));
            assert!(filled.unwrap().bytes > 0);
            while let Scan::Command(body) = writer.scan(&rules).stop {
                assert!(body.iter().all(|byte| *byte == 7));
            }
            cost = cost.max(allocation::live() - before);
        }
    }
    writer.trim();
    writer.fill_from(b"\x00\x09a message");
    assert_eq!(writer.scan(&rules).messages, 1);
    assert_eq!(reader.next_frame().unwrap().body.as_slice(), b"a message");
    cost
}

#[test]
#[cfg_attr(any(miri, mutants), ignore = "about memory, and long")]
fn commands_alone_take_no_memory() {
    let mut commands = Vec::new();
    for len in [6, 20, 60_000, 0, 30_000, 255, 64_000, 1] {
        let frame = OracleFrame {
            more: false,
            command: true,
            body: vec![7; len],
        };
        frame.encode(&mut commands);
    }
    for step in [1, 100, 5_000, 65_536] {
        let cost = cost_of_commands(&commands, step);
        assert!(cost < 400 * 1024, "{cost} bytes, read {step} at a time");
    }
}

/// What the beginning of a message takes at most while it arrives `step` bytes at a time, in bytes, as long
/// as its end does not come.
fn cost_of_unfinished(wire: &[u8], step: usize) -> isize {
    let before = allocation::live();
    let (mut ingest, _reader) = ingest_pipe(limits(0, 0), None, None);
    let mut cost = 0;
    let mut input = wire;
    while !input.is_empty() {
        let mut part = &input[..step.min(input.len())];
        let filled = if ingest.wants_body() {
            ingest.fill_body(|room| {
                let len = room.len().min(part.len());
                let (room, _) = room.split_at_mut(len);
                for (to, from) in room.iter_mut().zip(part) {
                    to.write(*from);
                }
                // SAFETY: the loop above has written each of them.
                Ok::<_, io::Error>(unsafe { &mut *(std::ptr::from_mut(room) as *mut [u8]) })
            })
        } else {
            ingest.fill_rope(step, |room| io::Read::read(&mut part, room))
        };
        input = &input[filled.unwrap().bytes..];
        let scanned = ingest.scan(&FrameLimits::default());
        assert_eq!((scanned.messages, scanned.stop), (0, Scan::NeedInput));
        cost = cost.max(allocation::live() - before);
    }
    cost
}

#[test]
#[cfg_attr(any(miri, mutants), ignore = "about memory, and long")]
fn an_unfinished_message_takes_twice_its_size_and_something_for_each_frame() {
    for (frames, len) in [
        (60_000, 1),
        (60_000, 100),
        (2000, 3000),
        (500, 9000),
        (40, 100_000),
        (1, 8 << 20),
    ] {
        let mut wire = Vec::new();
        for _ in 0..frames {
            let frame = OracleFrame {
                more: true,
                command: false,
                body: vec![7; len],
            };
            frame.encode(&mut wire);
        }
        // Not even the last of them comes whole.
        wire.pop();
        for step in [4000, 65_536] {
            let cost = cost_of_unfinished(&wire, step);
            let most = 2 * frames * len + 100 * frames + 256 * 1024;
            assert!(
                cost <= most as isize,
                "{cost} bytes for {frames} frames of {len}, {step} at a time"
            );
        }
    }
}

/// How often this thread allocates while it makes so many turns, after others for the sizes to settle.
fn allocations_of(mut turn: impl FnMut()) -> u64 {
    (0..10_000).for_each(|_| turn());
    let before = allocation::count();
    (0..10_000).for_each(|_| turn());
    allocation::count() - before
}

#[test]
#[cfg_attr(any(miri, mutants), ignore = "about memory, and long")]
fn a_steady_flow_allocates_nothing() {
    for (held, size) in [(1, 0), (1, 900), (1, 7000), (5, 7000), (100, 500)] {
        let body = vec![7; size];
        let (mut writer, mut reader) = pipe(limits(0, 0), None, None);
        let turn = || {
            for _ in 0..held {
                writer.append(Flags::MORE, b"two frames");
                writer.append(Flags::NONE, &body);
                writer.commit();
            }
            while reader.next_frame().is_some() {
                reader.release();
            }
        };
        assert_eq!(allocations_of(turn), 0, "{held} of {size} bytes, as frames");

        let (mut writer, mut reader) = byte_pipe(limits(0, 0), None, None);
        let turn = || {
            for _ in 0..held {
                writer.append(Flags::NONE, &body);
                writer.commit();
            }
            reader.advance(held * (header::encoded_len(size as u64) + size));
        };
        assert_eq!(allocations_of(turn), 0, "{held} of {size} bytes, as bytes");

        let (mut sender, mut receiver) = channel(limits(0, 0));
        let mut message = Message::new();
        let turn = || {
            (0..held).for_each(|_| sender.send_body(&body).unwrap());
            (0..held).for_each(|_| receiver.recv_into(&mut message).unwrap());
        };
        assert_eq!(
            allocations_of(turn),
            0,
            "{held} of {size} bytes, in a channel"
        );
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
        static COUNT: Cell<u64> = const { Cell::new(0) };
    }

    struct Counting;

    #[global_allocator]
    static ALLOCATOR: Counting = Counting;

    fn change(bytes: isize) {
        LIVE.with(|live| live.set(live.get() + bytes));
    }

    fn allocated(bytes: usize) {
        COUNT.with(|count| count.set(count.get() + 1));
        change(bytes as isize);
    }

    // SAFETY: forwards everything to the system's allocator.
    unsafe impl GlobalAlloc for Counting {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            allocated(layout.size());
            // SAFETY: forwarded.
            unsafe { System.alloc(layout) }
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            allocated(layout.size());
            // SAFETY: forwarded.
            unsafe { System.alloc_zeroed(layout) }
        }

        unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
            change(-(layout.size() as isize));
            // SAFETY: forwarded.
            unsafe { System.dealloc(at, layout) }
        }

        unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            change(-(layout.size() as isize));
            allocated(size);
            // SAFETY: forwarded.
            unsafe { System.realloc(at, layout, size) }
        }
    }

    /// Bytes that this thread has allocated and not freed.
    pub(crate) fn live() -> isize {
        LIVE.with(Cell::get)
    }

    /// How often this thread has allocated.
    pub(crate) fn count() -> u64 {
        COUNT.with(Cell::get)
    }

    /// Runs `f`, after which this thread must have as much memory as before.
    pub(crate) fn balanced(f: impl FnOnce()) {
        let before = live();
        f();
        // What the build with mutants keeps in mind takes memory, too.
        if !cfg!(mutants) {
            assert_eq!(live(), before, "bytes leaked");
        }
    }
}
