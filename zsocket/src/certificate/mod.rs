//! Keys for CURVE in files, as czmq keeps them.

mod error;
mod file;
mod store;
mod text;

use std::{fmt::Write, str::FromStr};

use zeroize::Zeroizing;
use zmtp::{
    Random,
    curve::{KeyPair, PublicKey},
    zpl::Property,
};

pub use self::{
    error::{CertificateError, CertificateProblem},
    store::CertificateStore,
};

/// A public key for CURVE, maybe with its secret key, and with what its owner says about it.
///
/// It is kept in two files, as czmq, pyzmq and others keep it: one with the public key alone, which is for others, and beside
/// it one with both keys, whose name ends in `_secret` and which only its owner may read. [`save`](Self::save) writes both,
/// [`load`](Self::load) reads them.
///
/// The secret key is overwritten in memory when it is dropped, as is the text that it is read from and written to. `Debug` does
/// not show it. Metadata is not secret, and nobody vouches for it: it is in the file of the public key.
///
/// # Examples
///
/// ```
/// use zsocket::Certificate;
///
/// let directory = tempfile::tempdir()?;
/// let path = directory.path().join("ada.cert");
///
/// let certificate = Certificate::generate()?.with_metadata("email", "ada@example.org")?;
/// certificate.save(&path)?;
///
/// // The owner has both keys.
/// assert_eq!(Certificate::load(&path)?, certificate);
/// // Others are given `ada.cert` alone.
/// let public = Certificate::load_public(&path)?;
/// assert_eq!(public.public_key(), certificate.public_key());
/// assert!(public.key_pair().is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    keys: Keys,
    metadata: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Keys {
    Public(PublicKey),
    Pair(KeyPair),
}

impl From<KeyPair> for Certificate {
    /// Without metadata.
    fn from(keys: KeyPair) -> Self {
        Self::new(Keys::Pair(keys))
    }
}

impl From<PublicKey> for Certificate {
    /// Without metadata.
    fn from(key: PublicKey) -> Self {
        Self::new(Keys::Public(key))
    }
}

impl Certificate {
    const fn new(keys: Keys) -> Self {
        Self {
            keys,
            metadata: Vec::new(),
        }
    }

    /// Makes a fresh pair of keys.
    ///
    /// # Errors
    ///
    /// [`CertificateProblem::Random`] when the operating system has no randomness.
    pub fn generate() -> Result<Self, CertificateError> {
        KeyPair::generate(&mut Random::system())
            .map(Self::from)
            .map_err(|error| CertificateProblem::Random(error).into())
    }

    /// Who this is.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        match &self.keys {
            Keys::Public(key) => key,
            Keys::Pair(keys) => keys.public(),
        }
    }

    /// Both keys, if the secret one is there.
    #[must_use]
    pub const fn key_pair(&self) -> Option<&KeyPair> {
        match &self.keys {
            Keys::Public(_) => None,
            Keys::Pair(keys) => Some(keys),
        }
    }

    /// The same without the secret key, to be given to others.
    #[must_use]
    pub fn to_public(&self) -> Self {
        Self {
            keys: Keys::Public(*self.public_key()),
            metadata: self.metadata.clone(),
        }
    }

    /// What is said under a name.
    #[must_use]
    pub fn metadata(&self, name: &str) -> Option<&str> {
        let mut all = self.all_metadata();
        all.find_map(|(key, value)| (key == name).then_some(value))
    }

    /// All names and what is said under them, in the order of the file.
    pub fn all_metadata(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.metadata.iter();
        all.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Says something under a name, instead of what was said under it before.
    ///
    /// # Errors
    ///
    /// [`CertificateProblem::Syntax`] for what the file cannot hold: names of other characters than letters, digits and
    /// `$-_@.&+/`, and values with line breaks, with other control characters, or with quotes of both kinds.
    pub fn with_metadata(mut self, name: &str, value: &str) -> Result<Self, CertificateError> {
        Property::new(1, name, Some(value)).map_err(CertificateProblem::Syntax)?;
        self.metadata.retain(|(other, _)| other != name);
        self.metadata.push((name.to_owned(), value.to_owned()));
        Ok(self)
    }

    /// What the file of the public key holds.
    #[must_use]
    pub fn to_public_text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, None);
        text
    }

    /// What the file of both keys holds, if the secret one is there. It is overwritten when it is dropped.
    #[must_use]
    pub fn to_secret_text(&self) -> Option<Zeroizing<String>> {
        let secret = self.key_pair()?.secret().to_z85();
        let metadata = self.metadata.iter();
        let metadata: usize = metadata
            .map(|(name, value)| name.len() + value.len() + 10)
            .sum();
        // Room for all, so that no part of it is left behind where it was before it grew.
        let mut text = Zeroizing::new(String::with_capacity(1024 + metadata));
        let capacity = text.capacity();
        self.write(&mut text, Some(&secret));
        debug_assert_eq!(text.capacity(), capacity);
        Some(text)
    }

    fn write(&self, text: &mut String, secret: Option<&str>) {
        text.push_str(if secret.is_some() {
            text::SECRET_HEAD
        } else {
            text::PUBLIC_HEAD
        });
        let mut add = |depth, name: &str, value: Option<&str>| {
            let property = Property::new(depth, name, value);
            let property = property.expect("names and values were checked, and keys are harmless");
            // A string takes everything.
            let _ = write!(text, "{property}");
        };
        add(0, text::METADATA, None);
        for (name, value) in &self.metadata {
            add(1, name, Some(value));
        }
        add(0, text::CURVE, None);
        add(1, text::PUBLIC_KEY, Some(&self.public_key().to_z85()));
        if let Some(secret) = secret {
            add(1, text::SECRET_KEY, Some(secret));
        }
    }
}

impl FromStr for Certificate {
    type Err = CertificateError;

    /// Reads what a file holds, of the public key or of both.
    ///
    /// # Errors
    ///
    /// [`CertificateProblem`] lists them; [`CertificateError::line`] says where.
    fn from_str(text: &str) -> Result<Self, CertificateError> {
        text::parse(text)
    }
}
