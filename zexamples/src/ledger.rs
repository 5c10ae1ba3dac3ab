//! The books that prove delivery: exactly once, and in order.

use std::fmt;
use std::ops::AddAssign;

/// What has arrived of a number of streams.
///
/// A *stream* is what one producer sent one after the other, numbered from zero. It may reach the
/// receiver on several *paths* (through different workers, to different sockets); order is only
/// promised along each of them. Streams and paths are small numbers: both are indices here.
///
/// # Examples
/// ```
/// use zexamples::Ledger;
///
/// let mut ledger = Ledger::new();
/// for seq in [0, 1, 3] {
///     ledger.record(0, 0, seq);
/// }
/// let verdict = ledger.settle(&[4]);
/// assert_eq!(verdict.lost, 1);
/// assert!(!verdict.is_clean());
/// ```
#[derive(Debug, Default)]
pub struct Ledger {
    streams: Vec<Stream>,
    received: u64,
    duplicated: u64,
    reordered: u64,
}

#[derive(Debug, Default)]
struct Stream {
    /// One bit per sequence number.
    seen: Vec<u64>,
    /// Per path, one more than the highest sequence number so far.
    next: Vec<u64>,
    count: u64,
}

/// What came of the messages that were sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Arrived, duplicates included.
    pub received: u64,
    /// Sent, and never seen.
    pub lost: u64,
    /// Seen again.
    pub duplicated: u64,
    /// Arrived after a later one of the same stream and path.
    pub reordered: u64,
    /// Arrived, but never sent.
    pub invented: u64,
}

impl Ledger {
    /// Books without entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes the arrival of message `seq` of `stream` on `path`.
    pub fn record(&mut self, stream: usize, path: usize, seq: u64) {
        if stream >= self.streams.len() {
            self.streams.resize_with(stream + 1, Stream::default);
        }
        let stream = &mut self.streams[stream];
        self.received += 1;
        if path >= stream.next.len() {
            stream.next.resize(path + 1, 0);
        }
        if seq < stream.next[path] {
            self.reordered += 1;
        } else {
            stream.next[path] = seq + 1;
        }
        let (word, bit) = ((seq / 64) as usize, 1 << (seq % 64));
        if word >= stream.seen.len() {
            stream.seen.resize(word + 1, 0);
        }
        if stream.seen[word] & bit != 0 {
            self.duplicated += 1;
        } else {
            stream.seen[word] |= bit;
            stream.count += 1;
        }
    }

    /// Messages noted so far, duplicates included.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Different messages of one stream noted so far.
    #[must_use]
    pub fn count(&self, stream: usize) -> u64 {
        self.streams.get(stream).map_or(0, |stream| stream.count)
    }

    /// Adds the books of another receiver, whose paths are other ones than those noted here.
    pub fn merge(&mut self, other: Self) {
        self.received += other.received;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        if other.streams.len() > self.streams.len() {
            self.streams
                .resize_with(other.streams.len(), Stream::default);
        }
        for (mine, theirs) in self.streams.iter_mut().zip(other.streams) {
            if theirs.seen.len() > mine.seen.len() {
                mine.seen.resize(theirs.seen.len(), 0);
            }
            for (mine_seen, theirs_seen) in mine.seen.iter_mut().zip(theirs.seen) {
                let again = u64::from((*mine_seen & theirs_seen).count_ones());
                self.duplicated += again;
                mine.count -= again;
                *mine_seen |= theirs_seen;
            }
            mine.count += theirs.count;
            mine.next.extend(theirs.next);
        }
    }

    /// Compares with what was sent: `sent[stream]` messages, numbered from zero.
    #[must_use]
    pub fn settle(&self, sent: &[u64]) -> Verdict {
        let mut verdict = Verdict {
            received: self.received,
            duplicated: self.duplicated,
            reordered: self.reordered,
            ..Verdict::default()
        };
        for index in 0..self.streams.len().max(sent.len()) {
            let sent = sent.get(index).copied().unwrap_or(0);
            let (arrived, count) = self
                .streams
                .get(index)
                .map_or((0, 0), |s| (s.seen_below(sent), s.count));
            verdict.lost += sent - arrived;
            verdict.invented += count - arrived;
        }
        verdict
    }
}

impl Stream {
    /// How many different messages with a number below `limit` have been seen.
    fn seen_below(&self, limit: u64) -> u64 {
        let (whole, rest) = ((limit / 64) as usize, limit % 64);
        let full: u64 = self
            .seen
            .iter()
            .take(whole)
            .map(|word| u64::from(word.count_ones()))
            .sum();
        let partial = self
            .seen
            .get(whole)
            .map_or(0, |word| word & ((1 << rest) - 1));
        full + u64::from(partial.count_ones())
    }
}

impl Verdict {
    /// Whether everything arrived once and in order.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violations() == 0
    }

    /// All that went wrong, added up.
    #[must_use]
    pub fn violations(&self) -> u64 {
        self.lost + self.duplicated + self.reordered + self.invented
    }
}

impl AddAssign for Verdict {
    fn add_assign(&mut self, other: Self) {
        self.received += other.received;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.invented += other.invented;
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} received, {} lost, {} duplicated, {} reordered, {} never sent",
            self.received, self.lost, self.duplicated, self.reordered, self.invented
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(entries: &[(usize, usize, u64)]) -> Ledger {
        let mut ledger = Ledger::new();
        for &(stream, path, seq) in entries {
            ledger.record(stream, path, seq);
        }
        ledger
    }

    #[test]
    fn everything_once_and_in_order_is_clean() {
        let mut all = Ledger::new();
        for seq in 0..1000 {
            all.record(0, (seq % 3) as usize, seq);
            all.record(2, 0, seq);
        }
        let verdict = all.settle(&[1000, 0, 1000]);
        assert!(verdict.is_clean(), "{verdict}");
        assert_eq!(verdict.received, 2000);
    }

    #[test]
    fn each_kind_of_violation_is_told_apart() {
        let lost = ledger(&[(0, 0, 0), (0, 0, 2)]).settle(&[64]);
        assert_eq!(
            lost,
            Verdict {
                received: 2,
                lost: 62,
                ..Verdict::default()
            }
        );

        let reordered = ledger(&[(0, 0, 1), (0, 0, 0)]).settle(&[2]);
        assert_eq!(
            reordered,
            Verdict {
                received: 2,
                reordered: 1,
                ..Verdict::default()
            }
        );

        let twice = ledger(&[(0, 0, 0), (0, 1, 0)]).settle(&[1]);
        assert_eq!(
            twice,
            Verdict {
                received: 2,
                duplicated: 1,
                ..Verdict::default()
            }
        );

        let invented = ledger(&[(0, 0, 0), (0, 0, 1), (1, 0, 0)]).settle(&[1]);
        assert_eq!(
            invented,
            Verdict {
                received: 3,
                invented: 2,
                ..Verdict::default()
            }
        );
    }

    #[test]
    fn paths_do_not_disturb_each_others_order() {
        assert!(
            ledger(&[(0, 0, 1), (0, 1, 0), (0, 0, 2)])
                .settle(&[3])
                .is_clean()
        );
    }

    #[test]
    fn merged_books_show_what_two_receivers_both_got() {
        let mut first = ledger(&[(0, 0, 0), (0, 0, 2)]);
        first.merge(ledger(&[(0, 0, 1), (0, 0, 2), (1, 0, 0)]));
        let verdict = first.settle(&[3, 1]);
        assert_eq!(
            verdict,
            Verdict {
                received: 5,
                duplicated: 1,
                ..Verdict::default()
            }
        );
    }
}
