//! PUB and XPUB: each message to all who have subscribed to it. RFC 29, "The PUB Socket Type" and "The XPUB Socket
//! Type".

use bytes::Bytes;
use zmtp::{Frame, Message, SocketType};

use super::{Admission, At, MAX_TOPIC, Otherwise, Route, Settings, Source, State, Verdict, View};
use crate::{
    error::Refusal,
    routing::{Cancelled, Notices, Present, Subscribed, Topics},
};

/// Who has subscribed to what at a PUB (or, if it is `RAW`, an XPUB).
#[derive(Debug, Default)]
pub struct Publish<const RAW: bool> {
    links: Present,
    /// Multicast groups among them: they get everything.
    groups: Vec<At>,
    topics: Topics,
    /// What peers have asked for, if it is the application that decides on that.
    requested: Topics,
    /// What an XPUB receives.
    notices: Notices,
    /// How much of that may wait which nothing takes back; 0 is unlimited.
    limit: u32,
    /// The peer whose request was received last.
    last: Option<At>,
    /// Nothing was sent since then.
    answers_last: bool,
    rules: Rules,
}

/// Options of a publisher.
#[derive(Debug, Default)]
pub struct Rules {
    /// Each subscription is received, not only the first one to a topic.
    pub(crate) verbose: bool,
    /// Each cancellation is received, not only the last one of a topic.
    pub(crate) verbose_cancel: bool,
    /// Peers only ask, and the application decides.
    pub(crate) manual: bool,
    /// The first message after a request goes to the peer alone that has made it.
    pub(crate) last_value: bool,
    /// A message waits until all who should get it have room.
    pub(crate) no_drop: bool,
    /// Messages go to those who do *not* match.
    pub(crate) invert: bool,
    /// A message whose first frame is no subscription has none in it.
    pub(crate) only_first: bool,
    /// What a new peer is sent first.
    pub(crate) welcome: Option<Bytes>,
}

/// Topics of a peer that goes which are forgotten at once.
const FORGOTTEN_AT_A_TIME: usize = 1000;

/// The state of a PUB.
pub(crate) type Pub = Publish<false>;
/// The state of an XPUB.
pub(crate) type XPub = Publish<true>;

/// What the application wants of a publisher, whichever it is.
pub trait Publisher {
    /// Its options.
    fn rules(&mut self) -> &mut Rules;
    /// Has the peer whose request was received last get what begins with a topic. `false` if there is none.
    fn subscribe_last(&mut self, topic: &[u8]) -> bool;
    /// Ends that.
    fn unsubscribe_last(&mut self, topic: &[u8]) -> bool;
    /// How many topics there are.
    fn topics(&self) -> usize;
    /// Whether it receives what its subscribers ask for.
    fn is_xpub(&self) -> bool;
    /// How many peers get a message that begins with this.
    fn subscribers(&mut self, first: &[u8]) -> usize;
}

impl<const RAW: bool> Publisher for Publish<RAW> {
    fn rules(&mut self) -> &mut Rules {
        &mut self.rules
    }

    fn subscribe_last(&mut self, topic: &[u8]) -> bool {
        let last = self.last.filter(|at| self.links.contains(*at));
        if let Some(at) = last {
            self.topics.subscribe(at.place, topic);
        }
        last.is_some()
    }

    fn unsubscribe_last(&mut self, topic: &[u8]) -> bool {
        let last = self.last.filter(|at| self.links.contains(*at));
        if let Some(at) = last {
            self.topics.cancel(at.place, topic);
        }
        last.is_some()
    }

    fn topics(&self) -> usize {
        self.topics.topics()
    }

    fn is_xpub(&self) -> bool {
        RAW
    }

    fn subscribers(&mut self, first: &[u8]) -> usize {
        let matching = self.topics.count_matching(first);
        if self.rules.invert {
            self.links.places().count() - matching
        } else {
            matching + self.groups.len()
        }
    }
}

