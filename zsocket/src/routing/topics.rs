//! Which link wants which topics.

use std::collections::{BTreeSet, VecDeque};

use smallvec::SmallVec;
use ztransport::{PrefixMap, shrink};

use crate::pattern::At;

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
/// A link may have a million topics when it goes, and forgetting them takes a second. So that is done a part at a time:
/// the link's *seat* stays until then. It gets nothing any more, and whoever takes its place in the socket's table takes another
/// seat, but topics are wanted until they were [forgotten](Self::forget).
#[derive(Debug, Default)]
pub(crate) struct Topics {
    /// Who wants each topic.
    by_topic: PrefixMap<Takers, LABEL>,
    /// The topics of each seat, by their numbers.
    by_seat: Vec<SmallVec<[u32; 4]>>,
    seats: Vec<Seat>,
    free: BTreeSet<u32>,
    /// By place, as far as there are links with subscriptions: their seats.
    seat_of: Vec<u32>,
    /// Those whose links are gone, the first one first.
    leaving: VecDeque<(u32, At)>,
    lookups: u64,
}

/// A node of the tree is as large as a cache line.
const LABEL: usize = 26;

/// In the order of the seats. A topic with ten thousand of them is possible, one the rule.
type Takers = SmallVec<[Taker; 2]>;

#[derive(Clone, Copy, Debug)]
struct Taker {
    seat: u32,
    /// Where the topic is among those of the seat.
    at: u32,
}

#[derive(Clone, Copy, Debug)]
struct Seat {
    /// Whose it is.
    place: u32,
    /// The last look-up that has found it.
    found: u64,
}

