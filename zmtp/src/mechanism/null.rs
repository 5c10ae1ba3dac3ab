//! NULL: each end sends READY as soon as the greeting is complete, and waits for the other's.
//!
//! An end that asks ZAP sends its READY when the answer is there, and takes the peer's meanwhile.
//!
//! Sections followed: RFC 23 and RFC 37, "The NULL Security Mechanism"; RFC 27.

use super::{local_metadata, peer_metadata, refused, unexpected};
use crate::command::CommandName;
use crate::greeting::MechanismName;
use crate::handshake::HandshakeConfig;
use crate::zap::{Answer, Credentials, Policy, Status, Verdict};
use crate::{Command, Error, Metadata};

/// The state of a NULL handshake.
#[derive(Debug)]
pub(crate) struct Null {
    /// Whether ZAP has to be asked, and has not been yet.
    asks_zap: bool,
    ready_sent: bool,
    ready_received: bool,
    refusal: Option<Status>,
    peer: Option<Metadata>,
}

impl Null {
    pub(super) const fn new() -> Self {
        Self {
            asks_zap: false,
            ready_sent: false,
            ready_received: false,
            refusal: None,
            peer: None,
        }
    }

    pub(super) fn start(&mut self, config: &HandshakeConfig, out: &mut Vec<u8>) {
        if config.asks_zap() {
            self.asks_zap = true;
        } else {
            self.send_ready(config, out);
        }
    }

    pub(super) fn on_command(
        &mut self,
        body: &[u8],
        config: &HandshakeConfig,
    ) -> Result<(), Error> {
        match Command::decode(body) {
            Ok(Command::Ready { metadata }) if !self.ready_received => {
                self.ready_received = true;
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

    pub(super) fn poll_zap(&mut self) -> Option<Credentials> {
        std::mem::take(&mut self.asks_zap).then_some(Credentials::Null)
    }

    pub(super) fn on_zap(
        &mut self,
        answer: &Answer,
        policy: &Policy,
        config: &HandshakeConfig,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        match answer.verdict(policy, MechanismName::NULL)? {
            Verdict::Accept => self.send_ready(config, out),
            Verdict::Refuse(status) => {
                let reason = status.as_str().as_bytes();
                Command::Error { reason }.encode(out);
                self.refusal = Some(status);
            }
        }
        Ok(())
    }

    pub(super) const fn refusal(&self) -> Option<Status> {
        self.refusal
    }

    /// `None` until READY has gone both ways.
    pub(super) fn take_peer_metadata(&mut self) -> Option<Metadata> {
        if self.ready_sent {
            self.peer.take()
        } else {
            None
        }
    }

    fn send_ready(&mut self, config: &HandshakeConfig, out: &mut Vec<u8>) {
        Command::Ready {
            metadata: &local_metadata(config),
        }
        .encode(out);
        self.ready_sent = true;
    }
}
