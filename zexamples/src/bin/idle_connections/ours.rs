//! Connections through zlayers.

use std::thread;
use std::time::{Duration, Instant};

use zexamples::Result;
use zsocket::{Context, Error, EventKinds, Monitor, Pull, Push, Socket};

use crate::end::{BACKLOG, End, PATIENCE, SIZE};

/// How long events are gathered before they are looked at together.
const BETWEEN_LOOKS: Duration = Duration::from_millis(4);

struct Ours {
    pull: Socket<Pull>,
    accepting: Monitor,
    push: Socket<Push>,
    connecting: Monitor,
}

/// Calls `f` with sockets that live as long as it runs.
pub(crate) fn with_end(f: impl FnOnce(&mut dyn End) -> Result<()>) -> Result<()> {
    let context = Context::new();
    let pull = context.socket::<Pull>()?;
    pull.set_backlog(BACKLOG)?;
    let push = context.socket::<Push>()?;
    let kinds = EventKinds::HANDSHAKE_SUCCEEDED | EventKinds::DISCONNECTED;
    let (accepting, connecting) = (pull.monitor_only(kinds), push.monitor_only(kinds));
    f(&mut Ours {
        pull,
        accepting,
        push,
        connecting,
    })
}

impl End for Ours {
    fn bind(&mut self, endpoint: &str) -> Result<String> {
        Ok(self.pull.bind(endpoint)?.to_string())
    }

    fn connect(&mut self, endpoint: &str) -> Result<()> {
        Ok(self.push.connect(endpoint)?)
    }

    fn disconnect(&mut self, endpoint: &str) -> Result<()> {
        Ok(self.push.disconnect(endpoint)?)
    }

    fn wait_established(&mut self, total: u64) -> Result<()> {
        // One of the two sockets is idle, so its monitor says nothing.
        let monitor = if self.pull.last_endpoint().is_some() {
            &self.accepting
        } else {
            &self.connecting
        };
        wait(monitor, total, "established", || {
            let (accepted, made) = (self.pull.stats().connections, self.push.stats().connections);
            Ok((
                accepted.established + made.established,
                accepted.accept_paused,
            ))
        })
    }

    fn wait_closed(&mut self, total: u64, attended: bool) -> Result<()> {
        wait(&self.accepting, total, "closed", || {
            if attended {
                self.attend()?;
            }
            let connections = self.pull.stats().connections;
            Ok((
                connections.closed_peer + connections.closed_io,
                connections.accept_paused,
            ))
        })
    }

    fn attend(&self) -> Result<()> {
        match self.pull.try_recv() {
            Ok(message) => Err(format!("a message that nobody sent: {message:?}").into()),
            Err(Error::WouldBlock(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn send(&mut self) -> Result<()> {
        Ok(self.push.send("still there?")?)
    }

    fn receive(&mut self) -> Result<()> {
        self.pull.recv_timeout(PATIENCE)?;
        Ok(())
    }

    fn send_many(&mut self, count: u64) -> Result<()> {
        let body = [0; SIZE];
        for _ in 0..count {
            self.push.send(body)?;
        }
        Ok(())
    }

    fn receive_many(&mut self, count: u64) -> Result<Duration> {
        let mut message = self.pull.recv_timeout(PATIENCE)?;
        let started = Instant::now();
        for _ in 1..count {
            self.pull.recv_into(&mut message)?;
        }
        Ok(started.elapsed())
    }
}

/// Waits for a counter. Each event of the monitor is a reason to look again; as the monitor may
/// have missed some, the counter is what counts.
fn wait(
    monitor: &Monitor,
    total: u64,
    what: &str,
    counts: impl Fn() -> Result<(u64, u64)>,
) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (count, paused) = counts()?;
        if count >= total {
            return Ok(());
        }
        if paused > 0 {
            return Err("accepting paused: no descriptors left".into());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if monitor.recv_timeout(left).is_none() && left.is_zero() {
            return Err(format!("{count} connections {what} instead of {total}").into());
        }
        if total - count > 1 {
            // Counting takes time in proportion to the connections, so once for all events of a moment.
            thread::sleep(BETWEEN_LOOKS);
            while monitor.try_recv().is_some() {}
        }
    }
}
