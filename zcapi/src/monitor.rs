//! Monitors: what happens to a socket's connections, as messages at an inproc endpoint.
//!
//! A thread of the library sends them, one for each socket that is monitored, and never waits for whoever reads them: what is not
//! read is kept up to a limit, and then left out.

use std::{
    ffi::{c_char, c_int, c_void},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{Builder, JoinHandle},
};

use zpipe::Process;
use zpoll::{Events, Interest, PollWaker, Poller};
use zsocket::{Dynamic, FrameVersion, Message, MonitorForwarder, Socket, SocketType, ZmqEvent};

use crate::{
    entry::entries,
    errno::Errno,
    signals::Blocked,
    socket::{State, slots::take},
};

/// A thread needs little to do this.
const STACK: usize = 256 << 10;

/// A thread that sends the events of a socket. It ends, and its endpoint is free, when this is dropped.
pub(crate) struct Watcher {
    stop: Arc<AtomicBool>,
    waker: PollWaker,
    thread: Option<JoinHandle<()>>,
    mask: u64,
    process: Process,
}

impl Watcher {
    /// Whether what waits in pipes is among the events.
    const fn tells_stats(&self) -> bool {
        self.mask & ZmqEvent::PIPES_STATS != 0
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        if self.process.is_forked() {
            // There is no such thread here.
            std::mem::forget(thread);
            return;
        }
        // The waker orders this.
        self.stop.store(true, Ordering::Release);
        self.waker.wake();
        // It never waits for anybody, so this is soon.
        let _ = thread.join();
    }
}

/// What the thread has.
struct Work {
    forwarder: MonitorForwarder,
    to: Socket<Dynamic>,
    version: FrameVersion,
    mask: u64,
    stop: Arc<AtomicBool>,
}

impl State {
    /// Sends events from now on, in place of the monitor that there was.
    fn watch(
        &mut self,
        endpoint: &str,
        mask: u64,
        version: FrameVersion,
        socket_type: SocketType,
    ) -> Result<(), Errno> {
        if self.context.is_terminated() {
            return Err(Errno::TERM);
        }
        match endpoint.split_once("://") {
            None | Some(("", _) | (_, "")) => return Err(Errno::INVAL),
            Some(("inproc", _)) => {}
            Some(_) => return Err(Errno::PROTONOSUPPORT),
        }
        self.monitor = None;
        let to = self.context.socket(socket_type)?;
        to.set_linger(Some(std::time::Duration::ZERO))?;
        to.bind(endpoint)?;
        let forwarder = self.socket.monitor().forward(version).only(mask);
        let stop = Arc::new(AtomicBool::new(false));
        let work = Work {
            forwarder,
            to,
            version,
            mask,
            stop: Arc::clone(&stop),
        };
        let (tell, waker) = std::sync::mpsc::channel();
        let thread = {
            let _blocked = Blocked::new();
            let builder = Builder::new()
                .name("zlayers-monitor".to_owned())
                .stack_size(STACK);
            builder.spawn(move || {
                let poller = Poller::new();
                // Whoever has made this thread waits for it.
                let _ = tell.send(poller.waker());
                work.run(poller);
            })?
        };
        let waker = waker.recv().map_err(|_| Errno::IO)?;
        self.monitor = Some(Watcher {
            stop,
            waker,
            thread: Some(thread),
            mask,
            process: Process::current(),
        });
        Ok(())
    }
}

