//! REP: a request, then its reply, sent back along the request's envelope. RFC 28, "The REP Socket
//! Type".

use zmtp::{Frame, Message};

use super::{Frames, req::Verdict};
use crate::error::Refusal;

/// Where a REP socket stands: waiting for a request, or owing a reply.
#[derive(Debug, Default)]
pub(crate) struct Rep {
    owing: Option<u64>,
    /// The frames of the request up to and including its first empty one. Kept, with its memory,
    /// between requests.
    envelope: Vec<Frame>,
}

impl Rep {
    /// Whether a request may be received now.
    pub(crate) fn begin_recv(&self) -> Result<(), Refusal> {
        if self.owing.is_some() {
            Err(Refusal::WrongState)
        } else {
            Ok(())
        }
    }

    /// The link to which a reply goes.
    pub(crate) fn owed(&self) -> Result<u64, Refusal> {
        self.owing.ok_or(Refusal::WrongState)
    }

    /// A message came in on a link. Its envelope is taken off and kept for the reply.
    pub(crate) fn on_message(&mut self, link: u64, message: &mut Message) -> Verdict {
        // The delimiter is the first empty frame, and it cannot be the last frame.
        let delimiter = message.iter().position(|frame| frame.is_empty());
        let Some(delimiter) = delimiter.filter(|at| at + 1 < message.len()) else {
            return Verdict::Discard;
        };
        self.envelope.clear();
        self.envelope.extend(message.drain_front(delimiter + 1));
        self.owing = Some(link);
        Verdict::Deliver
    }

    /// Writes the envelope of the request, which goes in front of its reply.
    pub(crate) fn wrap(&self, out: &mut impl Frames) {
        for frame in &self.envelope {
            out.append_part(frame);
        }
    }

    /// The reply went out, or could not, which ends the exchange as well: its requester is gone.
    pub(crate) fn replied(&mut self) {
        self.owing = None;
        self.envelope.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use rustix::time::{ClockId, clock_gettime};

    use super::*;

    #[test]
    fn envelope_returns_with_the_reply() {
        let mut rep = Rep::default();
        assert!(matches!(rep.owed(), Err(Refusal::WrongState)));
        let mut request = Message::from(["client", "router", "", "body", "", "more"]);
        assert_eq!(rep.on_message(3, &mut request), Verdict::Deliver);
        assert_eq!(request.frames(), ["body", "", "more"].map(Frame::from));
        assert!(matches!(rep.begin_recv(), Err(Refusal::WrongState)));
        assert_eq!(rep.owed().unwrap(), 3);
        let mut envelope = Vec::new();
        rep.wrap(&mut envelope);
        assert_eq!(envelope, [&b"client"[..], b"router", b""]);
        rep.replied();
        rep.begin_recv().unwrap();
    }

    /// A peer decides how many frames an envelope has. In processor time of this thread, the best of
    /// several rounds: ten times as many may take thirty times as long, where a loop that moves the rest
    /// for each frame takes a hundred times.
    #[test]
    fn a_long_envelope_takes_time_in_proportion() {
        let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
        let time = |frames: usize| {
            let envelope = std::iter::repeat_n(Frame::from("router"), frames);
            let end = ["", "body"].map(Frame::from);
            let request: Message = envelope.chain(end).collect();
            let rounds = (0..5).map(|_| {
                let (mut rep, mut request) = (Rep::default(), request.clone());
                let begin = now();
                assert_eq!(rep.on_message(1, &mut request), Verdict::Deliver);
                now() - begin
            });
            rounds.min().unwrap()
        };
        let (few, many) = (time(2000), time(20_000));
        assert!(many < few * 30, "{few:?} for 2,000, {many:?} for 20,000");
    }

    proptest! {
        #[test]
        fn takes_exactly_the_messages_with_a_delimiter(
            frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..2), 1..6),
        ) {
            let mut rep = Rep::default();
            let mut message: Message = frames.iter().cloned().map(Frame::from).collect();
            let delimiter = frames[..frames.len() - 1].iter().position(Vec::is_empty);
            match rep.on_message(1, &mut message) {
                Verdict::Deliver => {
                    let at = delimiter.unwrap();
                    prop_assert_eq!(message.len(), frames.len() - at - 1);
                    let mut again = Vec::new();
                    rep.wrap(&mut again);
                    again.extend(message.iter().map(|f| f.to_vec()));
                    prop_assert_eq!(again, frames);
                }
                Verdict::Discard => {
                    prop_assert_eq!(delimiter, None);
                    prop_assert!(rep.begin_recv().is_ok());
                }
            }
        }
    }
}
