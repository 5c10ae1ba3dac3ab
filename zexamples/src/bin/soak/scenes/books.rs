//! What was sent and what has come, in one scene.

use std::sync::Mutex;

use zexamples::{Ledger, Result, Verdict};
use zsocket::Message;

use crate::stage::lock;
use crate::wire;

/// The streams of a scene, each of them what one socket sends between its birth and its end, or to one peer.
#[derive(Debug, Default)]
pub(super) struct Books(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    ledger: Ledger,
    /// How much each stream has sent.
    sent: Vec<u64>,
    paths: usize,
}

impl Books {
    /// A new stream.
    pub(super) fn begin(&self) -> u32 {
        let mut entries = lock(&self.0);
        entries.sent.push(0);
        entries.sent.len() as u32 - 1
    }

    /// A new path: along each of them the messages of a stream are in order.
    pub(super) fn path(&self) -> usize {
        let mut entries = lock(&self.0);
        entries.paths += 1;
        entries.paths - 1
    }

    /// The next message of a stream was accepted. To be called before anybody may have it.
    pub(super) fn sent(&self, stream: u32) {
        lock(&self.0).sent[stream as usize] += 1;
    }

    /// The last one was not accepted after all.
    pub(super) fn refused(&self, stream: u32) {
        lock(&self.0).sent[stream as usize] -= 1;
    }

    /// A message has come. Fails if it is damaged or was never sent.
    pub(super) fn arrived(&self, path: usize, message: &Message) -> Result<(u32, u64)> {
        let (stream, seq) = wire::check(message)
            .ok_or_else(|| format!("a damaged message of {} frames: {message:?}", message.len()))?;
        let mut entries = lock(&self.0);
        match entries.sent.get(stream as usize) {
            Some(&sent) if seq < sent => {}
            sent => {
                return Err(
                    format!("message {seq} of stream {stream} came, of {sent:?} sent").into(),
                );
            }
        }
        entries.ledger.record(stream as usize, path, seq);
        Ok((stream, seq))
    }

    /// How much a stream has sent.
    pub(super) fn sent_by(&self, stream: u32) -> u64 {
        lock(&self.0).sent[stream as usize]
    }

    pub(super) fn total_sent(&self) -> u64 {
        lock(&self.0).sent.iter().sum()
    }

    /// Messages that have come, duplicates included.
    pub(super) fn total_arrived(&self) -> u64 {
        lock(&self.0).ledger.received()
    }

    /// Fails if anything came twice, out of order or without having been sent. Returns what is missing.
    pub(super) fn settle(&self, what: &str) -> Result<u64> {
        let entries = lock(&self.0);
        let verdict = entries.ledger.settle(&entries.sent);
        let Verdict { lost, .. } = verdict;
        if verdict.violations() > lost {
            return Err(format!("{what}: {verdict}").into());
        }
        Ok(lost)
    }
}

/// What was published: of each stream the topic of each message.
#[derive(Debug, Default)]
pub(super) struct Issues(Mutex<Vec<Vec<u8>>>);

impl Issues {
    pub(super) fn begin(&self) -> u32 {
        let mut streams = lock(&self.0);
        streams.push(Vec::new());
        streams.len() as u32 - 1
    }

    /// To be called before anybody may have it.
    pub(super) fn publish(&self, stream: u32, topic: usize) {
        lock(&self.0)[stream as usize].push(topic as u8);
    }

    /// The topic of a message, if it was published.
    pub(super) fn topic(&self, stream: u32, seq: u64) -> Option<usize> {
        let streams = lock(&self.0);
        let topic = streams.get(stream as usize)?.get(seq as usize)?;
        Some(usize::from(*topic))
    }

    /// How many messages there were of each topic.
    pub(super) fn by_topic(&self, topics: usize) -> Vec<u64> {
        let mut counts = vec![0; topics];
        for topic in lock(&self.0).iter().flatten() {
            counts[usize::from(*topic)] += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;
    use crate::wire::Pool;

    fn sent(books: &Books, count: u64) -> Vec<Message> {
        let mut rng = Rng::with_seed(1);
        let pool = Pool::new(&mut rng);
        let stream = books.begin();
        let mut messages = Vec::new();
        for seq in 0..count {
            books.sent(stream);
            messages.push(wire::message(stream, seq, &pool, &mut rng));
        }
        messages
    }

    #[test]
    fn what_is_missing_is_told_and_anything_else_is_an_error() {
        let books = Books::default();
        let messages = sent(&books, 4);
        let path = books.path();
        books.arrived(path, &messages[0]).unwrap();
        books.arrived(path, &messages[3]).unwrap();
        assert_eq!(books.settle("").unwrap(), 2);
        // Late on the same path, and on another.
        let other = books.path();
        books.arrived(other, &messages[1]).unwrap();
        assert_eq!(books.settle("").unwrap(), 1);
        books.arrived(path, &messages[2]).unwrap();
        assert!(books.settle("").is_err());
    }

    #[test]
    fn nothing_may_come_twice_or_damaged_or_before_it_is_sent() {
        let books = Books::default();
        let messages = sent(&books, 2);
        books.refused(0);
        assert!(books.arrived(books.path(), &messages[1]).is_err());
        let mut damaged = messages[0].clone();
        damaged.push_back("");
        assert!(books.arrived(books.path(), &damaged).is_err());
        books.arrived(books.path(), &messages[0]).unwrap();
        assert_eq!(books.settle("").unwrap(), 0);
        books.arrived(books.path(), &messages[0]).unwrap();
        assert!(books.settle("").is_err());
    }

    #[test]
    fn what_is_published_is_counted_by_topic() {
        let issues = Issues::default();
        for stream in [issues.begin(), issues.begin()] {
            issues.publish(stream, 2);
            issues.publish(stream, 0);
        }
        assert_eq!(issues.by_topic(4), [2, 0, 2, 0]);
        assert_eq!((issues.topic(1, 1), issues.topic(1, 2)), (Some(0), None));
    }
}
