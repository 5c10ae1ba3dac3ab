//! Finds message boundaries in traffic that lies in memory, without taking it apart.

use crate::curve::Session;
use crate::header::{self, Flags, FrameHeader};
pub use crate::rules::{FrameRules, Tally};
use crate::{Error, Limits};

/// Hops over the frames of ZMTP 2.0 to 3.1 traffic in place and tells where messages end.
///
/// It copies and allocates nothing and looks at headers only: the time for a slice is proportional
/// to the number of frames in it, not to their length. Between calls it remembers only how far the
/// current message has got, so the same scanner follows a connection from chunk to chunk as long as
/// each slice begins where the last scan stopped.
///
/// The limits are applied as soon as a header is there, before its body is.
///
/// # Examples
///
/// ```
/// use zmtp::scan::{Scanner, Stop};
/// use zmtp::Limits;
///
/// let mut scanner = Scanner::new(&Limits::default());
/// // "a", then a message of two frames, the second of which is incomplete.
/// let scan = scanner.scan(b"\x00\x01a\x01\x01b\x00\x05cd");
/// assert_eq!((scan.messages, scan.boundary), (1, 3));
/// assert_eq!((scan.scanned, scan.stop), (6, Stop::NeedMore { missing: 3 }));
///
/// let scan = scanner.scan(b"\x00\x05cdefg");
/// assert_eq!((scan.messages, scan.boundary), (1, 7));
/// ```
#[derive(Clone, Debug)]
pub struct Scanner {
    rules: FrameRules,
    large_body: u64,
    /// Whether a short frame that is a whole message is within all limits.
    short_is_fine: bool,
    /// The current message so far.
    tally: Tally,
}

/// How far a scan came. All offsets count from the start of the slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Where the scan stopped: all frames before it are whole. The next scan begins here, or after
    /// the frame that stopped it.
    pub scanned: usize,
    /// The end of the last whole message; 0 if no message ends in this slice.
    pub boundary: usize,
    /// How many messages end in this slice.
    pub messages: usize,
    /// Why the scan stopped.
    pub stop: Stop,
}

/// Why a [`Scanner`] stopped, always in front of the frame in question.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop {
    /// The slice ends here, or inside the next frame.
    NeedMore {
        /// How many bytes are missing to complete the header, or if that is there, the whole frame.
        missing: u64,
    },
    /// A whole command frame. It belongs to no message, even if it stands between the frames of
    /// one. To go on, [`accept`](Scanner::accept) its header and skip it.
    Command {
        /// Its header.
        header: FrameHeader,
        /// The length of its header, in bytes.
        header_len: usize,
    },
    /// A frame of a message whose body is longer than the threshold set with
    /// [`Scanner::with_large_body`], complete or not. To go on, [`accept`](Scanner::accept) its
    /// header and skip it.
    Large {
        /// Its header.
        header: FrameHeader,
        /// The length of its header, in bytes.
        header_len: usize,
    },
    /// The next header breaks the protocol or a limit. Messages before it are sound; nothing may be
    /// read after it.
    Invalid(Error),
}

/// What a frame is to the message it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// A frame of a message, which goes on with the next one.
    More,
    /// The last frame of a message.
    Last,
    /// A command, not part of a message.
    Command,
}

