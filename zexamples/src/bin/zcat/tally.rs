//! Counts and rates.

use std::time::{Duration, Instant};

use zexamples::units;
use zsocket::Message;

/// How often they are told.
pub(crate) const PERIOD: Duration = Duration::from_secs(1);

/// Messages and their bytes in one direction.
#[derive(Clone, Copy, Default)]
struct Flow {
    messages: u64,
    bytes: u64,
}

/// What went through, in total and since it was told last.
pub(crate) struct Tally {
    is_told: bool,
    start: Instant,
    last: Instant,
    total: [Flow; 2],
    before: [Flow; 2],
}

const WORDS: [&str; 2] = ["sent", "received"];

impl Tally {
    pub(crate) fn new(is_told: bool) -> Self {
        let now = Instant::now();
        Self {
            is_told,
            start: now,
            last: now,
            total: [Flow::default(); 2],
            before: [Flow::default(); 2],
        }
    }

    pub(crate) fn has_sent(&mut self, bytes: usize) {
        self.total[0].messages += 1;
        self.total[0].bytes += bytes as u64;
    }

    pub(crate) fn has_received(&mut self, message: &Message) {
        self.total[1].messages += 1;
        self.total[1].bytes += message.byte_len() as u64;
    }

    pub(crate) fn sent(&self) -> u64 {
        self.total[0].messages
    }

    pub(crate) fn received(&self) -> u64 {
        self.total[1].messages
    }

    /// When there is something to tell next.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.is_told.then(|| self.last + PERIOD)
    }

    /// Tells what went through in the last second, if it is over and anything did.
    pub(crate) fn tell_when_due(&mut self, now: Instant) {
        if self.due().is_none_or(|due| now < due) {
            return;
        }
        let time = now - self.last;
        for (word, (total, before)) in WORDS.iter().zip(self.total.iter().zip(&self.before)) {
            let messages = total.messages - before.messages;
            if messages > 0 {
                tell(word, messages, total.bytes - before.bytes, time);
            }
        }
        (self.last, self.before) = (now, self.total);
    }

    /// Tells the sums.
    pub(crate) fn tell_total(&self) {
        if !self.is_told {
            return;
        }
        let time = self.start.elapsed();
        for (word, total) in WORDS.iter().zip(&self.total) {
            tell(
                &format!("in total {word}"),
                total.messages,
                total.bytes,
                time,
            );
        }
    }
}

/// Tells of messages that went through in some time.
pub(crate) fn tell(what: &str, messages: u64, bytes: u64, time: Duration) {
    // No time at all would be an infinite rate.
    let seconds = time.as_secs_f64().max(1e-6);
    eprintln!(
        "zcat: {what} {messages} messages, {} in {seconds:.1} s: {}/s, {}/s",
        units::bytes(bytes),
        units::rate(messages as f64 / seconds),
        units::bytes((bytes as f64 / seconds) as u64)
    );
}
