//! What C programs that also run with libzmq cannot show: thread rules, and where this library answers something of its own.

use std::{
    ffi::{CStr, CString, c_int, c_void},
    ptr, thread,
    time::{Duration, Instant},
};

use super::calls::*;
use crate::{
    context::calls::*,
    errno::Errno,
    message::{calls::*, zmq_msg_t},
    options::calls::*,
    poll::{calls::*, poller::*},
};

/// A handle that goes to another thread, as a C program's does.
#[derive(Clone, Copy)]
struct Handle(*mut c_void);

// SAFETY: it is only given to functions that judge it.
unsafe impl Send for Handle {}

impl Handle {
    fn get(self) -> *mut c_void {
        self.0
    }
}

const PULL: c_int = 7;
const PUSH: c_int = 8;
const REQ: c_int = 3;
const ROUTER: c_int = 6;

fn context() -> *mut c_void {
    // SAFETY: has no preconditions.
    let context = unsafe { zmq_ctx_new() };
    assert!(!context.is_null());
    context
}

fn socket(context: *mut c_void, kind: c_int) -> *mut c_void {
    // SAFETY: any pointer will do.
    let socket = unsafe { zmq_socket(context, kind) };
    assert!(!socket.is_null(), "{:?}", Errno::last());
    set(socket, LINGER, 0);
    socket
}

const LINGER: c_int = 17;
const RCVTIMEO: c_int = 27;
const REQ_RELAXED: c_int = 53;
const DONTWAIT: c_int = 1;

fn set(socket: *mut c_void, option: c_int, value: c_int) {
    // SAFETY: the value is as long as it says.
    let set = unsafe {
        zmq_setsockopt(
            socket,
            option,
            (&raw const value).cast(),
            size_of::<c_int>(),
        )
    };
    assert_eq!(set, 0, "{:?}", Errno::last());
}

fn send(socket: *mut c_void, body: &str, flags: c_int) -> Result<c_int, Errno> {
    // SAFETY: the body is as long as it says.
    told(unsafe { zmq_send(socket, body.as_ptr().cast(), body.len(), flags) })
}

fn recv(socket: *mut c_void, flags: c_int) -> Result<String, Errno> {
    let mut room = [0_u8; 64];
    // SAFETY: the room is as long as it says.
    let size = told(unsafe { zmq_recv(socket, room.as_mut_ptr().cast(), room.len(), flags) })?;
    Ok(String::from_utf8_lossy(&room[..(size as usize).min(room.len())]).into_owned())
}

fn told(result: c_int) -> Result<c_int, Errno> {
    if result < 0 {
        Err(Errno::last())
    } else {
        Ok(result)
    }
}

fn at(
    socket: *mut c_void,
    call: unsafe extern "C" fn(*mut c_void, *const std::ffi::c_char) -> c_int,
    endpoint: &str,
) -> Result<c_int, Errno> {
    let endpoint = CString::new(endpoint).unwrap();
    // SAFETY: the text ends with a zero.
    told(unsafe { call(socket, endpoint.as_ptr()) })
}

fn bind_somewhere(socket: *mut c_void) -> String {
    at(socket, zmq_bind, "tcp://127.0.0.1:*").unwrap();
    let (mut text, mut size) = ([0_u8; 64], 64);
    // SAFETY: the room is as long as it says.
    let got = unsafe { zmq_getsockopt(socket, 32, text.as_mut_ptr().cast(), &raw mut size) };
    assert_eq!(got, 0);
    CStr::from_bytes_until_nul(&text)
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned()
}

fn close(sockets: &[*mut c_void], context: *mut c_void) {
    for socket in sockets {
        // SAFETY: any pointer will do.
        assert_eq!(told(unsafe { zmq_close(*socket) }), Ok(0));
    }
    // SAFETY: likewise.
    assert_eq!(told(unsafe { zmq_ctx_term(context) }), Ok(0));
}

fn eventually(mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline);
        thread::yield_now();
    }
}