impl Scanner {
    /// Makes a scanner that stands between two messages.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let mut scanner = Self {
            rules: FrameRules::from(limits),
            large_body: u64::MAX,
            short_is_fine: false,
            tally: Tally::default(),
        };
        scanner.update_short_is_fine();
        scanner
    }

    /// Makes the scanner stop at every body of more than `threshold` bytes, so that the caller can
    /// put it elsewhere.
    #[must_use]
    pub fn with_large_body(mut self, threshold: u64) -> Self {
        self.large_body = threshold;
        self.update_short_is_fine();
        self
    }

    /// Whether the last frame was not the last of its message.
    #[inline]
    #[must_use]
    pub const fn in_message(&self) -> bool {
        self.tally.is_open()
    }

    /// Hops over all whole frames at the start of `bytes`, up to the first one that needs
    /// attention.
    ///
    /// `bytes` has to begin at a frame.
    #[inline]
    pub fn scan(&mut self, bytes: &[u8]) -> Scan {
        let mut scan = Scan {
            scanned: 0,
            boundary: 0,
            messages: 0,
            stop: Stop::NeedMore { missing: 2 },
        };
        loop {
            // The common case, a stream of short messages of one frame each.
            if self.short_is_fine && !self.tally.is_open() {
                let mut at = scan.scanned;
                let mut messages = 0;
                while let Some([flags, size]) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
                    let end = at + 2 + usize::from(*size);
                    if flags & 0x07 != 0 || end > bytes.len() {
                        break;
                    }
                    at = end;
                    messages += 1;
                }
                if messages > 0 {
                    scan.scanned = at;
                    scan.boundary = at;
                    scan.messages += messages;
                }
            }
            if let Some(stop) = self.step(bytes, &mut scan) {
                scan.stop = stop;
                return scan;
            }
        }
    }

    /// Takes note of the next frame and tells what it is.
    ///
    /// For frames that were not scanned: those that stopped a scan, and those that the caller
    /// decodes itself.
    ///
    /// # Errors
    ///
    /// When the frame exceeds a limit; see [`check`](Self::check).
    #[inline]
    pub fn accept(&mut self, header: FrameHeader) -> Result<FrameKind, Error> {
        self.check(header)?;
        Ok(self.pass(header))
    }

    /// Checks an encrypted frame, of which only the size is known, as far as that is possible.
    pub(crate) fn check_sealed(&self, size: u64) -> Result<(), Error> {
        if size > self.rules.frame_size {
            return Err(Error::FrameTooLarge {
                size,
                limit: self.rules.frame_size,
            });
        }
        let size = size.saturating_sub(Session::OVERHEAD as u64);
        let check = |flags| self.check(FrameHeader { flags, size });
        check(Flags::COMMAND).or_else(|_| check(Flags::NONE))
    }

    /// Whether a short frame that is a whole message passes as it is, when a message may begin.
    #[inline]
    pub(crate) const fn short_is_fine(&self) -> bool {
        self.short_is_fine
    }

    /// Checks the next frame against the limits without taking note of it.
    ///
    /// # Errors
    ///
    /// Those of [`Tally::check`].
    #[inline]
    pub fn check(&self, header: FrameHeader) -> Result<(), Error> {
        self.tally.check(header, &self.rules)
    }

    /// Judges one frame: `None` when the scan has moved past it.
    fn step(&mut self, bytes: &[u8], scan: &mut Scan) -> Option<Stop> {
        let rest = &bytes[scan.scanned..];
        let (header, header_len) = match header::decode(rest) {
            Ok(Some(decoded)) => decoded,
            Ok(None) => {
                return Some(Stop::NeedMore {
                    missing: missing_header(rest),
                });
            }
            Err(error) => return Some(Stop::Invalid(error)),
        };
        if let Err(error) = self.check(header) {
            return Some(Stop::Invalid(error));
        }
        let is_command = header.flags.is_command();
        if !is_command && header.size > self.large_body {
            return Some(Stop::Large { header, header_len });
        }
        // The size is at most 2^63 - 1, so the sum does not overflow.
        let frame_len = header_len as u64 + header.size;
        if frame_len > rest.len() as u64 {
            return Some(Stop::NeedMore {
                missing: frame_len - rest.len() as u64,
            });
        }
        if is_command {
            return Some(Stop::Command { header, header_len });
        }
        scan.scanned += frame_len as usize;
        if self.pass(header) == FrameKind::Last {
            scan.boundary = scan.scanned;
            scan.messages += 1;
        }
        None
    }

    /// Takes note of a frame that has been checked.
    #[inline]
    fn pass(&mut self, header: FrameHeader) -> FrameKind {
        let is_command = header.flags.is_command();
        if is_command || header.flags.is_more() {
            if !is_command || self.tally.is_open() {
                // It has been checked.
                let _ = self.tally.add(header.size, &self.rules);
            }
            if is_command {
                FrameKind::Command
            } else {
                FrameKind::More
            }
        } else {
            self.tally.end();
            FrameKind::Last
        }
    }

    fn update_short_is_fine(&mut self) {
        let most = Tally::default().room(&self.rules).min(self.large_body);
        self.short_is_fine = most >= header::MAX_SHORT_SIZE;
    }
}

