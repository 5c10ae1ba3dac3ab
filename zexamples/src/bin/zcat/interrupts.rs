//! Ctrl-C and SIGTERM end a conversation properly. A second one ends the process at once.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};
use zexamples::Result;

pub(crate) struct Interrupts {
    /// Readable after a signal, for those who wait.
    pub(crate) pipe: UnixStream,
    /// For those who do not.
    has_come: Arc<AtomicBool>,
}

impl Interrupts {
    pub(crate) fn catch() -> Result<Self> {
        let (pipe, writer) = UnixStream::pair()?;
        let has_come = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_default(signal, Arc::clone(&has_come))?;
            flag::register(signal, Arc::clone(&has_come))?;
            low_level::pipe::register(signal, writer.try_clone()?)?;
        }
        Ok(Self { pipe, has_come })
    }

    /// Whether one has come.
    pub(crate) fn have_come(&self) -> bool {
        self.has_come.load(Ordering::Relaxed)
    }
}

impl Drop for Interrupts {
    /// From now on the first signal ends the process: what is left to do is to wait.
    fn drop(&mut self) {
        self.has_come.store(true, Ordering::Relaxed);
    }
}
