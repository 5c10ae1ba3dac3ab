//! SUB and XSUB: messages that were subscribed to, from each publisher in turn. RFC 29, "The SUB Socket Type" and
//! "The XSUB Socket Type".

use bytes::Bytes;
use zmtp::{Frame, Message, SocketType};

use super::{
    Admission, At, Change, MAX_TOPIC, Otherwise, Route, Settings, Source, State, Verdict, View,
};
use crate::{
    error::Refusal,
    routing::{Cancelled, Present, Subscriptions},
};

/// What a SUB (or, if it is `RAW`, an XSUB) has subscribed to.
#[derive(Debug, Default)]
pub struct Subscribe<const RAW: bool> {
    topics: Subscriptions,
    changes: Vec<Change>,
    invert: bool,
    verbose_unsubscribe: bool,
    only_first: bool,
    /// For messages of an XSUB to all its peers.
    links: Present,
    /// Subscriptions that were taken out of a message.
    spent: Vec<Frame>,
}

/// The state of a SUB.
pub(crate) type Sub = Subscribe<false>;
/// The state of an XSUB.
pub(crate) type XSub = Subscribe<true>;

/// What the application wants of a subscriber, whichever it is.
pub trait Subscriber {
    /// Subscribes once more to what begins with a topic.
    fn subscribe(&mut self, topic: &[u8]) -> Result<(), Refusal>;
    /// Takes one subscription back.
    fn unsubscribe(&mut self, topic: &[u8]);
    /// How many topics there are.
    fn topics(&self) -> usize;
    /// Whether a message is wanted that does *not* match. None if it is no SUB, and wants all.
    fn invert(&mut self) -> Option<&mut bool>;
    /// Whether a message whose first frame is no subscription has none in it. None if it is no XSUB.
    fn only_first(&mut self) -> Option<&mut bool>;
    /// Whether peers hear of each cancellation, not only of the last one of a topic. None if it is no XSUB.
    fn verbose_unsubscribe(&mut self) -> Option<&mut bool>;
}

impl<const RAW: bool> Subscriber for Subscribe<RAW> {
    fn subscribe(&mut self, topic: &[u8]) -> Result<(), Refusal> {
        if topic.len() > MAX_TOPIC {
            return Err(Refusal::TopicTooLong);
        }
        self.topics.add(topic);
        // Also if it is not the first one: a publisher may have something for whoever subscribes.
        self.changes
            .push(Change::Subscribe(Bytes::copy_from_slice(topic)));
        Ok(())
    }

    fn unsubscribe(&mut self, topic: &[u8]) {
        self.cancel(topic);
    }

    fn topics(&self) -> usize {
        self.topics.len()
    }

    fn invert(&mut self) -> Option<&mut bool> {
        (!RAW).then_some(&mut self.invert)
    }

    fn only_first(&mut self) -> Option<&mut bool> {
        RAW.then_some(&mut self.only_first)
    }

    fn verbose_unsubscribe(&mut self) -> Option<&mut bool> {
        RAW.then_some(&mut self.verbose_unsubscribe)
    }
}

impl<const RAW: bool> Subscribe<RAW> {
    /// Takes one subscription back; what that was.
    fn cancel(&mut self, topic: &[u8]) -> Cancelled {
        let cancelled = self.topics.remove(topic);
        if cancelled == Cancelled::Last {
            self.changes
                .push(Change::Cancel(Bytes::copy_from_slice(topic)));
        }
        cancelled
    }