/// How many bytes the header at the start of `bytes` lacks.
fn missing_header(bytes: &[u8]) -> u64 {
    let whole = match bytes.first() {
        Some(flags) if Flags::from_bits(*flags).is_long() => header::MAX_LEN,
        _ => 2,
    };
    (whole - bytes.len().min(whole)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::Flags;

    fn scanner() -> Scanner {
        Scanner::new(&Limits::default())
    }

    fn need(missing: u64) -> Stop {
        Stop::NeedMore { missing }
    }

    #[test]
    fn counts_short_messages() {
        let wire = b"\x00\x00\x00\x01a\x00\x02bc".repeat(100);
        let scan = scanner().scan(&wire);
        assert_eq!(
            (scan.messages, scan.boundary, scan.scanned),
            (300, wire.len(), wire.len())
        );
        assert_eq!(scan.stop, need(2));
    }

    #[test]
    fn every_cut_resumes_to_the_same_end() {
        let mut wire = b"\x00\x01a\x01\x00\x01\x03abc\x00\x02de".to_vec();
        wire.extend_from_slice(b"\x02\0\0\0\0\0\0\x01\x2C");
        wire.extend_from_slice(&[7; 300]);
        wire.extend_from_slice(b"\x00\x03end");
        for cut in 0..=wire.len() {
            let mut scanner = scanner();
            let first = scanner.scan(&wire[..cut]);
            assert!(first.boundary <= first.scanned && first.scanned <= cut);
            let Stop::NeedMore { missing } = first.stop else {
                panic!("{:?}", first.stop)
            };
            assert!(missing > 0);
            let second = scanner.scan(&wire[first.scanned..]);
            assert_eq!(first.messages + second.messages, 4, "cut at {cut}");
            assert_eq!(first.scanned + second.scanned, wire.len());
            assert!(!scanner.in_message());
        }
    }

    #[test]
    fn says_exactly_how_much_is_missing() {
        let mut scanner = scanner();
        assert_eq!(scanner.scan(b"").stop, need(2));
        assert_eq!(scanner.scan(b"\x00").stop, need(1));
        assert_eq!(scanner.scan(b"\x02").stop, need(8));
        assert_eq!(scanner.scan(b"\x02\0\0\0\0\0\0\x10").stop, need(1));
        assert_eq!(scanner.scan(b"\x02\0\0\0\0\0\0\x10\0").stop, need(4096));
        assert_eq!(scanner.scan(b"\x00\x05ab").stop, need(3));
    }

    #[test]
    fn stops_at_commands_even_inside_a_message() {
        let wire = b"\x01\x01a\x04\x05\x04PONG\x00\x01b";
        let mut scanner = scanner();
        let scan = scanner.scan(wire);
        assert_eq!((scan.scanned, scan.messages), (3, 0));
        let Stop::Command { header, header_len } = scan.stop else {
            panic!("{:?}", scan.stop)
        };
        assert!(scanner.in_message());
        let rest = &wire[scan.scanned + header_len + header.size as usize..];
        let scan = scanner.scan(rest);
        assert_eq!((scan.messages, scan.boundary), (1, 3));
    }

    #[test]
    fn stops_at_large_bodies_before_they_are_there() {
        let mut scanner = scanner().with_large_body(300);
        let mut wire = b"\x00\x01a\x03\0\0\0\0\0\0\x01\x2D".to_vec();
        let scan = scanner.scan(&wire);
        assert_eq!((scan.messages, scan.scanned), (1, 3));
        let header = FrameHeader {
            flags: Flags::MORE.with(Flags::LONG),
            size: 301,
        };
        assert_eq!(
            scan.stop,
            Stop::Large {
                header,
                header_len: 9
            }
        );
        assert_eq!(scanner.accept(header), Ok(FrameKind::More));
        wire.clear();
        wire.extend_from_slice(b"\x00\x01z");
        let scan = scanner.scan(&wire);
        assert_eq!(scan.messages, 1);

        let mut small = Scanner::new(&Limits::default()).with_large_body(10);
        let scan = small.scan(b"\x00\x0Babc");
        assert!(matches!(scan.stop, Stop::Large { header_len: 2, .. }));
    }

    // spec: WIRE-0/frame-limits: size and number of frames and the size of messages and commands are bounded
    #[test]
    fn applies_each_limit_at_the_header() {
        let invalid = |limits: Limits, wire: &[u8]| {
            let scan = Scanner::new(&limits).scan(wire);
            let Stop::Invalid(error) = scan.stop else {
                panic!("{:?}", scan.stop)
            };
            // It stops in front of the frame, whose header is there.
            assert_eq!(missing_header(&wire[scan.scanned..]), 0);
            assert!(scan.scanned < wire.len());
            (scan.messages, error)
        };
        let limits = Limits::default();
        assert_eq!(
            invalid(limits.with_max_frame_size(Some(2)), b"\x00\x02ab\x00\x03"),
            (1, Error::FrameTooLarge { size: 3, limit: 2 }),
        );
        assert_eq!(
            invalid(limits.with_max_message_size(Some(3)), b"\x01\x02ab\x00\x02"),
            (0, Error::MessageTooLarge { size: 4, limit: 3 }),
        );
        assert_eq!(
            invalid(
                limits.with_max_frames(2),
                b"\x00\x00\x01\x00\x01\x00\x00\x00"
            ),
            (1, Error::TooManyFrames { limit: 2 }),
        );
        assert_eq!(
            invalid(limits.with_max_command_size(4), b"\x04\x05"),
            (0, Error::CommandTooLarge { size: 5, limit: 4 }),
        );
        assert_eq!(
            invalid(limits, b"\x02\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"),
            (0, Error::FrameSizeOutOfRange { size: u64::MAX }),
        );
    }

    #[test]
    fn message_limits_start_anew_with_each_message() {
        let limits = Limits::default()
            .with_max_message_size(Some(4))
            .with_max_frames(2);
        let wire = b"\x01\x02ab\x00\x02cd".repeat(3);
        let scan = Scanner::new(&limits).scan(&wire);
        assert_eq!((scan.messages, scan.stop), (3, need(2)));
    }
}