impl Work {
    /// Sends until the socket is closed, the monitor is stopped, or the context ends.
    fn run<'a>(&'a self, mut poller: Poller<'a>) {
        let added = poller
            .add(self.forwarder.monitor(), 0, Interest::RECV)
            .is_ok()
            && poller.add(&self.to, 1, Interest::END).is_ok();
        if !added {
            return;
        }
        let mut events = Events::new();
        loop {
            let stops = self.stop.load(Ordering::Acquire);
            let Ok(sent) = self.forwarder.pump(&self.to) else {
                return;
            };
            if self.forwarder.is_over() {
                return;
            }
            if stops && sent == 0 {
                self.say_stopped();
                return;
            }
            let is_full = self.forwarder.has_unsent();
            let wants = if is_full {
                // Nobody takes any more for now.
                [Interest::NONE, Interest::SEND]
            } else {
                [Interest::RECV, Interest::END]
            };
            for (key, wanted) in wants.into_iter().enumerate() {
                if poller.modify(key, wanted).is_err() {
                    return;
                }
            }
            if poller.wait(&mut events, None).is_err() {
                return;
            }
            if events
                .iter()
                .any(|event| event.ready.contains(Interest::END))
            {
                return;
            }
        }
    }

    /// The last event, which the socket itself sends only when it is closed.
    fn say_stopped(&self) {
        if self.mask & ZmqEvent::MONITOR_STOPPED == 0 {
            return;
        }
        let message = match self.version {
            FrameVersion::V1 => {
                let mut head = [0; 6];
                head[..2].copy_from_slice(&(ZmqEvent::MONITOR_STOPPED as u16).to_ne_bytes());
                Message::from([&head[..], &[]])
            }
            _ => {
                let numbers = [ZmqEvent::MONITOR_STOPPED, 1, 0].map(u64::to_ne_bytes);
                Message::from([&numbers[0][..], &numbers[1], &numbers[2], &[], &[]])
            }
        };
        // Who has no room for it has not read for long.
        let _ = self.to.try_send(message);
    }
}

/// Begins to watch a socket, or stops.
///
/// # Safety
///
/// The endpoint is null, or text that ends with a zero.
unsafe fn monitor(
    s: *mut c_void,
    endpoint: *const c_char,
    events: u64,
    version: c_int,
    kind: c_int,
) -> Result<c_int, Errno> {
    let mut socket = take(s)?;
    if endpoint.is_null() {
        socket.monitor = None;
        return Ok(0);
    }
    let version = match version {
        1 if events <= 0xFFFF => FrameVersion::V1,
        2 => FrameVersion::V2,
        _ => return Err(Errno::INVAL),
    };
    let kind = match kind {
        0 => SocketType::Pair,
        1 => SocketType::Pub,
        8 => SocketType::Push,
        _ => return Err(Errno::INVAL),
    };
    // SAFETY: the caller has promised that.
    let endpoint = unsafe { std::ffi::CStr::from_ptr(endpoint) };
    let endpoint = endpoint.to_str().map_err(|_| Errno::INVAL)?;
    socket.watch(endpoint, events, version, kind)?;
    Ok(0)
}

entries! {
    /// Sends what happens to a socket's connections to whoever connects a PAIR to the endpoint.
    fn zmq_socket_monitor(s: *mut c_void, addr: *const c_char, events: c_int) -> c_int, or -1; {
        // Bits above those of this version are an error there.
        let events = u64::from(events.cast_unsigned());
        // SAFETY: the program's text.
        unsafe { monitor(s, addr, events, 1, 0) }
    }

    /// Likewise, in either version of the frames, over a PAIR, PUB or PUSH.
    fn zmq_socket_monitor_versioned(
        s: *mut c_void,
        addr: *const c_char,
        events: u64,
        event_version: c_int,
        kind: c_int,
    ) -> c_int, or -1; {
        // SAFETY: the program's text.
        unsafe { monitor(s, addr, events, event_version, kind) }
    }

    /// Has the monitor tell what waits in the pipes to each peer.
    fn zmq_socket_monitor_pipes_stats(s: *mut c_void) -> c_int, or -1; {
        let socket = take(s)?;
        if !socket.monitor.as_ref().is_some_and(Watcher::tells_stats) {
            return Err(Errno::INVAL);
        }
        if socket.socket.report_pipe_stats() == 0 {
            return Err(Errno::AGAIN);
        }
        Ok(0)
    }
}
