//! What both libraries can do with connections.

use std::time::Duration;

use zexamples::Result;

/// Nothing may stand still for longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Connections that may wait to be accepted; the system may cut it.
pub(crate) const BACKLOG: u32 = 4096;

/// Of the messages whose rate is measured, in bytes.
pub(crate) const SIZE: usize = 64;

/// A PULL socket to accept with, and a PUSH socket to connect with.
pub(crate) trait End {
    /// Accepts connections, and returns where.
    fn bind(&mut self, endpoint: &str) -> Result<String>;
    /// Begins a connection.
    fn connect(&mut self, endpoint: &str) -> Result<()>;
    /// Gives up all connections to an endpoint.
    fn disconnect(&mut self, endpoint: &str) -> Result<()>;
    /// Waits until this many handshakes have been completed, from the beginning.
    fn wait_established(&mut self, total: u64) -> Result<()>;
    /// Waits until this many connections have been completed and closed by the peer; calls
    /// [`attend`](Self::attend) meanwhile if it shall.
    fn wait_closed(&mut self, total: u64, attended: bool) -> Result<()>;
    /// Looks for messages, as an application does all the time, although there are none. A library may
    /// do some of its work only then.
    fn attend(&self) -> Result<()>;
    /// Sends a message.
    fn send(&mut self) -> Result<()>;
    /// Receives a message.
    fn receive(&mut self) -> Result<()>;
    /// Sends so many messages of [`SIZE`] bytes, to each connection in turn.
    fn send_many(&mut self, count: u64) -> Result<()>;
    /// Receives so many messages, and returns the time from the first to the last.
    fn receive_many(&mut self, count: u64) -> Result<Duration>;
}
