//! The end that asks who the other one is.

use alloc::vec::Vec;
use bytes::Bytes;

use super::{Command, HELLO, INITIATE, ServerConfig, push_command};
use crate::command::CommandName;
use crate::error::printable;
use crate::greeting::MechanismName;
use crate::handshake::HandshakeConfig;
use crate::mechanism::{local_metadata, peer_metadata, unexpected};
use crate::zap::{self, Credentials, Password, Verdict};
use crate::{Error, Metadata};

/// The state of a PLAIN server.
#[derive(Debug)]
pub(crate) struct PlainServer {
    config: ServerConfig,
    state: State,
}

#[derive(Debug)]
enum State {
    AwaitingHello,
    /// The handler has to be asked; holds the credentials until it is.
    AwaitingAnswer(Option<Credentials>),
    AwaitingInitiate,
    /// Holds the peer's metadata until it is taken.
    Done(Option<Metadata>),
    /// ERROR is on its way, and the peer has to close.
    Refused(zap::Status),
}

impl PlainServer {
    pub(crate) const fn new(config: ServerConfig) -> Self {
        Self {
            config,
            state: State::AwaitingHello,
        }
    }

    pub(crate) fn on_command(
        &mut self,
        body: &[u8],
        config: &HandshakeConfig,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        match &self.state {
            State::AwaitingHello => {
                expect(HELLO, body)?;
                let Command::Hello { username, password } = Command::decode(body)? else {
                    return Err(unexpected(body));
                };
                self.state = State::AwaitingAnswer(Some(Credentials::Plain {
                    username: Bytes::copy_from_slice(username),
                    password: Password::from(password),
                }));
                Ok(())
            }
            State::AwaitingInitiate => {
                let metadata = peer_metadata(expect(INITIATE, body)?, config)?;
                let own = &local_metadata(config);
                Command::Ready { metadata: own }.encode(out)?;
                self.state = State::Done(Some(metadata));
                Ok(())
            }
            // A client that does not wait for WELCOME takes the answer for granted.
            State::AwaitingAnswer(_) => Err(Error::PrematureCommand {
                name: crate::Command::decode(body)
                    .map_or_else(|_| "".into(), |command| printable(command.name())),
            }),
            State::Refused(status) => Err(Error::AuthenticationFailed { status: *status }),
            State::Done(_) => Err(unexpected(body)),
        }
    }

    /// How much of a command may be stored before its beginning is judged, in bytes: a stranger has no more to say than
    /// its name and its password.
    pub(crate) const fn prefix_limit(&self) -> usize {
        match self.state {
            State::AwaitingHello => HELLO.len() + 2 * (1 + 255),
            _ => usize::MAX,
        }
    }

    /// Judges the beginning of a command that is longer than that, which none is that is sound.
    pub(crate) fn on_prefix(&self, body: &[u8]) -> Result<(), Error> {
        match self.state {
            State::AwaitingHello if body.starts_with(HELLO) => Err(Error::MalformedCommand {
                command: CommandName::Hello,
            }),
            _ => Err(unexpected(body)),
        }
    }

    pub(crate) fn poll_zap(&mut self) -> Option<Credentials> {
        match &mut self.state {
            State::AwaitingAnswer(credentials) => credentials.take(),
            _ => None,
        }
    }

    pub(crate) fn on_zap(
        &mut self,
        answer: &zap::Answer,
        policy: &zap::Policy,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let State::AwaitingAnswer(None) = self.state else {
            return Err(Error::UnexpectedZapAnswer);
        };
        match answer.verdict(policy, MechanismName::PLAIN)? {
            Verdict::Accept => {
                Command::Welcome.encode(out)?;
                self.state = State::AwaitingInitiate;
            }
            Verdict::Refuse(status) => {
                let code = status.as_str().as_bytes();
                push_command(
                    &[self.config.error_prefix(), &[code.len() as u8], code],
                    out,
                );
                self.state = State::Refused(status);
            }
        }
        Ok(())
    }

    /// The status with which the peer was refused, if it was.
    pub(crate) const fn refusal(&self) -> Option<zap::Status> {
        match self.state {
            State::Refused(status) => Some(status),
            _ => None,
        }
    }

