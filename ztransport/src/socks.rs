//! Connecting through a proxy: SOCKS version 5 (RFC 1928), with user name and password where the proxy asks for them
//! (RFC 1929).
//!
//! A state machine without I/O: [`Client`] says what to write and how much to read, and never reads into what the peer
//! behind the proxy sends. Names are handed to the proxy, which looks them up.

use std::{error::Error, fmt, io, mem};

use crate::endpoint::{TcpEndpoint, TcpHost};

/// A SOCKS5 proxy for connections over tcp.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyConfig {
    address: TcpEndpoint,
    login: Option<Login>,
}

/// What the proxy is told if it asks who it is.
#[derive(Clone, PartialEq, Eq)]
struct Login {
    username: Box<[u8]>,
    password: Box<[u8]>,
}

impl ProxyConfig {
    /// The proxy at this address, which has a host and a port. A source part of it does not matter: that of the endpoint
    /// connected to does.
    #[must_use]
    pub fn new(address: TcpEndpoint) -> Self {
        Self {
            address,
            login: None,
        }
    }

    /// With a user name and a password for the proxy. They travel in the clear, and only if the proxy asks for them.
    /// `None` if the name is empty, or either is longer than 255 bytes.
    #[must_use]
    pub fn with_login(self, username: &[u8], password: &[u8]) -> Option<Self> {
        let fits = !username.is_empty() && username.len() <= 255 && password.len() <= 255;
        fits.then(|| Self {
            login: Some(Login {
                username: username.into(),
                password: password.into(),
            }),
            ..self
        })
    }

    /// Where the proxy is.
    #[must_use]
    pub fn address(&self) -> &TcpEndpoint {
        &self.address
    }
}

impl fmt::Debug for ProxyConfig {
    /// Without the user name and the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyConfig")
            .field("address", &self.address)
            .field("login", &self.login.is_some())
            .finish_non_exhaustive()
    }
}

/// Why a proxy did not connect.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SocksError {
    /// It does not speak version 5 of the protocol.
    NotSocks5,
    /// It wants to know who this is in a way that this end does not know, or was not given what it takes.
    NoLogin,
    /// It does not take the user name and password.
    LoginRefused,
    /// It could not, or would not, connect to the peer, and gave this code of RFC 1928, section 6.
    Refused(u8),
    /// It answered something that means nothing.
    Malformed,
    /// It closed the connection.
    Closed,
    /// The connection to it broke.
    Io(io::ErrorKind),
}

impl SocksError {
    /// Whether the proxy says that nobody listens at the address.
    pub(crate) fn is_refused(&self) -> bool {
        *self == Self::Refused(5)
    }
}

impl fmt::Display for SocksError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSocks5 => f.write_str("the proxy does not speak SOCKS 5: check its address"),
            Self::NoLogin => {
                f.write_str("the proxy asks for a login: set its user name and password")
            }
            Self::LoginRefused => f.write_str("the proxy does not take the user name and password"),
            Self::Refused(code) => {
                let what = match code {
                    1 => "it failed",
                    2 => "its rules do not allow it",
                    3 => "the network is unreachable",
                    4 => "the host is unreachable",
                    5 => "the connection was refused",
                    6 => "it took too many hops",
                    7 => "it does not do that",
                    8 => "it does not know that kind of address",
                    _ => "it does not say why",
                };
                write!(f, "the proxy did not connect: {what} (code {code})")
            }
            Self::Malformed => f.write_str("the proxy's answer makes no sense: check its address"),
            Self::Closed => f.write_str("the proxy closed the connection"),
            Self::Io(kind) => write!(f, "the connection to the proxy broke: {kind}"),
        }
    }
}

impl Error for SocksError {}

const VERSION: u8 = 5;
const NO_LOGIN: u8 = 0;
const PASSWORD: u8 = 2;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// What is to be read next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expects {
    /// The way of logging in that the proxy chooses.
    Method,
    /// Whether the login is right.
    Verdict,
    /// The first five bytes of the last answer, which tell its length.
    Reply,
    /// The rest of it.
    Rest,
    Nothing,
}

/// This end of the negotiation.
pub(crate) struct Client {
    request: Vec<u8>,
    login: Option<Login>,
    expects: Expects,
    /// Bytes of what is expected that are there, and how many it has.
    input: Vec<u8>,
    wanted: usize,
    output: Vec<u8>,
}

