//! I/O threads, engines and the tcp, ipc and inproc transports of zlayers.
#![forbid(unsafe_code)]

pub mod endpoint;
pub mod net;