    pub(crate) fn take_peer_metadata(&mut self) -> Option<Metadata> {
        match &mut self.state {
            State::Done(metadata) => metadata.take(),
            _ => None,
        }
    }
}

/// What follows the name of the command that is due.
fn expect<'a>(prefix: &[u8], body: &'a [u8]) -> Result<&'a [u8], Error> {
    match body {
        // libzmq tells what is no command at all from the wrong command.
        [] | [_] => Err(Error::MalformedCommand {
            command: CommandName::Other,
        }),
        [name_len, ..] if usize::from(*name_len) >= body.len() => Err(Error::MalformedCommand {
            command: CommandName::Other,
        }),
        _ => body.strip_prefix(prefix).ok_or_else(|| unexpected(body)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SocketType;
    use crate::zap::{Answer, Policy, Reply, ReplyError, Request, Status};

    const ADMIN: &[u8] = b"\x05HELLO\x05admin\x06secret";

    fn config() -> HandshakeConfig {
        HandshakeConfig::new(SocketType::Router)
    }

    fn command(server: &mut PlainServer, body: &[u8]) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        server.on_command(body, &config(), &mut out)?;
        Ok(out)
    }

    fn asked() -> PlainServer {
        let mut server = PlainServer::new(ServerConfig::new());
        command(&mut server, ADMIN).unwrap();
        server.poll_zap().unwrap();
        server
    }

    fn answer(server: &mut PlainServer, answer: &Answer) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        server.on_zap(answer, &Policy::default(), &mut out)?;
        Ok(out)
    }

    fn reply(status: Status) -> Answer {
        let request = Request::new(Credentials::Null);
        Answer::Reply(Reply::decision(&request, status, ""))
    }

    // spec: RFC24/server: HELLO is answered with WELCOME, INITIATE with READY
    // spec: WIRE-5/plain-always-asks: a PLAIN server always asks ZAP
    #[test]
    fn asks_once_and_goes_on() {
        let mut server = PlainServer::new(ServerConfig::new());
        assert_eq!(server.poll_zap(), None);
        assert_eq!(command(&mut server, ADMIN), Ok(Vec::new()));
        let credentials = Credentials::Plain {
            username: "admin".into(),
            password: "secret".into(),
        };
        assert_eq!(server.poll_zap(), Some(credentials));
        assert_eq!(server.poll_zap(), None);
        let sent = answer(&mut server, &reply(Status::Success)).unwrap();
        assert_eq!(sent, b"\x04\x08\x07WELCOME");
        assert_eq!(server.take_peer_metadata(), None);
        let initiate = b"\x08INITIATE\x0bSocket-Type\0\0\0\x06DEALER";
        let sent = command(&mut server, initiate).unwrap();
        let ready = b"\x04\x29\x05READY\x0bSocket-Type\0\0\0\x06ROUTER\x08Identity\0\0\0\0";
        assert_eq!(sent, ready);
        let metadata = server.take_peer_metadata().unwrap();
        assert_eq!(metadata.get("Socket-Type"), Some(&b"DEALER"[..]));
        assert!(command(&mut server, initiate).is_err());
    }

    // spec: RFC24/hello-checks: a HELLO that is too short or has bytes behind the password is malformed
    #[test]
    fn refuses_malformed_hellos() {
        for hello in [
            &b"\x05HELLO"[..],
            b"\x05HELLO\x05ab",
            b"\x05HELLO\x01a",
            b"\x05HELLO\x01a\x05b",
            b"\x05HELLO\x01a\x01bX",
        ] {
            let mut server = PlainServer::new(ServerConfig::new());
            let error = command(&mut server, hello).unwrap_err();
            assert_eq!(error.protocol_event_code(), Some(0x1000_0013), "{hello:?}");
        }
        let mut server = PlainServer::new(ServerConfig::new());
        command(&mut server, b"\x05HELLO\0\0").unwrap();
        assert!(server.poll_zap().is_some());
    }

    // spec: RFC24/order-server: the server takes each command at its place only
    #[test]
    fn tells_the_wrong_command_from_none() {
        let cases: [(&[u8], u32); 7] = [
            (b"\x08INITIATE\x0bSocket-Type\0\0\0\x06DEALER", 0x01),
            (b"\x05hello\0\0", 0x01),
            (b"\x05ERROR\x03400", 0x01),
            (b"", 0x11),
            (b"\0", 0x11),
            (b"\x02a", 0x11),
            (b"\x01a", 0x01),
        ];
        for (body, code) in cases {
            let mut server = PlainServer::new(ServerConfig::new());
            let error = command(&mut server, body).unwrap_err();
            assert_eq!(error.protocol_event_code(), Some(0x1000_0000 + code));
            let mut server = asked();
            answer(&mut server, &reply(Status::Success)).unwrap();
            // INITIATE is at its place now, and HELLO is not.
            if body.starts_with(INITIATE) {
                assert_eq!(command(&mut server, ADMIN), Err(unexpected(ADMIN)));
            } else {
                assert_eq!(command(&mut server, body), Err(error));
            }
        }
    }

    // spec: RFC24/lock-step: an INITIATE before WELCOME ends the connection
    #[test]
    fn nothing_may_come_while_the_handler_thinks() {
        for ask in [false, true] {
            let mut server = PlainServer::new(ServerConfig::new());
            command(&mut server, ADMIN).unwrap();
            if ask {
                server.poll_zap().unwrap();
            }
            let error = command(&mut server, b"\x08INITIATE").unwrap_err();
            assert_eq!(
                error,
                Error::PrematureCommand {
                    name: "INITIATE".into()
                }
            );
            assert_eq!(error.protocol_event_code(), Some(0x1000_0000));
        }
    }

    // spec: WIRE-4.2/error: 400 and 500 are told by ERROR, after which the peer has to close
    #[test]
    fn refusals_are_told_in_either_spelling() {
        let spelt: [(bool, &[u8]); 2] = [
            (false, b"\x04\x0a\x05ERROR\x03400"),
            (true, b"\x04\x09\x5eRROR\x03400"),
        ];
        for (misspelt, expected) in spelt {
            let mut server = PlainServer::new(ServerConfig::new().with_misspelt_error(misspelt));
            command(&mut server, ADMIN).unwrap();
            server.poll_zap().unwrap();
            let sent = answer(&mut server, &reply(Status::AuthenticationFailure)).unwrap();
            assert_eq!(sent, expected);
            assert_eq!(server.refusal(), Some(Status::AuthenticationFailure));
            let error = command(&mut server, b"\x08INITIATE").unwrap_err();
            assert_eq!(error.auth_event_code(), Some(400));
            assert_eq!(server.take_peer_metadata(), None);
        }
        let mut server = asked();
        let sent = answer(&mut server, &reply(Status::InternalError)).unwrap();
        assert!(sent.ends_with(b"\x03500"));
    }

    // spec: WIRE-4.2/temporary: 300 closes without ERROR
    // spec: WIRE-5/plain-no-handler: without a handler a PLAIN server refuses everybody, without ERROR
    #[test]
    fn closes_silently_when_there_is_no_decision() {
        let error = answer(&mut asked(), &reply(Status::TemporaryError)).unwrap_err();
        assert_eq!(error.auth_event_code(), Some(300));
        let error = answer(&mut asked(), &Answer::NoHandler).unwrap_err();
        assert_eq!(error, Error::NoZapHandler);
        let invalid = Answer::Invalid(ReplyError::StatusCode);
        let error = answer(&mut asked(), &invalid).unwrap_err();
        assert_eq!(error.protocol_event_code(), Some(0x2000_0004));
    }

    #[test]
    fn an_answer_needs_a_question() {
        let mut server = PlainServer::new(ServerConfig::new());
        let unasked = Err(Error::UnexpectedZapAnswer);
        assert_eq!(answer(&mut server, &reply(Status::Success)), unasked);
        command(&mut server, ADMIN).unwrap();
        assert_eq!(answer(&mut server, &reply(Status::Success)), unasked);
        server.poll_zap().unwrap();
        answer(&mut server, &reply(Status::Success)).unwrap();
        assert_eq!(answer(&mut server, &reply(Status::Success)), unasked);
    }
}
