//! PLAIN: the client presents a user name and a password, in the clear.
//!
//! PLAIN tells peers apart on a network that is trusted otherwise: everything, the password
//! included, can be read on the way. The two ends take turns; neither sends a command before it
//! has the other's answer to the last one:
//!
//! ```text
//!   client                                server                 ZAP handler
//!     │ HELLO   user name, password         │                         │
//!     ├────────────────────────────────────▶│  always asks            │
//!     │                                     ├────────────────────────▶│
//!     │                            WELCOME  │                     200 │
//!     │◀────────────────────────────────────┤◀────────────────────────┤
//!     │ INITIATE   metadata                 │                         │
//!     ├────────────────────────────────────▶│
//!     │                    READY   metadata │
//!     │◀────────────────────────────────────┤
//!     │ ═══════════ messages ═════════════▶ │
//! ```
//!
//! Which end is the client is a matter of configuration: it need not be the one that connects. The
//! server always asks an authentication handler, see [`zap`](crate::zap), and refuses everybody
//! when there is none. Instead of WELCOME it sends ERROR with status 400 or 500 and waits for the
//! client to close, or on status 300 closes without a word, which makes a client come back later.
//!
//! # Two spellings of ERROR
//!
//! Since 4.3.0 libzmq writes and expects `5E 52 52 4F 52` in place of `05 45 52 52 4F 52`, in PLAIN
//! only. A client accepts both. A server sends the correct one, which makes such a libzmq client
//! close for good like the other, but without telling its monitor why; see
//! [`ServerConfig::with_misspelt_error`].
//!
//! # Examples
//!
//! ```
//! use zmtp::{HandshakeConfig, MechanismConfig, SocketType, plain};
//!
//! let credentials = plain::ClientConfig::new("admin", "secret")?;
//! assert!(!format!("{credentials:?}").contains("secret"));
//! let client = HandshakeConfig::new(SocketType::Dealer)
//!     .with_mechanism(MechanismConfig::PlainClient(credentials));
//! let server = HandshakeConfig::new(SocketType::Router)
//!     .with_mechanism(MechanismConfig::PlainServer(plain::ServerConfig::new()));
//! # let _ = (client, server);
//! # Ok::<(), zmtp::Error>(())
//! ```
//!
//! Sections followed: RFC 24, "Specification"; RFC 37, "The PLAIN Security Mechanism".

mod client;
mod command;
mod server;

use alloc::vec::Vec;
use bytes::Bytes;

pub(crate) use client::PlainClient;
pub use command::Command;
pub(crate) use server::PlainServer;

use crate::Error;
use crate::header::{self, Flags};
use crate::zap::Password;

const HELLO: &[u8] = b"\x05HELLO";
const WELCOME: &[u8] = b"\x07WELCOME";
const INITIATE: &[u8] = b"\x08INITIATE";
const READY: &[u8] = b"\x05READY";
const ERROR: &[u8] = b"\x05ERROR";
/// What libzmq has written in place of [`ERROR`] since 4.3.0.
const MISSPELT_ERROR: &[u8] = b"\x5eRROR";

/// What a PLAIN client presents.
///
/// The password is overwritten when the last copy of it is dropped, and `Debug` does not show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    username: Bytes,
    password: Password,
}

impl ClientConfig {
    /// The longest user name and the longest password, in bytes.
    pub const MAX_LEN: usize = 255;

    /// Takes a user name and a password. Both may be empty.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidLocalCredentials`] when one is longer than 255 bytes.
    pub fn new(username: impl Into<Bytes>, password: impl Into<Password>) -> Result<Self, Error> {
        let (username, password) = (username.into(), password.into());
        if username.len() > Self::MAX_LEN || password.as_bytes().len() > Self::MAX_LEN {
            return Err(Error::InvalidLocalCredentials);
        }
        Ok(Self { username, password })
    }

    /// The user name.
    #[must_use]
    pub const fn username(&self) -> &Bytes {
        &self.username
    }

    /// The password.
    #[must_use]
    pub const fn password(&self) -> &Password {
        &self.password
    }
}

/// How a PLAIN server behaves. Who may come in is for the [ZAP](crate::zap) handler to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerConfig {
    misspelt_error: bool,
}

impl ServerConfig {
    /// Makes a server that spells ERROR as the RFC does.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            misspelt_error: false,
        }
    }

    /// Sets whether refusals are spelt as libzmq 4.3 spells them. Default: no.
    ///
    /// With it, the monitors of libzmq 4.3 clients tell the status code; clients that read the RFC
    /// and not libzmq see an unknown command.
    #[must_use]
    pub const fn with_misspelt_error(mut self, misspelt: bool) -> Self {
        self.misspelt_error = misspelt;
        self
    }

    const fn error_prefix(self) -> &'static [u8] {
        if self.misspelt_error {
            MISSPELT_ERROR
        } else {
            ERROR
        }
    }
}

/// Appends a command frame whose body is the parts together.
fn push_command(parts: &[&[u8]], out: &mut Vec<u8>) {
    let size = parts.iter().map(|part| part.len() as u64).sum();
    let mut head = [0; header::MAX_LEN];
    let len = header::encode(Flags::COMMAND, size, &mut head);
    // At once: a buffer that grows leaves behind what was in it, which may be a password.
    out.reserve(len + parts.iter().map(|part| part.len()).sum::<usize>());
    out.extend_from_slice(&head[..len]);
    for part in parts {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // spec: RFC24/hello-lengths: user name and password have at most 255 bytes
    #[test]
    fn credentials_are_checked_when_given() {
        assert!(ClientConfig::new("", "").is_ok());
        let longest = "x".repeat(255);
        assert!(ClientConfig::new(longest.clone(), longest).is_ok());
        let long = "x".repeat(256);
        let error = Error::InvalidLocalCredentials;
        assert_eq!(ClientConfig::new(long.clone(), ""), Err(error.clone()));
        assert_eq!(ClientConfig::new("", long), Err(error));
    }

    #[test]
    fn the_password_does_not_show() {
        let config = ClientConfig::new("admin", "hunter2").unwrap();
        let shown = format!("{config:?}");
        assert!(
            shown.contains("admin") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}
