//! The transports, and endpoints that nobody else uses.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::ValueEnum;
use tempfile::TempDir;

use crate::Result;

/// How two sockets reach each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub enum Transport {
    /// Loopback tcp.
    Tcp,
    /// Unix domain sockets, by path.
    Ipc,
    /// Within one context.
    Inproc,
}

impl Transport {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Ipc, Self::Inproc];
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tcp => "tcp",
            Self::Ipc => "ipc",
            Self::Inproc => "inproc",
        })
    }
}

/// Makes endpoints to bind to. Its ipc files vanish with it.
#[derive(Debug)]
pub struct Endpoints {
    dir: TempDir,
    next: AtomicU64,
}

impl Endpoints {
    /// Endpoints of this process.
    ///
    /// # Errors
    /// If there is no place for temporary files.
    pub fn new() -> Result<Self> {
        Ok(Self {
            dir: TempDir::new()?,
            next: AtomicU64::new(0),
        })
    }

    /// A new endpoint. For tcp it has a wildcard port: what `bind` returns says which it became.
    #[must_use]
    pub fn fresh(&self, transport: Transport) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        match transport {
            Transport::Tcp => String::from("tcp://127.0.0.1:*"),
            Transport::Ipc => format!("ipc://{}/{number}", self.dir.path().display()),
            Transport::Inproc => format!("inproc://endpoint-{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_differ() {
        let endpoints = Endpoints::new().unwrap();
        for transport in [Transport::Ipc, Transport::Inproc] {
            assert_ne!(endpoints.fresh(transport), endpoints.fresh(transport));
        }
    }
}