#[test]
fn a_socket_that_another_thread_uses_is_refused_and_unharmed() {
    let context = context();
    let (pull, push) = (socket(context, PULL), socket(context, PUSH));
    let endpoint = bind_somewhere(pull);
    at(push, zmq_connect, &endpoint).unwrap();
    let handle = Handle(pull);
    let blocked = thread::spawn(move || {
        loop {
            match recv(handle.get(), 0) {
                // The other thread was just looking.
                Err(Errno::BUSY) => thread::yield_now(),
                received => break received,
            }
        }
    });
    eventually(|| recv(pull, DONTWAIT) == Err(Errno::BUSY));
    // SAFETY: any pointer will do.
    unsafe {
        assert_eq!(told(zmq_close(pull)), Err(Errno::BUSY));
        let mut item = [0_u64; 2];
        item[0] = pull.addr() as u64;
        let items = item.as_mut_ptr().cast::<zmq_pollitem_t>();
        assert_eq!(told(zmq_poll(items, 1, 0)), Err(Errno::BUSY));
    }
    send(push, "for the one that waits", 0).unwrap();
    assert_eq!(
        blocked.join().unwrap().as_deref(),
        Ok("for the one that waits")
    );
    // With a fence it goes from thread to thread.
    for round in 0..20 {
        send(push, "x", 0).unwrap();
        let received = thread::spawn(move || recv(handle.get(), 0)).join().unwrap();
        assert_eq!(received.as_deref(), Ok("x"), "{round}");
    }
    close(&[pull, push], context);
}

#[test]
fn a_handle_that_was_closed_is_none() {
    let context = context();
    let pull = socket(context, PULL);
    // SAFETY: any pointer will do.
    unsafe {
        assert_eq!(told(zmq_close(pull)), Ok(0));
        assert_eq!(told(zmq_close(pull)), Err(Errno::NOTSOCK));
        assert_eq!(told(zmq_close(context)), Err(Errno::NOTSOCK), "no socket");
        assert_eq!(told(zmq_ctx_term(context)), Ok(0));
        assert_eq!(told(zmq_ctx_term(context)), Err(Errno::FAULT));
        assert!(zmq_socket(context, PULL).is_null());
        assert_eq!(told(zmq_poller_size(context)), Err(Errno::FAULT));
    }
}

/// libzmq's REQ does not know that the peer which had its request is gone.
#[test]
fn a_requester_waits_for_a_reply_that_is_lost() {
    let context = context();
    let (router, req) = (socket(context, ROUTER), socket(context, REQ));
    let endpoint = bind_somewhere(router);
    at(req, zmq_connect, &endpoint).unwrap();
    send(req, "question", 0).unwrap();
    recv(router, 0).unwrap();
    // SAFETY: any pointer will do.
    assert_eq!(unsafe { zmq_close(router) }, 0);
    set(req, RCVTIMEO, 100);
    let begin = Instant::now();
    assert_eq!(recv(req, 0), Err(Errno::AGAIN));
    assert!(begin.elapsed() >= Duration::from_millis(100));
    assert_eq!(recv(req, DONTWAIT), Err(Errno::AGAIN));
    assert_eq!(send(req, "another", 0), Err(Errno::FSM));
    let events = |socket: *mut c_void| {
        let (mut events, mut size): (c_int, usize) = (-1, size_of::<c_int>());
        // SAFETY: the room is as long as it says.
        let got = unsafe { zmq_getsockopt(socket, 15, (&raw mut events).cast(), &raw mut size) };
        assert_eq!(got, 0);
        events
    };
    assert_eq!(events(req), 0);
    set(req, REQ_RELAXED, 1);
    assert_eq!(events(req), 2);
    send(req, "another", 0).unwrap();
    close(&[req], context);
}

#[test]
fn what_is_not_there_yet_says_so() {
    let context = context();
    let push = socket(context, PUSH);
    // SAFETY: any pointer will do, and all text ends with a zero.
    unsafe {
        for kind in 12..=20 {
            assert!(zmq_socket(context, kind).is_null());
            assert_eq!(Errno::last(), Errno::INVAL, "{kind}");
        }
        assert_eq!(told(zmq_join(push, c"group".as_ptr())), Err(Errno::NOTSUP));
        assert_eq!(told(zmq_leave(push, c"group".as_ptr())), Err(Errno::NOTSUP));
        assert_eq!(zmq_connect_peer(push, c"tcp://127.0.0.1:1".as_ptr()), 0);
        assert_eq!(Errno::last(), Errno::NOTSUP);
        assert_eq!(told(zmq_bind(push, ptr::null())), Err(Errno::INVAL));
        assert_eq!(told(zmq_poll(ptr::null_mut(), 1, 0)), Err(Errno::FAULT));
        assert_eq!(told(zmq_poll(ptr::null_mut(), -1, 0)), Err(Errno::INVAL));
        assert_eq!(told(zmq_poll(ptr::null_mut(), 0, 1)), Ok(0));
    }
    for scheme in ["norm", "ws", "wss", "tipc", "vsock", "vmci"] {
        let refused = at(push, zmq_connect, &format!("{scheme}://127.0.0.1:5555"));
        assert_eq!(refused, Err(Errno::PROTONOSUPPORT), "{scheme}");
    }
    assert_eq!(
        at(push, zmq_connect, "epgm://lo;239.192.1.1:5555"),
        Err(Errno::NOCOMPATPROTO)
    );
    assert_eq!(
        at(push, zmq_connect, "udp://127.0.0.1:5555"),
        Err(Errno::NOCOMPATPROTO)
    );
    close(&[push], context);
}

