//! I/O threads, engines and the tcp, ipc and inproc transports of zlayers.
#![forbid(unsafe_code)]

mod connection;
pub mod endpoint;
mod engine;
mod error;
mod event;
mod inproc;
mod io_thread;
mod link;
mod live;
pub mod net;
mod options;
mod poll;
mod reactor;
mod session;
mod timers;

pub use self::{
    endpoint::{Endpoint, EndpointError, IntoEndpoint},
    error::Error,
    event::{CloseReason, Counters, Event, Letter, SocketHandle},
    link::{Driver, Link, Waited},
    live::Holding,
    options::Options,
    reactor::{Bound, Reactor},
};
