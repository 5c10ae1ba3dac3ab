//! The one rule by which frames are counted and bounded, whoever takes traffic apart.

use crate::header::{self, FrameHeader};
use crate::{Error, Limits};

/// The bounds on the frames of traffic.
///
/// # Examples
///
/// ```
/// use zmtp::Limits;
/// use zmtp::scan::FrameRules;
///
/// let rules = FrameRules::from(&Limits::default().with_max_frames(2));
/// assert_eq!((rules.frames, rules.frame_size), (2, u64::MAX));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRules {
    /// The longest body of any frame, in bytes.
    pub frame_size: u64,
    /// The longest message, in bytes: all its frames together, and commands that come between them.
    pub message_size: u64,
    /// The longest command, in bytes.
    pub command_size: u64,
    /// The largest number of frames in one message, commands between them included. 0 counts as 1.
    pub frames: u32,
}

impl FrameRules {
    /// The longest body that can be held and counted, in bytes, whatever the limits are.
    pub const MAX_BODY: u64 = {
        let addressable = usize::MAX as u64 / 2;
        if addressable < header::MAX_SIZE {
            addressable
        } else {
            header::MAX_SIZE
        }
    };
}

impl From<&Limits> for FrameRules {
    fn from(limits: &Limits) -> Self {
        Self {
            frame_size: limits.max_frame_size.unwrap_or(u64::MAX),
            message_size: limits.max_message_size.unwrap_or(u64::MAX),
            command_size: limits.max_command_size,
            frames: limits.max_frames,
        }
    }
}

/// How much of a message has come, for the rule: what commands add that come between its frames is
/// counted as theirs is, because whoever keeps messages where they arrive has to keep such commands too.
///
/// These functions run once per frame in every connection.
///
/// # Examples
///
/// ```
/// use zmtp::scan::{FrameRules, Tally};
/// use zmtp::{Error, Flags, FrameHeader, Limits};
///
/// let rules = FrameRules::from(&Limits::default().with_max_frames(2));
/// let mut tally = Tally::default();
/// let more = FrameHeader { flags: Flags::MORE, size: 5 };
/// assert_eq!(tally.check(more, &rules), Ok(()));
/// assert_eq!(tally.add(more.size, &rules), None);
/// // A second frame that announces a third.
/// assert_eq!(tally.check(more, &rules), Err(Error::TooManyFrames { limit: 2 }));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    frames: u32,
    size: u64,
}