    /// Does what a frame asks for. `false` if it is no subscription, and not the end of one.
    fn obey(&mut self, frame: &[u8]) -> Result<bool, Refusal> {
        match frame.split_first() {
            Some((1, topic)) => self.subscribe(topic)?,
            Some((0, topic)) => {
                let cancelled = self.cancel(topic);
                if self.verbose_unsubscribe
                    && cancelled != Cancelled::Last
                    && topic.len() <= MAX_TOPIC
                {
                    // In the same order as the others, so not as a message.
                    self.changes
                        .push(Change::Recall(Bytes::copy_from_slice(topic)));
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Whether a frame asks for a topic, or for no more of it.
fn is_subscription(frame: &Frame) -> bool {
    matches!(frame.first(), Some(0 | 1))
}

impl<const RAW: bool> State for Subscribe<RAW> {
    fn socket_type(&self) -> SocketType {
        if RAW {
            SocketType::XSub
        } else {
            SocketType::Sub
        }
    }

    fn settings(&mut self) -> Settings<'_> {
        Settings::Subscriber(self)
    }

    fn streams(&self) -> bool {
        true
    }

    fn view(&self) -> View {
        View {
            subscriptions: Some(self.topics.len()).filter(|_| !self.invert),
            ..View::default()
        }
    }

    /// As libzmq: a SUB has one connection to each endpoint, and no message comes twice.
    fn connects_once(&self) -> bool {
        !RAW
    }

    fn route(&self, _: Option<&Frame>) -> Result<Route, Refusal> {
        if RAW {
            Ok(Route::Many(Otherwise::Drop))
        } else {
            Err(Refusal::NotSupported)
        }
    }

    /// A message of one frame that begins with 01 or 00 is a subscription, or the end of one.
    fn recipients(
        &mut self,
        first: &[u8],
        is_whole: bool,
        places: &mut Vec<usize>,
    ) -> Result<bool, Refusal> {
        if is_whole && self.obey(first)? {
            return Ok(false);
        }
        places.extend(self.links.places());
        Ok(true)
    }

    /// So is such a frame among others, wherever it stands, if the first one is or all may be.
    fn take_own(&mut self, message: &mut Message) -> Result<bool, Refusal> {
        let is_first = message.first().is_some_and(is_subscription);
        let may_be = is_first || !self.only_first;
        if !(RAW && may_be && message.iter().any(is_subscription)) {
            return Ok(true);
        }
        if message
            .iter()
            .any(|frame| is_subscription(frame) && frame.len() > 1 + MAX_TOPIC)
        {
            return Err(Refusal::TopicTooLong);
        }
        let mut rest = Message::new();
        for frame in message.frames_mut() {
            let frame = std::mem::take(frame);
            if self.obey(&frame)? {
                self.spent.push(frame);
            } else {
                rest.push_back(frame);
            }
        }
        *message = rest;
        Ok(!message.is_empty())
    }

    fn take_spent(&mut self) -> Vec<Frame> {
        std::mem::take(&mut self.spent)
    }

    fn subscribes(&self) -> bool {
        true
    }

    fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    #[inline]
    fn source(&self) -> Result<Source, Refusal> {
        Ok(Source::Fair)
    }

    fn takes_all(&self) -> bool {
        RAW
    }

    /// Publishers filter. But what has come before a topic was cancelled is still here, and one of ZMTP 1.0 sends all.
    #[inline]
    fn accept(&mut self, _: At, message: &mut Message) -> Verdict {
        if RAW {
            return Verdict::Deliver;
        }
        if self.still_wants(message) {
            Verdict::Deliver
        } else {
            Verdict::Filtered
        }
    }

    #[inline]
    fn takes_alone(&self, body: &[u8]) -> Option<bool> {
        Some(RAW || self.topics.matches(body) != self.invert)
    }

    #[inline]
    fn still_wants(&self, message: &Message) -> bool {
        let first = message.first().map_or(&[][..], |frame| frame);
        RAW || self.topics.matches(first) != self.invert
    }

    fn admit(&mut self, at: At, _: Option<&Bytes>) -> Admission {
        self.links.insert(at);
        Admission::Join
    }

    fn on_detached(&mut self, at: At) {
        self.links.remove(at);
    }

    fn wants_rest(&self, _: At) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::pattern::testing::at;

    fn on(topic: &[u8]) -> Change {
        Change::Subscribe(Bytes::copy_from_slice(topic))
    }

    fn off(topic: &[u8]) -> Change {
        Change::Cancel(Bytes::copy_from_slice(topic))
    }

    fn wants<const RAW: bool>(state: &mut Subscribe<RAW>, body: &[u8]) -> bool {
        state.accept(at(1), &mut Message::from(body)) == Verdict::Deliver
    }

    #[test]
    fn a_topic_is_wanted_as_often_as_it_was_subscribed_to() {
        let mut sub = Sub::default();
        assert!(!wants(&mut sub, b"ab"));
        sub.subscribe(b"a").unwrap();
        sub.subscribe(b"a").unwrap();
        assert_eq!(sub.cancel(b"a"), Cancelled::Shared);
        assert!(wants(&mut sub, b"ab") && !wants(&mut sub, b"b"));
        assert_eq!(sub.take_changes(), [on(b"a"), on(b"a")]);
        assert_eq!(sub.cancel(b"a"), Cancelled::Last);
        assert_eq!(sub.cancel(b"a"), Cancelled::Unknown);
        assert_eq!(sub.take_changes(), [off(b"a")]);
        assert!(!wants(&mut sub, b"ab"));
        sub.invert = true;
        assert!(wants(&mut sub, b"ab"));
    }

    #[test]
    fn a_sub_sends_nothing_and_an_xsub_subscribes_by_messages() {
        assert_eq!(Sub::default().route(None), Err(Refusal::NotSupported));
        let mut xsub = XSub::default();
        xsub.admit(at(3), None);
        xsub.admit(at(5), None);
        let mut sends = |first: &[u8], is_whole| {
            let mut places = Vec::new();
            let is_sent = xsub.recipients(first, is_whole, &mut places).unwrap();
            is_sent.then_some(places)
        };
        let all = Some(vec![3, 5]);
        assert_eq!(sends(b"\x01a", true), None);
        assert_eq!(sends(b"\x00a", true), None);
        assert_eq!(sends(b"\x01a", false), all, "more frames follow");
        assert_eq!(sends(b"\x02a", true), all);
        assert_eq!(sends(b"", true), all);
        assert_eq!(xsub.take_changes(), [on(b"a"), off(b"a")]);
        assert!(wants(&mut xsub, b"anything"));
    }

    #[test]
    fn subscriptions_may_stand_anywhere_in_a_message_of_an_xsub() {
        let mut xsub = XSub::default();
        xsub.admit(at(3), None);
        let sends = |xsub: &mut XSub, frames: &[&str]| {
            let mut message: Message = frames.iter().copied().map(Frame::from).collect();
            assert_eq!(xsub.take_own(&mut message), Ok(!message.is_empty()));
            xsub.take_spent().clear();
            let rest: Vec<_> = message.iter().map(|frame| frame.to_vec()).collect();
            (
                String::from_utf8(rest.join(&b'|')).unwrap(),
                xsub.take_changes(),
            )
        };
        let rest = |text: &str| text.to_owned();
        assert_eq!(
            sends(&mut xsub, &["user", "\x01a", ""]),
            (rest("user|"), vec![on(b"a")])
        );
        assert_eq!(
            sends(&mut xsub, &["\x01b", "\0a"]),
            (rest(""), vec![on(b"b"), off(b"a")])
        );
        assert_eq!(
            sends(&mut xsub, &["user", "more"]),
            (rest("user|more"), vec![])
        );
        xsub.only_first = true;
        assert_eq!(
            sends(&mut xsub, &["user", "\0b"]),
            (rest("user|\0b"), vec![])
        );
        assert_eq!(
            sends(&mut xsub, &["\0b", "user"]),
            (rest("user"), vec![off(b"b")])
        );
        assert_eq!(xsub.topics(), 0);
        // Nothing is taken out of what is not sent.
        let too_long = Frame::from(vec![1; MAX_TOPIC + 2]);
        let mut message: Message = [Frame::from("\x01a"), too_long].into_iter().collect();
        assert_eq!(xsub.take_own(&mut message), Err(Refusal::TopicTooLong));
        assert_eq!((message.len(), xsub.topics()), (2, 0));
    }

    #[test]
    fn a_verbose_xsub_passes_each_cancellation_on() {
        let mut xsub = XSub {
            verbose_unsubscribe: true,
            ..XSub::default()
        };
        xsub.admit(at(3), None);
        for step in [b"\x01a", b"\x01a", b"\x00a", b"\x00a", b"\x00a"] {
            assert_eq!(xsub.recipients(step, true, &mut Vec::new()), Ok(false));
        }
        let recall = Change::Recall(Bytes::from_static(b"a"));
        let expected = [on(b"a"), on(b"a"), recall.clone(), off(b"a"), recall];
        assert_eq!(xsub.take_changes(), expected);
    }

    #[test]
    fn a_topic_is_no_longer_than_publishers_take() {
        let mut sub = Sub::default();
        assert_eq!(sub.subscribe(&vec![7; MAX_TOPIC]), Ok(()));
        let too_long = vec![1; MAX_TOPIC + 2];
        assert_eq!(sub.subscribe(&too_long[1..]), Err(Refusal::TopicTooLong));
        let sent = XSub::default().recipients(&too_long, true, &mut Vec::new());
        assert_eq!(sent, Err(Refusal::TopicTooLong));
        assert_eq!(sub.topics(), 1);
    }

    proptest! {
        /// Whatever is subscribed to and cancelled: a message is wanted exactly if it begins with a topic that was
        /// subscribed to more often than cancelled, and the changes add up to these topics.
        #[test]
        fn what_is_wanted_is_what_was_subscribed_to(
            steps in proptest::collection::vec((any::<bool>(), "[ab]{0,3}"), 0..60),
            invert: bool,
            bodies in proptest::collection::vec("[ab]{0,4}", 1..10),
        ) {
            let mut sub = Sub { invert, ..Sub::default() };
            let mut counts = BTreeMap::<Vec<u8>, u32>::new();
            let mut told = BTreeMap::<Bytes, ()>::new();
            for (subscribe, topic) in steps {
                let topic = topic.into_bytes();
                if subscribe {
                    sub.subscribe(&topic).unwrap();
                    *counts.entry(topic).or_default() += 1;
                } else {
                    sub.unsubscribe(&topic);
                    if let Some(count) = counts.get_mut(&topic) {
                        *count -= 1;
                        if *count == 0 {
                            counts.remove(&topic);
                        }
                    }
                }
                for change in sub.take_changes() {
                    match change {
                        Change::Subscribe(topic) => { told.insert(topic, ()); }
                        Change::Cancel(topic) => prop_assert!(told.remove(&topic).is_some()),
                        Change::Recall(_) => prop_assert!(false, "it is not verbose"),
                    }
                }
                prop_assert!(told.keys().eq(counts.keys()));
                prop_assert_eq!(sub.topics(), counts.len());
            }
            for body in bodies {
                let matches = counts.keys().any(|topic| body.as_bytes().starts_with(topic));
                prop_assert_eq!(wants(&mut sub, body.as_bytes()), matches != invert);
            }
        }
    }
}
