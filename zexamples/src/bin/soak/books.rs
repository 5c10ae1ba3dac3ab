//! What has been sent and what has arrived, with memory for what is open only.

use std::collections::BTreeMap;

use zexamples::{Ledger, Verdict};

/// The streams of one transport.
///
/// A stream is closed when all of it has arrived; what is left of it then is a part of the verdict. So
/// the books stay small however long the run is.
#[derive(Debug, Default)]
pub(crate) struct Books {
    open: BTreeMap<u32, Stream>,
    streams: u32,
    received: u64,
    settled: Verdict,
    swallowed: u64,
}

#[derive(Debug)]
struct Stream {
    ledger: Ledger,
    ordered: bool,
    /// What was sent, and how much of it is known to be lost, once the sender has ended.
    end: Option<(u64, u64)>,
}

impl Books {
    /// Begins a stream. If it is not `ordered`, its messages may overtake each other: they come over one
    /// connection after the other, and a receiver may read from two of them in turn.
    pub(crate) fn begin(&mut self, ordered: bool) -> u32 {
        let number = self.streams;
        self.streams += 1;
        let stream = Stream {
            ledger: Ledger::new(),
            ordered,
            end: None,
        };
        self.open.insert(number, stream);
        number
    }

    /// Notes what a stream has sent in the end. Of this, `swallowed` messages must not arrive.
    pub(crate) fn end(&mut self, number: u32, sent: u64, swallowed: u64) {
        if let Some(stream) = self.open.get_mut(&number) {
            stream.end = Some((sent, swallowed));
            self.swallowed += swallowed;
            self.close_if_complete(number);
        }
    }

    /// Notes a message that has arrived at one of the receivers.
    pub(crate) fn record(&mut self, number: u32, receiver: usize, seq: u64) {
        self.received += 1;
        if let Some(stream) = self.open.get_mut(&number) {
            stream.ledger.record(0, receiver, seq);
            self.close_if_complete(number);
        } else {
            self.settled.received += 1;
            if number < self.streams {
                self.settled.duplicated += 1;
            } else {
                self.settled.invented += 1;
            }
        }
    }

    /// How much of a stream has arrived; all of it, if it is closed.
    pub(crate) fn arrived(&self, number: u32) -> u64 {
        self.open
            .get(&number)
            .map_or(u64::MAX, |stream| stream.ledger.count(0))
    }

    /// Whether every stream has ended and has arrived.
    pub(crate) fn complete(&self) -> bool {
        self.open() == 0
    }

    /// Streams that have not arrived in full.
    pub(crate) fn open(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn streams(&self) -> u32 {
        self.streams
    }

    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Messages that are known to be lost.
    pub(crate) fn swallowed(&self) -> u64 {
        self.swallowed
    }

    /// Closes everything, whether complete or not.
    pub(crate) fn settle(&mut self) -> Verdict {
        while let Some((&number, _)) = self.open.first_key_value() {
            self.close(number);
        }
        self.settled
    }

    fn close_if_complete(&mut self, number: u32) {
        let complete = self.open.get(&number).is_some_and(|stream| {
            stream
                .end
                .is_some_and(|(sent, swallowed)| stream.ledger.count(0) + swallowed >= sent)
        });
        if complete {
            self.close(number);
        }
    }

    fn close(&mut self, number: u32) {
        let Some(stream) = self.open.remove(&number) else {
            return;
        };
        let (sent, swallowed) = stream.end.unwrap_or_default();
        let mut verdict = stream.ledger.settle(&[sent]);
        if !stream.ordered {
            verdict.reordered = 0;
        }
        // Too few swallowed ones are lost, too many have arrived although they were swallowed.
        verdict.invented += swallowed.saturating_sub(verdict.lost);
        verdict.lost = verdict.lost.saturating_sub(swallowed);
        self.settled += verdict;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_closed_when_all_of_it_is_there() {
        let mut books = Books::default();
        let stream = books.begin(true);
        books.record(stream, 0, 0);
        books.end(stream, 2, 0);
        assert!(!books.complete());
        books.record(stream, 1, 1);
        assert!(books.complete());
        assert!(books.settle().is_clean());
        assert_eq!(books.received(), 2);

        books.record(stream, 0, 1);
        books.record(stream + 1, 0, 0);
        let verdict = books.settle();
        assert_eq!((verdict.duplicated, verdict.invented), (1, 1));
    }

    #[test]
    fn what_was_swallowed_must_not_arrive_and_nothing_else_may_be_missing() {
        for (swallowed, lost, invented) in [(1, 1, 0), (2, 0, 0), (3, 0, 1)] {
            let mut books = Books::default();
            let stream = books.begin(false);
            books.record(stream, 0, 3);
            books.record(stream, 0, 0);
            books.end(stream, 4, swallowed);
            let verdict = books.settle();
            assert_eq!((verdict.lost, verdict.invented), (lost, invented));
            assert_eq!(verdict.reordered, 0);
        }
    }

    #[test]
    fn order_counts_where_it_is_promised() {
        let mut books = Books::default();
        let stream = books.begin(true);
        books.record(stream, 0, 1);
        books.record(stream, 0, 0);
        books.end(stream, 2, 0);
        assert_eq!(books.settle().reordered, 1);
    }
}
