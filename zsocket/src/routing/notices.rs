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
    Message(Message),
}

impl Notices {
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
    pub(crate) fn push_message(&mut self, message: Message) {
        self.insert(Notice::Message(message));
    }

    fn insert(&mut self, notice: Notice) {
        self.notices.insert(self.next, notice);
        self.next += 1;
    }

    /// How many there are that nothing takes back.
    pub(crate) fn kept(&self) -> usize {
        self.notices.len() - self.latest.len()
    }

    /// Takes the next one out, and says from whom a subscription or cancellation came.
    pub(crate) fn pop(&mut self, message: &mut Message) -> Option<Option<At>> {
        let (number, notice) = self.notices.pop_first()?;
        match notice {
            Notice::Message(received) => {
                *message = received;
                Some(None)
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
                Some(Some(from))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::testing::at;

    fn all(notices: &mut Notices) -> Vec<(Message, Option<At>)> {
        let mut message = Message::new();
        std::iter::from_fn(|| {
            notices
                .pop(&mut message)
                .map(|from| (message.clone(), from))
        })
        .collect()
    }

    #[test]
    fn they_are_told_in_order() {
        let mut notices = Notices::default();
        notices.push(true, b"a", at(1), true);
        notices.push_message("from a peer".into());
        notices.push(true, b"b", at(2), false);
        notices.push(false, b"a", at(1), true);
        assert_eq!(notices.kept(), 3);
        let expected = [
            (Message::from("\x01a"), Some(at(1))),
            (Message::from("from a peer"), None),
            (Message::from("\x01b"), Some(at(2))),
            (Message::from("\x00a"), Some(at(1))),
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
        assert_eq!(all(&mut notices), [(Message::from("\x00a"), Some(at(1)))]);
    }
}
