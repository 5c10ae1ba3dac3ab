//! NULL: each end sends READY as soon as the greeting is complete, and waits for the other's.
//!
//! An end that asks ZAP sends its READY when the answer is there, and takes the peer's meanwhile.
//!
//! Sections followed: RFC 23 and RFC 37, "The NULL Security Mechanism"; RFC 27.

use super::{local_metadata, peer_metadata, refused, unexpected};
use crate::command::CommandName;
#[cfg(feature = "zap")]
use crate::greeting::MechanismName;
use crate::handshake::HandshakeConfig;
#[cfg(feature = "zap")]
use crate::zap::{Answer, Credentials, Policy, Status, Verdict};
use crate::{Command, Error, Metadata};
use alloc::vec::Vec;

/// The state of a NULL handshake.
#[derive(Debug)]
pub(crate) struct Null {
    /// Whether ZAP has to be asked, and has not been yet.
    #[cfg(feature = "zap")]
    asks_zap: bool,
    ready_sent: bool,
    ready_received: bool,
    #[cfg(feature = "zap")]
    refusal: Option<Status>,
    peer: Option<Metadata>,
}

impl Null {
    pub(super) const fn new() -> Self {
        Self {
            #[cfg(feature = "zap")]
            asks_zap: false,
            ready_sent: false,
            ready_received: false,
            #[cfg(feature = "zap")]
            refusal: None,
            peer: None,
        }
    }

