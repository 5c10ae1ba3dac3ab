//! Messages as scenarios write them.

use std::fmt;

/// A message: one or more frames.
///
/// Its `Debug` shows short frames as text and long ones by their length only, so that a failed
/// comparison of megabytes stays readable.
///
/// # Examples
/// ```
/// use zinterop::Frames;
///
/// assert_eq!(Frames::from("one"), Frames::from(["one"]));
/// assert_eq!(format!("{:?}", Frames::from(["two", ""])), r#"["two", ""]"#);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Frames(pub Vec<Vec<u8>>);

impl Frames {
    /// A frame of `size` bytes that carries a number and content derived from it.
    ///
    /// # Panics
    /// If `size` is below 8: the number would not fit.
    #[must_use]
    pub fn numbered(number: u64, size: usize) -> Self {
        assert!(size >= 8, "a number takes 8 bytes");
        let mut body = Vec::with_capacity(size);
        body.extend_from_slice(&number.to_be_bytes());
        body.extend((8..size).map(|at| filler(number, at)));
        Self(vec![body])
    }

    /// The number of a [`numbered`](Self::numbered) message.
    ///
    /// # Panics
    /// If this is not such a message, or a byte of it has changed on the way.
    #[must_use]
    pub fn number(&self) -> u64 {
        let [body] = self.0.as_slice() else {
            panic!("not a numbered message: {self:?}")
        };
        let Some((head, rest)) = body.split_first_chunk() else {
            panic!("not a numbered message: {self:?}")
        };
        let number = u64::from_be_bytes(*head);
        let damage = rest
            .iter()
            .zip(8..)
            .position(|(&byte, at)| byte != filler(number, at));
        assert_eq!(
            damage,
            None,
            "message {number} of {} bytes is damaged",
            body.len()
        );
        number
    }
}

/// Differs from byte to byte and from message to message, so a shifted, repeated or swapped
/// piece shows.
fn filler(number: u64, at: usize) -> u8 {
    (number
        .wrapping_mul(31)
        .wrapping_add((at as u64).wrapping_mul(7))
        >> 1) as u8
        ^ at as u8
}

impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        for frame in &self.0 {
            if frame.len() <= 64 {
                list.entry(&String::from_utf8_lossy(frame));
            } else {
                list.entry(&format_args!("<{} bytes>", frame.len()));
            }
        }
        list.finish()
    }
}

impl From<&str> for Frames {
    fn from(body: &str) -> Self {
        Self(vec![body.into()])
    }
}

impl From<&[u8]> for Frames {
    fn from(body: &[u8]) -> Self {
        Self(vec![body.into()])
    }
}

impl From<Vec<u8>> for Frames {
    fn from(body: Vec<u8>) -> Self {
        Self(vec![body])
    }
}

impl From<Vec<Vec<u8>>> for Frames {
    fn from(frames: Vec<Vec<u8>>) -> Self {
        Self(frames)
    }
}

impl<const N: usize> From<[&str; N]> for Frames {
    fn from(frames: [&str; N]) -> Self {
        Self(frames.iter().map(|&frame| frame.into()).collect())
    }
}

impl<const N: usize> PartialEq<[&str; N]> for Frames {
    fn eq(&self, other: &[&str; N]) -> bool {
        self.0
            .iter()
            .map(Vec::as_slice)
            .eq(other.iter().map(|frame| frame.as_bytes()))
    }
}

impl PartialEq<&str> for Frames {
    fn eq(&self, other: &&str) -> bool {
        self == &[*other]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_survives_and_damage_is_noticed() {
        let mut message = Frames::numbered(77, 5000);
        assert_eq!(message.number(), 77);
        message.0[0].swap(1000, 1001);
        assert!(std::panic::catch_unwind(|| message.number()).is_err());
    }
}
