//! What an engine is told, and what it tells the I/O thread.

use std::time::Duration;

bitflags::bitflags! {
    /// The events that an engine handles. Those that come while it is driven are put together.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Events: u32 {
        /// The stream may be readable, or the inbound pipe has room again.
        const READ = 1;
        /// The stream may be writable, or the outbound pipe has messages.
        const WRITE = 2;
        /// A new stream lies in the connection's slot.
        const ATTACH = 4;
        /// The handshake had its time.
        const HANDSHAKE_TIMEOUT = 8;
        /// The socket let go of the link: send what is queued, then close.
        const CLOSE = 16;
        /// Close now, whatever is queued.
        const DESTROY = 32;
        /// The application found the outbound pipe full, and drives the engine itself.
        const FULL = 64;
        /// Time to see whether an application that drove the engine still does.
        const TICK = 128;
        /// The socket's poll for input lies in the connection's slot.
        const JOIN = 256;
        /// The peer will send nothing more. This is reported once, maybe together with data that came
        /// before, so every read from now on goes on to the end.
        const HANGUP = 1024;
        /// The answer of a ZAP handler lies in the connection's slot.
        const ZAP = 4096;
        /// What the I/O thread did for this connection panicked.
        const CONDEMN = 8192;
        /// Panic.
        #[cfg(test)]
        const TEST_PANIC = 1 << 29;
        /// Time to see whether the peer's system has everything.
        const ACKNOWLEDGED = 16384;
        /// Time to see whether a message is still arriving.
        const ARRIVAL = 32768;
        /// Time for a heartbeat, or for having heard of the peer.
        const HEARTBEAT = 65536;
        /// With [`Self::DESTROY`]: not because the socket let go, but because the peer is not connected to any more.
        const GIVE_UP = 1 << 20;
    }
}

/// On which kind of thread an engine is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    IoThread,
    Application,
}

/// What the I/O thread learns from an engine.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The handshake is complete.
    Established,
    /// The stream is gone. `established` tells whether its handshake had been completed.
    Failed { established: bool },
    /// Everything is sent, and the peer has been told that nothing more will come.
    Flushed,
    /// Nothing is left to do for this connection.
    Finished,
    /// An application thread drives this connection; send [`Events::TICK`] after this time.
    Tick(Duration),
    /// Send what is due after this time.
    Timer(Duration, Due),
}

/// What an engine has a timer set for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// [`Events::ACKNOWLEDGED`].
    Acknowledged,
    /// [`Events::ARRIVAL`].
    Arrival,
    /// [`Events::HEARTBEAT`].
    Heartbeat,
}

#[cfg(test)]
mod tests {
    use bitflags::Flags;

    use super::*;

    #[test]
    fn each_event_is_a_bit_of_its_own() {
        assert!(
            Events::FLAGS
                .iter()
                .all(|flag| flag.value().bits().is_power_of_two())
        );
        assert_eq!(
            Events::all().bits().count_ones() as usize,
            Events::FLAGS.len()
        );
    }
}