    pub(super) fn start(&mut self, config: &HandshakeConfig, out: &mut Vec<u8>) {
        #[cfg(feature = "zap")]
        if config.asks_zap() {
            self.asks_zap = true;
            return;
        }
        self.send_ready(config, out);
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

    #[cfg(feature = "zap")]
    pub(super) fn poll_zap(&mut self) -> Option<Credentials> {
        core::mem::take(&mut self.asks_zap).then_some(Credentials::Null)
    }

    #[cfg(feature = "zap")]
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

    /// READY has come, and this end says nothing to it before the handler has spoken.
    pub(super) const fn holds_input(&self) -> bool {
        #[cfg(feature = "zap")]
        if self.refusal.is_some() {
            return false;
        }
        self.ready_received && !self.ready_sent
    }

    #[cfg(feature = "zap")]
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

#[cfg(all(test, feature = "zap"))]
mod tests {
    use super::*;
    use crate::greeting::Greeting;
    use crate::{Handshake, SocketType, Version, zap};

    const READY_PULL: &[u8] = b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04PULL";

    fn after_greeting(config: HandshakeConfig) -> Handshake {
        let theirs = Greeting {
            version: Version::V3_1,
            mechanism: MechanismName::NULL,
            as_server: false,
        };
        let mut handshake = Handshake::new(config);
        handshake.handle_input(&theirs.encode(0)).unwrap();
        let len = handshake.transmit().len();
        handshake.advance_transmit(len);
        handshake
    }

    // spec: RFC37/null-commands: READY and ERROR are all there is in a NULL handshake
    #[test]
    fn only_ready_and_error_have_a_place_in_the_handshake() {
        let unexpected = [
            (&b"\x04\x07\x04PING\0\0"[..], "PING"),
            (b"\x04\x06\x05ready", "ready"),
            (b"\x04\x09\x08READY   ", "READY   "),
            (b"\x00\x05hello", ""),
            (b"\x00\x00", ""),
            (b"\x04\x00", ""),
        ];
        for (input, name) in unexpected {
            let mut handshake = after_greeting(HandshakeConfig::new(SocketType::Push));
            let expected = Error::UnexpectedCommand { name: name.into() };
            assert_eq!(handshake.handle_input(input), Err(expected), "{input:?}");
        }
        let mut handshake = after_greeting(HandshakeConfig::new(SocketType::Push));
        let error = handshake
            .handle_input(b"\x04\x0a\x05ERROR\x03400")
            .unwrap_err();
        assert_eq!(error.auth_event_code(), Some(400));
        let mut handshake = after_greeting(HandshakeConfig::new(SocketType::Push));
        let error = handshake.handle_input(b"\x04\x06\x05ERROR").unwrap_err();
        assert_eq!(error.protocol_event_code(), Some(0x1000_0015));
    }

    // spec: WIRE-3.1/frame-flags: handshake commands are known by their body, whatever the frame's flags
    #[test]
    fn the_flags_of_ready_do_not_matter() {
        for flags in [0x00, 0x01, 0x05, 0xFC] {
            let mut ready = READY_PULL.to_vec();
            ready[0] = flags;
            let mut handshake = after_greeting(HandshakeConfig::new(SocketType::Push));
            handshake.handle_input(&ready).unwrap();
            assert!(handshake.is_complete(), "{flags:#x}");
        }
        let mut long = b"\x06\0\0\0\0\0\0\0".to_vec();
        long.extend_from_slice(&READY_PULL[1..]);
        let mut handshake = after_greeting(HandshakeConfig::new(SocketType::Push));
        handshake.handle_input(&long).unwrap();
        assert!(handshake.is_complete());
    }

    fn asking() -> Handshake {
        let config = HandshakeConfig::new(SocketType::Push)
            .with_identity("me")
            .unwrap()
            .with_zap(Policy::new("lan"))
            .with_peer_address("10.0.0.7");
        after_greeting(config)
    }

    fn reply(request: &zap::Request, status: Status) -> Answer {
        Answer::Reply(zap::Reply::decision(request, status, "text"))
    }

    // spec: RFC27/request-fields: domain, address and identity of the connection
    // spec: WIRE-4.1/zap-before-ready: the handler is asked after the greeting, READY waits for 200
    #[test]
    fn null_waits_for_zap_in_either_order() {
        for ready_first in [true, false] {
            let mut handshake = asking();
            let request = handshake.poll_zap().unwrap();
            assert_eq!(handshake.poll_zap(), None);
            assert_eq!(
                (
                    &request.domain[..],
                    &request.address[..],
                    &request.identity[..]
                ),
                (&b"lan"[..], &b"10.0.0.7"[..], &b"me"[..])
            );
            assert_eq!(request.credentials, Credentials::Null);
            if ready_first {
                handshake.handle_input(READY_PULL).unwrap();
                assert!(!handshake.is_complete() && handshake.transmit().is_empty());
            }
            let mut trusted = Metadata::new();
            trusted.push("Role", "boss").unwrap();
            let reply = zap::Reply::success(&request, "alice").with_metadata(trusted.clone());
            handshake.handle_zap(Answer::Reply(reply)).unwrap();
            assert!(handshake.transmit().starts_with(b"\x04\x1a\x05READY"));
            if !ready_first {
                assert!(!handshake.is_complete());
                handshake.handle_input(READY_PULL).unwrap();
            }
            let peer = handshake.finish().unwrap().peer;
            assert_eq!(
                (&peer.user_id[..], &peer.trusted),
                (&b"alice"[..], &trusted)
            );
            assert_eq!(peer.properties.get("Role"), None);
        }
    }

    /// RFC 23 lets a peer send messages right behind its READY. Whether they come before or after the
    /// handler's answer makes no difference: nobody looks at them before.
    // spec: WIRE-4.1/behind-ready: what follows READY waits until the handler has spoken, and is traffic then
    #[test]
    fn what_follows_ready_waits_for_the_handler() {
        for tail in [&b"\0"[..], b"\0\x05he", b"\x02\0", b"\0\x05hello\0\0"] {
            let input = [READY_PULL, tail].concat();
            for chunk in [1, 7, usize::MAX] {
                let mut handshake = asking();
                let request = handshake.poll_zap().unwrap();
                let mut used = 0;
                for piece in input.chunks(chunk) {
                    let taken = handshake.handle_input(piece).unwrap();
                    used += taken;
                    if taken < piece.len() {
                        break;
                    }
                }
                assert_eq!(used, READY_PULL.len());
                assert!(handshake.is_waiting() && !handshake.is_complete());
                assert_eq!(handshake.handle_input(tail), Ok(0));
                let reply = zap::Reply::success(&request, "alice");
                handshake.handle_zap(Answer::Reply(reply)).unwrap();
                assert!(handshake.is_complete() && !handshake.is_waiting());
                assert_eq!(handshake.handle_input(tail), Ok(0));
            }
        }
    }

    #[test]
    fn a_peer_cannot_claim_what_only_zap_may_say() {
        let mut handshake = asking();
        let request = handshake.poll_zap().unwrap();
        let claim = b"\x04\x13\x05READY\x07User-Id\0\0\0\x01x";
        handshake.handle_input(claim).unwrap();
        handshake
            .handle_zap(reply(&request, Status::Success))
            .unwrap();
        let peer = handshake.finish().unwrap().peer;
        assert_eq!(peer.properties.get("User-Id"), Some(&b"x"[..]));
        assert!(peer.user_id.is_empty() && peer.trusted.is_empty());
    }

    // spec: RFC27/status-300: a temporary error closes without ERROR
    // spec: RFC27/status-400-500: a refusal is told by ERROR with the code
    #[test]
    fn null_refuses_as_zap_says() {
        let table: [(_, &[u8]); 3] = [
            (Status::TemporaryError, b""),
            (Status::AuthenticationFailure, b"\x04\x0a\x05ERROR\x03400"),
            (Status::InternalError, b"\x04\x0a\x05ERROR\x03500"),
        ];
        for (status, sent) in table {
            for ready_first in [true, false] {
                let mut handshake = asking();
                let request = handshake.poll_zap().unwrap();
                if ready_first {
                    handshake.handle_input(READY_PULL).unwrap();
                }
                let error = Error::AuthenticationFailed { status };
                assert_eq!(
                    handshake.handle_zap(reply(&request, status)),
                    Err(error.clone())
                );
                assert_eq!(handshake.transmit(), sent);
                assert_eq!(handshake.handle_input(READY_PULL), Err(error.clone()));
                assert_eq!(
                    handshake.handle_zap(reply(&request, status)),
                    Err(error.clone())
                );
                assert_eq!(error.auth_event_code(), Some(status.code().into()));
                assert_eq!(error.blame(), crate::Blame::Unauthenticated);
            }
        }
    }

    #[test]
    fn broken_and_absent_handlers_have_their_effect() {
        let mut handshake = asking();
        handshake.poll_zap().unwrap();
        let cause = zap::ReplyError::Version;
        let error = handshake.handle_zap(Answer::Invalid(cause)).unwrap_err();
        assert_eq!(error, Error::InvalidZapReply { cause });
        assert!(handshake.transmit().is_empty());

        let mut handshake = asking();
        handshake.poll_zap().unwrap();
        let other = zap::Request::new(Credentials::Null).with_request_id("2");
        let answer = Answer::Reply(zap::Reply::success(&other, "me"));
        let cause = zap::ReplyError::RequestId;
        let error = handshake.handle_zap(answer).unwrap_err();
        assert_eq!(error, Error::InvalidZapReply { cause });

        let mut handshake = asking();
        handshake.poll_zap().unwrap();
        handshake.handle_zap(Answer::NoHandler).unwrap();
        assert!(!handshake.transmit().is_empty());

        let policy = Policy::new("lan").with_enforced_domain(true).unwrap();
        let config = HandshakeConfig::new(SocketType::Push).with_zap(policy);
        let mut handshake = after_greeting(config);
        handshake.poll_zap().unwrap();
        let error = handshake.handle_zap(Answer::NoHandler).unwrap_err();
        assert_eq!(error, Error::NoZapHandler);
    }

    #[test]
    fn an_answer_to_nothing_changes_nothing() {
        let unexpected = Err(Error::UnexpectedZapAnswer);
        let mut handshake = asking();
        assert_eq!(handshake.handle_zap(Answer::NoHandler), unexpected);
        assert!(handshake.poll_zap().is_some());
        let mut handshake = after_greeting(HandshakeConfig::new(SocketType::Push));
        assert_eq!(handshake.poll_zap(), None);
        assert_eq!(handshake.handle_zap(Answer::NoHandler), unexpected);
        handshake.handle_input(READY_PULL).unwrap();
        assert_eq!(handshake.handle_zap(Answer::NoHandler), unexpected);
        assert!(handshake.is_complete());
    }
}
