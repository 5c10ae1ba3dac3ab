//! Waiting for peers, so that nothing has to sleep and hope.

use std::time::{Duration, Instant};

use super::{Socket, deadline};
use crate::{Blocked, Error, Pattern, core::Core};

impl<P: Pattern> Socket<P> {
    /// Whether calls that wait, such as [`recv`](Self::recv) and [`send`](Self::send), end when a signal handler has run in
    /// their thread meanwhile, with [`Error::Interrupted`], so that a program can do what the signal asks for. What comes in at
    /// the same moment counts more. A handler that runs just before the thread falls asleep goes unnoticed, as with the system's own
    /// calls. Default false: they go on waiting. Linux only.
    pub fn set_interruptible(&self, interruptible: bool) {
        self.with_core(|core| core.interruptible = interruptible);
    }

    /// Waits until the socket has so many peers with which the handshake is complete, over inproc: who have bound or
    /// connected.
    ///
    /// # Errors
    ///
    /// [`Error::WouldBlock`] when that takes longer than `timeout`, and on an I/O thread, which never waits;
    /// [`Error::Terminated`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use zsocket::{Context, Pull, Push};
    ///
    /// let context = Context::new();
    /// let push = context.socket::<Push>()?;
    /// let endpoint = push.bind("tcp://127.0.0.1:*")?;
    /// let workers = [context.socket::<Pull>()?, context.socket::<Pull>()?];
    /// for worker in &workers {
    ///     worker.connect(&endpoint)?;
    /// }
    /// // Now each of them gets its share.
    /// push.wait_connected(2, Duration::from_secs(10))?;
    /// # Ok::<(), zsocket::Error>(())
    /// ```
    pub fn wait_connected(&self, peers: usize, timeout: Duration) -> Result<(), Error> {
        self.wait_until(
            deadline(Some(timeout)),
            |core| Ok(core.connected() >= peers),
        )
    }

    /// Takes in what happens until it is enough.
    pub(super) fn wait_until(
        &self,
        deadline: Option<Instant>,
        mut is_so: impl FnMut(&mut Core<P::State>) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        loop {
            let done = self.with_core(|core| {
                if let Err(refusal) = core.process() {
                    return Some(Err(refusal.into()));
                }
                match is_so(core) {
                    Ok(false) if core.has_more_to_take_in() => core
                        .has_time(deadline)
                        .then_some(())
                        .map_or(Some(Err(Error::WouldBlock(Blocked::TimeOut))), |()| None),
                    Ok(false) if core.wait(deadline) && core.has_time(deadline) => None,
                    // The last of what was waited for may have come with the deadline.
                    Ok(false) => Some(match core.process() {
                        Err(refusal) => Err(refusal.into()),
                        Ok(()) => match is_so(core) {
                            Ok(true) => {
                                core.take_interrupted();
                                Ok(())
                            }
                            Ok(false) if core.take_interrupted() => Err(Error::Interrupted),
                            Ok(false) => Err(Error::WouldBlock(Blocked::TimeOut)),
                            Err(error) => Err(error),
                        },
                    }),
                    Ok(true) => Some(Ok(())),
                    Err(error) => Some(Err(error)),
                }
            });
            if let Some(done) = done {
                return done;
            }
        }
    }
}
