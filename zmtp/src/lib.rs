//! Sans-I/O wire codec for ZMTP, the ØMQ message transport protocol.

#![forbid(unsafe_code)]

pub mod command;
mod error;
mod frame;
pub mod greeting;
mod handshake;
pub mod header;
mod limits;
mod mechanism;
mod message;
pub mod metadata;
mod peer;
mod socket_type;

pub use command::Command;
pub use error::{Blame, Error};
pub use frame::Frame;
pub use handshake::{Handshake, HandshakeConfig};
pub use limits::Limits;
pub use mechanism::MechanismConfig;
pub use message::{IntoIter, Message};
pub use metadata::Metadata;
pub use peer::{Peer, Version};
pub use socket_type::{SocketType, UnknownSocketType};