impl Client {
    /// Asks the proxy to connect to the target of an endpoint. `None` if that is no address to connect to.
    pub(crate) fn new(proxy: &ProxyConfig, target: &TcpEndpoint) -> Option<Self> {
        let mut request = vec![VERSION, CONNECT, 0];
        match target.host() {
            TcpHost::V4(v4) => {
                request.push(IPV4);
                request.extend(v4.octets());
            }
            // A zone says something on this machine only.
            TcpHost::V6(v6, _) => {
                request.push(IPV6);
                request.extend(v6.octets());
            }
            TcpHost::Name(name) | TcpHost::ScopedName(name, _) => {
                request.extend([NAME, u8::try_from(name.len()).ok()?]);
                request.extend(name.bytes());
            }
            _ => return None,
        }
        request.extend(target.port()?.to_be_bytes());
        let login = proxy.login.clone();
        let output = match login {
            None => vec![VERSION, 1, NO_LOGIN],
            // The proxy chooses.
            Some(_) => vec![VERSION, 2, NO_LOGIN, PASSWORD],
        };
        Some(Self {
            request,
            login,
            expects: Expects::Method,
            input: Vec::new(),
            wanted: 2,
            output,
        })
    }

    /// What is to be written next; empty if nothing is.
    pub(crate) fn take_output(&mut self) -> Vec<u8> {
        mem::take(&mut self.output)
    }

    /// How many bytes may be read next. What is behind them is not the proxy's.
    pub(crate) fn wanted(&self) -> usize {
        self.wanted - self.input.len()
    }

    /// Whether the peer is connected, and everything from here on comes from it.
    pub(crate) fn is_done(&self) -> bool {
        self.expects == Expects::Nothing
    }

    /// Takes in what was read: at most as much as was [wanted](Self::wanted).
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> Result<(), SocksError> {
        debug_assert!(
            bytes.len() <= self.wanted(),
            "read beyond the proxy's answer"
        );
        self.input.extend_from_slice(bytes);
        if self.input.len() < self.wanted {
            return Ok(());
        }
        match (self.expects, &*self.input) {
            (Expects::Method, [VERSION, NO_LOGIN]) => self.ask(),
            (Expects::Method, [VERSION, PASSWORD]) => {
                let login = self.login.as_ref().ok_or(SocksError::NoLogin)?;
                self.output.push(1);
                for part in [&login.username, &login.password] {
                    self.output
                        .push(u8::try_from(part.len()).unwrap_or(u8::MAX));
                    self.output.extend_from_slice(part);
                }
                self.expect(Expects::Verdict, 2);
            }
            (Expects::Method, [VERSION, _]) => return Err(SocksError::NoLogin),
            (Expects::Verdict, [_, 0]) => self.ask(),
            (Expects::Verdict, _) => return Err(SocksError::LoginRefused),
            (Expects::Reply, [VERSION, 0, _, kind, first]) => {
                // The first byte of an address is one of those that follow, that of a name is its length. Two
                // more are the port.
                let rest = match *kind {
                    IPV4 => 3 + 2,
                    IPV6 => 15 + 2,
                    NAME => usize::from(*first) + 2,
                    _ => return Err(SocksError::Malformed),
                };
                self.expect(Expects::Rest, rest);
            }
            (Expects::Reply, [VERSION, code, ..]) => return Err(SocksError::Refused(*code)),
            (Expects::Rest, _) => self.expect(Expects::Nothing, 0),
            _ => return Err(SocksError::NotSocks5),
        }
        Ok(())
    }

    fn ask(&mut self) {
        self.output = mem::take(&mut self.request);
        self.expect(Expects::Reply, 5);
    }

