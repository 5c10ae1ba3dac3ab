//! The end that presents credentials.

use super::{ClientConfig, Command};
use crate::command::CommandName;
use crate::handshake::HandshakeConfig;
use crate::mechanism::{local_metadata, peer_metadata, refused, unexpected};
use crate::{Error, Metadata};
use alloc::vec::Vec;

/// The state of a PLAIN client.
#[derive(Debug)]
pub(crate) struct PlainClient {
    config: ClientConfig,
    state: State,
}

#[derive(Debug)]
enum State {
    Greeting,
    AwaitingWelcome,
    AwaitingReady,
    /// Holds the peer's metadata until it is taken.
    Done(Option<Metadata>),
}

impl PlainClient {
    pub(crate) const fn new(config: ClientConfig) -> Self {
        Self {
            config,
            state: State::Greeting,
        }
    }

    pub(crate) fn start(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let hello = Command::Hello {
            username: &self.config.username,
            password: self.config.password.as_bytes(),
        };
        // The configuration vouches for the lengths.
        hello.encode(out)?;
        self.state = State::AwaitingWelcome;
        Ok(())
    }

    pub(crate) fn on_command(
        &mut self,
        body: &[u8],
        config: &HandshakeConfig,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let command = Command::decode(body);
        match (&self.state, command) {
            (State::Greeting | State::Done(_), _) => Err(unexpected(body)),
            (_, Ok(Command::Error { reason })) => Err(refused(reason)),
            (State::AwaitingWelcome, Ok(Command::Welcome)) => {
                let metadata = &local_metadata(config);
                Command::Initiate { metadata }.encode(out)?;
                self.state = State::AwaitingReady;
                Ok(())
            }
            (State::AwaitingReady, Ok(Command::Ready { metadata })) => {
                self.state = State::Done(Some(peer_metadata(metadata, config)?));
                Ok(())
            }
            // Only what is due, or may come in its place, is judged by what is in it.
            (State::AwaitingWelcome, Err(error)) if is_malformed(&error, CommandName::Welcome) => {
                Err(error)
            }
            (_, Err(error)) if is_malformed(&error, CommandName::Error) => Err(error),
            _ => Err(unexpected(body)),
        }
    }

    pub(crate) fn take_peer_metadata(&mut self) -> Option<Metadata> {
        match &mut self.state {
            State::Done(metadata) => metadata.take(),
            _ => None,
        }
    }
}

fn is_malformed(error: &Error, name: CommandName) -> bool {
    matches!(error, Error::MalformedCommand { command } if *command == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SocketType;
    use crate::mechanism::plain::{HELLO, WELCOME};

    const WELCOME_READY: [&[u8]; 2] = [WELCOME, b"\x05READY\x0bSocket-Type\0\0\0\x06ROUTER"];

    fn config() -> HandshakeConfig {
        HandshakeConfig::new(SocketType::Dealer)
            .with_identity("me")
            .unwrap()
    }

    fn client() -> PlainClient {
        let mut client = PlainClient::new(ClientConfig::new("admin", "secret").unwrap());
        client.start(&mut Vec::new()).unwrap();
        client
    }

    /// Feeds commands one after another and returns all that was sent.
    fn feed(client: &mut PlainClient, commands: &[&[u8]]) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        for command in commands {
            client.on_command(command, &config(), &mut out)?;
        }
        Ok(out)
    }

    // spec: RFC24/hello: HELLO carries user name and password, each behind a length byte
    #[test]
    fn starts_with_hello() {
        let mut client = PlainClient::new(ClientConfig::new("admin", "secret").unwrap());
        let mut out = Vec::new();
        client.start(&mut out).unwrap();
        assert_eq!(out, b"\x04\x13\x05HELLO\x05admin\x06secret");

        let longest = vec![b'x'; 255];
        let mut client = PlainClient::new(ClientConfig::new(longest.clone(), longest).unwrap());
        let mut out = Vec::new();
        client.start(&mut out).unwrap();
        assert_eq!(out[..9], [6, 0, 0, 0, 0, 0, 0, 2, 6]);
        assert_eq!(out.len(), 9 + 518);
    }

    // spec: RFC24/initiate: INITIATE with metadata follows WELCOME, READY ends the handshake
    #[test]
    fn goes_from_welcome_to_ready() {
        let mut client = client();
        let sent = feed(&mut client, &WELCOME_READY[..1]).unwrap();
        let expected =
            b"\x04\x2e\x08INITIATE\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\x02me";
        assert_eq!(sent, expected);
        assert_eq!(client.take_peer_metadata(), None);
        assert_eq!(feed(&mut client, &WELCOME_READY[1..]), Ok(Vec::new()));
        let metadata = client.take_peer_metadata().unwrap();
        assert_eq!(metadata.get("Socket-Type"), Some(&b"ROUTER"[..]));
        assert_eq!(client.take_peer_metadata(), None);
    }

    // spec: RFC24/welcome: WELCOME carries nothing
    #[test]
    fn refuses_a_welcome_with_data() {
        let error = feed(&mut client(), &[b"\x07WELCOME\0"]).unwrap_err();
        assert_eq!(error.protocol_event_code(), Some(0x1000_0017));
    }

    // spec: RFC24/error: ERROR may come in place of WELCOME or READY
    // spec: WIRE-4.2/error-spelling: a client accepts libzmq's misspelt ERROR too
    #[test]
    fn understands_both_spellings_of_error_at_both_places() {
        let reasons: [&[u8]; 2] = [b"\x05ERROR\x03400", b"\x5eRROR\x03400, and more"];
        for reason in reasons {
            for welcomes in [&[][..], &WELCOME_READY[..1]] {
                let commands = [welcomes, &[reason]].concat();
                let error = feed(&mut client(), &commands).unwrap_err();
                assert_eq!(error.auth_event_code(), Some(400));
            }
        }
        for malformed in [
            &b"\x05ERROR"[..],
            b"\x5eRROR",
            b"\x05ERROR\x04400",
            b"\x5eRROR\x01",
        ] {
            let error = feed(&mut client(), &[malformed]).unwrap_err();
            assert_eq!(error.protocol_event_code(), Some(0x1000_0015));
        }
        let other = feed(&mut client(), &[b"\x5eRROR\x02no"]).unwrap_err();
        assert_eq!(other.auth_event_code(), None);
        assert_eq!(
            other,
            Error::Refused {
                reason: "no".into()
            }
        );
    }

    // spec: RFC24/order: each command is valid at its place only
    #[test]
    fn takes_nothing_out_of_order() {
        let unexpected: [&[&[u8]]; 7] = [
            &[WELCOME_READY[1]],
            &[WELCOME, WELCOME],
            &[HELLO],
            &[b"\x07welcome"],
            &[b"\x08WELCOME "],
            &[b""],
            &[WELCOME, b"\x04PING\0\0"],
        ];
        for commands in unexpected {
            let error = feed(&mut client(), commands).unwrap_err();
            assert_eq!(
                error.protocol_event_code(),
                Some(0x1000_0001),
                "{commands:?}"
            );
        }
        let mut client = client();
        feed(&mut client, &WELCOME_READY).unwrap();
        assert!(feed(&mut client, &[b"\x05ERROR\x03400"]).is_err());
    }

    #[test]
    fn broken_metadata_is_an_error() {
        let ready = b"\x05READY\x0bSocket-Type\0\0\0\x07ROUTER";
        let error = feed(&mut client(), &[WELCOME, ready]).unwrap_err();
        assert_eq!(error, Error::MalformedMetadata);
    }
}
