//! Secrets in memory that leave nothing behind.
//!
//! `Zeroizing` overwrites a value when it is dropped, but not the bytes that stay behind when it is
//! moved, and a vector that grows leaves its old buffer to the allocator as it is. So a key has one
//! place on the heap for all of its life, of which only the pointer moves, and a buffer that may hold
//! a secret wipes the old place whenever it grows.

use alloc::vec::Vec;
use core::fmt;
use core::ops::Deref;
#[cfg(feature = "curve")]
use core::ops::DerefMut;

#[cfg(feature = "std")]
use bytes::Bytes;
use zeroize::Zeroize;
#[cfg(feature = "std")]
use zeroize::Zeroizing;

/// Secret bytes at one place, overwritten when dropped.
#[cfg(feature = "curve")]
pub(crate) struct Secret<const N: usize>(Box<Zeroizing<[u8; N]>>);

#[cfg(feature = "curve")]
impl<const N: usize> Secret<N> {
    /// The place, to be filled.
    pub(crate) fn zeroed() -> Self {
        Self(Box::new(Zeroizing::new([0; N])))
    }

    pub(crate) fn copy_of(bytes: &[u8; N]) -> Self {
        let mut secret = Self::zeroed();
        secret.copy_from_slice(bytes);
        secret
    }
}

#[cfg(feature = "curve")]
impl<const N: usize> Clone for Secret<N> {
    fn clone(&self) -> Self {
        Self::copy_of(self)
    }
}

#[cfg(feature = "curve")]
impl<const N: usize> Deref for Secret<N> {
    type Target = [u8; N];

    fn deref(&self) -> &[u8; N] {
        &self.0
    }
}

#[cfg(feature = "curve")]
impl<const N: usize> DerefMut for Secret<N> {
    fn deref_mut(&mut self) -> &mut [u8; N] {
        &mut self.0
    }
}

#[cfg(feature = "curve")]
impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// A growing buffer that may hold a secret: what it leaves, it wipes.
#[derive(Default)]
pub(crate) struct WipedBuf(Vec<u8>);

impl WipedBuf {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn extend_from_slice(&mut self, bytes: &[u8]) {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            let mut grown = Vec::with_capacity(needed.max(2 * self.0.capacity()));
            grown.extend_from_slice(&self.0);
            core::mem::replace(&mut self.0, grown).zeroize();
        }
        self.0.extend_from_slice(bytes);
    }

    /// Empties and wipes the buffer, and keeps its capacity.
    pub(crate) fn clear(&mut self) {
        self.0.zeroize();
    }
}

impl Deref for WipedBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for WipedBuf {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for WipedBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WipedBuf({} bytes)", self.0.len())
    }
}

/// A handle to bytes that are wiped when the last clone of it is dropped.
#[cfg(feature = "std")]
pub(crate) fn wiped_bytes(bytes: Vec<u8>) -> Bytes {
    Bytes::from_owner(Zeroizing::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "curve")]
    #[test]
    fn a_key_stays_where_it_is_when_its_owner_moves() {
        let secret = Secret::copy_of(&[7; 32]);
        let at = secret.as_ptr();
        let moved = Box::new(Some(secret));
        assert_eq!(moved.as_ref().as_ref().unwrap().as_ptr(), at);
        assert_eq!(**moved.as_ref().as_ref().unwrap(), [7; 32]);
    }

    #[test]
    fn a_buffer_holds_what_was_appended() {
        let mut buffer = WipedBuf::new();
        let mut expected = Vec::new();
        for len in 0..100 {
            buffer.extend_from_slice(&vec![len as u8; len]);
            expected.extend_from_slice(&vec![len as u8; len]);
            assert_eq!(&*buffer, &*expected);
        }
        buffer.clear();
        assert!(buffer.is_empty());
        buffer.extend_from_slice(b"again");
        assert_eq!(&*buffer, b"again");
    }
}
