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
