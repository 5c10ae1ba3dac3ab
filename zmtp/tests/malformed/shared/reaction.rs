//! What an end does with an input.

use std::fmt::Write as _;

use zmtp::Error;

use super::input::from_hex;

/// What an end did with an input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reaction {
    /// Whether the connection lives on.
    pub is_open: bool,
    /// What the peer got, behind what it had got before.
    pub reply: Vec<u8>,
    /// The frames of the message that the application got, if it got one.
    pub delivered: Option<Vec<Vec<u8>>>,
    /// What a monitor is told, in libzmq's words; that the connection is closed goes without saying.
    pub events: Vec<String>,
    /// In words, why the connection is closed. libzmq does not say.
    pub cause: Option<String>,
    /// The bodies of commands that the layer above gets.
    pub commands: Vec<Vec<u8>>,
}

/// A part of a reaction that may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aspect {
    /// Whether the connection lives on.
    Connection,
    /// What the peer gets.
    Reply,
    /// What the application gets.
    Delivered,
    /// What a monitor is told.
    Events,
}

impl Reaction {
    pub fn of_libzmq(state: &str, reply: &str, delivered: &str, events: &str) -> Self {
        let bytes = |field: &str| match field {
            "-" | "''" => Vec::new(),
            hex => from_hex(hex),
        };
        let events = events.split(',').filter_map(|event| match event {
            "-" | "DISCONNECTED" => None,
            "HS_SUCCEEDED" => Some(SUCCEEDED.to_owned()),
            other => other.split_once(':').map(|(kind, value)| match kind {
                "HS_FAILED_PROTOCOL" => value.to_owned(),
                "HS_FAILED_AUTH" => auth_event(value),
                _ => panic!("{event}"),
            }),
        });
        Self {
            is_open: match state {
                "open" => true,
                "closed" => false,
                _ => panic!("{state}"),
            },
            reply: bytes(reply),
            delivered: (delivered != "-").then(|| delivered.split(' ').map(bytes).collect()),
            events: events.collect(),
            ..Self::default()
        }
    }

    /// Takes note of the end of the connection.
    pub fn fail(&mut self, error: &Error) {
        self.is_open = false;
        self.cause = Some(error.to_string());
        if let Some(code) = error.protocol_event_code() {
            self.events.push(protocol_event(code).into());
        }
        if let Some(code) = error.auth_event_code() {
            self.events.push(auth_event(&code.to_string()));
        }
    }

    pub fn succeed(&mut self) {
        self.events.push(SUCCEEDED.into());
    }

    /// In which parts two reactions differ.
    pub fn differences(&self, other: &Self) -> Vec<Aspect> {
        let parts = [
            (Aspect::Connection, self.is_open != other.is_open),
            (Aspect::Reply, self.reply != other.reply),
            (Aspect::Delivered, self.delivered != other.delivered),
            (Aspect::Events, self.events != other.events),
        ];
        let differing = parts.into_iter().filter(|(_, differs)| *differs);
        differing.map(|(aspect, _)| aspect).collect()
    }

    /// The reaction as a cell of a table.
    pub fn describe(&self) -> String {
        let mut text = String::from(if self.is_open { "open" } else { "closed" });
        if let Some(cause) = &self.cause {
            write!(text, ": {cause}").unwrap();
        }
        for event in &self.events {
            write!(text, "; {event}").unwrap();
        }
        if !self.reply.is_empty() {
            write!(text, "; replies {}", shorten(&self.reply)).unwrap();
        }
        if let Some(frames) = &self.delivered {
            let frames: Vec<_> = frames.iter().map(|frame| shorten(frame)).collect();
            write!(text, "; delivers {}", frames.join(" ")).unwrap();
        }
        for command in &self.commands {
            match &command[..] {
                [] => text.push_str("; hands up an empty command"),
                body => write!(text, "; hands up the command {}", shorten(body)).unwrap(),
            }
        }
        text.replace('|', "\\|")
    }
}

const SUCCEEDED: &str = "HANDSHAKE_SUCCEEDED";

fn auth_event(code: &str) -> String {
    format!("HANDSHAKE_FAILED_AUTH {code}")
}

fn protocol_event(code: u32) -> &'static str {
    match code {
        0x1000_0000 => "ZMTP_UNSPECIFIED",
        0x1000_0001 => "UNEXPECTED_COMMAND",
        0x1000_0011 => "MALFORMED_UNSPECIFIED",
        0x1000_0013 => "MALFORMED_HELLO",
        0x1000_0015 => "MALFORMED_ERROR",
        0x1000_0018 => "INVALID_METADATA",
        0x1100_0002 => "MECHANISM_MISMATCH",
        other => panic!("{other:x}"),
    }
}

/// Bytes in hex, the first ones if there are many.
pub fn shorten(bytes: &[u8]) -> String {
    const SHOWN: usize = 16;
    if bytes.is_empty() {
        return "an empty frame".into();
    }
    let mut text = String::from("`");
    for byte in bytes.iter().take(SHOWN) {
        write!(text, "{byte:02x}").unwrap();
    }
    if bytes.len() > SHOWN {
        write!(text, "…` ({} bytes)", bytes.len()).unwrap();
    } else {
        text.push('`');
    }
    text
}