    fn expect(&mut self, expects: Expects, wanted: usize) {
        self.expects = expects;
        self.wanted = wanted;
        self.input.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Endpoint;

    fn tcp(text: &str) -> TcpEndpoint {
        match format!("tcp://{text}").parse() {
            Ok(Endpoint::Tcp(tcp)) => tcp,
            other => panic!("{other:?}"),
        }
    }

    fn client(target: &str) -> Client {
        Client::new(&ProxyConfig::new(tcp("proxy:1080")), &tcp(target)).unwrap()
    }

    fn with_login(target: &str, username: &str, password: &str) -> Client {
        let proxy = ProxyConfig::new(tcp("proxy:1080"));
        let proxy = proxy.with_login(username.as_bytes(), password.as_bytes());
        Client::new(&proxy.unwrap(), &tcp(target)).unwrap()
    }

    /// Reads as much as is wanted, and says how much that was.
    fn feed(client: &mut Client, bytes: &[u8]) -> Result<usize, SocksError> {
        let mut taken = 0;
        while !client.is_done() && taken < bytes.len() {
            let end = bytes.len().min(taken + client.wanted());
            client.receive(&bytes[taken..end])?;
            taken = end;
        }
        Ok(taken)
    }

    #[test]
    fn what_a_client_says() {
        for (target, request) in [
            (
                "1.2.3.4:258",
                &b"\x05\x01\x00\x01\x01\x02\x03\x04\x01\x02"[..],
            ),
            (
                "[::1]:1",
                b"\x05\x01\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x01",
            ),
            ("name.test:1", b"\x05\x01\x00\x03\x09name.test\x00\x01"),
            (
                "1.2.3.4:9;name.test:1",
                b"\x05\x01\x00\x03\x09name.test\x00\x01",
            ),
        ] {
            let mut plain = client(target);
            assert_eq!(plain.take_output(), b"\x05\x01\x00");
            assert_eq!(feed(&mut plain, b"\x05\x00"), Ok(2));
            assert_eq!(plain.take_output(), request, "{target}");

            // It is the proxy that chooses whether it wants to know.
            let mut known = with_login(target, "me", "secret");
            assert_eq!(known.take_output(), b"\x05\x02\x00\x02");
            assert_eq!(feed(&mut known, b"\x05\x02"), Ok(2));
            assert_eq!(known.take_output(), b"\x01\x02me\x06secret");
            assert_eq!(feed(&mut known, b"\x01\x00"), Ok(2));
            assert_eq!(known.take_output(), request, "{target}");
            let mut unasked = with_login(target, "me", "");
            unasked.take_output();
            feed(&mut unasked, b"\x05\x00").unwrap();
            assert_eq!(unasked.take_output(), request, "{target}");
        }
        assert!(Client::new(&ProxyConfig::new(tcp("proxy:1")), &tcp("*:1")).is_none());
        assert!(Client::new(&ProxyConfig::new(tcp("proxy:1")), &tcp("a:*")).is_none());
    }

    #[test]
    fn it_reads_the_answer_and_nothing_behind_it() {
        for reply in [
            &b"\x05\x00\x00\x01\x01\x02\x03\x04\x05\x06"[..],
            b"\x05\x00\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05\x06",
            b"\x05\x00\x00\x03\x00\x05\x06",
            b"\x05\x00\x00\x03\x04name\x05\x06",
        ] {
            let mut client = client("name.test:1");
            let answers = [&b"\x05\x00"[..], reply, b"\xFF\0\0\0\0\0\0\0\x01\x7F"].concat();
            assert_eq!(
                feed(&mut client, &answers),
                Ok(2 + reply.len()),
                "{reply:?}"
            );
            assert!(client.is_done());
            assert_eq!(client.wanted(), 0);
        }
    }

    #[test]
    fn each_refusal_has_its_name() {
        let login = || with_login("name.test:1", "me", "secret");
        let plain = || client("name.test:1");
        for (mut client, answers, error) in [
            (plain(), &b"HTTP/1.1 400"[..], SocksError::NotSocks5),
            (plain(), b"\x04\x5a", SocksError::NotSocks5),
            (plain(), b"\x05\xFF", SocksError::NoLogin),
            (plain(), b"\x05\x02", SocksError::NoLogin),
            (plain(), b"\x05\x01", SocksError::NoLogin),
            (login(), b"\x05\xFF", SocksError::NoLogin),
            (login(), b"\x05\x02\x01\x01", SocksError::LoginRefused),
            (
                plain(),
                b"\x05\x00\x05\x05\x00\x01\x00",
                SocksError::Refused(5),
            ),
            (
                plain(),
                b"\x05\x00\x05\xC8\x00\x01\x00",
                SocksError::Refused(200),
            ),
            (
                plain(),
                b"\x05\x00\x05\x00\x00\x02\x00",
                SocksError::Malformed,
            ),
            (
                plain(),
                b"\x05\x00\x04\x00\x00\x01\x00",
                SocksError::NotSocks5,
            ),
        ] {
            assert_eq!(
                feed(&mut client, answers),
                Err(error.clone()),
                "{answers:?}"
            );
            assert!(!error.to_string().is_empty());
        }
        for code in 0..=255 {
            assert_eq!(SocksError::Refused(code).is_refused(), code == 5);
        }
    }

    #[test]
    fn logins_that_do_not_fit_are_none_and_none_is_shown() {
        let proxy = || ProxyConfig::new(tcp("proxy:1080"));
        for (username, password) in [(0, 1), (256, 1), (1, 256)] {
            let login = proxy().with_login(&vec![b'x'; username], &vec![b'x'; password]);
            assert!(login.is_none());
        }
        let longest = proxy().with_login(&[b'x'; 255], &[b'y'; 255]).unwrap();
        assert_eq!(longest.address(), &tcp("proxy:1080"));
        let shown = format!("{:?}", proxy().with_login(b"somebody", b"secret").unwrap());
        assert!(
            !shown.contains("secret") && !shown.contains("somebody"),
            "{shown}"
        );
    }

    proptest! {
        /// In whatever pieces an answer comes, and whatever it says, the client asks for no more than one answer has.
        #[test]
        fn any_answer_ends(bytes in proptest::collection::vec(any::<u8>(), 0..600), good: bool, step in 1_usize..7) {
            let mut client = with_login("name.test:1", "me", "secret");
            let bytes = if good { [&b"\x05\x02\x01\x00\x05\x00\x00"[..], &bytes].concat() } else { bytes };
            let mut at = 0;
            while !client.is_done() && at < bytes.len() {
                prop_assert!((1..=257).contains(&client.wanted()));
                let end = bytes.len().min(at + client.wanted().min(step));
                if client.receive(&bytes[at..end]).is_err() {
                    break;
                }
                at = end;
            }
        }
    }
}
