//! Typed keys.

use core::fmt;
use core::str::FromStr;

use subtle::ConstantTimeEq;
use x25519_dalek::StaticSecret;
use zeroize::Zeroizing;

use super::ops;
use crate::secret::Secret;
use crate::{Error, Random, z85};

/// The length of every key, in bytes.
pub const KEY_LEN: usize = 32;

/// A public key of X25519: who somebody is. It may be known to everybody.
///
/// # Examples
///
/// ```
/// use zmtp::curve::PublicKey;
///
/// let key: PublicKey = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID".parse()?;
/// assert_eq!(key.as_bytes()[..4], [0xBB, 0x88, 0x47, 0x1D]);
/// assert_eq!(key.to_string(), "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID");
/// # Ok::<(), zmtp::z85::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; KEY_LEN]);

impl PublicKey {
    /// The key of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; KEY_LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes of the key.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    /// Whether this is the number itself, less than 2^255 - 19, and not one that X25519 takes for the
    /// same: with the highest bit set, which it ignores, or with the prime added.
    fn is_canonical(&self) -> bool {
        let [first, middle @ .., last] = &self.0;
        let is_past_prime =
            *last == 0x7F && middle.iter().all(|byte| *byte == 0xFF) && *first >= 0xED;
        *last & 0x80 == 0 && !is_past_prime
    }

    /// Reads the 40 characters in which a key is written.
    ///
    /// # Errors
    ///
    /// Those of [`z85::decode`]; another length than 40 is [`z85::Error::TextLength`].
    pub fn from_z85(text: &str) -> Result<Self, z85::Error> {
        let mut bytes = [0; KEY_LEN];
        z85::decode_into(text, &mut bytes)?;
        Ok(Self(bytes))
    }

    /// The 40 characters in which the key is written.
    #[must_use]
    pub fn to_z85(&self) -> String {
        z85_of(&self.0)
    }
}

impl fmt::Display for PublicKey {
    /// Writes the key as Z85.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_z85())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = z85::Error;

    fn from_str(text: &str) -> Result<Self, z85::Error> {
        Self::from_z85(text)
    }
}

impl From<[u8; KEY_LEN]> for PublicKey {
    fn from(bytes: [u8; KEY_LEN]) -> Self {
        Self(bytes)
    }
}

/// A secret key of X25519.
///
/// Its memory is overwritten when it is dropped, it is compared in constant time, and neither
/// `Debug` nor anything else prints it. It has one place on the heap, so that no move leaves a copy
/// behind. It is cloned on demand only, each clone overwritten in its turn.
#[derive(Clone)]
pub struct SecretKey(Secret<KEY_LEN>);

impl SecretKey {
    /// The key of these bytes. The caller's copy of them is the caller's to overwrite.
    #[must_use]
    pub fn from_bytes(bytes: [u8; KEY_LEN]) -> Self {
        let bytes = Zeroizing::new(bytes);
        Self(Secret::copy_of(&bytes))
    }

    /// The bytes of the key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    /// Reads the 40 characters in which a key is written.
    ///
    /// # Errors
    ///
    /// Those of [`z85::decode`]; another length than 40 is [`z85::Error::TextLength`].
    pub fn from_z85(text: &str) -> Result<Self, z85::Error> {
        let mut secret = Secret::zeroed();
        z85::decode_into(text, &mut *secret)?;
        Ok(Self(secret))
    }

    /// The 40 characters in which the key is written, overwritten when dropped.
    #[must_use]
    pub fn to_z85(&self) -> Zeroizing<String> {
        Zeroizing::new(z85_of(self.as_bytes()))
    }

    /// The public key that belongs to this one.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        ops::count_base();
        PublicKey(x25519_dalek::PublicKey::from(&self.scalar()).to_bytes())
    }

    /// A fresh key.
    ///
    /// # Errors
    ///
    /// [`Error::RandomUnavailable`].
    pub fn generate(random: &mut Random) -> Result<Self, Error> {
        let mut secret = Secret::zeroed();
        random.fill(&mut *secret)?;
        Ok(Self(secret))
    }

    /// The key as the library that computes with it wants it, which wipes it after use.
    fn scalar(&self) -> StaticSecret {
        StaticSecret::from(*self.0)
    }

    /// What this key and that public key have in common, or `None` if the public key is one of the
    /// few that have the same in common with everybody, or not the one spelling of its number.
    pub(super) fn agree(&self, public: &PublicKey) -> Option<Zeroizing<[u8; KEY_LEN]>> {
        // Otherwise somebody had a second name, and could come back under it when ZAP shuts out the
        // first. A key that was made from a secret one is spelt in the one way.
        if !public.is_canonical() {
            return None;
        }
        ops::count_agreement();
        let shared = self
            .scalar()
            .diffie_hellman(&x25519_dalek::PublicKey::from(public.0));
        shared
            .was_contributory()
            .then(|| Zeroizing::new(*shared.as_bytes()))
    }
}

impl PartialEq for SecretKey {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

impl Eq for SecretKey {}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(hidden)")
    }
}

impl FromStr for SecretKey {
    type Err = z85::Error;

