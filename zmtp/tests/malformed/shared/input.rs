//! One line of `malformed.txt`.

use std::fs;
use std::path::Path;

use zmtp::greeting::{Greeting, MechanismName};
use zmtp::{Command, Limits, MechanismConfig, Metadata, SocketType, Version, plain, zap};
use zmtp::{HandshakeConfig, metadata};

use super::Reaction;

/// Where in a connection the bytes are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Right after connecting.
    Greeting,
    /// After the greetings with NULL.
    NullHandshake,
    /// After the greetings with PLAIN, to a server whose handler answers 200.
    PlainHandshake,
    /// After the handshake with NULL.
    Traffic,
}

/// What the socket is set to, beside its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    Default,
    PlainServer,
    ZapDomain,
    MaxFrameSize(u64),
}

/// An input, and what libzmq does with it.
#[derive(Debug)]
pub struct Input {
    pub id: String,
    pub phase: Phase,
    pub socket_type: SocketType,
    pub setting: Setting,
    pub bytes: Vec<u8>,
    pub libzmq: Reaction,
}

impl Input {
    /// All lines of a file among the vectors.
    pub fn load_all(file: &str) -> Vec<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../zmtp/tests/vectors");
        let text = fs::read_to_string(path.join(file)).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let inputs: Vec<_> = lines.map(Self::parse).collect();
        assert_eq!(inputs.len(), 99);
        inputs
    }

    fn parse(line: &str) -> Self {
        let fields: Vec<_> = line.split(" | ").collect();
        let [id, phase, socket, bytes, state, reply, delivered, events] = fields[..] else {
            panic!("{line}")
        };
        let (socket_type, setting) = match socket.split_once('(') {
            Some((socket_type, setting)) => (socket_type, setting.trim_end_matches(')')),
            None => (socket, ""),
        };
        Self {
            id: id.into(),
            phase: match phase {
                "greeting" => Phase::Greeting,
                "null-handshake" => Phase::NullHandshake,
                "plain-handshake" => Phase::PlainHandshake,
                "traffic" => Phase::Traffic,
                _ => panic!("{line}"),
            },
            socket_type: SocketType::from_name(socket_type.as_bytes()).unwrap(),
            setting: match setting.split_once('=') {
                None => Setting::Default,
                Some(("PLAIN_SERVER", "1")) => Setting::PlainServer,
                Some(("ZAP_DOMAIN", "d")) => Setting::ZapDomain,
                Some(("MAXMSGSIZE", size)) => Setting::MaxFrameSize(size.parse().unwrap()),
                Some(_) => panic!("{line}"),
            },
            bytes: from_hex(bytes),
            libzmq: Reaction::of_libzmq(state, reply, delivered, events),
        }
    }

    /// The name, which is unique together with the phase.
    pub fn key(&self) -> String {
        let phase = match self.phase {
            Phase::Greeting => "greeting",
            Phase::NullHandshake => "null-handshake",
            Phase::PlainHandshake => "plain-handshake",
            Phase::Traffic => "traffic",
        };
        format!("{phase}/{}", self.id)
    }

    /// The socket as a reader knows it.
    pub fn socket(&self) -> String {
        match self.setting {
            Setting::Default => self.socket_type.to_string(),
            Setting::PlainServer => format!("{}, PLAIN server", self.socket_type),
            Setting::ZapDomain => format!("{}, ZAP domain", self.socket_type),
            Setting::MaxFrameSize(size) => {
                format!("{}, frames of at most {size} bytes", self.socket_type)
            }
        }
    }

    /// The configuration of the end that gets the input.
    pub fn config(&self) -> HandshakeConfig {
        let config = HandshakeConfig::new(self.socket_type);
        match self.setting {
            Setting::Default => config,
            Setting::PlainServer => {
                config.with_mechanism(MechanismConfig::PlainServer(plain::ServerConfig::new()))
            }
            Setting::ZapDomain => config.with_zap(zap::Policy::new("d")),
            Setting::MaxFrameSize(size) => {
                config.with_limits(Limits::default().with_max_frame_size(Some(size)))
            }
        }
    }

    /// What the peer sends before the input.
    pub fn prelude(&self) -> Vec<u8> {
        let mechanism = match self.phase {
            Phase::Greeting => return Vec::new(),
            Phase::PlainHandshake => MechanismName::PLAIN,
            Phase::NullHandshake | Phase::Traffic => MechanismName::NULL,
        };
        let greeting = Greeting {
            version: Version::V3_1,
            mechanism,
            as_server: false,
        };
        let mut prelude = greeting.encode(0).to_vec();
        if self.phase == Phase::Traffic {
            let mut properties = Metadata::new();
            let socket_type = self.peer_type().to_string();
            properties.push(metadata::SOCKET_TYPE, socket_type).unwrap();
            if self.socket_type == SocketType::Router {
                properties.push(metadata::IDENTITY, "me").unwrap();
            }
            let mut body = Vec::new();
            properties.encode(&mut body);
            Command::Ready { metadata: &body }.encode(&mut prelude);
        }
        prelude
    }

    fn peer_type(&self) -> SocketType {
        match self.socket_type {
            SocketType::Router => SocketType::Dealer,
            SocketType::Pub | SocketType::XPub => SocketType::Sub,
            SocketType::Req => SocketType::Rep,
            SocketType::Rep => SocketType::Req,
            other => panic!("{other}"),
        }
    }
}

pub fn from_hex(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap_or_else(|_| panic!("{hex}")))
        .collect()
}
