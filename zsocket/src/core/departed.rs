//! Peers that are gone and have left messages: how much of this is kept.

use std::collections::BTreeMap;

use zpipe::Limits;
use ztransport::Left;

/// The links whose other end is gone and that still have messages. Together they are bounded, for there
/// is no end to peers that come, send and go: those of the oldest are dropped first, since the newest are
/// likelier to be of use. A single peer has a high-water mark of its own, so the messages of the newest
/// are never dropped.
///
/// What a link has is looked at when its peer goes; what the application receives after that is taken into
/// account when it matters.
#[derive(Debug, Default)]
pub(crate) struct Departed {
    /// By link, whose ids ascend with time.
    unread: BTreeMap<u64, Left>,
    total: Left,
    /// The link that was asked last how much it has by now.
    asked: u64,
}

/// Links that are asked before one is dropped.
const ASKED: u32 = 64;

impl Departed {
    /// The peer of a link is gone, and has left this.
    pub(crate) fn insert(&mut self, link: u64, left: Left) {
        let before = self.unread.insert(link, left).unwrap_or_default();
        self.total += left;
        self.total -= before;
    }

    /// The link is gone too.
    pub(crate) fn remove(&mut self, link: u64) {
        self.total -= self.unread.remove(&link).unwrap_or_default();
    }

    /// A link to be dropped, because more is kept than `limits` allow. `left` tells how much a link has
    /// by now. So that this takes no time in proportion to the links, only a few are asked each time:
    /// a link may be dropped although others have been read meanwhile.
    pub(crate) fn excess(
        &mut self,
        limits: Limits,
        mut left: impl FnMut(u64) -> Left,
    ) -> Option<u64> {
        for _ in 0..ASKED {
            if !self.total.exceeds(limits) {
                return None;
            }
            let next = self.unread.range_mut(self.asked + 1..).next();
            let Some((link, before)) = next else {
                self.asked = 0;
                continue;
            };
            let now = left(*link);
            self.total += now;
            self.total -= *before;
            (*before, self.asked) = (now, *link);
        }
        let (oldest, newest) = (self.unread.keys().next()?, self.unread.keys().next_back()?);
        (self.total.exceeds(limits) && oldest != newest).then_some(*oldest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn messages(messages: u64) -> Left {
        Left {
            messages,
            bytes: 100 * messages,
        }
    }

    fn limit(messages: u64) -> Limits {
        Limits { messages, bytes: 0 }
    }

    #[test]
    fn the_oldest_go_first_and_the_newest_stays() {
        let mut departed = Departed::default();
        for link in 1..=4 {
            departed.insert(link, messages(10));
        }
        let mut gone = Vec::new();
        while let Some(link) = departed.excess(limit(25), |_| messages(10)) {
            departed.remove(link);
            gone.push(link);
        }
        assert_eq!(gone, [1, 2]);
        departed.insert(9, messages(1000));
        for link in [3, 4] {
            let left = |link| messages(if link == 9 { 1000 } else { 10 });
            assert_eq!(departed.excess(limit(25), left), Some(link));
            departed.remove(link);
        }
        assert_eq!(departed.excess(limit(25), |_| messages(1000)), None);
    }

    #[test]
    fn what_was_received_meanwhile_does_not_count() {
        let mut departed = Departed::default();
        for link in 1..=3 {
            departed.insert(link, messages(10));
        }
        assert_eq!(departed.excess(limit(25), |_| messages(2)), None);
        departed.insert(4, messages(10));
        assert_eq!(departed.excess(limit(25), |_| messages(2)), None);
    }

    proptest! {
        #[test]
        fn no_more_is_kept_than_the_limits_and_the_newest(
            left in proptest::collection::vec((0u64..20, 0u64..1000), 1..50),
            messages in 0u64..60,
            bytes in 0u64..3000,
        ) {
            let limits = Limits { messages, bytes };
            let of = |link: u64| {
                let (messages, bytes) = left[link as usize - 1];
                Left { messages, bytes }
            };
            let mut departed = Departed::default();
            for link in 1..=left.len() as u64 {
                departed.insert(link, of(link));
                while let Some(link) = departed.excess(limits, of) {
                    departed.remove(link);
                }
                let mut kept = Left::default();
                departed.unread.values().for_each(|left| kept += *left);
                prop_assert_eq!(kept, departed.total);
                prop_assert!(!kept.exceeds(limits) || departed.unread.len() == 1);
            }
        }
    }
}
