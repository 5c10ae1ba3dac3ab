//! Peers of ZMTP 1.0 and 2.0, made by hand.

use std::io::{self, Read, Write};

use zsocket::Endpoint;

use crate::support::{LONG, MORE, Raw, RawListener, header};

/// What a peer speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// ZMTP 1.0: no greeting but an identity, which may be empty.
    One {
        identity: &'static [u8],
    },
    /// A greeting of revision 0 in front of the frames of 1.0.
    RevisionZero,
    Two {
        identity: &'static [u8],
    },
}

pub(crate) const DIALECTS: [Dialect; 5] = [
    Dialect::One { identity: b"" },
    Dialect::One {
        identity: b"veteran",
    },
    Dialect::RevisionZero,
    Dialect::Two { identity: b"" },
    Dialect::Two {
        identity: b"veteran",
    },
];

/// Number of a socket type in a greeting of 2.0.
fn number(socket_type: &str) -> u8 {
    match socket_type {
        "REQ" => 3,
        "REP" => 4,
        "DEALER" => 5,
        "ROUTER" => 6,
        "PULL" => 7,
        "PUSH" => 8,
        other => panic!("{other} is no type of these tests"),
    }
}

impl Dialect {
    fn is_one(self) -> bool {
        !matches!(self, Self::Two { .. })
    }

    /// A frame header: in 1.0 the length counts the flags, which follow it.
    fn header(self, more: bool, size: usize) -> Vec<u8> {
        if !self.is_one() {
            return header(if more { MORE } else { 0 }, size as u64);
        }
        let (flags, length) = (u8::from(more), size as u64 + 1);
        match u8::try_from(length) {
            Ok(short) if short < 0xFF => vec![short, flags],
            _ => [&[0xFF][..], &length.to_be_bytes(), &[flags]].concat(),
        }
    }

    pub(crate) fn message(self, frames: &[&[u8]]) -> Vec<u8> {
        let last = frames.len() - 1;
        let encode =
            |(at, body): (usize, &&[u8])| [&self.header(at < last, body.len()), *body].concat();
        frames.iter().enumerate().flat_map(encode).collect()
    }

    /// All that such a peer says before its first message.
    pub(crate) fn greeting(self, socket_type: &str) -> Vec<u8> {
        let signature = b"\xFF\0\0\0\0\0\0\0\x01\x7F";
        match self {
            Self::One { identity } => self.message(&[identity]),
            Self::RevisionZero => {
                let greeting = [&signature[..], &[0, number(socket_type)]].concat();
                [greeting, self.message(&[b""])].concat()
            }
            Self::Two { identity } => {
                let greeting = [&signature[..], &[1, number(socket_type)]].concat();
                [greeting, self.message(&[identity])].concat()
            }
        }
    }
}

/// A stream on which such a peer talks to a socket without a routing id.
#[derive(Debug)]
pub(crate) struct Old {
    pub(crate) raw: Raw,
    pub(crate) dialect: Dialect,
}

impl Old {
    pub(crate) fn connect(endpoint: &Endpoint, dialect: Dialect, socket_type: &str) -> Self {
        Self::shake_hands(Raw::connect(endpoint), dialect, socket_type)
    }

    pub(crate) fn accept(listener: &RawListener, dialect: Dialect, socket_type: &str) -> Self {
        Self::shake_hands(listener.accept(), dialect, socket_type)
    }

    fn shake_hands(raw: Raw, dialect: Dialect, socket_type: &str) -> Self {
        let mut old = Self { raw, dialect };
        old.write(&dialect.greeting(socket_type));
        // To a peer of 1.0 the signature is the header of a long frame: an empty identity.
        let mut signature = [0; 10];
        old.raw.read_exact(&mut signature).unwrap();
        assert_eq!(signature, *b"\xFF\0\0\0\0\0\0\0\x01\x7F");
        if !matches!(dialect, Dialect::One { .. }) {
            let mut greeting = [0; 2];
            old.raw.read_exact(&mut greeting).unwrap();
            let fitting = match socket_type {
                "DEALER" => "ROUTER",
                "PUSH" => "PULL",
                "PULL" => "PUSH",
                "REQ" => "REP",
                _ => "REQ",
            };
            assert_eq!(greeting, [3, number(fitting)]);
            assert_eq!(old.read_message(), [b""]);
        }
        old
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.raw.write_all(bytes).unwrap();
    }

    pub(crate) fn send(&mut self, frames: &[&[u8]]) {
        self.write(&self.dialect.message(frames));
    }

    pub(crate) fn read_message(&mut self) -> Vec<Vec<u8>> {
        self.try_read_message().unwrap()
    }

    pub(crate) fn try_read_message(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let mut frames = Vec::new();
        loop {
            let (more, body) = self.read_frame()?;
            frames.push(body);
            if !more {
                return Ok(frames);
            }
        }
    }

    fn read_frame(&mut self) -> io::Result<(bool, Vec<u8>)> {
        let (flags, size) = if self.dialect.is_one() {
            let size = match self.read_array()? {
                [0xFF] => u64::from_be_bytes(self.read_array()?),
                [size] => u64::from(size),
            };
            let [flags] = self.read_array()?;
            assert_ne!(size, 0, "the flags count");
            (flags, size - 1)
        } else {
            let [flags] = self.read_array()?;
            let size = if flags & LONG == 0 {
                let [size] = self.read_array()?;
                u64::from(size)
            } else {
                u64::from_be_bytes(self.read_array()?)
            };
            (flags & !LONG, size)
        };
        assert_eq!(flags & !MORE, 0, "no flag that the dialect does not have");
        let mut body = vec![0; usize::try_from(size).unwrap()];
        self.raw.read_exact(&mut body)?;
        Ok((flags == MORE, body))
    }

    fn read_array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.raw.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}
