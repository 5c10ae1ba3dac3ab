//! A proxy that cuts connections and knows what is lost by it.
//!
//! ```text
//!   PUSH ════▶ proxy ════▶ PULL
//! ```
//!
//! To cut, it ends the stream to the client, which then closes, and reads what the client has written up to its
//! end. In a *gentle* cut it passes all of that on: the client sends the message that was cut off
//! anew, and nothing may be lost. In the other kind it passes nothing on, and counts the messages
//! whose last byte it has swallowed: the client has handed them over, so exactly these are lost.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::raw::MessageCounter;
use super::stream::{Listener, Stream, timed_out};
use crate::stage::Log;

/// How often it looks at the time.
const GLANCE: Duration = Duration::from_millis(10);
/// A client whose stream has been ended must close within this.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the proxy and its user tell each other.
#[derive(Debug, Default)]
pub(super) struct Control {
    /// Cut no more.
    calm: AtomicBool,
    /// Come to an end.
    over: AtomicBool,
    /// Whether a connection is not to be disturbed any more.
    settled: AtomicBool,
    swallowed: AtomicU64,
}

impl Control {
    /// From now on connections are only passed through. Returns when that is so.
    pub(super) fn calm_down(&self) {
        self.calm.store(true, Ordering::Release);
        while !self.settled.load(Ordering::Acquire) && !self.over.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(1));
        }
    }

    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Messages that were lost in cuts.
    pub(super) fn swallowed(&self) -> u64 {
        self.swallowed.load(Ordering::Acquire)
    }
}

/// Passes connections on to `upstream`, one at a time, until told to end.
pub(super) fn run(
    listener: &Listener,
    upstream: &str,
    control: &Control,
    log: &Log,
    rng: &mut Rng,
) {
    while !control.over.load(Ordering::Relaxed) {
        control
            .settled
            .store(control.calm.load(Ordering::Acquire), Ordering::Release);
        match listener.accept() {
            Ok(client) => {
                // Without a connection upstream the client's is closed before it could send a message.
                if let Ok(server) = Stream::connect(upstream)
                    && let Err(error) = pass(client, server, control, log, rng)
                {
                    log.violation(&format!("a proxy to {upstream}: {error}"));
                }
            }
            Err(_) => thread::sleep(Duration::from_millis(1)),
        }
    }
    control.settled.store(true, Ordering::Release);
}

fn pass(
    mut client: Stream,
    mut server: Stream,
    control: &Control,
    log: &Log,
    rng: &mut Rng,
) -> io::Result<()> {
    client.set_timeout(GLANCE)?;
    let (Ok(mut to_client), Ok(from_server)) = (client.try_clone(), server.try_clone()) else {
        return Ok(());
    };
    to_client.set_timeout(PATIENCE)?;
    client.set_timeout(GLANCE)?;
    thread::scope(|scope| {
        let back = scope.spawn(move || {
            copy(from_server, &mut to_client);
            to_client
        });
        let result = forward(&mut client, &mut server, control, log, rng);
        server.end();
        drop(server);
        let _ = back.join();
        result
    })
}

/// From the server to the client until either is gone.
fn copy(mut from: Stream, to: &mut Stream) {
    let mut buffer = vec![0; 16 << 10];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(read) => {
                if to.write_all(&buffer[..read]).is_err() {
                    return;
                }
            }
            Err(error) if timed_out(&error) => {}
            Err(_) => return,
        }
    }
}

fn forward(
    client: &mut Stream,
    server: &mut Stream,
    control: &Control,
    log: &Log,
    rng: &mut Rng,
) -> io::Result<()> {
    let mut counter = MessageCounter::default();
    let mut buffer = vec![0; 64 << 10];
    let cut_at = Instant::now() + Duration::from_millis(rng.u64(5..500));
    loop {
        if control.calm.load(Ordering::Acquire) {
            control.settled.store(true, Ordering::Release);
            if control.over.load(Ordering::Relaxed) {
                return Ok(());
            }
        } else if Instant::now() >= cut_at {
            break;
        }
        match client.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => {
                counter.take(&buffer[..read]);
                server.write_all(&buffer[..read])?;
            }
            Err(error) if timed_out(&error) => {}
            // The client was reset: it did so itself.
            Err(_) => return Ok(()),
        }
    }
    let gentle = rng.bool();
    let passed = counter.messages();
    if !gentle {
        server.end();
    }
    client.end();
    let deadline = Instant::now() + PATIENCE;
    loop {
        match client.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                counter.take(&buffer[..read]);
                if gentle {
                    server.write_all(&buffer[..read])?;
                }
            }
            Err(error) if timed_out(&error) && Instant::now() < deadline => {}
            Err(error) if timed_out(&error) => {
                return Err(io::Error::other("the client did not close"));
            }
            Err(_) => break,
        }
    }
    if gentle {
        log.count("storms: gentle cuts");
    } else {
        log.count("storms: cuts that swallow");
        let swallowed = counter.messages() - passed;
        log.add("storms: messages swallowed", swallowed);
        control.swallowed.fetch_add(swallowed, Ordering::AcqRel);
    }
    Ok(())
}
