//! The last message of each topic, in the order in which the topics came.

use std::collections::{HashMap, VecDeque};

use zmtp::Message;

/// Places that are kept when everything has been taken.
const KEPT: usize = 64;

/// What became of another message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// It is one more.
    Beside,
    /// It has taken the place of one of its topic.
    Instead,
    /// It is one more, and the oldest is not kept any more.
    CrowdingOut,
}

/// See the module documentation. Each message that comes takes the same time, whatever is there. What a peer calls its topics
/// is hashed with a key of this map's own.
pub(super) struct Topics {
    /// At least 1.
    limit: usize,
    /// The number of the message of each topic.
    numbers: HashMap<Box<[u8]>, u64>,
    /// The number of the first message.
    first: u64,
    /// They are only ever taken from the front, so the number of a message is known by its place.
    messages: VecDeque<Message>,
}

impl Topics {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            numbers: HashMap::new(),
            first: 0,
            messages: VecDeque::new(),
        }
    }

    /// Takes `message` and leaves there what is not kept any more, if there is such a message.
    pub(super) fn put(&mut self, message: &mut Message) -> Kept {
        if let Some(number) = self.numbers.get(topic(message)) {
            let place = usize::try_from(number - self.first).ok();
            if let Some(last) = place.and_then(|place| self.messages.get_mut(place)) {
                std::mem::swap(last, message);
                return Kept::Instead;
            }
        }
        let oldest = (self.messages.len() >= self.limit).then(|| self.pop());
        let number = self.first + self.messages.len() as u64;
        self.numbers.insert(topic(message).into(), number);
        self.messages.push_back(std::mem::take(message));
        match oldest.flatten() {
            Some(oldest) => {
                *message = oldest;
                Kept::CrowdingOut
            }
            None => Kept::Beside,
        }
    }

    /// Takes the message whose topic came first.
    pub(super) fn pop(&mut self) -> Option<Message> {
        let message = self.messages.pop_front()?;
        self.numbers.remove(topic(&message));
        self.first += 1;
        if self.messages.is_empty() && self.messages.capacity() > KEPT {
            self.messages = VecDeque::new();
            self.numbers = HashMap::new();
        }
        Some(message)
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter()
    }
}

/// The first frame.
fn topic(message: &Message) -> &[u8] {
    message.first().map_or(&[], |frame| frame.as_slice())
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn update(topic: u8, value: u32) -> Message {
        Message::from([vec![topic], value.to_string().into_bytes()])
    }

    #[test]
    fn a_topic_keeps_its_place_and_has_its_last_message() {
        let mut topics = Topics::new(10);
        for (topic, value) in [(1, 1), (2, 2), (1, 3), (3, 4), (2, 5)] {
            topics.put(&mut update(topic, value));
        }
        let all: Vec<_> = std::iter::from_fn(|| topics.pop()).collect();
        assert_eq!(all, [update(1, 3), update(2, 5), update(3, 4)]);
        // It came first when it comes again.
        for (topic, value) in [(2, 6), (1, 7)] {
            assert_eq!(topics.put(&mut update(topic, value)), Kept::Beside);
        }
        assert_eq!(topics.pop(), Some(update(2, 6)));
    }

    #[test]
    fn memory_goes_back_when_all_is_taken() {
        let mut topics = Topics::new(usize::MAX);
        for value in 0..1000_u32 {
            topics.put(&mut Message::from(value.to_string()));
        }
        while topics.pop().is_some() {}
        assert_eq!(
            (topics.messages.capacity(), topics.numbers.capacity()),
            (0, 0)
        );
    }

    proptest! {
        #[test]
        fn it_does_what_a_list_of_pairs_does(
            limit in 0_usize..6,
            steps in proptest::collection::vec(proptest::option::weighted(0.8, 0_u8..8), 1..200),
        ) {
            let mut topics = Topics::new(limit);
            let mut list: Vec<(u8, u32)> = Vec::new();
            for (value, step) in (0..).zip(steps) {
                let Some(topic) = step else {
                    let first = (!list.is_empty()).then(|| list.remove(0));
                    prop_assert_eq!(topics.pop(), first.map(|(topic, value)| update(topic, value)));
                    continue;
                };
                let mut message = update(topic, value);
                let kept = topics.put(&mut message);
                if let Some(entry) = list.iter_mut().find(|(other, _)| *other == topic) {
                    prop_assert_eq!(kept, Kept::Instead);
                    prop_assert_eq!(message, update(topic, entry.1));
                    entry.1 = value;
                    continue;
                }
                if list.len() == limit.max(1) {
                    let (topic, value) = list.remove(0);
                    prop_assert_eq!((kept, message), (Kept::CrowdingOut, update(topic, value)));
                } else {
                    prop_assert_eq!(kept, Kept::Beside);
                }
                list.push((topic, value));
                prop_assert_eq!(topics.len(), list.len());
            }
        }
    }
}
