//! The mechanism of the sockets that are measured.

use std::fmt;

use clap::ValueEnum;

/// How sockets protect what they send.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, ValueEnum)]
pub enum Mechanism {
    /// They do not.
    #[default]
    Null,
    /// Encrypted. The end that binds is the server, and nobody is asked about its clients.
    Curve,
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Null => "null",
            Self::Curve => "curve",
        })
    }
}

/// Keys that protect nothing: everybody can read them here.
pub(super) const SERVER_SECRET: [u8; 32] = [7; 32];
pub(super) const CLIENT_SECRET: [u8; 32] = [8; 32];