impl<const RAW: bool> Publish<RAW> {
    /// A peer asks for a topic.
    fn on_subscribe(&mut self, at: At, topic: &[u8]) {
        let is_notice = if self.rules.manual {
            self.requested.subscribe(at.place, topic);
            true
        } else {
            self.topics.subscribe(at.place, topic) == Subscribed::First || self.rules.verbose
        };
        if is_notice {
            self.note(true, topic, at);
        }
    }

    /// A peer asks for a topic no more.
    fn on_cancel(&mut self, at: At, topic: &[u8]) {
        let is_notice = if self.rules.manual {
            self.requested.cancel(at.place, topic);
            true
        } else {
            self.topics.cancel(at.place, topic) == Cancelled::Last || self.rules.verbose_cancel
        };
        if is_notice {
            self.note(false, topic, at);
        }
    }

    /// What a peer has asked for ends with its connection.
    fn end(&mut self, at: At) {
        self.topics.remove_link(at);
        self.requested.remove_link(at);
        self.forget(FORGOTTEN_AT_A_TIME);
    }

    /// Forgets a part of what peers had asked for that are gone: so many topics.
    fn forget(&mut self, topics: usize) {
        let rules = &self.rules;
        let mut ended = Vec::new();
        let note = |at: At, topic: &[u8], is_last: bool| {
            if RAW && (is_last || rules.manual || rules.verbose_cancel) {
                ended.push((at, Bytes::copy_from_slice(topic)));
            }
        };
        if rules.manual {
            self.topics.forget(topics, |_, _, _| {});
            self.requested.forget(topics, note);
        } else {
            self.requested.forget(topics, |_, _, _| {});
            self.topics.forget(topics, note);
        }
        for (at, topic) in ended {
            self.note(false, &topic, at);
        }
    }

    /// Something that an XPUB receives. If only what all subscribers want together counts, one that takes the one before
    /// it back takes its place: so who never receives has no more of these than there are topics.
    fn note(&mut self, subscribe: bool, topic: &[u8], from: At) {
        if RAW {
            let each = self.counts_each();
            self.notices.push(subscribe, topic, from, each);
        }
    }

    /// Whether each request is received, whatever others want.
    fn counts_each(&self) -> bool {
        let rules = &self.rules;
        RAW && (rules.manual || rules.verbose || rules.verbose_cancel)
    }

    /// Whether the application has to receive something first.
    fn is_full(&self) -> bool {
        self.limit > 0 && self.notices.kept() >= self.limit as usize
    }
}

impl<const RAW: bool> State for Publish<RAW> {
    fn socket_type(&self) -> SocketType {
        if RAW {
            SocketType::XPub
        } else {
            SocketType::Pub
        }
    }

