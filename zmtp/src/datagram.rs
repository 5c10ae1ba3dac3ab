//! Messages of RADIO and DISH sockets in UDP datagrams.

use alloc::vec::Vec;
/// A message to a group, as RADIO sends it to `udp://` and DISH receives it.
///
/// There is no greeting and no handshake: each datagram is one message.
///
/// ```text
/// ┌─────────────┬───────┬──────┐
/// │ length  u8  │ group │ body │
/// └─────────────┴───────┴──────┘
/// ```
///
/// RFC 48, "UDP Transport", as libzmq does it.
///
/// # Examples
///
/// ```
/// use zmtp::Datagram;
///
/// let wire = Datagram { group: b"tv", body: b"hello" }.encode().unwrap();
/// assert_eq!(wire, b"\x02tvhello");
/// assert_eq!(Datagram::decode(&wire).unwrap().group, b"tv");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// The group, of at most 255 bytes.
    pub group: &'a [u8],
    /// The message.
    pub body: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// The longest datagram that libzmq sends and receives, in bytes.
    pub const MAX_LEN: usize = 8192;

    /// The datagram as it travels; `None` when the group is longer than 255 bytes or the whole is
    /// longer than [`MAX_LEN`](Self::MAX_LEN), which no receiver would take.
    #[must_use]
    pub fn encode(&self) -> Option<Vec<u8>> {
        let len = u8::try_from(self.group.len()).ok()?;
        let wire = [&[len], self.group, self.body].concat();
        (wire.len() <= Self::MAX_LEN).then_some(wire)
    }

    /// Reads a datagram; `None` when it is empty or ends inside the group. Such a one is to be
    /// ignored: over UDP anybody may send anything.
    #[must_use]
    pub fn decode(wire: &'a [u8]) -> Option<Self> {
        let (&len, rest) = wire.split_first()?;
        let (group, body) = rest.split_at_checked(len.into())?;
        Some(Self { group, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // spec: WIRE-6.8/datagram-checks: what is empty, ends in the group or is too long is no datagram
    #[test]
    fn lengths_are_checked() {
        assert_eq!(Datagram::decode(b""), None);
        assert_eq!(Datagram::decode(b"\x03tv"), None);
        let group = &[b'g'; 256][..];
        let encode = |group, body| Datagram { group, body }.encode();
        assert_eq!(encode(group, b""), None);
        assert_eq!(encode(&group[..255], b"").unwrap().len(), 256);
        let body = vec![0; Datagram::MAX_LEN];
        assert_eq!(encode(b"", &body), None);
        assert!(encode(b"", &body[1..]).is_some());
    }
}
