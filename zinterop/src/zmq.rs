//! A thin, safe wrapper of the libzmq that this crate builds.
//!
//! It is as close to the C API as safety allows: socket types and options are the C numbers of
//! [`sys`](crate::sys), each call is one call, nothing is cached behind the caller's back except
//! the two timeouts. So a test or benchmark that goes through it measures libzmq.

mod context;
mod error;
mod monitor;
mod msg;
mod poll;
mod proxy;
mod socket;

pub use context::{Context, curve_keypair, has, version};
pub use error::Error;
pub use monitor::{Monitor, MonitorEvent};
pub use msg::Msg;
pub use poll::{PollItem, poll};
pub use proxy::{proxy, proxy_steerable};
pub use socket::Socket;
pub(crate) use socket::millis;
