//! Sequence numbers of 32 bits that begin again at 0 after the last one.

use std::fmt;

/// The number of a packet. Of two numbers the later one is the one that is less than 2³¹ ahead, also where counting begins
/// again at 0.
///
/// # Examples
///
/// ```
/// use ztransport::pgm::Sequence;
///
/// let last = Sequence::new(u32::MAX);
/// assert_eq!(last.next(), Sequence::new(0));
/// assert!(last.is_before(last.next()));
/// assert_eq!(last.plus(10).since(last), 10);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sequence(u32);

impl Sequence {
    /// The number as it travels.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number as it travels.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The one behind it.
    #[must_use]
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// The one before it.
    #[must_use]
    pub const fn previous(self) -> Self {
        self.minus(1)
    }

    /// So many further.
    #[must_use]
    pub const fn plus(self, count: u32) -> Self {
        Self(self.0.wrapping_add(count))
    }

    /// So many back.
    #[must_use]
    pub const fn minus(self, count: u32) -> Self {
        Self(self.0.wrapping_sub(count))
    }

    /// How far it is ahead of another one; negative if it is behind.
    #[must_use]
    pub const fn since(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0).cast_signed()
    }

    /// Whether it is behind another one.
    #[must_use]
    pub const fn is_before(self, other: Self) -> bool {
        self.since(other) < 0
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_goes_on_beyond_the_last_number() {
        let at = Sequence::new;
        for base in [0, 1, 77, u32::MAX - 5, u32::MAX, 1 << 31] {
            let base = at(base);
            for ahead in [1, 2, 1000, i32::MAX.cast_unsigned()] {
                assert!(base.is_before(base.plus(ahead)));
                assert!(!base.plus(ahead).is_before(base));
                assert_eq!(base.plus(ahead).minus(ahead), base);
            }
            assert!(!base.is_before(base));
            assert_eq!(base.next().previous(), base);
        }
    }
}
