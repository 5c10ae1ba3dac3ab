//! Where random bytes come from.

use alloc::boxed::Box;
use core::fmt;

use getrandom::SysRng;
use rand_core::{CryptoRng, TryRng};

use crate::Error;

/// A source of random bytes that nobody can predict: keys, nonces and cookies are made of them.
///
/// The default is the operating system. Another generator can be [injected](Self::from_rng), which
/// makes a handshake reproducible; that is meant for tests, and for machines with a generator of
/// their own.
///
/// # Examples
///
/// ```
/// use zmtp::Random;
///
/// let mut random = Random::system();
/// let (mut one, mut other) = ([0; 32], [0; 32]);
/// random.fill(&mut one)?;
/// random.fill(&mut other)?;
/// assert_ne!(one, other);
/// # Ok::<(), zmtp::Error>(())
/// ```
#[derive(Default)]
pub struct Random(Source);

#[derive(Default)]
enum Source {
    #[default]
    System,
    Injected(Box<dyn CryptoRng + Send + Sync>),
}

impl Random {
    /// The generator of the operating system.
    #[must_use]
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A generator of the caller's.
    ///
    /// Whoever can foresee its output can read and forge what is protected with it.
    #[must_use]
    pub fn from_rng(rng: impl CryptoRng + Send + Sync + 'static) -> Self {
        Self(Source::Injected(Box::new(rng)))
    }

    /// Fills a buffer.
    ///
    /// # Errors
    ///
    /// [`Error::RandomUnavailable`] when the operating system has none to give, which only happens
    /// very early after boot or in a sandbox that forbids it.
    pub fn fill(&mut self, out: &mut [u8]) -> Result<(), Error> {
        match &mut self.0 {
            Source::System => SysRng
                .try_fill_bytes(out)
                .map_err(|_| Error::RandomUnavailable),
            Source::Injected(rng) => {
                rng.fill_bytes(out);
                Ok(())
            }
        }
    }

    /// So many fresh bytes.
    #[cfg(any(feature = "curve", feature = "zap"))]
    pub(crate) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }
}

impl fmt::Debug for Random {
    /// Tells which kind of source it is, and nothing of its state.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Source::System => "Random::System",
            Source::Injected(_) => "Random::Injected",
        })
    }
}

/// A generator that says what it was told to say, in order, and fails the test when asked for more.
#[cfg(test)]
pub(crate) mod script {
    use std::convert::Infallible;

    use rand_core::{TryCryptoRng, TryRng};

    use super::Random;

    struct Script {
        bytes: Vec<u8>,
        at: usize,
    }

    impl TryRng for Script {
        type Error = Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            let mut bytes = [0; 4];
            self.try_fill_bytes(&mut bytes)?;
            Ok(u32::from_le_bytes(bytes))
        }

        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            let mut bytes = [0; 8];
            self.try_fill_bytes(&mut bytes)?;
            Ok(u64::from_le_bytes(bytes))
        }

        fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
            let next = self.at + out.len();
            assert!(next <= self.bytes.len(), "more randomness than scripted");
            out.copy_from_slice(&self.bytes[self.at..next]);
            self.at = next;
            Ok(())
        }
    }

    impl TryCryptoRng for Script {}

    /// A source of these bytes.
    pub(crate) fn random(parts: &[&[u8]]) -> Random {
        Random::from_rng(Script {
            bytes: parts.concat(),
            at: 0,
        })
    }
}

#[cfg(all(test, any(feature = "curve", feature = "zap")))]
mod tests {
    use super::*;

    #[test]
    fn an_injected_generator_is_used_in_order() {
        let mut random = script::random(&[&[1, 2], &[3]]);
        assert_eq!(random.bytes::<1>(), Ok([1]));
        assert_eq!(random.bytes::<2>(), Ok([2, 3]));
        assert_eq!(format!("{random:?}"), "Random::Injected");
    }

    #[test]
    fn the_system_does_not_repeat_itself() {
        let mut random = Random::default();
        assert_ne!(random.bytes::<32>(), random.bytes::<32>());
        assert_eq!(format!("{random:?}"), "Random::System");
    }
}
