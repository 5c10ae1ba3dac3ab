//! ZAP, the protocol by which a server asks an authentication handler about a peer.
//!
//! Mechanisms carry credentials; they do not judge them. The end that plays the server puts them
//! into a [`Request`], somebody else decides, and the [`Reply`] says whether the peer may come in,
//! who it is, and what else is known about it:
//!
//! ```text
//!   peer            server's handshake                      handler
//!    │  credentials     │                                      │
//!    ├─────────────────▶│  Request: domain, address, identity, │
//!    │                  │           credentials                │
//!    │                  ├─────────────────────────────────────▶│
//!    │                  │  Reply: 200, user id, metadata       │
//!    │                  │◀─────────────────────────────────────┤
//!    │   WELCOME, READY │        300, 400 or 500               │
//!    │◀─────────────────┤                                      │
//! ```
//!
//! How requests get to the handler and replies get back is not this crate's business: a handshake
//! yields the request and takes an [`Answer`]. The usual way is the endpoint [`ENDPOINT`], where a
//! REP or ROUTER socket of the same process listens. The types encode to and decode from
//! [`Message`](crate::Message)s with the empty delimiter frame in front (what a DEALER or ROUTER
//! socket handles) and without it (what a REQ or REP socket handles).
//!
//! # What a status causes
//!
//! | status | what the server does |
//! |---|---|
//! | [`Success`](Status::Success), 200 | goes on with the handshake |
//! | [`TemporaryError`](Status::TemporaryError), 300 | closes without a word, so that the peer comes back |
//! | [`AuthenticationFailure`](Status::AuthenticationFailure), 400 | sends ERROR and waits for the peer to close |
//! | [`InternalError`](Status::InternalError), 500 | sends ERROR and waits for the peer to close |
//! | a reply that is no such reply ([`ReplyError`]) | closes |
//!
//! # When it is consulted
//!
//! | mechanism | consulted | without a handler |
//! |---|---|---|
//! | NULL | if there is a [`Policy`] with a domain | accepted, unless the domain is enforced |
//! | PLAIN | always | refused |
//! | CURVE | if there is a policy | accepted, unless a domain is enforced |
//!
//! A CURVE server without a policy has to [say so](crate::curve::ServerConfig::allow_any_client). A
//! policy that would never be consulted is an error, and so is one that enforces an empty domain,
//! which in libzmq asks nobody: see [`HandshakeConfig::check`](crate::HandshakeConfig::check).
//!
//! # Request ids
//!
//! Each connection asks once, with an id of its own out of its [`Random`](crate::Random), and takes
//! no answer with another: an answer that was meant for somebody else admits nobody. libzmq asks with
//! the same id always, and relies on the order of a socket's replies.
//!
//! # Writing a handler
//!
//! ```
//! use zmtp::Message;
//! use zmtp::zap::{Credentials, Refusal, Reply, Request, Status};
//!
//! /// What a REP socket does with each request.
//! fn handle(message: &Message) -> Option<Message> {
//!     // What is no request gets no answer.
//!     let request = Request::decode(message).ok()?;
//!     let reply = match &request.credentials {
//!         Credentials::Plain { username, password } if username == "admin" && *password == b"secret" => {
//!             Reply::success(&request, "admin")
//!         }
//!         _ => Reply::refusal(&request, Refusal::AuthenticationFailure, "who are you?"),
//!     };
//!     Some(reply.encode())
//! }
//!
//! let request = Request::new(Credentials::Plain {
//!     username: "admin".into(),
//!     password: b"secret".into(),
//! })
//! .with_domain("global")
//! .with_address("127.0.0.1");
//! let reply = handle(&request.encode()).unwrap();
//! let reply = Reply::decode(&reply)?;
//! reply.check(&request)?;
//! assert_eq!((reply.status, &reply.user_id[..]), (Status::Success, &b"admin"[..]));
//! # Ok::<(), zmtp::zap::ReplyError>(())
//! ```
//!
//! Sections followed: RFC 27, "Specification"; where it and libzmq differ, libzmq.

mod password;
mod policy;
mod reply;
mod request;

pub use password::Password;
pub(crate) use policy::Verdict;
pub use policy::{Answer, Policy};
pub use reply::{MAX_PROPERTIES, Refusal, Reply, ReplyError, Status};
pub use request::{Credentials, Request, RequestError};

/// Where a handler listens: the endpoint that every implementation asks, in the same process.
pub const ENDPOINT: &str = "inproc://zeromq.zap.01";

/// The version of ZAP, the first frame of requests and replies.
pub const VERSION: &str = "1.0";

/// The request id that libzmq uses always, and [`Request::new`] unless told otherwise. Those of a
/// [`Handshake`](crate::Handshake) have ids of their own.
pub const REQUEST_ID: &str = "1";
