//! Which link wants which topics.

use std::collections::BTreeSet;

use smallvec::SmallVec;
use ztransport::shrink;

use super::prefixes::PrefixMap;

/// What became of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subscribed {
    /// It was there already: nothing has changed.
    Again,
    /// It is new, and others want this topic as well.
    Shared,
    /// It is new, and nobody wanted this topic before.
    First,
}

/// What became of a subscription that is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cancelled {
    /// It was not there: nothing has changed.
    Unknown,
    /// It is gone, and the topic is still wanted.
    Shared,
    /// It is gone, and nobody wants this topic any more.
    Last,
}

/// A publisher's table of subscriptions. A link is given by its place in the socket's table, and wants a topic or
/// does not: subscribing twice is one subscription.
///
/// Whoever takes a link's place later has none of its subscriptions, if they were [removed](Self::remove_link).
#[derive(Debug, Default)]
pub(crate) struct Topics {
    /// The links of each topic.
    by_topic: PrefixMap<Links>,
    /// Each subscription again: the link, and the number of the topic.
    by_link: BTreeSet<(u32, u32)>,
    /// By place, as far as there are links with subscriptions: the last look-up that has found the link.
    found: Vec<u64>,
    lookups: u64,
}

/// Places in ascending order. A topic with ten thousand links is possible, one link the rule.
type Links = SmallVec<[u32; 4]>;

impl Topics {
    /// The number of distinct topics.
    pub(crate) fn topics(&self) -> usize {
        self.by_topic.len()
    }

    #[cfg(test)]
    /// The number of links that want exactly this topic.
    pub(crate) fn count(&self, topic: &[u8]) -> usize {
        let found = self.by_topic.find(topic);
        found.map_or(0, |id| self.by_topic.value(id).len())
    }

    /// A link wants all messages that begin with this topic.
    pub(crate) fn subscribe(&mut self, place: usize, topic: &[u8]) -> Subscribed {
        let link = narrow(place);
        let id = self.by_topic.insert(topic);
        let links = self.by_topic.value_mut(id);
        let Err(at) = links.binary_search(&link) else {
            return Subscribed::Again;
        };
        links.insert(at, link);
        let is_first = links.len() == 1;
        self.by_link.insert((link, id));
        if self.found.len() <= place {
            self.found.resize(place + 1, 0);
        }
        if is_first {
            Subscribed::First
        } else {
            Subscribed::Shared
        }
    }

    /// A link has no use for this topic any more. It may still want a shorter one.
    pub(crate) fn cancel(&mut self, place: usize, topic: &[u8]) -> Cancelled {
        let link = narrow(place);
        let found = self.by_topic.find(topic);
        let Some(id) = found.filter(|id| self.by_link.remove(&(link, *id))) else {
            return Cancelled::Unknown;
        };
        let is_last = self.remove(link, id);
        self.shrink();
        if is_last {
            Cancelled::Last
        } else {
            Cancelled::Shared
        }
    }

    /// A link is gone. `each` is told of all topics that it wanted, in no particular order, and whether nobody wants
    /// them any more. Takes time in proportion to these topics.
    pub(crate) fn remove_link(&mut self, place: usize, mut each: impl FnMut(&[u8], bool)) {
        let link = narrow(place);
        let mut topic = Vec::new();
        while let Some(&entry) = self.by_link.range((link, 0)..=(link, u32::MAX)).next() {
            let (_, id) = entry;
            self.by_link.remove(&entry);
            self.by_topic.key(id, &mut topic);
            let is_last = self.remove(link, id);
            self.shrink();
            each(&topic, is_last);
        }
    }

    /// Takes a link from a topic. Returns whether it was the last one.
    fn remove(&mut self, link: u32, id: u32) -> bool {
        let links = self.by_topic.value_mut(id);
        if let Ok(at) = links.binary_search(&link) {
            links.remove(at);
        }
        if links.is_empty() {
            self.by_topic.remove(id);
            return true;
        }
        if links.len() <= links.capacity() / 4 {
            links.shrink_to_fit();
        }
        false
    }

    /// Gives back what a burst has left.
    fn shrink(&mut self) {
        self.by_topic.shrink(|old, new, links| {
            for link in links {
                self.by_link.remove(&(*link, old));
                self.by_link.insert((*link, new));
            }
        });
        let last = self.by_link.last();
        let places = last.map_or(0, |(link, _)| *link as usize + 1);
        self.found.truncate(places);
        shrink::list(&mut self.found);
    }

    // ---- Messages ----

    /// Writes the links that want a message into `out`, in place of what was in there: each once, in no particular
    /// order. `body` is the message's first frame.
    #[inline]
    pub(crate) fn matching(&mut self, body: &[u8], out: &mut Vec<usize>) {
        out.clear();
        let mut found = self.by_topic.prefixes_of(body);
        let (first, second) = (found.next(), found.next());
        let Some(second) = second else {
            // Within a topic there is no link twice.
            if let Some(links) = first {
                out.extend(links.iter().map(|link| *link as usize));
            }
            return;
        };
        self.lookups += 1;
        for links in first.into_iter().chain([second]).chain(found) {
            for link in links {
                let place = *link as usize;
                let last = std::mem::replace(&mut self.found[place], self.lookups);
                if last != self.lookups {
                    out.push(place);
                }
            }
        }
    }

