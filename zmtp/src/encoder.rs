//! Puts traffic together: messages and commands in, bytes out.

use crate::curve::Sealer;
use crate::framing::{Framing, MAX_HEADER_LEN};
use crate::header::{self, Flags};
use crate::{Command, Message, Version};
use alloc::vec::Vec;

/// Appends a message to `out` as it travels in ZMTP 2.0 to 3.1. A message without frames becomes
/// one empty frame.
///
/// # Examples
///
/// ```
/// use zmtp::{Message, encode_message};
///
/// let mut wire = Vec::new();
/// encode_message(&Message::from(["a", "bc"]), &mut wire);
/// assert_eq!(wire, b"\x01\x01a\x00\x02bc");
/// ```
pub fn encode_message(message: &Message, out: &mut Vec<u8>) {
    out.reserve(message.byte_len() + message.len() * header::MAX_LEN);
    let Some((last, others)) = message.frames().split_last() else {
        return encode_frame(Flags::NONE, &[], out);
    };
    for frame in others {
        encode_frame(Flags::MORE, frame, out);
    }
    encode_frame(Flags::NONE, last, out);
}

/// Appends one frame to `out` as it travels in ZMTP 2.0 to 3.1.
pub fn encode_frame(flags: Flags, body: &[u8], out: &mut Vec<u8>) {
    let mut head = [0; header::MAX_LEN];
    let len = header::encode(flags, body.len() as u64, &mut head);
    out.extend_from_slice(&head[..len]);
    out.extend_from_slice(body);
}

/// Encodes the traffic to one peer as its version and the security mechanism demand.
///
/// A handshake makes one that fits: see [`Established`](crate::Established). Subscriptions look
/// different to old peers, commands do not exist for older ones, and CURVE encrypts everything;
/// what is given to an encoder is the same for all of them.
///
/// # Examples
///
/// ```
/// use zmtp::{Command, Encoder, Version};
///
/// let subscribe = |version| {
///     let mut wire = Vec::new();
///     Encoder::new(version).encode_subscription(true, b"top", &mut wire);
///     wire
/// };
/// assert_eq!(subscribe(Version::V1_0), b"\x05\x00\x01top");
/// assert_eq!(subscribe(Version::V3_0), b"\x00\x04\x01top");
/// assert_eq!(subscribe(Version::V3_1), b"\x04\x0d\x09SUBSCRIBEtop");
/// ```
#[derive(Debug)]
pub struct Encoder {
    version: Version,
    framing: Framing,
    /// Protects everything, under CURVE.
    sealer: Option<Sealer>,
}

impl Encoder {
    /// Makes an encoder for a peer of this version, without encryption.
    #[must_use]
    pub const fn new(version: Version) -> Self {
        Self {
            version,
            framing: Framing::of(version),
            sealer: None,
        }
    }

    /// Encrypts everything from now on.
    #[cfg(feature = "curve")]
    pub(crate) fn with_sealer(mut self, sealer: Sealer) -> Self {
        self.sealer = Some(sealer);
        self
    }

