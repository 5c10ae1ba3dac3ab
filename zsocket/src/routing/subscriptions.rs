//! What a subscriber wants.

use ztransport::PrefixMap;

use super::topics::Cancelled;

/// A subscriber's topics. The same topic may be wanted several times; then it has to be given up as often.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    /// How often each topic is wanted.
    counts: PrefixMap<u32, LABEL>,
}

/// A node of the tree is half a cache line.
const LABEL: usize = 14;

impl Subscriptions {
    /// The number of distinct topics.
    pub(crate) fn len(&self) -> usize {
        self.counts.len()
    }

    /// A topic is wanted once more. Returns whether it is new.
    pub(crate) fn add(&mut self, topic: &[u8]) -> bool {
        let id = self.counts.insert(topic);
        let count = self.counts.value_mut(id);
        *count = count.saturating_add(1);
        *count == 1
    }

    /// A topic is wanted once less.
    pub(crate) fn remove(&mut self, topic: &[u8]) -> Cancelled {
        let Some(id) = self.counts.find(topic) else {
            return Cancelled::Unknown;
        };
        let count = self.counts.value_mut(id);
        *count -= 1;
        if *count > 0 {
            return Cancelled::Shared;
        }
        self.counts.remove(id);
        self.counts.shrink(|_, _, _| ());
        Cancelled::Last
    }

    /// Whether a message is wanted, which has this first frame. At once if everything is.
    #[inline]
    pub(crate) fn matches(&self, body: &[u8]) -> bool {
        self.counts.prefixes_of(body).next().is_some()
    }

    #[cfg(test)]
    /// Shows all topics in the order of their bytes, and how often each of them is wanted.
    pub(crate) fn each(&self, mut visit: impl FnMut(&[u8], u32)) {
        let mut topic = Vec::new();
        let mut next = self.counts.first(&mut topic);
        while let Some(id) = next {
            visit(&topic, *self.counts.value(id));
            next = self.counts.next_after(&mut topic);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Beside an oracle: topics and how often they are wanted.
        #[test]
        fn topics_are_counted(
            steps in proptest::collection::vec((proptest::collection::vec(b'a'..=b'c', 0..4), 0..5_u8), 0..200),
        ) {
            let mut subscriptions = Subscriptions::default();
            let mut oracle: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
            for (topic, step) in steps {
                match step {
                    0..2 => {
                        let count = oracle.entry(topic.clone()).or_default();
                        *count += 1;
                        prop_assert_eq!(subscriptions.add(&topic), *count == 1);
                    }
                    2..4 => {
                        let expected = match oracle.get_mut(&topic) {
                            None => Cancelled::Unknown,
                            Some(1) => {
                                oracle.remove(&topic);
                                Cancelled::Last
                            }
                            Some(count) => {
                                *count -= 1;
                                Cancelled::Shared
                            }
                        };
                        prop_assert_eq!(subscriptions.remove(&topic), expected);
                    }
                    _ => {
                        let wanted = oracle.keys().any(|other| topic.starts_with(other));
                        prop_assert_eq!(subscriptions.matches(&topic), wanted);
                    }
                }
                prop_assert_eq!(subscriptions.len(), oracle.len());
            }
            let mut all = Vec::new();
            subscriptions.each(|topic, count| all.push((topic.to_vec(), count)));
            prop_assert_eq!(all, oracle.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn they_are_small_again_after_a_burst() {
        let mut subscriptions = Subscriptions::default();
        for topic in 0..10_000_u32 {
            assert!(subscriptions.add(&topic.to_be_bytes()));
        }
        let burst = subscriptions.counts.size();
        for topic in 1..10_000_u32 {
            assert_eq!(subscriptions.remove(&topic.to_be_bytes()), Cancelled::Last);
        }
        assert!(subscriptions.matches(&[0, 0, 0, 0, 1]) && !subscriptions.matches(&[0, 0, 0]));
        assert!(subscriptions.counts.size() < burst / 20);
    }
}
