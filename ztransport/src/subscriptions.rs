//! What a subscriber asks its publishers for.
//!
//! A socket has one list of topics, and each of its connections follows it: a [`Follower`] is told of everything
//! that is subscribed to when its connection is established, and of each change from then on. So whoever moves the
//! connection's bytes subscribes again after a reconnection, whether the application calls or not.
//!
//! The list holds each topic once, under the number of its latest change. A follower that is slow, because its peer
//! does not read, is told of what is, and not of everything that has been in between: nothing grows behind it.
//!
//! ```text
//!   subscribe, cancel ──▶ 4: +sports   7: -news   9: +weather   (each topic once, in the order of changes)
//!                            ▲                    ▲
//!                    follower at 3         follower at 8
//! ```

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
};

use bytes::Bytes;
use zpipe::{Guarded, Notifier, Readiness};

use crate::shrink;

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
    /// The latest change of each topic, by its number.
    changes: BTreeMap<u64, Change>,
    /// The number of each topic's change.
    number_of: HashMap<Bytes, u64>,
    /// How many topics are subscribed to. The others are only there until everybody has been told.
    subscribed: usize,
    /// The number of the last change.
    last: u64,
    followers: HashMap<u64, Progress>,
    next_follower: u64,
}

/// How far a follower has been told.
struct Progress {
    /// Who says it to the peer: signalled whenever there is news.
    teller: Option<Notifier>,
    /// The last change there was when it began: it has not been told of topics that had ended by then.
    began: u64,
    told: u64,
}

impl Progress {
    /// Whether it may have been told of a topic, and not of its end, which is the change with this number.
    fn knows(&self, change: &Change, number: u64) -> bool {
        self.began < number && (change.born..number).contains(&self.told)
    }
}

struct Change {
    topic: Bytes,
    subscribed: bool,
    /// The last that is said of it to those who know it is a cancellation, although it is subscribed to.
    recalled: bool,
    /// The number of the change by which it was subscribed to first: only who has been told as far may know of it.
    born: u64,
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
        list.last += 1;
        let number = list.last;
        let change = match list.number_of.get_mut(topic) {
            Some(present) => {
                let before = list.changes.remove(present);
                *present = number;
                before
            }
            None => None,
        };
        let was_subscribed = change.as_ref().is_some_and(|change| change.subscribed);
        list.subscribed += usize::from(!was_subscribed);
        let change = match change {
            Some(change) => Change {
                subscribed: true,
                recalled: false,
                ..change
            },
            None => {
                // A copy, since the caller's buffer may have an owner with a `Drop` of its own.
                let topic = Bytes::copy_from_slice(topic);
                list.number_of.insert(topic.clone(), number);
                Change {
                    topic,
                    subscribed: true,
                    recalled: false,
                    born: number,
                }
            }
        };
        list.changes.insert(number, change);
        list.notify();
    }

    /// Takes a topic away.
    pub fn cancel(&self, topic: &[u8]) {
        let mut list = self.list.lock();
        let list = &mut *list;
        let Some(present) = list.number_of.get_mut(topic) else {
            return;
        };
        let Some(mut change) = list.changes.remove(present) else {
            return;
        };
        list.subscribed -= usize::from(std::mem::take(&mut change.subscribed));
        let number = list.last + 1;
        let mut followers = list.followers.values();
        if followers.any(|follower| follower.knows(&change, number)) {
            list.last = number;
            *present = number;
            list.changes.insert(number, change);
            list.notify();
        } else {
            list.forget(&change.topic);
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
        list.last += 1;
        let number = list.last;
        let change = match list.number_of.get_mut(topic) {
            Some(present) => {
                let before = list.changes.remove(present);
                *present = number;
                before
            }
            None => {
                let topic = Bytes::copy_from_slice(topic);
                list.number_of.insert(topic.clone(), number);
                // Everybody is told, whoever knows it.
                let (subscribed, recalled, born) = (false, true, 0);
                Some(Change {
                    topic,
                    subscribed,
                    recalled,
                    born,
                })
            }
        };
        if let Some(mut change) = change {
            change.recalled = true;
            list.changes.insert(number, change);
        }
        list.notify();
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

    /// Begins to follow: first comes everything that is there. `teller` is told of each change by
    /// [`Readiness::READABLE`]. It must not wake a task: it is called with the list locked.
    #[must_use]
    pub fn follow(&self, teller: Option<Notifier>) -> Follower {
        let mut list = self.list.lock();
        let id = list.next_follower;
        list.next_follower += 1;
        let began = list.last;
        let progress = Progress {
            teller,
            began,
            told: 0,
        };
        list.followers.insert(id, progress);
        Follower {
            list: Arc::clone(&self.list),
            id,
        }
    }
}

impl List {
    fn notify(&self) {
        for teller in self
            .followers
            .values()
            .filter_map(|follower| follower.teller.as_ref())
        {
            teller.notify(Readiness::READABLE);
        }
    }

    fn forget(&mut self, topic: &[u8]) {
        self.number_of.remove(topic);
        shrink::map(&mut self.number_of);
    }

    /// Forgets the ends of subscriptions among these changes that nobody has to be told of any more.
    fn forget_ends(&mut self, numbers: Vec<u64>) {
        for number in numbers {
            let Some(change) = self.changes.get(&number) else {
                continue;
            };
            let mut followers = self.followers.values();
            let is_news = |follower: &Progress| follower.knows(change, number);
            if !change.subscribed && !followers.any(is_news) {
                let topic = change.topic.clone();
                self.changes.remove(&number);
                self.forget(&topic);
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
        if progress.told >= list.last {
            return false;
        }
        let mut left = bytes.max(1);
        let mut ends = Vec::new();
        let mut more = false;
        let mut reached = list.last;
        for (number, change) in list.changes.range(progress.told + 1..) {
            if left == 0 {
                more = true;
                reached = number - 1;
                break;
            }
            let knows = progress.knows(change, *number);
            if !change.subscribed {
                ends.push(*number);
            }
            match (change.subscribed && !(change.recalled && knows), knows) {
                (true, _) => tell(true, &change.topic),
                (false, true) => tell(false, &change.topic),
                // It came and went.
                (false, false) => continue,
            }
            left = left.saturating_sub(change.topic.len() + COMMAND);
        }
        progress.told = reached;
        list.forget_ends(ends);
        more
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
        let not_told = list.changes.range(progress.told + 1..);
        let ends = not_told.filter(|(_, change)| !change.subscribed);
        let ends = ends.map(|(number, _)| *number).collect();
        list.forget_ends(ends);
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
        let list = wanted.list.lock();
        assert_eq!((list.changes.len(), list.number_of.len()), (1, 1));
    }

    #[test]
    fn a_topic_that_nobody_was_told_of_leaves_nothing() {
        let wanted = Subscriptions::new();
        let slow = wanted.follow(None);
        for n in 0..10_000_u32 {
            wanted.subscribe(&n.to_be_bytes());
            wanted.cancel(&n.to_be_bytes());
        }
        let list = wanted.list.lock();
        assert!(list.changes.is_empty() && list.number_of.is_empty());
        drop((list, slow));
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
        assert_eq!(wanted.list.lock().changes.len(), 1);
        drop(slow);
        let list = wanted.list.lock();
        assert!(list.changes.is_empty() && list.number_of.is_empty());
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
            let list = wanted.list.lock();
            prop_assert_eq!(list.changes.len(), is_wanted.len());
            prop_assert_eq!(list.number_of.len(), is_wanted.len());
        }
    }
}
