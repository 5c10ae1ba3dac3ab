//! ØMQ sockets in pure Rust: context, typed sockets and messaging patterns.
#![forbid(unsafe_code)]

mod context;
mod core;
mod error;
mod into_message;
mod links;
mod monitor;
mod options;
mod pattern;
mod rotation;
mod socket;
mod stats;

pub use self::{
    context::{Context, ContextBuilder, TermReport},
    error::{Error, SendError},
    into_message::IntoMessage,
    monitor::Monitor,
    socket::{
        CanReceive, CanSend, Dynamic, Pattern, Pull, Push, Rep, Req, Socket, SocketBuilder,
        TypedPattern,
    },
    stats::{Connections, Dropped, SocketStats},
};
pub use bytes::Bytes;
pub use zmtp::{Frame, Message, SocketType};
pub use ztransport::{
    CloseReason, Endpoint, EndpointError, Event, Holding, IntoEndpoint, net::BindError,
};
