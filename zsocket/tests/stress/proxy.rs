//! A line between two sockets that is cut after some bytes, again and again.

use std::{
    io::{Read, Write},
    net::Shutdown,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use zsocket::Endpoint;

use crate::support::{Raw, RawListener, Task, Wire, spawn};

pub(crate) struct Proxy {
    endpoint: Endpoint,
    /// Cuts still to come.
    cuts: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    line: Option<Task<()>>,
}

/// Forwards whoever connects to `target`, and cuts the line after a random number of bytes, this many
/// times. Then it forwards for as long as it lives.
pub(crate) fn start(wire: Wire, target: Endpoint, cuts: usize, seed: u64) -> Proxy {
    let listener = RawListener::anywhere(wire);
    let endpoint = listener.endpoint();
    let cuts = Arc::new(AtomicUsize::new(cuts));
    let stop = Arc::new(AtomicBool::new(false));
    let (cuts_left, stopped) = (Arc::clone(&cuts), Arc::clone(&stop));
    let line = spawn(move || {
        let mut random = fastrand::Rng::with_seed(seed);
        loop {
            let near = listener.accept();
            if stopped.load(Ordering::Acquire) {
                return;
            }
            // At the end of a test the target goes first.
            let Ok(far) = Raw::try_connect(&target) else {
                continue;
            };
            let limit = (cuts_left.load(Ordering::Acquire) > 0).then(|| {
                // Some are cut during the handshake.
                if random.u8(..8) == 0 {
                    random.usize(1..100)
                } else {
                    random.usize(100..400_000)
                }
            });
            forward(near, far, limit);
            if limit.is_some() {
                cuts_left.fetch_sub(1, Ordering::AcqRel);
            }
        }
    });
    Proxy {
        endpoint,
        cuts,
        stop,
        line: Some(line),
    }
}

/// Forwards both ways until one side ends or `limit` bytes have passed in one direction.
fn forward(near: Raw, far: Raw, limit: Option<usize>) {
    let pump = |mut from: Raw, mut to: Raw| {
        move || {
            let mut left = limit.unwrap_or(usize::MAX);
            let mut buffer = vec![0; 16 << 10];
            while left > 0 {
                let most = left.min(buffer.len());
                let Ok(read @ 1..) = from.read(&mut buffer[..most]) else {
                    break;
                };
                if to.write_all(&buffer[..read]).is_err() {
                    break;
                }
                left -= read;
            }
            cut(&from);
            cut(&to);
        }
    };
    let back = thread::spawn(pump(another(&far), another(&near)));
    pump(near, far)();
    back.join().unwrap();
}

fn another(raw: &Raw) -> Raw {
    match raw {
        Raw::Tcp(stream) => Raw::Tcp(stream.try_clone().unwrap()),
        Raw::Ipc(stream) => Raw::Ipc(stream.try_clone().unwrap()),
    }
}

/// Ends a connection both ways, for all handles on it.
fn cut(raw: &Raw) {
    // Fails if it has ended already.
    let _ = match raw {
        Raw::Tcp(stream) => stream.shutdown(Shutdown::Both),
        Raw::Ipc(stream) => stream.shutdown(Shutdown::Both),
    };
}

impl Proxy {
    pub(crate) fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }

    pub(crate) fn is_done_cutting(&self) -> bool {
        self.cuts.load(Ordering::Acquire) == 0
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if thread::panicking() {
            return;
        }
        // It may be waiting for somebody to connect.
        drop(Raw::connect(&self.endpoint));
        if let Some(line) = self.line.take() {
            line.join();
        }
    }
}