    /// Whether everything travels as the bare frames of ZMTP 3.x, commands included, so that
    /// whoever keeps frames in a buffer of its own may send them as they are.
    ///
    /// Subscriptions depend on the version even so.
    #[inline]
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        matches!(self.framing, Framing::V2) && self.sealer.is_none()
    }

    /// The version that both ends use.
    #[inline]
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Whether a CURVE connection has used up its nonces, after 2^64 - 2 frames. Nothing is encoded
    /// from then on, and the connection has to be closed.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.sealer
            .as_ref()
            .is_some_and(|sealer| sealer.is_exhausted())
    }

    /// Appends a message. One without frames becomes one empty frame.
    pub fn encode_message(&mut self, message: &Message, out: &mut Vec<u8>) {
        if self.is_plain() {
            return encode_message(message, out);
        }
        let Some((last, others)) = message.frames().split_last() else {
            return self.encode_frame(Flags::NONE, &[], out);
        };
        for frame in others {
            self.encode_frame(Flags::MORE, frame, out);
        }
        self.encode_frame(Flags::NONE, last, out);
    }

    /// Appends a command.
    ///
    /// A SUBSCRIBE or CANCEL becomes what [`encode_subscription`](Self::encode_subscription) makes
    /// of it. Peers of ZMTP 1.0 and 2.0 know no other commands, and nothing is appended for them.
    pub fn encode_command(&mut self, command: Command<'_>, out: &mut Vec<u8>) {
        match command {
            Command::Subscribe { topic } if !self.version.has_subscription_commands() => {
                self.encode_subscription(true, topic, out);
            }
            Command::Cancel { topic } if !self.version.has_subscription_commands() => {
                self.encode_subscription(false, topic, out);
            }
            _ if self.is_plain() => command.encode(out),
            _ if self.version.has_commands() => {
                let mut body = Vec::new();
                command.encode_body(&mut body);
                self.encode_frame(Flags::COMMAND, &body, out);
            }
            _ => {}
        }
    }

    /// Appends a subscription to a topic, or its end: as a command, or for peers before ZMTP 3.1 as
    /// a message of the byte 01 or 00 and the topic.
    pub fn encode_subscription(&mut self, subscribe: bool, topic: &[u8], out: &mut Vec<u8>) {
        if self.version.has_subscription_commands() {
            let command = if subscribe {
                Command::Subscribe { topic }
            } else {
                Command::Cancel { topic }
            };
            return self.encode_command(command, out);
        }
        let mut head = [0; MAX_HEADER_LEN];
        let size = 1 + topic.len() as u64;
        if let Some(len) = self.encode_header(Flags::NONE, size, &mut head) {
            out.extend_from_slice(&head[..len]);
            out.push(u8::from(subscribe));
            out.extend_from_slice(topic);
        } else {
            let body = [&[u8::from(subscribe)], topic].concat();
            self.encode_frame(Flags::NONE, &body, out);
        }
    }

    /// Appends one frame. A command goes to no peer of a version without commands.
    ///
    /// The caller takes care that a message ends with a frame without `MORE`.
    pub fn encode_frame(&mut self, flags: Flags, body: &[u8], out: &mut Vec<u8>) {
        if flags.is_command() && !self.framing.has_commands() {
            return;
        }
        match &mut self.sealer {
            Some(sealer) => sealer.seal_or_stop(flags, body, out),
            None => self.framing.encode(flags, body, out),
        }
    }

    /// Writes the header in front of a body that may follow as it is, and returns its length in
    /// bytes; `None` when bodies are encrypted.
    #[inline]
    pub(crate) fn encode_header(
        &self,
        flags: Flags,
        size: u64,
        out: &mut [u8; MAX_HEADER_LEN],
    ) -> Option<usize> {
        match self.sealer {
            Some(_) => None,
            None => Some(self.framing.encode_header(flags, size, out)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(feature = "curve")]
    use crate::curve::{Role, Session, boxes::BoxKey};

    fn encoded(version: Version, encode: impl Fn(&mut Encoder, &mut Vec<u8>)) -> Vec<u8> {
        let mut wire = Vec::new();
        encode(&mut Encoder::new(version), &mut wire);
        wire
    }

    #[test]
    fn a_message_without_frames_is_one_empty_frame() {
        let mut wire = Vec::new();
        encode_message(&Message::new(), &mut wire);
        assert_eq!(wire, [0, 0]);
        let encode = |encoder: &mut Encoder, out: &mut _| {
            encoder.encode_message(&Message::new(), out);
        };
        assert_eq!(encoded(Version::V1_0, encode), [1, 0]);
        assert_eq!(encoded(Version::V2_0, encode), [0, 0]);
        assert_eq!(encoded(Version::V3_1, encode), [0, 0]);
    }

    // spec: RFC13/framing: frames are length, flags, body; MORE joins the frames of a message
    // spec: RFC15/framing: frames are flags, length, body; long from 256 bytes on
    #[test]
    fn messages_have_the_frames_of_the_version() {
        let message = Message::from([vec![1; 3], vec![], vec![2; 254]]);
        let encode = |encoder: &mut Encoder, out: &mut _| encoder.encode_message(&message, out);
        let v1 = [
            &b"\x04\x01\x01\x01\x01\x01\x01\xFF\0\0\0\0\0\0\0\xFF\0"[..],
            &[2; 254],
        ];
        assert_eq!(encoded(Version::V1_0, encode), v1.concat());
        let v2 = [&b"\x01\x03\x01\x01\x01\x01\0\0\xFE"[..], &[2; 254]].concat();
        for version in [Version::V2_0, Version::V3_0, Version::V3_1] {
            assert_eq!(encoded(version, encode), v2);
        }
    }

    // spec: WIRE-3.6/subscriptions-by-version: messages before 3.1, commands from 3.1 on, whoever asks
    // spec: RFC23/subscriptions: a subscription is a message of 01 and the topic, a cancellation one of 00 and the topic
    // spec: RFC15/subscriptions: as in 3.0, subscriptions travel upstream as messages
    #[test]
    fn subscriptions_have_the_form_of_the_version() {
        let by_call = |encoder: &mut Encoder, out: &mut _| {
            encoder.encode_subscription(true, b"a", out);
            encoder.encode_subscription(false, b"a", out);
        };
        let by_command = |encoder: &mut Encoder, out: &mut _| {
            encoder.encode_command(Command::Subscribe { topic: b"a" }, out);
            encoder.encode_command(Command::Cancel { topic: b"a" }, out);
        };
        let table: [(_, &[u8]); 4] = [
            (Version::V1_0, b"\x03\0\x01a\x03\0\x00a"),
            (Version::V2_0, b"\0\x02\x01a\0\x02\x00a"),
            (Version::V3_0, b"\0\x02\x01a\0\x02\x00a"),
            (Version::V3_1, b"\x04\x0b\x09SUBSCRIBEa\x04\x08\x06CANCELa"),
        ];
        for (version, wire) in table {
            assert_eq!(encoded(version, by_call), wire, "{version}");
            assert_eq!(encoded(version, by_command), wire, "{version}");
        }
    }

    // spec: WIRE-3.6/topic-of-255-bytes: subscriptions of 254 to 256 bytes are framed soundly, unlike libzmq's
    #[test]
    fn long_topics_before_3_1_have_long_frames() {
        for len in [253, 254, 255, 256] {
            let topic = vec![b'x'; len];
            for version in [Version::V1_0, Version::V2_0, Version::V3_0] {
                let wire = encoded(version, |encoder, out| {
                    encoder.encode_subscription(true, &topic, out);
                });
                let (header, head_len) = Framing::of(version).decode(&wire).unwrap().unwrap();
                assert_eq!(header.size as usize, 1 + len);
                assert_eq!(wire[head_len], 1);
                assert_eq!(wire[head_len + 1..], topic);
            }
        }
    }

    // spec: WIRE-1.4/heartbeats: peers of 1.0 and 2.0 get no commands
    #[test]
    fn other_commands_go_to_no_peer_that_knows_none() {
        let ping = |encoder: &mut Encoder, out: &mut _| {
            let command = Command::Ping {
                ttl: 1,
                context: b"",
            };
            encoder.encode_command(command, out);
            encoder.encode_frame(Flags::COMMAND, b"\x03ODD", out);
        };
        assert_eq!(encoded(Version::V1_0, ping), b"");
        assert_eq!(encoded(Version::V2_0, ping), b"");
        let expected = b"\x04\x07\x04PING\0\x01\x04\x04\x03ODD";
        assert_eq!(encoded(Version::V3_0, ping), expected);
        assert_eq!(encoded(Version::V3_1, ping), expected);
    }

    #[test]
    fn only_3_x_without_encryption_is_plain() {
        assert!(!Encoder::new(Version::V1_0).is_plain());
        assert!(!Encoder::new(Version::V2_0).is_plain());
        assert!(Encoder::new(Version::V3_0).is_plain());
    }

    #[test]
    #[cfg(feature = "curve")]
    fn nothing_is_encoded_without_a_nonce() {
        let key = BoxKey::new(&[3; 32]);
        let (sealer, _) = Session::from_key(Role::Client, &key, u64::MAX - 2, 0).into_halves();
        let mut encoder = Encoder::new(Version::V3_1).with_sealer(sealer);
        let mut wire = Vec::new();
        assert!(!encoder.is_exhausted());
        encoder.encode_message(&Message::from("the last one"), &mut wire);
        let len = wire.len();
        assert!(len > 0 && encoder.is_exhausted());
        encoder.encode_message(&Message::from(["two", "frames"]), &mut wire);
        encoder.encode_command(Command::Pong { context: b"" }, &mut wire);
        encoder.encode_subscription(true, b"topic", &mut wire);
        encoder.encode_frame(Flags::NONE, b"frame", &mut wire);
        assert_eq!(wire.len(), len);
    }
}
