//! What libzmq has beside sockets: atomic counters, timers, threads and clocks.

pub(crate) mod atomic;
pub(crate) mod threads;
pub(crate) mod timers;