impl Tally {
    /// Whether a message has begun and is not at its end.
    #[inline(always)]
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.frames > 0
    }

    /// The longest body that the next frame of the message may have, in bytes.
    #[inline(always)]
    #[must_use]
    pub fn room(&self, rules: &FrameRules) -> u64 {
        rules
            .frame_size
            .min(rules.message_size.saturating_sub(self.size))
            .min(FrameRules::MAX_BODY)
    }

    /// Counts a frame that has passed and is not the last of its message: one that announces another, or a
    /// command between two. Returns why there are too many of them, if there are.
    #[inline(always)]
    pub fn add(&mut self, size: u64, rules: &FrameRules) -> Option<Error> {
        self.frames = self.frames.saturating_add(1);
        self.size = self.size.saturating_add(size);
        let limit = rules.frames;
        (self.frames >= limit).then_some(Error::TooManyFrames { limit })
    }

    /// The last frame of the message has passed.
    #[inline(always)]
    pub const fn end(&mut self) {
        self.frames = 0;
        self.size = 0;
    }

    /// Judges the next frame by its header, without taking note of it.
    ///
    /// # Errors
    ///
    /// [`Error::FrameTooLarge`], [`Error::CommandTooLarge`], [`Error::FrameSizeOutOfRange`] where there is
    /// no limit and the body could not be held, [`Error::MessageTooLarge`] or [`Error::TooManyFrames`].
    #[inline]
    pub fn check(&self, header: FrameHeader, rules: &FrameRules) -> Result<(), Error> {
        let is_command = header.flags.is_command();
        let room = self.room(rules);
        let most = if is_command {
            room.min(rules.command_size)
        } else {
            room
        };
        if header.size > most {
            return Err(self.exceeded(header, rules));
        }
        let counts = if is_command {
            self.is_open()
        } else {
            header.flags.is_more()
        };
        if counts && let Some(error) = { *self }.add(header.size, rules) {
            return Err(error);
        }
        Ok(())
    }

    /// Which bound a frame exceeds that is longer than it may be.
    #[cold]
    #[must_use]
    pub fn exceeded(&self, header: FrameHeader, rules: &FrameRules) -> Error {
        let size = header.size;
        if size > rules.frame_size {
            let limit = rules.frame_size;
            Error::FrameTooLarge { size, limit }
        } else if header.flags.is_command() && size > rules.command_size {
            let limit = rules.command_size;
            Error::CommandTooLarge { size, limit }
        } else if size > FrameRules::MAX_BODY {
            Error::FrameSizeOutOfRange { size }
        } else {
            Error::MessageTooLarge {
                size: self.size.saturating_add(size),
                limit: rules.message_size,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Flags;

    const RULES: FrameRules = FrameRules {
        frame_size: 10,
        message_size: 15,
        command_size: 8,
        frames: 3,
    };

    fn frame(flags: Flags, size: u64) -> FrameHeader {
        FrameHeader { flags, size }
    }

    #[test]
    fn every_bound_has_its_error() {
        let mut tally = Tally::default();
        assert_eq!(tally.check(frame(Flags::NONE, 10), &RULES), Ok(()));
        let too_large = Error::FrameTooLarge {
            size: 11,
            limit: 10,
        };
        for flags in [Flags::NONE, Flags::MORE, Flags::COMMAND] {
            let error = tally.check(frame(flags, 11), &RULES).unwrap_err();
            assert_eq!(error, too_large);
        }
        let command = tally.check(frame(Flags::COMMAND, 9), &RULES).unwrap_err();
        assert_eq!(command, Error::CommandTooLarge { size: 9, limit: 8 });
        assert_eq!(tally.add(10, &RULES), None);
        let message = tally.check(frame(Flags::NONE, 6), &RULES).unwrap_err();
        assert_eq!(
            message,
            Error::MessageTooLarge {
                size: 16,
                limit: 15
            }
        );
        tally.end();
        assert_eq!(tally.check(frame(Flags::NONE, 6), &RULES), Ok(()));
        let boundless = FrameRules::from(&Limits::default());
        let size = FrameRules::MAX_BODY + 1;
        let error = tally.check(frame(Flags::NONE, size), &boundless);
        assert_eq!(error, Err(Error::FrameSizeOutOfRange { size }));
    }

    #[test]
    fn a_command_counts_within_a_message_and_not_between_two() {
        let mut tally = Tally::default();
        let command = frame(Flags::COMMAND, 5);
        for _ in 0..10 {
            assert_eq!(tally.check(command, &RULES), Ok(()));
        }
        assert_eq!(tally.add(1, &RULES), None);
        assert_eq!(tally.check(command, &RULES), Ok(()));
        assert_eq!(tally.add(command.size, &RULES), None);
        // The last frame may still come, and nothing that is not the last.
        let too_many = Err(Error::TooManyFrames { limit: 3 });
        assert_eq!(tally.check(command, &RULES), too_many);
        assert_eq!(tally.check(frame(Flags::MORE, 0), &RULES), too_many);
        assert_eq!(tally.check(frame(Flags::NONE, 9), &RULES), Ok(()));
        let size = 16;
        let limit = 15;
        let too_large = Err(Error::MessageTooLarge { size, limit });
        assert_eq!(tally.check(frame(Flags::NONE, 10), &RULES), too_large);
    }

    #[test]
    fn no_message_has_less_than_one_frame() {
        for frames in [0, 1] {
            let rules = FrameRules { frames, ..RULES };
            let tally = Tally::default();
            assert_eq!(tally.check(frame(Flags::NONE, 1), &rules), Ok(()));
            let limit = frames;
            let more = tally.check(frame(Flags::MORE, 1), &rules);
            assert_eq!(more, Err(Error::TooManyFrames { limit }));
        }
    }
}
