//! What a subscriber asks its publishers for.
//!
//! A socket has one list of topics, and each of its connections follows it: a [`Follower`] is told of everything
//! that is subscribed to when its connection is established, and of each change from then on. So whoever moves the
//! connection's bytes subscribes again after a reconnection, whether the application calls or not.
//!
//! The list is a tree of topics, and beside it the latest change of each topic that somebody is still to be told of. A new
//! follower *walks* through the tree first, in the order of the topics, and is then told of the changes since it began. A follower
//! that is slow, because its peer does not read, is told of what is, and not of everything that has been in between: nothing
//! grows behind it. What everybody has been told of takes no more than its place in the tree.
//!
//! ```text
//!   subscribe, cancel ──▶ 4: +sports   7: -news   9: +weather   (each topic once, in the order of changes)
//!                            ▲                    ▲
//!                    follower at 3         follower at 8        follower that walks: at "stocks" in the tree, then at 9
//! ```

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
};

use zpipe::{Guarded, Notifier, Readiness};

use crate::{prefixes::PrefixMap, shrink};

/// The topics a subscriber asks its publishers for. Clones are the same list.
///
/// # Examples
///
/// ```
/// use ztransport::Subscriptions;
///
/// let wanted = Subscriptions::new();
/// wanted.subscribe(b"sports");
/// let mut follower = wanted.follow(None);
/// wanted.subscribe(b"weather");
/// wanted.cancel(b"sports");
/// let mut told = Vec::new();
/// follower.next(usize::MAX, |subscribe, topic| told.push((subscribe, topic.to_vec())));
/// // Nobody has ever been told of sports.
/// assert_eq!(told, [(true, b"weather".to_vec())]);
/// ```
#[derive(Clone, Default)]
pub struct Subscriptions {
    list: Arc<Guarded<List>>,
}

#[derive(Default)]
struct List {
    /// All topics, and whether they are subscribed to. The others are only there until everybody has been told.
    topics: PrefixMap<bool, LABEL>,
    /// How many topics are subscribed to.
    subscribed: usize,
    /// The latest change of each topic that somebody is to be told of, by its number.
    changes: BTreeMap<u64, Change>,
    /// The number of the change of each of these topics, which is given by its number in the tree.
    number_of: HashMap<u32, u64>,
    /// The number of the last change.
    last: u64,
    followers: HashMap<u64, Progress>,
    /// How many followers have been told of everything up to which change.
    told: BTreeMap<u64, usize>,
    next_follower: u64,
}

/// Changes that are settled in any call, if everybody has been told of them.
const SETTLED: usize = 16;

/// A node of the tree is half a cache line.
const LABEL: usize = 17;

/// How far a follower has been told.
struct Progress {
    /// Who says it to the peer: signalled whenever there is news.
    teller: Option<Notifier>,
    /// The topic that it has reached in its walk.
    walk: Walk,
    /// The last change that it has been told of, or that its walk shows.
    told: u64,
}

enum Walk {
    Begins,
    At(Vec<u8>),
    Ended,
}

impl Progress {
    /// Whether it has been told of a topic that was subscribed to by this change.
    fn knows(&self, topic: &[u8], born: u64) -> bool {
        let has_passed = match &self.walk {
            Walk::Begins => false,
            Walk::At(reached) => topic <= &reached[..],
            Walk::Ended => true,
        };
        has_passed && born <= self.told
    }
}

struct Change {
    /// The topic's number in the tree.
    id: u32,
    /// The last that is said of it to those who know it is a cancellation, although it is subscribed to.
    recalled: bool,
    /// The number of the change by which it was subscribed to first, zero if everybody was told of that: only who has been
    /// told as far may know of it.
    born: u64,
}

impl Change {
    /// Whether a follower may have been told of the topic, and not of this change.
    fn is_news(&self, number: u64, follower: &Progress) -> bool {
        (self.born..number).contains(&follower.told)
    }
}

impl Subscriptions {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a topic. If it is there already, followers are told once more.
    pub fn subscribe(&self, topic: &[u8]) {
        let mut list = self.list.lock();
        let list = &mut *list;
        let id = list.topics.insert(topic);
        let was_subscribed = std::mem::replace(list.topics.value_mut(id), true);
        list.subscribed += usize::from(!was_subscribed);
        list.change(id, was_subscribed, false);
    }

