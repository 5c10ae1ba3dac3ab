//! How a wait is ended.
//!
//! Not by the means of `polling` where there are descriptors: those tell a poller's own wait, but not always once more
//! whoever waits for the poller itself and is told of changes only.

#[cfg(unix)]
mod system {
    use std::io;

    use crate::{
        Signal,
        poller::{Directions, Mode, Poller, Watched},
        system::raw,
    };

    pub(crate) struct Alarm(Watched<Signal>);

    impl Alarm {
        pub(crate) fn new() -> io::Result<Self> {
            Ok(Self(Watched::new(Signal::new()?)))
        }

        pub(crate) fn join(&self, poller: &Poller) -> io::Result<()> {
            let input = Directions {
                input: true,
                output: false,
            };
            poller.add(&self.0, 0, input, Mode::Edge)
        }

        pub(crate) fn ring(&self, _: &polling::Poller) {
            self.0.signal();
        }

        pub(crate) fn is_rung_by(&self, key: usize) -> bool {
            usize::try_from(raw(&*self.0)).is_ok_and(|own| own == key)
        }

        /// From now on it can ring again.
        pub(crate) fn reset(&self) {
            self.0.clear();
        }

        pub(crate) fn has_rung(&self, seen: bool) -> bool {
            if seen {
                self.0.would_block(Directions {
                    input: true,
                    output: false,
                });
            }
            seen
        }
    }
}

#[cfg(windows)]
mod system {
    use std::{
        io,
        sync::atomic::{AtomicBool, Ordering},
    };

    use crate::poller::Poller;

    pub(crate) struct Alarm {
        rang: AtomicBool,
    }

    impl Alarm {
        pub(crate) fn new() -> io::Result<Self> {
            Ok(Self {
                rang: AtomicBool::new(false),
            })
        }

        #[expect(clippy::unnecessary_wraps, reason = "it may fail elsewhere")]
        pub(crate) fn join(&self, _: &Poller) -> io::Result<()> {
            Ok(())
        }

        pub(crate) fn ring(&self, poller: &polling::Poller) {
            self.rang.store(true, Ordering::SeqCst);
            // Fails only if the port is gone.
            let _ = poller.notify();
        }

        pub(crate) fn is_rung_by(&self, _: usize) -> bool {
            false
        }

        pub(crate) fn reset(&self) {}

        /// A wait that returns has taken the notification, and says so after this is set: none is lost.
        pub(crate) fn has_rung(&self, _: bool) -> bool {
            self.rang.swap(false, Ordering::SeqCst)
        }
    }
}

pub(super) use system::Alarm;
