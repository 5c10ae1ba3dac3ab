//! Peers that are gone and have left messages: how many of these are kept.

use std::collections::BTreeMap;

/// The links whose other end is gone and that still have messages. Together they are bounded, for there
/// is no end to peers that come, send and go: those of the oldest are dropped first, since the newest are
/// likelier to be of use. A single peer is bounded by its own high-water mark, so the messages of the
/// newest are never dropped.
///
/// A link's count is taken when its peer goes; what the application receives after that is taken into
/// account when it matters.
#[derive(Debug, Default)]
pub(crate) struct Departed {
    /// By link, whose ids ascend with time.
    unread: BTreeMap<u64, u64>,
    total: u64,
    /// The link that was asked last how many it has by now.
    asked: u64,
}

/// Links that are asked before one is dropped.
const ASKED: u32 = 64;

impl Departed {
    /// The peer of a link is gone, and has left this many messages.
    pub(crate) fn insert(&mut self, link: u64, unread: u64) {
        let before = self.unread.insert(link, unread).unwrap_or(0);
        self.total = self.total + unread - before;
    }

    /// The link is gone too.
    pub(crate) fn remove(&mut self, link: u64) {
        self.total -= self.unread.remove(&link).unwrap_or(0);
    }

    /// A link to be dropped, because more than `limit` messages are kept. `unread` tells how many a link
    /// has by now. So that this takes no time in proportion to the links, only a few are asked each time:
    /// a link may be dropped although others have been read meanwhile.
    pub(crate) fn excess(&mut self, limit: u64, mut unread: impl FnMut(u64) -> u64) -> Option<u64> {
        for _ in 0..ASKED {
            if self.total <= limit {
                return None;
            }
            let next = self.unread.range_mut(self.asked + 1..).next();
            let Some((link, count)) = next else {
                self.asked = 0;
                continue;
            };
            let now = unread(*link);
            self.total = self.total + now - *count;
            (*count, self.asked) = (now, *link);
        }
        let (oldest, newest) = (self.unread.keys().next()?, self.unread.keys().next_back()?);
        (self.total > limit && oldest != newest).then_some(*oldest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_oldest_go_first_and_the_newest_stays() {
        let mut departed = Departed::default();
        for link in 1..=4 {
            departed.insert(link, 10);
        }
        let mut gone = Vec::new();
        while let Some(link) = departed.excess(25, |_| 10) {
            departed.remove(link);
            gone.push(link);
        }
        assert_eq!(gone, [1, 2]);
        departed.insert(9, 1000);
        for link in [3, 4] {
            assert_eq!(
                departed.excess(25, |link| if link == 9 { 1000 } else { 10 }),
                Some(link)
            );
            departed.remove(link);
        }
        assert_eq!(departed.excess(25, |_| 1000), None);
    }

    #[test]
    fn what_was_received_meanwhile_does_not_count() {
        let mut departed = Departed::default();
        for link in 1..=3 {
            departed.insert(link, 10);
        }
        assert_eq!(departed.excess(25, |_| 2), None);
        departed.insert(4, 10);
        assert_eq!(departed.excess(25, |_| 2), None);
    }

    proptest! {
        #[test]
        fn no_more_is_kept_than_the_limit_and_the_newest(
            left in proptest::collection::vec(0u64..20, 1..50),
            limit in 0u64..60,
        ) {
            let mut departed = Departed::default();
            for (link, unread) in left.iter().enumerate() {
                departed.insert(link as u64 + 1, *unread);
                while let Some(link) = departed.excess(limit, |link| left[link as usize - 1]) {
                    departed.remove(link);
                }
                let kept: u64 = departed.unread.values().sum();
                prop_assert_eq!(kept, departed.total);
                prop_assert!(kept <= limit || departed.unread.len() == 1);
            }
        }
    }
}
