//! Sans-I/O wire codec for ZMTP, the ØMQ message transport protocol.

#![forbid(unsafe_code)]

mod error;
mod frame;
pub mod header;
mod message;

pub use error::Error;
pub use frame::Frame;
pub use message::{IntoIter, Message};