    /// Writes those of `all` links that do not want a message into `out`, in place of what was in there.
    pub(crate) fn others(
        &mut self,
        body: &[u8],
        all: impl IntoIterator<Item = usize>,
        out: &mut Vec<usize>,
    ) {
        out.clear();
        self.lookups += 1;
        for link in self.by_topic.prefixes_of(body).flatten() {
            self.found[*link as usize] = self.lookups;
        }
        let is_other = |place: &usize| self.found.get(*place) != Some(&self.lookups);
        out.extend(all.into_iter().filter(is_other));
    }

    /// The number of links that want a message.
    pub(crate) fn count_matching(&mut self, body: &[u8]) -> usize {
        let mut found = self.by_topic.prefixes_of(body);
        let (first, second) = (found.next(), found.next());
        let Some(second) = second else {
            return first.map_or(0, |links| links.len());
        };
        self.lookups += 1;
        let mut count = 0;
        for link in first.into_iter().chain([second]).chain(found).flatten() {
            let last = std::mem::replace(&mut self.found[*link as usize], self.lookups);
            count += usize::from(last != self.lookups);
        }
        count
    }
}

/// No socket has so many links that their places need more bits.
fn narrow(place: usize) -> u32 {
    u32::try_from(place).expect("fewer than 2^32 links")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// The links that want a message, sorted.
    fn matching(topics: &mut Topics, body: &[u8]) -> Vec<usize> {
        let mut out = vec![99];
        topics.matching(body, &mut out);
        assert_eq!(topics.count_matching(body), out.len());
        out.sort_unstable();
        out
    }

    #[test]
    fn each_link_is_told_once_and_each_change_is_named() {
        let mut topics = Topics::default();
        assert_eq!(matching(&mut topics, b"abc"), []);
        assert_eq!(topics.subscribe(3, b"ab"), Subscribed::First);
        assert_eq!(topics.subscribe(3, b"ab"), Subscribed::Again);
        assert_eq!(topics.subscribe(7, b"ab"), Subscribed::Shared);
        assert_eq!(topics.subscribe(7, b""), Subscribed::First);
        assert_eq!(matching(&mut topics, b"abc"), [3, 7]);
        assert_eq!(matching(&mut topics, b"ab"), [3, 7]);
        assert_eq!(matching(&mut topics, b"a"), [7]);
        assert_eq!(
            (topics.topics(), topics.count(b"ab"), topics.count(b"a")),
            (2, 2, 0)
        );
        let mut others = Vec::new();
        topics.others(b"a", [2, 3, 7, 5000], &mut others);
        assert_eq!(others, [2, 3, 5000]);

        assert_eq!(topics.cancel(3, b""), Cancelled::Unknown);
        assert_eq!(topics.cancel(3, b"abc"), Cancelled::Unknown);
        assert_eq!(topics.cancel(3, b"ab"), Cancelled::Shared);
        assert_eq!(topics.cancel(3, b"ab"), Cancelled::Unknown);
        let mut gone = Vec::new();
        topics.remove_link(3, |_, _| panic!("it had none"));
        topics.subscribe(3, b"ab");
        topics.remove_link(7, |topic, last| gone.push((topic.to_vec(), last)));
        gone.sort_unstable();
        assert_eq!(gone, [(b"".to_vec(), true), (b"ab".to_vec(), false)]);
        assert_eq!(topics.cancel(3, b"ab"), Cancelled::Last);
        assert_eq!(topics.topics(), 0);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Subscribe(usize, Vec<u8>),
        Cancel(usize, Vec<u8>),
        RemoveLink(usize),
        Match(Vec<u8>),
    }

    fn steps() -> impl Strategy<Value = Step> {
        let key = || proptest::collection::vec(b'a'..=b'c', 0..5);
        prop_oneof![
            8 => (0..8_usize, key()).prop_map(|(place, topic)| Step::Subscribe(place, topic)),
            6 => (0..8_usize, key()).prop_map(|(place, topic)| Step::Cancel(place, topic)),
            1 => (0..8_usize).prop_map(Step::RemoveLink),
            4 => key().prop_map(Step::Match),
        ]
    }

    proptest! {
        /// Beside an oracle: a set of links and topics.
        #[test]
        fn subscriptions_come_and_go(steps in proptest::collection::vec(steps(), 0..300)) {
            let mut topics = Topics::default();
            let mut oracle: BTreeSet<(usize, Vec<u8>)> = BTreeSet::new();
            let links = |oracle: &BTreeSet<(usize, Vec<u8>)>, topic: &[u8]| {
                oracle.iter().filter(|(_, other)| other == topic).count()
            };
            for step in steps {
                match step {
                    Step::Subscribe(place, topic) => {
                        let others = links(&oracle, &topic);
                        let expected = match oracle.insert((place, topic.clone())) {
                            false => Subscribed::Again,
                            true if others > 0 => Subscribed::Shared,
                            true => Subscribed::First,
                        };
                        prop_assert_eq!(topics.subscribe(place, &topic), expected);
                        prop_assert_eq!(topics.count(&topic), links(&oracle, &topic));
                    }
                    Step::Cancel(place, topic) => {
                        let was_there = oracle.remove(&(place, topic.clone()));
                        let expected = match links(&oracle, &topic) {
                            _ if !was_there => Cancelled::Unknown,
                            0 => Cancelled::Last,
                            _ => Cancelled::Shared,
                        };
                        prop_assert_eq!(topics.cancel(place, &topic), expected);
                        prop_assert_eq!(topics.count(&topic), links(&oracle, &topic));
                    }
                    Step::RemoveLink(place) => {
                        let mut gone = BTreeSet::new();
                        topics.remove_link(place, |topic, last| assert!(gone.insert((topic.to_vec(), last))));
                        let lost: Vec<_> = oracle.iter().filter(|(other, _)| *other == place).cloned().collect();
                        oracle.retain(|(other, _)| *other != place);
                        let expected = lost.into_iter().map(|(_, topic)| {
                            let last = links(&oracle, &topic) == 0;
                            (topic, last)
                        });
                        prop_assert_eq!(gone, expected.collect::<BTreeSet<_>>());
                    }
                    Step::Match(body) => {
                        let wanted = oracle.iter().filter(|(_, topic)| body.starts_with(topic));
                        let wanted: BTreeSet<usize> = wanted.map(|(place, _)| *place).collect();
                        prop_assert!(matching(&mut topics, &body).iter().eq(&wanted));
                        let mut others = Vec::new();
                        topics.others(&body, 0..10, &mut others);
                        prop_assert!(others.into_iter().eq((0..10).filter(|place| !wanted.contains(place))));
                    }
                }
                let distinct: BTreeSet<_> = oracle.iter().map(|(_, topic)| topic).collect();
                prop_assert_eq!(topics.topics(), distinct.len());
            }
        }
    }

    #[test]
    fn the_tables_are_small_again_after_a_burst() {
        const LINKS: usize = 3000;
        let mut topics = Topics::default();
        let own = |place: usize| format!("topic {place}").into_bytes();
        // Those that stay come last, so that they have to move.
        for place in (0..LINKS).rev() {
            topics.subscribe(place, b"");
            topics.subscribe(place, &own(place));
        }
        let size = topics.by_topic.size();
        assert_eq!(topics.count(b""), LINKS);
        for place in (10..LINKS).rev() {
            assert_eq!(topics.cancel(place, b""), Cancelled::Shared);
            topics.remove_link(place, |topic, last| assert!(last && topic == own(place)));
        }
        let left = topics.by_topic.size();
        assert!(left < size / 5, "{left} of {size}");
        assert!(topics.found.len() == 10 && topics.found.capacity() <= 256);
        let id = topics.by_topic.find(b"").unwrap();
        assert!(topics.by_topic.value(id).capacity() <= 64);
        for place in 0..10 {
            assert_eq!(topics.count_matching(&own(place)), 10 - place);
            let mut gone = 0;
            topics.remove_link(place, |_, _| gone += 1);
            assert_eq!(gone, 2);
        }
        assert_eq!(
            (topics.topics(), topics.by_link.len(), topics.found.len()),
            (0, 0, 0)
        );
    }

    /// Each message of a publisher is looked up.
    #[test]
    fn looking_up_allocates_nothing() {
        let mut topics = Topics::default();
        for place in 0..1000 {
            topics.subscribe(place, b"");
            topics.subscribe(place, format!("{place}").as_bytes());
        }
        let mut out = Vec::new();
        topics.matching(b"12", &mut out);
        let counted = allocation_counter::measure(|| {
            for body in [&b"12"[..], b"999 and more", b"x", b""] {
                topics.matching(body, &mut out);
                assert_eq!(out.len(), 1000);
                assert_eq!(topics.count_matching(body), 1000);
                topics.others(body, 0..1000, &mut out);
                assert_eq!(out, []);
            }
        });
        assert_eq!(counted.count_total, 0);
    }

    #[test]
    fn a_link_that_goes_does_not_cost_what_others_want() {
        let mut topics = Topics::default();
        for topic in 0..30_000_u32 {
            topics.subscribe(0, &topic.to_be_bytes());
        }
        // Looking at all topics each time would take a minute.
        for place in 1..=5000 {
            topics.subscribe(place, b"x");
            topics.remove_link(place, |topic, last| assert!(last && topic == b"x"));
        }
        assert_eq!(topics.topics(), 30_000);
    }
}