    /// Takes a topic away. Followers that have begun while there were others may be told of that although they were never told
    /// of the topic.
    pub fn cancel(&self, topic: &[u8]) {
        let mut list = self.list.lock();
        let list = &mut *list;
        let Some(id) = list.topics.find(topic) else {
            return;
        };
        let was_subscribed = std::mem::take(list.topics.value_mut(id));
        list.subscribed -= usize::from(was_subscribed);
        let before = list.number_of.get(&id);
        let born = before
            .and_then(|number| list.changes.get(number))
            .map_or(0, |change| change.born);
        let mut followers = list.followers.values();
        if followers.any(|follower| follower.knows(topic, born)) {
            list.change(id, was_subscribed, false);
        } else {
            list.settle(id);
        }
    }

    /// Has publishers told that a topic is cancelled, although it may be subscribed to: those who are connected now. A
    /// connection that is made later is told what is. For an XSUB that passes each cancellation on.
    pub fn recall(&self, topic: &[u8]) {
        let mut list = self.list.lock();
        let list = &mut *list;
        if list.followers.is_empty() {
            return;
        }
        let id = list.topics.insert(topic);
        // If it is new, everybody is told, whoever knows it.
        list.change(id, true, true);
    }

    /// How many topics there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.lock().subscribed
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Begins to follow: first comes everything that is there. `teller` is told by
    /// [`Readiness::READABLE`] that there is news for a follower that had none, and then [`next`](Follower::next) has to be called
    /// until there is none again. It must not wake a task: it is called with the list locked.
    #[must_use]
    pub fn follow(&self, teller: Option<Notifier>) -> Follower {
        let mut list = self.list.lock();
        let id = list.next_follower;
        list.next_follower += 1;
        let told = list.last;
        let walk = Walk::Begins;
        let progress = Progress { teller, walk, told };
        list.followers.insert(id, progress);
        *list.told.entry(told).or_default() += 1;
        Follower {
            list: Arc::clone(&self.list),
            id,
        }
    }
}

impl List {
    /// Signals those who had been told of everything up to a change, and of no more. The others have been signalled, and go on
    /// until nothing is left: a signal for each of many topics would be as expensive as the topic.
    fn notify(&self, up_to: u64) {
        for follower in self.followers.values() {
            if let Some(teller) = &follower.teller
                && (follower.told == up_to || !matches!(follower.walk, Walk::Ended))
            {
                teller.notify(Readiness::READABLE);
            }
        }
    }

    /// Something has changed about a topic. `is_old` if it was there before, so that somebody may know it.
    fn change(&mut self, id: u32, is_old: bool, recalled: bool) {
        let before = self.number_of.get(&id).copied();
        let before = before.and_then(|number| self.changes.remove(&number));
        if self.followers.is_empty() {
            self.settle(id);
            return self.settle_told(SETTLED);
        }
        self.last += 1;
        let number = self.last;
        let born = match before {
            Some(before) => before.born,
            None if is_old => 0,
            None => number,
        };
        let change = Change { id, recalled, born };
        self.changes.insert(number, change);
        self.number_of.insert(id, number);
        self.notify(number - 1);
    }

    /// Nobody has to be told any more of a topic's latest change.
    fn settle(&mut self, id: u32) {
        if let Some(number) = self.number_of.remove(&id) {
            self.changes.remove(&number);
            shrink::map(&mut self.number_of);
        }
        if *self.topics.value_mut(id) {
            return;
        }
        self.topics.remove(id);
        self.topics.shrink(|old, new, _| {
            if let Some(number) = self.number_of.remove(&old) {
                self.number_of.insert(new, number);
                if let Some(change) = self.changes.get_mut(&number) {
                    change.id = new;
                }
            }
        });
    }

    /// A follower has been told of more, or is gone.
    fn advance(&mut self, from: u64, to: Option<u64>) {
        if let Some(count) = self.told.get_mut(&from) {
            *count -= 1;
            if *count == 0 {
                self.told.remove(&from);
            }
        }
        if let Some(to) = to {
            *self.told.entry(to).or_default() += 1;
        }
    }

