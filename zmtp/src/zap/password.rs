//! A password in memory.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A password, or any other secret of bytes.
///
/// It is overwritten when it is dropped, does not show up in `Debug`, and comparisons take a time
/// that tells nothing but the lengths.
///
/// # Examples
///
/// ```
/// use zmtp::zap::Password;
///
/// let password = Password::from("secret");
/// assert_eq!(password, b"secret");
/// assert_ne!(password, b"Secret");
/// assert_eq!(format!("{password:?}"), "Password(..)");
/// ```
#[derive(Clone, Default)]
pub struct Password(Zeroizing<Vec<u8>>);

impl Password {
    /// The password in the clear.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Password {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl From<&[u8]> for Password {
    fn from(secret: &[u8]) -> Self {
        // A fresh vector of this very size: no copy is left behind by growth.
        Self(Zeroizing::new(secret.to_vec()))
    }
}

impl<const N: usize> From<&[u8; N]> for Password {
    fn from(secret: &[u8; N]) -> Self {
        Self::from(&secret[..])
    }
}

impl From<&str> for Password {
    fn from(secret: &str) -> Self {
        Self::from(secret.as_bytes())
    }
}

impl From<String> for Password {
    fn from(secret: String) -> Self {
        Self(Zeroizing::new(secret.into_bytes()))
    }
}

impl From<Vec<u8>> for Password {
    fn from(secret: Vec<u8>) -> Self {
        Self(Zeroizing::new(secret))
    }
}

impl PartialEq for Password {
    fn eq(&self, other: &Self) -> bool {
        *self == *other.as_bytes()
    }
}

impl Eq for Password {}

impl PartialEq<[u8]> for Password {
    fn eq(&self, other: &[u8]) -> bool {
        self.as_bytes().ct_eq(other).into()
    }
}

impl PartialEq<&[u8]> for Password {
    fn eq(&self, other: &&[u8]) -> bool {
        *self == **other
    }
}

impl<const N: usize> PartialEq<&[u8; N]> for Password {
    fn eq(&self, other: &&[u8; N]) -> bool {
        *self == other[..]
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_is_what_has_the_same_bytes() {
        let password = Password::from(vec![1, 2, 3]);
        assert_eq!(password, Password::from(&[1, 2, 3]));
        for other in [&[1, 2][..], &[1, 2, 4], &[0, 2, 3], &[1, 2, 3, 0], &[]] {
            assert_ne!(password, other);
        }
        assert_eq!(Password::default(), &[][..]);
    }

    #[test]
    fn does_not_show() {
        let shown = format!("{:?}", Password::from("hunter2".to_owned()));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
