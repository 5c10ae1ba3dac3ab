//! Requests at work, without sockets and threads: what is a request, how many there may be, and what goes back.
//!
//! A ROUTER receives a request as the routing id of its peer, maybe more frames, an empty frame, and the body. All up to
//! the empty frame is the envelope, which goes in front of the answer. So a REQ finds its delimiter, a REQ
//! that correlates and a [`Requester`](crate::Requester) their number, and a broker on the way the routing id of its own client.

use zmtp::{Frame, Message};

use super::ResponderStats;

/// What leads an answer back.
#[derive(Debug)]
pub(crate) struct Envelope(Message);

impl Envelope {
    /// The routing id of the peer that has sent the request.
    pub(crate) fn routing_id(&self) -> &Frame {
        &self.0[0]
    }
}

/// What has become of a request.
#[derive(Debug)]
pub(crate) enum Settled {
    Answered(Envelope, Message),
    /// Nobody will answer it.
    Abandoned(Envelope),
}

/// See the module documentation.
#[derive(Debug)]
pub(crate) struct Desk {
    limit: usize,
    /// What is answered to a request that nobody answers.
    excuse: Option<Frame>,
    stats: ResponderStats,
}

impl Desk {
    pub(crate) fn new(limit: usize, excuse: Option<Frame>) -> Self {
        Self {
            limit,
            excuse,
            stats: ResponderStats::default(),
        }
    }

    /// Whether one more request may be taken in.
    pub(crate) fn has_room(&self) -> bool {
        self.stats.at_work < self.limit
    }

    /// Whether no request is at work.
    pub(crate) fn is_idle(&self) -> bool {
        self.stats.at_work == 0
    }

    /// Takes a request in: its envelope and its body. What is none comes back.
    pub(crate) fn take_in(&mut self, mut message: Message) -> Result<(Envelope, Message), Message> {
        // Behind the routing id, which is never empty. The delimiter is the first empty frame, and not the last one.
        let delimiter = message.iter().skip(1).position(|frame| frame.is_empty());
        let Some(frames) = delimiter.map(|at| at + 2).filter(|at| *at < message.len()) else {
            self.stats.malformed += 1;
            return Err(message);
        };
        let envelope = message.drain_front(frames).collect();
        self.stats.at_work += 1;
        self.stats.received += 1;
        Ok((Envelope(envelope), message))
    }

    /// A request is at work no more. Returns what is to be sent, if anything is.
    pub(crate) fn settle(&mut self, settled: Settled) -> Option<Message> {
        self.stats.at_work -= 1;
        let (envelope, body) = match settled {
            Settled::Answered(envelope, body) => {
                self.stats.answered += 1;
                (envelope, body)
            }
            Settled::Abandoned(envelope) => {
                self.stats.abandoned += 1;
                (envelope, self.excuse.clone()?.into())
            }
        };
        let Envelope(mut message) = envelope;
        message.extend(body);
        Some(message)
    }

    /// A closure has panicked instead of answering.
    pub(crate) fn count_panic(&mut self) {
        self.stats.panics += 1;
    }

    pub(crate) fn stats(&self) -> ResponderStats {
        self.stats
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Frames, some of them empty.
    fn frames() -> impl Strategy<Value = Vec<Vec<u8>>> {
        proptest::collection::vec(proptest::collection::vec(1..3u8, 0..3), 0..6)
    }

    fn message(frames: &[Vec<u8>]) -> Message {
        frames.iter().map(Frame::from).collect()
    }

    #[derive(Clone, Debug)]
    enum Step {
        TakeIn(Vec<Vec<u8>>),
        Answer(usize, Vec<Vec<u8>>),
        Abandon(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => frames().prop_map(Step::TakeIn),
            1 => (any::<usize>(), frames()).prop_map(|(which, body)| Step::Answer(which, body)),
            1 => any::<usize>().prop_map(Step::Abandon),
        ]
    }

    proptest! {
        /// Against a model that cuts slices: requests are what has an empty frame behind the routing id and something
        /// behind that, answers go out behind the very same frames, whatever the order, and the numbers add up.
        #[test]
        fn answers_go_out_in_the_envelopes_of_their_requests(
            excused: bool,
            limit in 1..5usize,
            steps in proptest::collection::vec(step(), 0..60),
        ) {
            let excuse = excused.then(|| Frame::from("sorry"));
            let mut desk = Desk::new(limit, excuse.clone());
            let mut at_work: Vec<(Envelope, Vec<Vec<u8>>)> = Vec::new();
            let mut expected = ResponderStats::default();
            for step in steps {
                match step {
                    Step::TakeIn(_) if at_work.len() == limit => prop_assert!(!desk.has_room()),
                    Step::TakeIn(rest) => {
                        prop_assert!(desk.has_room());
                        let mut whole = vec![b"peer".to_vec()];
                        whole.extend(rest);
                        let cut = whole.iter().position(Vec::is_empty).map(|at| at + 1);
                        let cut = cut.filter(|cut| *cut < whole.len());
                        match (desk.take_in(message(&whole)), cut) {
                            (Err(back), None) => {
                                prop_assert_eq!(back, message(&whole));
                                expected.malformed += 1;
                            }
                            (Ok((envelope, body)), Some(cut)) => {
                                prop_assert_eq!(envelope.routing_id(), "peer");
                                prop_assert_eq!(body, message(&whole[cut..]));
                                at_work.push((envelope, whole[..cut].to_vec()));
                                expected.received += 1;
                            }
                            (result, cut) => prop_assert!(false, "{result:?} for {cut:?}"),
                        }
                    }
                    Step::Answer(..) | Step::Abandon(_) if at_work.is_empty() => {}
                    Step::Answer(which, body) => {
                        let (envelope, mut whole) = at_work.swap_remove(which % at_work.len());
                        whole.extend(body.clone());
                        let sent = desk.settle(Settled::Answered(envelope, message(&body)));
                        prop_assert_eq!(sent, Some(message(&whole)));
                        expected.answered += 1;
                    }
                    Step::Abandon(which) => {
                        let (envelope, mut whole) = at_work.swap_remove(which % at_work.len());
                        whole.extend(excuse.as_ref().map(|excuse| excuse.to_vec()));
                        let sent = desk.settle(Settled::Abandoned(envelope));
                        prop_assert_eq!(sent, excused.then(|| message(&whole)));
                        expected.abandoned += 1;
                    }
                }
                expected.at_work = at_work.len();
                prop_assert_eq!(desk.stats(), expected);
            }
        }
    }
}
