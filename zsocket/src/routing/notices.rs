//! What a publisher has heard from its subscribers and not told the application yet.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use zmtp::{Frame, Message};
use ztransport::shrink;

use crate::pattern::At;

/// Subscriptions, cancellations and messages, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    notices: BTreeMap<u64, Notice>,
    /// The next number.
    next: u64,
    /// The notice of each topic of which only the latest counts.
    latest: HashMap<Bytes, u64>,
}

#[derive(Debug)]
enum Notice {
    Subscription {
        subscribe: bool,
        topic: Bytes,
        from: At,
    },
    Message(Message, At),
}

impl Notices {
    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.notices.is_empty()
    }

    /// A peer has subscribed to a topic or cancelled it. If not `each` one counts, this takes back one of the same topic that
    /// was not told yet, which was the opposite.
    pub(crate) fn push(&mut self, subscribe: bool, topic: &[u8], from: At, each: bool) {
        if !each && let Some(before) = self.latest.remove(topic) {
            self.notices.remove(&before);
            shrink::map(&mut self.latest);
            return;
        }
        if each {
            // What comes later must not take back what stands before this.
            self.latest.remove(topic);
        }
        let topic = Bytes::copy_from_slice(topic);
        let number = self.next;
        if !each {
            self.latest.insert(topic.clone(), number);
        }
        self.insert(Notice::Subscription {
            subscribe,
            topic,
            from,
        });
    }

    /// A peer has sent a message.
    pub(crate) fn push_message(&mut self, message: Message, from: At) {
        self.insert(Notice::Message(message, from));
    }

    fn insert(&mut self, notice: Notice) {
        self.notices.insert(self.next, notice);
        self.next += 1;
    }

    /// How many there are that nothing takes back.
    pub(crate) fn kept(&self) -> usize {
        self.notices.len() - self.latest.len()
    }

    /// Takes the next one out, and says from whom it came and whether it is a subscription or cancellation.
    pub(crate) fn pop(&mut self, message: &mut Message) -> Option<(At, bool)> {
        let (number, notice) = self.notices.pop_first()?;
        match notice {
            Notice::Message(received, from) => {
                *message = received;
                Some((from, false))
            }
            Notice::Subscription {
                subscribe,
                topic,
                from,
            } => {
                if self.latest.get(&topic) == Some(&number) {
                    self.latest.remove(&topic);
                    shrink::map(&mut self.latest);
                }
                *message =
                    Message::from(Frame::from([&[u8::from(subscribe)], &topic[..]].concat()));
                Some((from, true))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::testing::at;

    fn all(notices: &mut Notices) -> Vec<(Message, At, bool)> {
        let mut message = Message::new();
        std::iter::from_fn(|| {
            let (from, is_request) = notices.pop(&mut message)?;
            Some((message.clone(), from, is_request))
        })
        .collect()
    }

    #[test]
    fn they_are_told_in_order() {
        let mut notices = Notices::default();
        notices.push(true, b"a", at(1), true);
        notices.push_message("from a peer".into(), at(3));
        notices.push(true, b"b", at(2), false);
        notices.push(false, b"a", at(1), true);
        assert_eq!(notices.kept(), 3);
        let expected = [
            (Message::from("\x01a"), at(1), true),
            (Message::from("from a peer"), at(3), false),
            (Message::from("\x01b"), at(2), true),
            (Message::from("\x00a"), at(1), true),
        ];
        assert_eq!(all(&mut notices), expected);
        assert_eq!(notices.kept(), 0);
    }

    #[test]
    fn what_was_taken_back_before_it_was_told_is_not_told() {
        let mut notices = Notices::default();
        for n in 0..10_000_u32 {
            notices.push(true, &n.to_be_bytes(), at(1), false);
            notices.push(false, &n.to_be_bytes(), at(2), false);
        }
        assert!(notices.notices.is_empty() && notices.latest.capacity() < 500);
        notices.push(true, b"a", at(1), false);
        assert_eq!(all(&mut notices).len(), 1);
        // From here on it is news again.
        notices.push(false, b"a", at(1), false);
        assert_eq!(all(&mut notices), [(Message::from("\x00a"), at(1), true)]);
    }
}