    /// Settles changes that everybody has been told of: so many, and the rest the next time.
    fn settle_told(&mut self, most: usize) {
        let all = self
            .told
            .first_key_value()
            .map_or(self.last, |(told, _)| *told);
        for _ in 0..most {
            match self.changes.first_key_value() {
                Some((number, change)) if *number <= all => {
                    let id = change.id;
                    self.settle(id);
                }
                _ => return,
            }
        }
    }

    /// Settles the ends of subscriptions among these changes that nobody has to be told of any more.
    fn settle_ends(&mut self, numbers: Vec<u64>) {
        for number in numbers {
            let Some(change) = self.changes.get(&number) else {
                continue;
            };
            let mut followers = self.followers.values();
            if !followers.any(|follower| change.is_news(number, follower)) {
                let id = change.id;
                self.settle(id);
            }
        }
    }
}

impl fmt::Debug for Subscriptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriptions")
            .field("topics", &self.len())
            .finish_non_exhaustive()
    }
}

/// How far one connection's peer has been told of [`Subscriptions`]. Dropping it ends that.
pub struct Follower {
    list: Arc<Guarded<List>>,
    id: u64,
}

impl Follower {
    /// Reports changes that are news, the oldest first, until they have so many bytes together, and at least one;
    /// `true` if there are more. Nothing but encoding is done in `tell`: the list is locked meanwhile.
    pub fn next(&mut self, bytes: usize, mut tell: impl FnMut(bool, &[u8])) -> bool {
        let mut list = self.list.lock();
        let list = &mut *list;
        let Some(progress) = list.followers.get_mut(&self.id) else {
            return false;
        };
        let mut left = bytes.max(1);
        if !progress.walk_on(&list.topics, &list.number_of, &mut left, &mut tell) {
            return true;
        }
        if progress.told >= list.last {
            return false;
        }
        let mut topic = Vec::new();
        let (mut ends, mut count) = (Vec::new(), 0);
        let mut more = false;
        let mut reached = list.last;
        for (number, change) in list.changes.range(progress.told + 1..) {
            if left == 0 {
                more = true;
                reached = number - 1;
                break;
            }
            count += 1;
            let knows = change.is_news(*number, progress);
            let subscribed = *list.topics.value(change.id);
            if !subscribed {
                ends.push(*number);
            }
            list.topics.key(change.id, &mut topic);
            match (subscribed && !(change.recalled && knows), knows) {
                (true, _) => tell(true, &topic),
                (false, true) => tell(false, &topic),
                // It came and went.
                (false, false) => continue,
            }
            left = left.saturating_sub(topic.len() + COMMAND);
        }
        let before = std::mem::replace(&mut progress.told, reached);
        list.advance(before, Some(reached));
        list.settle_ends(ends);
        list.settle_told(2 * count + SETTLED);
        more
    }
}

impl Progress {
    /// Goes on with the walk until `left` is used up. Returns whether the walk has ended.
    fn walk_on(
        &mut self,
        topics: &PrefixMap<bool, LABEL>,
        number_of: &HashMap<u32, u64>,
        left: &mut usize,
        tell: &mut impl FnMut(bool, &[u8]),
    ) -> bool {
        let (mut topic, mut next) = match std::mem::replace(&mut self.walk, Walk::Ended) {
            Walk::Ended => return true,
            Walk::Begins => {
                let mut topic = Vec::new();
                let next = topics.first(&mut topic);
                (topic, next)
            }
            Walk::At(mut topic) => {
                let next = topics.next_after(&mut topic);
                (topic, next)
            }
        };
        while let Some(id) = next {
            // What has changed since then comes later.
            let is_settled = number_of.get(&id).is_none_or(|number| *number <= self.told);
            if is_settled && *topics.value(id) {
                tell(true, &topic);
                *left = left.saturating_sub(topic.len() + COMMAND);
                if *left == 0 {
                    self.walk = Walk::At(topic);
                    return false;
                }
            }
            next = topics.next_after(&mut topic);
        }
        true
    }
}

