//! The boxes of NaCl: XSalsa20 with Poly1305, under a key that is shared (secretbox) or agreed on
//! with X25519 (crypto_box).
//!
//! A nonce has 24 bytes. XSalsa20 mixes the first 16 into the key with HSalsa20 and runs Salsa20
//! with the last 8. In CURVE the first 16 are constant text for every kind of command, so a session
//! derives its [`StreamKey`]s once and saves that step for each message.

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::cpu::Cpu;
use super::poly1305::{self, TAG};
use super::salsa::{BLOCK, Salsa20, hsalsa20};
use super::{PublicKey, SecretKey};
use crate::secret::Secret;

/// The length of Poly1305's key, in bytes.
const MAC_KEY: usize = 32;

/// The length of a nonce, in bytes.
pub(crate) const NONCE: usize = 24;

/// A box that does not open.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Forged;

/// The key of boxes.
pub(crate) struct BoxKey(Secret<32>);

impl BoxKey {
    /// The key of a secretbox.
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(Secret::copy_of(key))
    }

    /// The key for boxes between two parties, of whom one is given by the secret key; `None` if the
    /// public key would make the same key with everybody. This is a public-key operation.
    pub(crate) fn agree(secret: &SecretKey, public: &PublicKey) -> Option<Self> {
        let shared = secret.agree(public)?;
        let mut key = Secret::zeroed();
        hsalsa20(&shared, &[0; 16], &mut key);
        Some(Self(key))
    }

    /// Derives the key for all nonces that begin with `prefix`.
    pub(crate) fn derive(&self, prefix: &[u8; 16], stream: &mut StreamKey) {
        hsalsa20(&self.0, prefix, &mut stream.key);
    }

    /// Appends the box of `text`, the tag first.
    pub(crate) fn seal(&self, nonce: &[u8; NONCE], text: &[&[u8]], out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; TAG]);
        for part in text {
            out.extend_from_slice(part);
        }
        self.seal_in_place(nonce, &mut out[start..]);
    }

    /// Seals in place: `sealed` begins with room for the tag, behind which the text stands.
    pub(crate) fn seal_in_place(&self, nonce: &[u8; NONCE], sealed: &mut [u8]) {
        let (stream, counter) = self.split(nonce);
        stream.seal(counter, sealed);
    }

    /// Opens a box in place and returns the text in it.
    pub(crate) fn open<'a>(
        &self,
        nonce: &[u8; NONCE],
        sealed: &'a mut [u8],
    ) -> Result<&'a mut [u8], Forged> {
        let (stream, counter) = self.split(nonce);
        stream.open(counter, sealed)
    }

    fn split<'a>(&self, nonce: &'a [u8; NONCE]) -> (StreamKey, &'a [u8; 8]) {
        let (prefix, counter) = nonce.split_first_chunk::<16>().expect("24 bytes");
        let mut stream = StreamKey::blank();
        self.derive(prefix, &mut stream);
        (stream, counter.first_chunk().expect("8 bytes"))
    }
}

/// The key of boxes whose nonces begin with the same 16 bytes. Whoever keeps one gives it a place
/// on the heap before it is [derived](BoxKey::derive).
pub(crate) struct StreamKey {
    key: Zeroizing<[u8; 32]>,
    cpu: Cpu,
}

impl StreamKey {
    /// The place for a key.
    pub(crate) fn blank() -> Self {
        Self {
            key: Zeroizing::new([0; 32]),
            cpu: Cpu::detect(),
        }
    }

    /// Seals in place: `sealed` begins with room for the tag, behind which the text stands.
    ///
    /// # Panics
    ///
    /// When there is no room for the tag.
    pub(crate) fn seal(&self, counter: &[u8; 8], sealed: &mut [u8]) {
        let (tag, text) = sealed.split_first_chunk_mut::<TAG>().expect("room");
        let stream = Stream::new(self, counter, text.len());
        stream.apply(text);
        *tag = poly1305::tag(self.cpu, stream.mac_key(), text);
    }

    /// Opens in place: compares the tag, in constant time, before it decrypts.
    pub(crate) fn open<'a>(
        &self,
        counter: &[u8; 8],
        sealed: &'a mut [u8],
    ) -> Result<&'a mut [u8], Forged> {
        let (tag, text) = sealed.split_first_chunk_mut::<TAG>().ok_or(Forged)?;
        let stream = Stream::new(self, counter, text.len());
        let expected = poly1305::tag(self.cpu, stream.mac_key(), text);
        if !bool::from(expected.ct_eq(tag)) {
            return Err(Forged);
        }
        stream.apply(text);
        Ok(text)
    }
}

/// The key stream of one box, whose first 32 bytes are Poly1305's key and whose rest is for the
/// text. The beginning is computed at once, as much of it as processors like to do in one go.
struct Stream {
    cipher: Salsa20,
    cpu: Cpu,
    begin: [u8; 6 * BLOCK],
    /// How many blocks of `begin` are computed.
    blocks: usize,
}

impl Stream {
    fn new(key: &StreamKey, counter: &[u8; 8], text_len: usize) -> Self {
        let cipher = Salsa20::new(&key.key, counter);
        let blocks = if MAC_KEY + text_len <= 2 * BLOCK {
            2
        } else {
            6
        };
        let mut begin = [0; 6 * BLOCK];
        cipher.apply(key.cpu, 0, &mut begin[..blocks * BLOCK]);
        Self {
            cipher,
            cpu: key.cpu,
            begin,
            blocks,
        }
    }

    fn mac_key(&self) -> &[u8; MAC_KEY] {
        self.begin.first_chunk().expect("long enough")
    }

    /// Xors the stream onto a text of the length that was announced.
    fn apply(&self, text: &mut [u8]) {
        let begin = &self.begin[MAC_KEY..self.blocks * BLOCK];
        let (text, rest) = text.split_at_mut(text.len().min(begin.len()));
        for (byte, stream) in text.iter_mut().zip(begin) {
            *byte ^= stream;
        }
        if !rest.is_empty() {
            self.cipher.apply(self.cpu, self.blocks as u64, rest);
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.begin[..MAC_KEY].zeroize();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sealing_then_opening_is_identity(
            key: [u8; 32],
            nonce: [u8; NONCE],
            text in prop::collection::vec(any::<u8>(), 0..1200),
        ) {
            let key = BoxKey::new(&key);
            let mut sealed = Vec::new();
            key.seal(&nonce, &[&text], &mut sealed);
            prop_assert_eq!(sealed.len(), text.len() + TAG);
            prop_assert_eq!(&*key.open(&nonce, &mut sealed).unwrap(), &text[..]);
        }

        #[test]
        fn nothing_that_was_changed_opens(
            text in prop::collection::vec(any::<u8>(), 0..100),
            at: prop::sample::Index,
            flip in 1_u8..,
        ) {
            let key = BoxKey::new(&[5; 32]);
            let mut sealed = Vec::new();
            key.seal(&[6; NONCE], &[&text], &mut sealed);
            let at = at.index(sealed.len());
            sealed[at] ^= flip;
            prop_assert_eq!(key.open(&[6; NONCE], &mut sealed), Err(Forged));
            sealed.truncate(TAG - 1);
            prop_assert_eq!(key.open(&[6; NONCE], &mut sealed), Err(Forged));
        }
    }
}
