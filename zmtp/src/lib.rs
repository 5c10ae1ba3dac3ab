//! Sans-I/O wire codec for ZMTP, the ØMQ message transport protocol.

#![forbid(unsafe_code)]

pub mod command;
mod connection;
mod decoder;
mod encoder;
mod error;
mod frame;
pub mod greeting;
mod handshake;
pub mod header;
mod heartbeat;
mod limits;
mod mechanism;
mod message;
pub mod metadata;
mod peer;
pub mod scan;
mod socket_type;

pub use command::Command;
pub use connection::{Connection, ConnectionConfig, Event, SendError};
pub use decoder::{Decoder, Item};
pub use encoder::{encode_frame, encode_message};
pub use error::{Blame, Error};
pub use frame::Frame;
pub use greeting::{Greeting, GreetingParser};
pub use handshake::{Handshake, HandshakeConfig};
pub use header::{Flags, FrameHeader};
pub use heartbeat::{Heartbeat, HeartbeatConfig};
pub use limits::Limits;
pub use mechanism::MechanismConfig;
pub use message::{IntoIter, Message};
pub use metadata::Metadata;
pub use peer::{Peer, Version};
pub use scan::Scanner;
pub use socket_type::{SocketType, UnknownSocketType};