    fn settings(&mut self) -> Settings<'_> {
        Settings::Publisher(self)
    }

    fn streams(&self) -> bool {
        true
    }

    /// As libzmq: a PUB has one connection to each endpoint, and no message goes there twice.
    fn connects_once(&self) -> bool {
        !RAW
    }

    #[inline]
    fn route(&self, _: Option<&Frame>) -> Result<Route, Refusal> {
        Ok(Route::Many(if self.rules.no_drop {
            Otherwise::Wait
        } else {
            Otherwise::Drop
        }))
    }

    #[inline]
    fn recipients(
        &mut self,
        first: &[u8],
        _: bool,
        places: &mut Vec<usize>,
    ) -> Result<bool, Refusal> {
        if self.rules.invert {
            let all = self.links.places();
            self.topics.others(first, all, places);
        } else {
            self.topics.matching(first, places);
            places.extend(self.groups.iter().map(|group| group.place));
        }
        if let Some(last) = self.last.filter(|_| self.answers_last) {
            places.retain(|place| *place == last.place);
        }
        Ok(true)
    }

    #[inline]
    fn sent_to_many(&mut self) {
        if std::mem::take(&mut self.answers_last) {
            self.last = None;
        }
    }

    fn greeting(&self) -> Option<Bytes> {
        self.rules.welcome.clone()
    }

    fn source(&self) -> Result<Source, Refusal> {
        if RAW {
            Ok(Source::Own)
        } else {
            Err(Refusal::NotSupported)
        }
    }

    fn view(&self) -> View {
        View {
            topics: Some(self.topics.topics() + self.groups.len()).filter(|_| !self.rules.invert),
            ..View::default()
        }
    }

    fn takes_in(&self) -> bool {
        true
    }

    #[inline]
    fn is_unfinished(&self) -> bool {
        self.topics.has_more_to_forget() || self.requested.has_more_to_forget()
    }

    fn go_on(&mut self, least: usize) {
        self.forget(least);
    }

    fn limit_input(&mut self, limit: u32) {
        self.limit = limit;
    }

    /// Frames that begin with 01 or 00 are subscriptions and their ends; an XPUB receives the others.
    fn accept(&mut self, at: At, message: &mut Message) -> Verdict {
        let is_subscription = |frame: &Frame| matches!(frame.first(), Some(0 | 1));
        let has_any = message.first().is_some_and(is_subscription) || !self.rules.only_first;
        let is_sent = |frame: &Frame| !(has_any && is_subscription(frame));
        if self.counts_each() && self.is_unfinished() {
            // The end of a connection is received before what comes on the next one.
            return Verdict::Hold;
        }
        if self.is_full() && (self.counts_each() || message.iter().any(is_sent)) {
            return Verdict::Hold;
        }
        let is_too_long = |frame: &Frame| !is_sent(frame) && frame.len() > 1 + MAX_TOPIC;
        if message.iter().any(is_too_long) {
            return Verdict::Discard;
        }
        let mut rest = Message::new();
        for frame in message.frames_mut() {
            match frame.split_first() {
                Some((1, topic)) if has_any => self.on_subscribe(at, topic),
                Some((0, topic)) if has_any => self.on_cancel(at, topic),
                _ => rest.push_back(std::mem::take(frame)),
            }
        }
        if rest.is_empty() {
            return Verdict::Taken;
        }
        if RAW {
            self.notices.push_message(rest, at);
            return Verdict::Taken;
        }
        // The core drops it.
        *message = rest;
        Verdict::Discard
    }

    fn has_own(&self) -> bool {
        !self.notices.is_empty()
    }

    fn pop(&mut self, message: &mut Message) -> Option<At> {
        let (from, is_request) = self.notices.pop(message)?;
        if is_request && self.rules.manual {
            self.last = Some(from).filter(|at| self.links.contains(*at));
            self.answers_last = self.rules.last_value && self.last.is_some();
        }
        Some(from)
    }

    fn admit(&mut self, at: At, _: Option<&Bytes>) -> Admission {
        self.links.insert(at);
        Admission::Join
    }

    fn on_group(&mut self, at: At) {
        self.groups.push(at);
    }

    /// The peer says again what it wants.
    fn on_renewed(&mut self, at: At) {
        self.end(at);
    }

    fn on_detached(&mut self, at: At) {
        self.groups.retain(|group| *group != at);
        if self.links.contains(at) {
            self.end(at);
            self.links.remove(at);
        }
        if self.last == Some(at) {
            self.last = None;
            self.answers_last = false;
        }
    }

    fn wants_rest(&self, _: At) -> bool {
        RAW
    }

    fn wants_rest_of_strangers(&self) -> bool {
        RAW
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::pattern::testing::at;

    /// What an application receives now.
    fn received(xpub: &mut XPub) -> Vec<String> {
        let mut message = Message::new();
        let mut all = Vec::new();
        while xpub.pop(&mut message).is_some() {
            let frames = message.iter().map(|frame| String::from_utf8_lossy(frame));
            all.push(frames.collect::<Vec<_>>().join("|"));
        }
        all
    }

    fn asks<const RAW: bool>(
        state: &mut Publish<RAW>,
        from: At,
        message: impl Into<Message>,
    ) -> Verdict {
        state.accept(from, &mut message.into())
    }

    fn goes_to<const RAW: bool>(state: &mut Publish<RAW>, first: &str) -> Vec<usize> {
        let mut places = Vec::new();
        assert_eq!(
            state.recipients(first.as_bytes(), true, &mut places),
            Ok(true)
        );
        places.sort_unstable();
        places
    }

    #[test]
    fn a_message_goes_to_those_who_have_asked_for_it() {
        let mut publisher = Pub::default();
        for place in 1..4 {
            publisher.admit(at(place), None);
        }
        assert_eq!(asks(&mut publisher, at(1), "\x01a"), Verdict::Taken);
        assert_eq!(asks(&mut publisher, at(2), "\x01"), Verdict::Taken);
        assert_eq!(goes_to(&mut publisher, "ab"), [1, 2]);
        assert_eq!(goes_to(&mut publisher, "b"), [2]);
        publisher.rules.invert = true;
        assert_eq!(goes_to(&mut publisher, "ab"), [3]);
        assert_eq!(publisher.subscribers(b"b"), 2);
        publisher.rules.no_drop = true;
        assert_eq!(publisher.route(None), Ok(Route::Many(Otherwise::Wait)));
        // It is nothing for a PUB, and the core drops it.
        assert_eq!(asks(&mut publisher, at(1), "hello"), Verdict::Discard);
        assert_eq!(publisher.source(), Err(Refusal::NotSupported));
    }

    #[test]
    fn a_message_of_a_peer_is_received_without_the_subscriptions_in_it() {
        let mut xpub = XPub::default();
        xpub.admit(at(1), None);
        asks(&mut xpub, at(1), ["user", "\x01a", "", "\0b"]);
        assert_eq!(received(&mut xpub), ["\x01a", "user|"]);
        xpub.rules.only_first = true;
        asks(&mut xpub, at(1), ["user", "\x01b"]);
        asks(&mut xpub, at(1), ["\x01c", "\x01d", "rest"]);
        assert_eq!(
            received(&mut xpub),
            ["user|\x01b", "\x01c", "\x01d", "rest"]
        );
    }

    #[test]
    fn it_takes_in_as_much_as_the_application_may_leave() {
        let mut xpub = XPub::default();
        xpub.admit(at(1), None);
        xpub.limit_input(1);
        asks(&mut xpub, at(1), "\x01a");
        assert_eq!(asks(&mut xpub, at(1), "hello"), Verdict::Taken);
        // A subscription takes no room that its cancellation would not give back.
        assert_eq!(asks(&mut xpub, at(1), "\x01b"), Verdict::Taken);
        assert_eq!(asks(&mut xpub, at(1), ["\x01c", "more"]), Verdict::Hold);
        assert_eq!(xpub.topics(), 2, "nothing of it");
        xpub.rules.verbose = true;
        assert_eq!(asks(&mut xpub, at(1), "\x01c"), Verdict::Hold);
        xpub.limit_input(0);
        assert_eq!(asks(&mut xpub, at(1), "\x01c"), Verdict::Taken);
    }

    #[test]
    fn a_topic_that_is_too_long_is_none() {
        let mut publisher = Pub::default();
        publisher.admit(at(1), None);
        let longest = vec![1; 1 + MAX_TOPIC];
        assert_eq!(asks(&mut publisher, at(1), longest), Verdict::Taken);
        let too_long = vec![1; 2 + MAX_TOPIC];
        assert_eq!(asks(&mut publisher, at(1), too_long), Verdict::Discard);
        assert_eq!(publisher.topics(), 1);
    }

    /// As many as one call forgets, and one.
    const MORE: usize = FORGOTTEN_AT_A_TIME + 1;

    fn asks_for_many(xpub: &mut XPub, from: At) {
        for n in 0..MORE {
            assert_eq!(asks(xpub, from, format!("\x01{n}")), Verdict::Taken);
        }
    }

    #[test]
    fn a_peer_with_very_many_topics_that_goes_gets_nothing_and_ends_in_parts() {
        let mut xpub = XPub::default();
        xpub.admit(at(1), None);
        asks_for_many(&mut xpub, at(1));
        assert_eq!(received(&mut xpub).len(), MORE);
        xpub.on_detached(at(1));
        assert_eq!(goes_to(&mut xpub, "7"), [0; 0]);
        assert_eq!(received(&mut xpub).len(), MORE - 1);
        assert!(xpub.is_unfinished() && xpub.topics() == 1);
        // Others need not wait for it.
        xpub.admit(at(1), None);
        assert_eq!(asks(&mut xpub, at(1), "\x01a"), Verdict::Taken);
        assert_eq!(goes_to(&mut xpub, "a"), [1]);
        xpub.go_on(FORGOTTEN_AT_A_TIME);
        assert!(!xpub.is_unfinished() && xpub.topics() == 1);
        assert_eq!(received(&mut xpub).len(), 2);
    }

    #[test]
    fn where_each_request_counts_the_end_of_a_connection_comes_before_the_next_one() {
        for manual in [true, false] {
            let mut xpub = XPub::default();
            (xpub.rules.manual, xpub.rules.verbose) = (manual, true);
            xpub.admit(at(1), None);
            asks_for_many(&mut xpub, at(1));
            xpub.on_renewed(at(1));
            assert_eq!(asks(&mut xpub, at(1), "\x010"), Verdict::Hold);
            xpub.go_on(FORGOTTEN_AT_A_TIME);
            assert_eq!(asks(&mut xpub, at(1), "\x010"), Verdict::Taken);
            let all = received(&mut xpub);
            assert_eq!(all.last().unwrap(), "\x010");
            let ended = all.iter().filter(|notice| notice.starts_with('\0'));
            assert_eq!((all.len(), ended.count()), (MORE * 2 + 1, MORE));
        }
    }

    #[test]
    fn a_request_is_granted_to_the_peer_that_has_made_it() {
        let mut xpub = XPub::default();
        xpub.rules.manual = true;
        xpub.rules.last_value = true;
        for place in [1, 2] {
            xpub.admit(at(place), None);
            asks(&mut xpub, at(place), "\x01a");
        }
        assert!(!xpub.subscribe_last(b"a"), "nothing was received yet");
        let mut message = Message::new();
        assert!(xpub.pop(&mut message).is_some() && xpub.subscribe_last(b"b"));
        xpub.sent_to_many();
        assert!(xpub.pop(&mut message).is_some() && xpub.subscribe_last(b"b"));
        assert_eq!(goes_to(&mut xpub, "a"), [0; 0]);
        assert_eq!(goes_to(&mut xpub, "b"), [2], "the newcomer alone");
        xpub.sent_to_many();
        assert_eq!(goes_to(&mut xpub, "b"), [1, 2]);
        assert!(!xpub.unsubscribe_last(b"b"), "it had what it has asked for");
        // Another link at the same place has nothing to do with it.
        xpub.on_detached(at(2));
        let next = At { place: 2, id: 99 };
        xpub.admit(next, None);
        assert_eq!(goes_to(&mut xpub, "b"), [1]);
        assert_eq!(received(&mut xpub), ["\0a"]);
        xpub.on_detached(at(2));
        assert_eq!(xpub.subscribers(b"b"), 1);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Comes(usize),
        Goes(usize),
        Again(usize),
        Asks(usize, bool, String),
        Receives,
    }

    fn step() -> impl Strategy<Value = Step> {
        let link = 0..4usize;
        prop_oneof![
            link.clone().prop_map(Step::Comes),
            link.clone().prop_map(Step::Goes),
            link.clone().prop_map(Step::Again),
            (link.clone(), any::<bool>(), "[ab]{0,2}").prop_map(|(l, on, t)| Step::Asks(l, on, t)),
            (link, any::<bool>(), "[ab]{0,2}").prop_map(|(l, on, t)| Step::Asks(l, on, t)),
            Just(Step::Receives),
        ]
    }

    proptest! {
        /// Links come, go, connect again, ask and take it back: a message goes to exactly those whose topics it begins with,
        /// and what is received adds up to what all of them want together, or to each single request.
        #[test]
        fn messages_and_notices_follow_what_was_asked_for(
            steps in proptest::collection::vec(step(), 0..80),
            (verbose, verbose_cancel, invert) in any::<(bool, bool, bool)>(),
        ) {
            let mut xpub = XPub::default();
            xpub.rules.verbose = verbose || verbose_cancel;
            xpub.rules.verbose_cancel = verbose_cancel;
            xpub.rules.invert = invert;
            let mut wants: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
            // What the application knows from what it has received, and all that it must receive if each one counts.
            let mut known: BTreeSet<String> = BTreeSet::new();
            let mut expected: Vec<String> = Vec::new();
            for step in steps {
                let others = |wants: &BTreeMap<usize, BTreeSet<String>>, link: usize, topic: &str| {
                    wants.iter().any(|(other, topics)| *other != link && topics.contains(topic))
                };
                match step {
                    Step::Comes(link) => {
                        wants.entry(link).or_default();
                        xpub.admit(at(link), None);
                    }
                    Step::Goes(link) | Step::Again(link) => {
                        let goes = matches!(step, Step::Goes(_));
                        let Some(topics) = wants.get_mut(&link) else { continue };
                        let topics = std::mem::take(topics);
                        for topic in topics {
                            if verbose_cancel || !others(&wants, link, &topic) {
                                expected.push(format!("\0{topic}"));
                            }
                        }
                        if goes {
                            wants.remove(&link);
                            xpub.on_detached(at(link));
                        } else {
                            xpub.on_renewed(at(link));
                        }
                    }
                    Step::Asks(link, on, topic) => {
                        let Some(topics) = wants.get_mut(&link) else { continue };
                        let flag = if on { "\x01" } else { "\0" };
                        asks(&mut xpub, at(link), format!("{flag}{topic}"));
                        let changed = if on { topics.insert(topic.clone()) } else { topics.remove(&topic) };
                        let counts = changed && !others(&wants, link, &topic);
                        if counts || (on && xpub.rules.verbose) || (!on && verbose_cancel) {
                            expected.push(format!("{flag}{topic}"));
                        }
                    }
                    Step::Receives => {
                        let mut notices = received(&mut xpub);
                        for notice in &notices {
                            let (flag, topic) = notice.split_at(1);
                            if flag == "\x01" {
                                known.insert(topic.to_owned());
                            } else if !verbose_cancel {
                                prop_assert!(known.remove(topic), "{topic} was never wanted");
                            }
                        }
                        let all: BTreeSet<String> = wants.values().flatten().cloned().collect();
                        if verbose || verbose_cancel {
                            notices.sort();
                            expected.sort();
                            prop_assert_eq!(notices, std::mem::take(&mut expected));
                        } else {
                            prop_assert_eq!(&known, &all);
                        }
                        prop_assert_eq!(xpub.topics(), all.len());
                    }
                }
                for body in ["", "a", "ab", "b", "bb"] {
                    let matching = |topics: &BTreeSet<String>| topics.iter().any(|topic| body.starts_with(topic));
                    let places = wants.iter().filter(|(_, topics)| matching(topics) != invert);
                    let places: Vec<usize> = places.map(|(link, _)| *link).collect();
                    prop_assert_eq!(xpub.subscribers(body.as_bytes()), places.len());
                    prop_assert_eq!(goes_to(&mut xpub, body), places);
                }
            }
        }
    }
}