/// Whatever libzmq has by number is read, refused, or set to what it is; nothing is accepted and ignored.
#[test]
fn no_option_is_accepted_and_ignored() {
    let context = context();
    let push = socket(context, PUSH);
    for option in [8, 9, 25, 84, 94, 96, 101, 102] {
        let (mut value, mut size): (c_int, usize) = (-77, size_of::<c_int>());
        let write = |value: c_int| {
            // SAFETY: the value is as long as it says.
            told(unsafe {
                zmq_setsockopt(push, option, (&raw const value).cast(), size_of::<c_int>())
            })
        };
        // SAFETY: the room is as long as it says.
        let read = unsafe { zmq_getsockopt(push, option, (&raw mut value).cast(), &raw mut size) };
        assert_eq!(read, 0, "{option}");
        assert_eq!(write(value), Ok(0), "{option}");
        assert_eq!(write(value + 1), Err(Errno::INVAL), "{option}");
    }
    for option in (62..=65)
        .chain(85..=88)
        .chain(90..=91)
        .chain(103..=107)
        .chain(117..=124)
    {
        let value: c_int = 1;
        // SAFETY: the value is as long as it says.
        let set =
            unsafe { zmq_setsockopt(push, option, (&raw const value).cast(), size_of::<c_int>()) };
        assert_eq!(told(set), Err(Errno::INVAL), "{option}");
    }
    close(&[push], context);
}

#[test]
fn a_message_of_many_frames_is_refused_with_its_first() {
    let context = context();
    let (push, pull) = (socket(context, PUSH), socket(context, PULL));
    const SNDMORE: c_int = 2;
    assert_eq!(send(push, "first", SNDMORE | DONTWAIT), Err(Errno::AGAIN));
    at(pull, zmq_bind, "inproc://frames").unwrap();
    at(push, zmq_connect, "inproc://frames").unwrap();
    send(push, "one", SNDMORE).unwrap();
    send(push, "two", DONTWAIT).unwrap();
    assert_eq!(recv(pull, 0).as_deref(), Ok("one"));
    assert_eq!(recv(pull, 0).as_deref(), Ok("two"));
    // Its peer goes in between: the message is refused as a whole, and the next one begins anew.
    send(push, "half", SNDMORE).unwrap();
    // SAFETY: any pointer will do.
    assert_eq!(unsafe { zmq_close(pull) }, 0);
    assert_eq!(send(push, "rest", DONTWAIT), Err(Errno::AGAIN));
    let pull = socket(context, PULL);
    at(pull, zmq_bind, "inproc://others").unwrap();
    at(push, zmq_connect, "inproc://others").unwrap();
    send(push, "whole", 0).unwrap();
    assert_eq!(recv(pull, 0).as_deref(), Ok("whole"));
    close(&[push, pull], context);
}

#[test]
fn pollers_tell_what_was_registered() {
    let context = context();
    let (push, pull) = (socket(context, PUSH), socket(context, PULL));
    at(pull, zmq_bind, "inproc://polled").unwrap();
    at(push, zmq_connect, "inproc://polled").unwrap();
    let mut events = vec![0_u64; 16];
    let event = events.as_mut_ptr().cast::<zmq_poller_event_t>();
    let data = ptr::without_provenance_mut::<c_void>(77);
    // SAFETY: handles may be any pointer, and there is room for so many events.
    unsafe {
        let mut poller = zmq_poller_new();
        assert_eq!(told(zmq_poller_wait(poller, event, 0)), Err(Errno::AGAIN));
        assert_eq!(told(zmq_poller_wait(poller, event, -1)), Err(Errno::FAULT));
        assert_eq!(told(zmq_poller_add(poller, pull, data, 1)), Ok(0));
        assert_eq!(
            told(zmq_poller_add(poller, pull, data, 1)),
            Err(Errno::INVAL)
        );
        assert_eq!(
            told(zmq_poller_add(poller, push, ptr::null_mut(), 16)),
            Err(Errno::INVAL)
        );
        assert_eq!(
            told(zmq_poller_add(poller, context, data, 1)),
            Err(Errno::NOTSOCK)
        );
        assert_eq!(
            told(zmq_poller_add_fd(poller, -1, data, 1)),
            Err(Errno(libc::EBADF))
        );
        assert_eq!(told(zmq_poller_size(poller)), Ok(1));
        assert_eq!(told(zmq_poller_wait(poller, event, 1)), Err(Errno::AGAIN));
        send(push, "x", 0).unwrap();
        assert_eq!(told(zmq_poller_wait_all(poller, event, 2, -1)), Ok(1));
        assert_eq!((events[0], events[2]), (pull.addr() as u64, 77));
        assert_eq!(told(zmq_poller_modify(poller, pull, 0)), Ok(0));
        assert_eq!(told(zmq_poller_wait(poller, event, 0)), Err(Errno::AGAIN));
        assert_eq!(told(zmq_poller_modify(poller, push, 1)), Err(Errno::INVAL));
        assert_eq!(told(zmq_poller_remove(poller, pull)), Ok(0));
        assert_eq!(told(zmq_poller_remove(poller, pull)), Err(Errno::INVAL));
        assert_eq!(told(zmq_poller_destroy(&raw mut poller)), Ok(0));
        assert!(poller.is_null());
        assert_eq!(told(zmq_poller_destroy(&raw mut poller)), Err(Errno::FAULT));
    }
    close(&[push, pull], context);
}