/// A place of none, or a seat of none.
const NONE: u32 = u32::MAX;

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
        let seat = self.seat_for(place);
        let id = self.by_topic.insert(topic);
        let takers = self.by_topic.value_mut(id);
        let Err(rank) = takers.binary_search_by_key(&seat, |taker| taker.seat) else {
            return Subscribed::Again;
        };
        let topics = &mut self.by_seat[seat as usize];
        // There are fewer than nodes of the tree.
        let at = topics.len() as u32;
        topics.push(id);
        takers.insert(rank, Taker { seat, at });
        if takers.len() == 1 {
            Subscribed::First
        } else {
            Subscribed::Shared
        }
    }

    /// A link has no use for this topic any more. It may still want a shorter one.
    pub(crate) fn cancel(&mut self, place: usize, topic: &[u8]) -> Cancelled {
        let seat = self.seat_of.get(place).copied().unwrap_or(NONE);
        let found = self.by_topic.find(topic);
        let taken = found.and_then(|id| Some((id, self.take(seat, id)?)));
        let Some((id, at)) = taken else {
            return Cancelled::Unknown;
        };
        // The last one has its place there now.
        let topics = &mut self.by_seat[seat as usize];
        topics.swap_remove(at as usize);
        shrink_list(topics);
        if let Some(moved) = topics.get(at as usize) {
            let takers = self.by_topic.value_mut(*moved);
            if let Ok(rank) = takers.binary_search_by_key(&seat, |taker| taker.seat) {
                takers[rank].at = at;
            }
        } else if topics.is_empty() {
            self.leave(place);
            self.release(seat);
        }
        if self.end(id) {
            Cancelled::Last
        } else {
            Cancelled::Shared
        }
    }

    /// A link is gone, and gets nothing any more. Its topics are still to be [forgotten](Self::forget).
    pub(crate) fn remove_link(&mut self, at: At) {
        let Some(seat) = self.leave(at.place) else {
            return;
        };
        self.seats[seat as usize].place = NONE;
        self.leaving.push_back((seat, at));
    }

    /// Whether there are topics of links that are gone.
    #[inline]
    pub(crate) fn has_more_to_forget(&self) -> bool {
        !self.leaving.is_empty()
    }

    /// Forgets up to so many topics of links that are gone, those of the first one first. `each` is told of each topic, in no
    /// particular order, and whether nobody wants it any more.
    pub(crate) fn forget(&mut self, mut budget: usize, mut each: impl FnMut(At, &[u8], bool)) {
        let mut topic = Vec::new();
        while budget > 0
            && let Some((seat, at)) = self.leaving.front().copied()
        {
            budget -= 1;
            let topics = &mut self.by_seat[seat as usize];
            if let Some(id) = topics.pop() {
                shrink_list(topics);
                self.by_topic.key(id, &mut topic);
                self.take(seat, id);
                let is_last = self.end(id);
                each(at, &topic, is_last);
            }
            if self.by_seat[seat as usize].is_empty() {
                self.leaving.pop_front();
                self.release(seat);
            }
        }
        if self.leaving.is_empty() && self.leaving.capacity() > 64 {
            self.leaving = VecDeque::new();
        }
    }

    /// Takes a seat from those who want a topic; where the topic is among those of the seat.
    fn take(&mut self, seat: u32, id: u32) -> Option<u32> {
        let takers = self.by_topic.value_mut(id);
        let rank = takers.binary_search_by_key(&seat, |taker| taker.seat);
        let taker = takers.remove(rank.ok()?);
        Some(taker.at)
    }

    /// One of those who wanted a topic does not want it any more, and knows nothing of it. Returns whether it was the last one.
    fn end(&mut self, id: u32) -> bool {
        let takers = self.by_topic.value_mut(id);
        let is_last = takers.is_empty();
        if is_last {
            self.by_topic.remove(id);
        } else {
            shrink_list(takers);
        }
        self.by_topic.shrink(|_, new, takers| {
            for taker in takers {
                self.by_seat[taker.seat as usize][taker.at as usize] = new;
            }
        });
        is_last
    }

    // ---- Seats ----

    /// The seat of a link, a new one if it has none.
    fn seat_for(&mut self, place: usize) -> u32 {
        if self.seat_of.len() <= place {
            self.seat_of.resize(place + 1, NONE);
        }
        if self.seat_of[place] == NONE {
            let seat = self.free.pop_first().unwrap_or_else(|| {
                let (place, found) = (NONE, 0);
                self.seats.push(Seat { place, found });
                self.by_seat.push(SmallVec::new());
                narrow(self.seats.len() - 1)
            });
            self.seats[seat as usize].place = narrow(place);
            self.seat_of[place] = seat;
        }
        self.seat_of[place]
    }

    /// A link has no seat any more. Returns the one that it had.
    fn leave(&mut self, place: usize) -> Option<u32> {
        let seat = std::mem::replace(self.seat_of.get_mut(place)?, NONE);
        (seat != NONE).then_some(seat)
    }

    /// A seat without topics may be taken by others.
    fn release(&mut self, seat: u32) {
        self.seats[seat as usize].place = NONE;
        self.free.insert(seat);
        while let Some(last) = self.seats.len().checked_sub(1)
            && self.free.remove(&narrow(last))
        {
            self.seats.pop();
            self.by_seat.pop();
        }
        shrink::list(&mut self.seats);
        shrink::list(&mut self.by_seat);
        if self.seats.is_empty() {
            self.seat_of = Vec::new();
        }
    }

    // ---- Messages ----

    /// Writes the links that want a message into `out`, in place of what was in there: each once, in no particular
    /// order. `body` is the message's first frame.
    #[inline]
    pub(crate) fn matching(&mut self, body: &[u8], out: &mut Vec<usize>) {
        out.clear();
        self.each_matching(body, |place| out.push(place));
    }

    /// The number of links that want a message.
    pub(crate) fn count_matching(&mut self, body: &[u8]) -> usize {
        let mut count = 0;
        self.each_matching(body, |_| count += 1);
        count
    }

    #[inline]
    fn each_matching(&mut self, body: &[u8], mut each: impl FnMut(usize)) {
        let mut found = self.by_topic.prefixes_of(body);
        let (first, second) = (found.next(), found.next());
        let Some(second) = second else {
            // Within a topic there is no seat twice.
            for taker in first.into_iter().flatten() {
                let seat = &self.seats[taker.seat as usize];
                if seat.place != NONE {
                    each(seat.place as usize);
                }
            }
            return;
        };
        self.lookups += 1;
        for taker in first.into_iter().chain([second]).chain(found).flatten() {
            let seat = &mut self.seats[taker.seat as usize];
            let last = std::mem::replace(&mut seat.found, self.lookups);
            if last != self.lookups && seat.place != NONE {
                each(seat.place as usize);
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
        for taker in self.by_topic.prefixes_of(body).flatten() {
            self.seats[taker.seat as usize].found = self.lookups;
        }
        let is_other = |place: &usize| {
            let seat = self.seat_of.get(*place).filter(|seat| **seat != NONE);
            seat.is_none_or(|seat| self.seats[*seat as usize].found != self.lookups)
        };
        out.extend(all.into_iter().filter(is_other));
    }
}

/// Gives back what a list has no use for, when little is left in it.
fn shrink_list<A: smallvec::Array>(list: &mut SmallVec<A>) {
    if list.spilled() && list.len() <= list.capacity() / 4 {
        list.shrink_to_fit();
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
    use crate::pattern::testing::at;

    /// A link is gone, and what it wanted is forgotten at once.
    fn remove_link(topics: &mut Topics, place: usize, mut each: impl FnMut(&[u8], bool)) {
        topics.remove_link(at(place));
        topics.forget(usize::MAX, |from, topic, is_last| {
            assert_eq!(from, at(place));
            each(topic, is_last);
        });
        assert!(!topics.has_more_to_forget());
    }

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
        remove_link(&mut topics, 3, |_, _| panic!("it had none"));
        topics.subscribe(3, b"ab");
        remove_link(&mut topics, 7, |topic, last| {
            gone.push((topic.to_vec(), last));
        });
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
        Forget(usize),
        Match(Vec<u8>),
    }

    fn steps() -> impl Strategy<Value = Step> {
        let key = || proptest::collection::vec(b'a'..=b'c', 0..5);
        prop_oneof![
            8 => (0..8_usize, key()).prop_map(|(place, topic)| Step::Subscribe(place, topic)),
            6 => (0..8_usize, key()).prop_map(|(place, topic)| Step::Cancel(place, topic)),
            1 => (0..8_usize).prop_map(Step::RemoveLink),
            2 => (0..6_usize).prop_map(Step::Forget),
            4 => key().prop_map(Step::Match),
        ]
    }

    proptest! {
        /// Beside an oracle: links and topics, where a link that is gone stays until its last topic is forgotten.
        #[test]
        fn subscriptions_come_and_go(steps in proptest::collection::vec(steps(), 0..300)) {
            let mut topics = Topics::default();
            let mut oracle: BTreeSet<(u64, Vec<u8>)> = BTreeSet::new();
            let mut now: Vec<At> = (0..8).map(at).collect();
            let mut gone: Vec<At> = Vec::new();
            let mut last = 8;
            let takers = |oracle: &BTreeSet<(u64, Vec<u8>)>, topic: &[u8]| {
                oracle.iter().filter(|(_, other)| other == topic).count()
            };
            for step in steps {
                match step {
                    Step::Subscribe(place, topic) => {
                        let others = takers(&oracle, &topic);
                        let expected = match oracle.insert((now[place].id, topic.clone())) {
                            false => Subscribed::Again,
                            true if others > 0 => Subscribed::Shared,
                            true => Subscribed::First,
                        };
                        prop_assert_eq!(topics.subscribe(place, &topic), expected);
                        prop_assert_eq!(topics.count(&topic), takers(&oracle, &topic));
                    }
                    Step::Cancel(place, topic) => {
                        let was_there = oracle.remove(&(now[place].id, topic.clone()));
                        let expected = match takers(&oracle, &topic) {
                            _ if !was_there => Cancelled::Unknown,
                            0 => Cancelled::Last,
                            _ => Cancelled::Shared,
                        };
                        prop_assert_eq!(topics.cancel(place, &topic), expected);
                        prop_assert_eq!(topics.count(&topic), takers(&oracle, &topic));
                    }
                    Step::RemoveLink(place) => {
                        topics.remove_link(now[place]);
                        gone.push(now[place]);
                        last += 1;
                        now[place].id = last;
                    }
                    Step::Forget(budget) => {
                        let mut told = 0;
                        topics.forget(budget, |from, topic, is_last| {
                            told += 1;
                            let wants_any = |at: &At| oracle.iter().any(|(id, _)| *id == at.id);
                            assert_eq!(gone.iter().find(|at| wants_any(at)), Some(&from), "in order");
                            assert!(oracle.remove(&(from.id, topic.to_vec())));
                            assert_eq!(is_last, takers(&oracle, topic) == 0);
                        });
                        let left = oracle.iter().any(|(id, _)| gone.iter().any(|at| at.id == *id));
                        prop_assert!(told == budget || (told < budget && !left));
                        prop_assert_eq!(topics.has_more_to_forget(), left);
                    }
                    Step::Match(body) => {
                        let places = (0..8).filter(|place| {
                            let mut all = oracle.iter().filter(|(id, _)| *id == now[*place].id);
                            all.any(|(_, topic)| body.starts_with(topic))
                        });
                        let wanted: BTreeSet<usize> = places.collect();
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
    fn a_link_with_very_many_topics_goes_a_part_at_a_time() {
        const TOPICS: u32 = 100_000;
        let mut topics = Topics::default();
        topics.subscribe(1, b"");
        for topic in 0..TOPICS {
            topics.subscribe(0, &topic.to_be_bytes());
        }
        topics.remove_link(at(0));
        // Its place is taken, and nothing comes there that it did not ask for.
        topics.subscribe(0, b"new");
        let (mut calls, mut ended) = (0, 0);
        while topics.has_more_to_forget() {
            assert_eq!(matching(&mut topics, &[0, 0, 0, 7]), [1]);
            assert_eq!(matching(&mut topics, b"new"), [0, 1]);
            let before = ended;
            topics.forget(1000, |_, _, _| ended += 1);
            assert!(ended - before <= 1000);
            calls += 1;
        }
        assert_eq!((ended, topics.topics()), (TOPICS, 2));
        assert!(calls >= 100 && topics.by_topic.size() < 1 << 16);
    }

    #[test]
    fn the_tables_are_small_again_after_a_burst() {
        const LINKS: usize = 3000;
        let mut topics = Topics::default();
        let own = |place: usize| format!("topic {place}").into_bytes();
        for place in 0..LINKS {
            topics.subscribe(place, b"");
        }
        // Those that stay come last, so that they have to move.
        for place in (0..LINKS).rev() {
            topics.subscribe(place, &own(place));
        }
        let size = topics.by_topic.size();
        assert_eq!(topics.count(b""), LINKS);
        for place in (10..LINKS).rev() {
            assert_eq!(topics.cancel(place, b""), Cancelled::Shared);
            remove_link(&mut topics, place, |topic, last| {
                assert!(last && topic == own(place));
            });
        }
        let left = topics.by_topic.size();
        assert!(left < size / 5, "{left} of {size}");
        assert!(topics.seats.len() == 10 && topics.seats.capacity() <= 256);
        assert_eq!(topics.by_seat.len(), 10);
        let id = topics.by_topic.find(b"").unwrap();
        assert!(topics.by_topic.value(id).capacity() <= 64);
        for place in 0..10 {
            assert_eq!(topics.count_matching(&own(place)), 10 - place);
            let mut gone = 0;
            remove_link(&mut topics, place, |_, _| gone += 1);
            assert_eq!(gone, 2);
        }
        assert_eq!(
            (topics.topics(), topics.seats.len(), topics.seat_of.len()),
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
            remove_link(&mut topics, place, |topic, last| {
                assert!(last && topic == b"x");
            });
        }
        assert_eq!(topics.topics(), 30_000);
    }
}
