//! NULL: each end sends READY as soon as the greeting is complete, and waits for the other's.
//!
//! Sections followed: RFC 23 and RFC 37, "The NULL Security Mechanism".

use super::{local_metadata, peer_metadata, refused, unexpected};
use crate::command::CommandName;
use crate::handshake::HandshakeConfig;
use crate::{Command, Error, Metadata};

/// The state of a NULL handshake.
#[derive(Debug)]
pub(crate) struct Null {
    ready_sent: bool,
    peer: Option<Metadata>,
}

impl Null {
    pub(super) const fn new() -> Self {
        Self {
            ready_sent: false,
            peer: None,
        }
    }

    pub(super) fn start(&mut self, config: &HandshakeConfig, out: &mut Vec<u8>) {
        Command::Ready {
            metadata: &local_metadata(config),
        }
        .encode(out);
        self.ready_sent = true;
    }

    pub(super) fn on_command(
        &mut self,
        body: &[u8],
        config: &HandshakeConfig,
    ) -> Result<(), Error> {
        match Command::decode(body) {
            Ok(Command::Ready { metadata }) if self.peer.is_none() => {
                self.peer = Some(peer_metadata(metadata, config)?);
                Ok(())
            }
            Ok(Command::Error { reason }) => Err(refused(reason)),
            Err(
                error @ Error::MalformedCommand {
                    command: CommandName::Error,
                },
            ) => Err(error),
            _ => Err(unexpected(body)),
        }
    }

    /// `None` until READY has gone both ways.
    pub(super) fn take_peer_metadata(&mut self) -> Option<Metadata> {
        if self.ready_sent {
            self.peer.take()
        } else {
            None
        }
    }
}