#[test]
fn groups_and_routing_ids_stay_with_their_message() {
    let mut message = zmq_msg_t::empty();
    let message = &raw mut message;
    // SAFETY: the message is initialised, and all text ends with a zero.
    unsafe {
        assert_eq!(told(zmq_msg_set_routing_id(message, 0)), Err(Errno::INVAL));
        assert_eq!(
            (
                zmq_msg_set_routing_id(message, 7),
                zmq_msg_routing_id(message)
            ),
            (0, 7)
        );
        assert!(CStr::from_ptr(zmq_msg_group(message)).is_empty());
        let long = CString::new("g".repeat(256)).unwrap();
        assert_eq!(
            told(zmq_msg_set_group(message, long.as_ptr())),
            Err(Errno::INVAL)
        );
        let longest = CString::new("g".repeat(255)).unwrap();
        assert_eq!(zmq_msg_set_group(message, longest.as_ptr()), 0);
        let mut copy = zmq_msg_t::empty();
        assert_eq!(zmq_msg_copy(&raw mut copy, message), 0);
        assert_eq!(zmq_msg_close(message), 0);
        assert_eq!(
            CStr::from_ptr(zmq_msg_group(&raw mut copy)),
            longest.as_c_str()
        );
        assert_eq!(zmq_msg_routing_id(&raw mut copy), 7);
        assert_eq!(zmq_msg_close(&raw mut copy), 0);
    }
}

/// As files of the program are, and not only for its own user; and a second one takes a path over.
#[test]
fn files_of_endpoints_are_as_libzmqs() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let endpoint = format!("ipc://{}", path.display());
    let context = context();
    let (first, second) = (socket(context, PULL), socket(context, PULL));
    at(first, zmq_bind, &endpoint).unwrap();
    let plain = directory.path().join("plain");
    std::fs::write(&plain, "").unwrap();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode();
    assert_eq!(mode(&path) & 0o666, mode(&plain) & 0o666);
    at(second, zmq_bind, &endpoint).unwrap();
    close(&[first, second], context);
}

/// Also while other threads make contexts, whose locks it would find held otherwise.
#[test]
fn a_forked_child_leaves_its_parents_sockets_alone() {
    use std::sync::atomic::{AtomicBool, Ordering};
    static DONE: AtomicBool = AtomicBool::new(false);
    let busy = thread::spawn(|| {
        while !DONE.load(Ordering::Relaxed) {
            let other = context();
            close(&[], other);
        }
    });
    let context = context();
    let pull = socket(context, PULL);
    let endpoint = bind_somewhere(pull);
    for _ in 0..20 {
        // SAFETY: the child calls nothing but this library, and leaves without the parent's destructors.
        let child = unsafe { libc::fork() };
        assert!(child >= 0);
        if child == 0 {
            let mut is_right = recv(pull, DONTWAIT) == Err(Errno::TERM);
            // SAFETY: any pointer will do.
            unsafe {
                is_right &= zmq_close(pull) == 0 && zmq_ctx_term(context) == 0;
                let own = zmq_ctx_new();
                let push = zmq_socket(own, PUSH);
                is_right &=
                    at(push, zmq_connect, &endpoint).is_ok() && send(push, "child", 0).is_ok();
                is_right &= zmq_close(push) == 0 && zmq_ctx_term(own) == 0;
                libc::_exit((!is_right).into());
            }
        }
        assert_eq!(recv(pull, 0).as_deref(), Ok("child"));
        let mut status = -1;
        // SAFETY: the child is this process's.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0);
    }
    DONE.store(true, Ordering::Relaxed);
    busy.join().unwrap();
    close(&[pull], context);
}