/// What a subscription takes beside its topic, in bytes.
const COMMAND: usize = 12;

impl Drop for Follower {
    fn drop(&mut self) {
        let mut list = self.list.lock();
        let Some(progress) = list.followers.remove(&self.id) else {
            return;
        };
        shrink::map(&mut list.followers);
        list.advance(progress.told, None);
        let topics = &list.topics;
        let not_told = list.changes.range(progress.told + 1..);
        let ends = not_told.filter(|(_, change)| !topics.value(change.id));
        let ends = ends.map(|(number, _)| *number).collect();
        list.settle_ends(ends);
        list.settle_told(SETTLED);
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    impl List {
        /// How many topics are there, and how many changes.
        fn sizes(&self) -> (usize, usize) {
            assert_eq!(self.changes.len(), self.number_of.len());
            for (number, change) in &self.changes {
                assert_eq!(self.number_of.get(&change.id), Some(number));
            }
            (self.topics.len(), self.changes.len())
        }
    }

    fn told(follower: &mut Follower) -> Vec<(bool, Vec<u8>)> {
        let mut told = Vec::new();
        while follower.next(1, |subscribe, topic| told.push((subscribe, topic.to_vec()))) {}
        told
    }

    fn on(topic: &str) -> (bool, Vec<u8>) {
        (true, topic.into())
    }

    fn off(topic: &str) -> (bool, Vec<u8>) {
        (false, topic.into())
    }

    #[test]
    fn each_connection_is_told_of_what_is_and_then_of_changes() {
        let wanted = Subscriptions::new();
        let mut early = wanted.follow(None);
        wanted.subscribe(b"a");
        wanted.subscribe(b"b");
        assert_eq!(told(&mut early), [on("a"), on("b")]);
        wanted.cancel(b"a");
        let mut late = wanted.follow(None);
        assert_eq!(told(&mut late), [on("b")]);
        assert_eq!(told(&mut early), [off("a")]);
        wanted.subscribe(b"b");
        assert_eq!(told(&mut early), [on("b")], "told once more");
        assert_eq!(told(&mut early), []);
        assert_eq!(wanted.len(), 1);
    }

    #[test]
    fn a_recalled_topic_is_cancelled_where_it_is_known_and_stays() {
        let wanted = Subscriptions::new();
        wanted.recall(b"nobody hears of it");
        let mut early = wanted.follow(None);
        wanted.subscribe(b"a");
        assert_eq!(told(&mut early), [on("a")]);
        wanted.recall(b"a");
        wanted.recall(b"unknown");
        let mut late = wanted.follow(None);
        assert_eq!(told(&mut early), [off("a"), off("unknown")]);
        assert_eq!(told(&mut late), [on("a")]);
        assert_eq!(wanted.len(), 1);
        wanted.recall(b"a");
        wanted.subscribe(b"a");
        assert_eq!(told(&mut early), [on("a")], "in order");
        assert_eq!(told(&mut late), [on("a")]);
        assert_eq!(wanted.list.lock().sizes(), (1, 0));
    }

    #[test]
    fn a_topic_that_nobody_was_told_of_leaves_nothing() {
        let wanted = Subscriptions::new();
        let slow = wanted.follow(None);
        for n in 0..10_000_u32 {
            wanted.subscribe(&n.to_be_bytes());
            wanted.cancel(&n.to_be_bytes());
        }
        assert_eq!(wanted.list.lock().sizes(), (0, 0));
        drop(slow);
    }

    #[test]
    fn a_slow_connection_keeps_only_ends_of_what_it_was_told() {
        let wanted = Subscriptions::new();
        let mut slow = wanted.follow(None);
        let mut fast = wanted.follow(None);
        wanted.subscribe(b"known");
        told(&mut slow);
        wanted.cancel(b"known");
        for n in 0..10_000_u32 {
            wanted.subscribe(&n.to_be_bytes());
            told(&mut fast);
            wanted.cancel(&n.to_be_bytes());
            told(&mut fast);
        }
        assert_eq!(wanted.list.lock().sizes(), (1, 1));
        drop(slow);
        assert_eq!(wanted.list.lock().sizes(), (0, 0));
    }

    #[test]
    fn changes_during_a_walk_are_told_once_and_in_the_end() {
        let wanted = Subscriptions::new();
        for topic in ["a", "b", "c", "d"] {
            wanted.subscribe(topic.as_bytes());
        }
        let mut follower = wanted.follow(None);
        let mut first = Vec::new();
        assert!(follower.next(1, |subscribe, topic| {
            first.push((subscribe, topic.to_vec()));
        }));
        assert_eq!(first, [on("a")]);
        wanted.cancel(b"a");
        wanted.cancel(b"b");
        wanted.subscribe(b"c");
        wanted.subscribe(b"aa");
        wanted.subscribe(b"e");
        assert_eq!(
            told(&mut follower),
            [on("d"), off("a"), on("c"), on("aa"), on("e")]
        );
        assert_eq!(wanted.list.lock().sizes(), (4, 0));
    }

    #[test]
    fn who_has_news_is_not_signalled_again() {
        let wanted = Subscriptions::new();
        let mut set = zpipe::ReadySet::new();
        let mut follower = wanted.follow(Some(set.notifier(1)));
        let mut is_signalled = || {
            let mut signals = 0;
            set.drain(|_, _| signals += 1);
            signals > 0
        };
        assert_eq!(told(&mut follower), []);
        for _ in 0..3 {
            wanted.subscribe(b"a");
            wanted.subscribe(b"b");
            assert!(is_signalled());
            wanted.subscribe(b"c");
            assert!(!is_signalled());
            assert!(follower.next(1, |_, _| ()));
            wanted.subscribe(b"d");
            assert!(!is_signalled());
            assert_eq!(told(&mut follower).len(), 3);
        }
    }

    /// A million topics have to take few bytes each.
    #[test]
    fn what_everybody_was_told_of_takes_only_its_place_in_the_tree() {
        const TOPICS: u32 = 20_000;
        let wanted = Subscriptions::new();
        let mut followers = [wanted.follow(None), wanted.follow(None)];
        for n in 0..TOPICS {
            wanted.subscribe(format!("market/instrument/{n:07}/").as_bytes());
            for follower in &mut followers {
                follower.next(usize::MAX, |_, _| ());
            }
        }
        let list = wanted.list.lock();
        assert_eq!(list.sizes(), (TOPICS as usize, 0));
        assert!(list.number_of.capacity() < 1000);
        // Half of the room may be spare.
        assert!(
            list.topics.size() < TOPICS as usize * 100,
            "{}",
            list.topics.size()
        );
    }

    proptest! {
        /// Whatever each of three connections has been told adds up to what is subscribed to, once it has been told
        /// everything; and then no ends are kept.
        #[test]
        fn what_is_told_adds_up(
            steps in proptest::collection::vec((0..6, 0..4_u8, 0..3_usize), 0..200),
        ) {
            let wanted = Subscriptions::new();
            let mut is_wanted = BTreeSet::new();
            let mut followers: Vec<(Follower, BTreeSet<u8>)> = Vec::new();
            for (step, topic, which) in steps {
                match step {
                    0 | 1 => {
                        wanted.subscribe(&[topic]);
                        is_wanted.insert(topic);
                    }
                    2 => {
                        wanted.cancel(&[topic]);
                        is_wanted.remove(&topic);
                    }
                    3 if followers.len() < 3 => followers.push((wanted.follow(None), BTreeSet::new())),
                    4 if which < followers.len() => drop(followers.remove(which)),
                    _ => if let Some((follower, knows)) = followers.get_mut(which) {
                        follower.next(1, |subscribe, topic| {
                            if subscribe { knows.insert(topic[0]) } else { knows.remove(&topic[0]) };
                        });
                    },
                }
                prop_assert_eq!(wanted.len(), is_wanted.len());
            }
            for (follower, knows) in &mut followers {
                for (subscribe, topic) in told(follower) {
                    if subscribe { knows.insert(topic[0]) } else { knows.remove(&topic[0]) };
                }
                prop_assert_eq!(&*knows, &is_wanted);
            }
            prop_assert_eq!(wanted.list.lock().sizes().0, is_wanted.len());
        }
    }
}
