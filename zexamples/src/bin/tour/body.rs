//! What the tour's messages say.

use zexamples::Result;
use zsocket::Frame;

/// Who made a message, who handled it, and the how-manieth of its maker it is.
///
/// Sixteen bytes, little-endian: maker, handler, number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Body {
    /// The ventilator or client.
    pub(crate) maker: u32,
    /// The worker or server; nobody yet when it is made.
    pub(crate) handler: u32,
    /// Counts from zero.
    pub(crate) seq: u64,
}

impl Body {
    /// Bytes of each.
    pub(crate) const LEN: usize = 16;
    /// The `handler` of a message that nobody has handled.
    pub(crate) const NOBODY: u32 = u32::MAX;

    /// A message that nobody has handled.
    pub(crate) fn new(maker: u32, seq: u64) -> Self {
        Self {
            maker,
            handler: Self::NOBODY,
            seq,
        }
    }

    /// Reads a frame.
    pub(crate) fn read(frame: &[u8]) -> Result<Self> {
        let bytes: &[u8; Self::LEN] = frame
            .try_into()
            .map_err(|_| format!("a body of {} bytes instead of {}", frame.len(), Self::LEN))?;
        let [a, b, c, d, e, f, g, h, seq @ ..] = *bytes;
        Ok(Self {
            maker: u32::from_le_bytes([a, b, c, d]),
            handler: u32::from_le_bytes([e, f, g, h]),
            seq: u64::from_le_bytes(seq),
        })
    }

    /// Signs a message in place.
    pub(crate) fn sign(frame: &mut Frame, handler: u32) -> Result<()> {
        let body = Self {
            handler,
            ..Self::read(frame)?
        };
        frame.assign(&body.bytes());
        Ok(())
    }

    fn bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..4].copy_from_slice(&self.maker.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.handler.to_le_bytes());
        bytes[8..].copy_from_slice(&self.seq.to_le_bytes());
        bytes
    }
}

impl From<Body> for Frame {
    fn from(body: Body) -> Self {
        Self::from(body.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_body_reads_back() {
        let mut frame = Frame::from(Body::new(1, 1 << 40));
        Body::sign(&mut frame, 7).unwrap();
        assert_eq!(
            Body::read(&frame).unwrap(),
            Body {
                maker: 1,
                handler: 7,
                seq: 1 << 40
            }
        );
        assert!(Body::read(&frame[1..]).is_err());
    }
}