    fn from_str(text: &str) -> Result<Self, z85::Error> {
        Self::from_z85(text)
    }
}

/// A secret key with its public key.
///
/// # Examples
///
/// ```
/// use zmtp::Random;
/// use zmtp::curve::{KeyPair, SecretKey};
///
/// let keys = KeyPair::generate(&mut Random::system())?;
/// let same = KeyPair::from_secret(SecretKey::from_bytes(*keys.secret().as_bytes()));
/// assert_eq!(same.public(), keys.public());
/// assert!(format!("{keys:?}").contains("hidden"));
/// # Ok::<(), zmtp::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPair {
    public: PublicKey,
    secret: SecretKey,
}

impl KeyPair {
    /// Makes a fresh pair.
    ///
    /// # Errors
    ///
    /// [`Error::RandomUnavailable`].
    pub fn generate(random: &mut Random) -> Result<Self, Error> {
        SecretKey::generate(random).map(Self::from_secret)
    }

    /// The pair of a secret key. The public key follows from it.
    #[must_use]
    pub fn from_secret(secret: SecretKey) -> Self {
        Self {
            public: secret.public(),
            secret,
        }
    }

    /// The public key.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The secret key.
    #[must_use]
    pub const fn secret(&self) -> &SecretKey {
        &self.secret
    }
}

fn z85_of(key: &[u8; KEY_LEN]) -> String {
    z85::encode(key).expect("32 is a multiple of 4")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::script;

    const PUBLIC: &str = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
    const SECRET: &str = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";

    #[test]
    fn public_follows_from_secret() {
        let secret = SecretKey::from_z85(SECRET).unwrap();
        assert_eq!(secret.public().to_z85(), PUBLIC);
        assert_eq!(*secret.to_z85(), SECRET);
    }

    // spec: RFC32/keys: a key of 32 bytes is a text of 40 characters
    #[test]
    fn texts_that_are_no_key() {
        assert!(PublicKey::from_z85("HelloWorld").is_err());
        assert!(SecretKey::from_z85(&PUBLIC[1..]).is_err());
        assert!(SecretKey::from_z85(&format!("{PUBLIC}00000")).is_err());
        let mut text = PUBLIC.to_owned();
        text.replace_range(7..8, "~");
        let expected = z85::Error::Character { position: 7 };
        assert_eq!(text.parse::<PublicKey>(), Err(expected));
    }

    // spec: RFC26/secret-keys: secret keys are not shown
    #[test]
    fn secrets_are_never_printed() {
        let keys = KeyPair::from_secret(SECRET.parse().unwrap());
        let printed = format!("{keys:?} {keys:#?}");
        assert!(printed.contains(PUBLIC), "{printed}");
        assert!(!printed.contains(SECRET), "{printed}");
        assert!(!printed.contains("123, 184, 100"), "{printed}");
    }

    #[test]
    fn keys_come_from_the_given_randomness() {
        let keys = KeyPair::generate(&mut script::random(&[&[7; 32]])).unwrap();
        assert_eq!(keys.secret().as_bytes(), &[7; 32]);
        assert_eq!(keys, KeyPair::from_secret(SecretKey::from_bytes([7; 32])));
        assert_ne!(keys.secret(), &SecretKey::from_bytes([8; 32]));
    }

    // spec: RFC26/key-agreement: a public key that makes the same secret with everybody is refused
    #[test]
    fn agreement_is_mutual_and_never_with_a_point_of_small_order() {
        let one = KeyPair::from_secret(SecretKey::from_bytes([1; 32]));
        let other = KeyPair::from_secret(SecretKey::from_bytes([2; 32]));
        let shared = one.secret().agree(other.public()).unwrap();
        assert_eq!(other.secret().agree(one.public()), Some(shared));
        let mut one_point = [0; 32];
        for first in [0, 1] {
            one_point[0] = first;
            assert_eq!(one.secret().agree(&PublicKey(one_point)), None);
        }
    }

    // spec: WIRE-4.3/one-key-one-name: a public key that X25519 takes for another one is refused, so that nobody has two names
    #[test]
    fn a_key_has_one_spelling() {
        let one = KeyPair::from_secret(SecretKey::from_bytes([1; 32]));
        let mut other = *SecretKey::from_bytes([2; 32]).public().as_bytes();
        assert!(one.secret().agree(&PublicKey(other)).is_some());
        other[31] |= 0x80;
        assert_eq!(one.secret().agree(&PublicKey(other)), None);
        // The last number is the last that is spelt in one way; from the prime on there are two.
        let mut edge = [0xFF; 32];
        edge[31] = 0x7F;
        for first in 0..=u8::MAX {
            edge[0] = first;
            let alias = first.checked_sub(0xED);
            assert_eq!(
                one.secret().agree(&PublicKey(edge)).is_none(),
                // p - 1 is of small order.
                alias.is_some() || first == 0xEC,
                "{first:#x}"
            );
            if let Some(number) = alias.filter(|number| *number > 1) {
                let mut name = [0; 32];
                name[0] = number;
                assert!(one.secret().agree(&PublicKey(name)).is_some(), "{number}");
            }
        }
    }
}
