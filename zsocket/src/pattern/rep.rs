//! REP: a request, then its reply, sent back along the request's envelope. RFC 28, "The REP Socket
//! Type".

use bytes::Bytes;
use zmtp::{Frame, Message, SocketType};

use super::{At, Frames, Otherwise, Route, Settings, Source, State, Verdict, prepare_delimiter};
use crate::error::Refusal;

/// Where a REP socket stands: waiting for a request, or owing a reply.
#[derive(Debug, Default)]
pub struct Rep {
    /// To whom.
    owing: Option<At>,
    /// Whether a reply that goes nowhere is an error.
    pub(crate) mandatory: bool,
    /// Whether a new peer is sent an empty message first.
    pub(crate) probe: bool,
    /// The requester is gone, and the application was told so when it replied.
    is_lost: bool,
    /// The frames of the request up to and including its first empty one. Kept, with its memory,
    /// between requests.
    envelope: Vec<Frame>,
    /// Of an envelope, the frames that have an owner elsewhere.
    spent: Vec<Frame>,
}

impl Rep {
    /// The reply went out, or could not, which ends the exchange as well: its requester is gone.
    fn replied(&mut self) {
        self.owing = None;
        self.is_lost = false;
        let shared = self.envelope.extract_if(.., |frame| frame.is_shared());
        self.spent.extend(shared);
        self.envelope.clear();
    }
}

impl State for Rep {
    fn socket_type(&self) -> SocketType {
        SocketType::Rep
    }

    fn settings(&mut self) -> Settings<'_> {
        Settings::Rep(self)
    }

    fn streams(&self) -> bool {
        false
    }

    fn greeting(&self) -> Option<Bytes> {
        self.probe.then(Bytes::new)
    }

    fn route(&self, _: Option<&Frame>) -> Result<Route, Refusal> {
        let owing = self.owing.ok_or(Refusal::WrongState)?;
        if self.is_lost {
            return Err(Refusal::Unroutable);
        }
        let otherwise = if self.mandatory {
            Otherwise::Wait
        } else {
            Otherwise::Drop
        };
        Ok(Route::One(owing, otherwise))
    }

    /// The envelope of the request goes in front of its reply.
    fn wrap(&self, out: &mut impl Frames) {
        for frame in &self.envelope {
            out.append_part(frame);
        }
    }

    fn sent(&mut self, _: At, _: u64) {
        self.replied();
    }

    fn unsent(&mut self) {
        self.replied();
    }

    /// The next request may be received: nobody waits for this reply.
    fn on_unroutable(&mut self) {
        self.is_lost = true;
    }

    fn take_spent(&mut self) -> Vec<Frame> {
        std::mem::take(&mut self.spent)
    }

    fn takes_turns(&self) -> bool {
        true
    }

    fn source(&self) -> Result<Source, Refusal> {
        match self.owing {
            None => Ok(Source::Fair),
            // There is nothing to reply to any more.
            Some(_) if self.is_lost => Ok(Source::Fair),
            Some(_) => Err(Refusal::WrongState),
        }
    }

    fn prepare(&self, message: &mut Message) {
        prepare_delimiter(message);
    }

    /// The envelope is taken off and kept for the reply.
    fn accept(&mut self, from: At, message: &mut Message) -> Verdict {
        // The delimiter is the first empty frame, and it cannot be the last frame.
        let delimiter = message.iter().position(|frame| frame.is_empty());
        let Some(delimiter) = delimiter.filter(|at| at + 1 < message.len()) else {
            return Verdict::Discard;
        };
        // That of a requester who is gone may still be here.
        self.replied();
        self.envelope.extend(message.drain_front(delimiter + 1));
        self.owing = Some(from);
        Verdict::Deliver
    }

    fn wants_rest(&self, _: At) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use rustix::time::{ClockId, clock_gettime};

    use super::*;
    use crate::pattern::testing::at;

    #[test]
    fn envelope_returns_with_the_reply() {
        let mut rep = Rep::default();
        for reply in [
            |rep: &mut Rep| rep.sent(at(3), 1),
            |rep: &mut Rep| rep.unsent(),
        ] {
            assert_eq!(rep.route(None), Err(Refusal::WrongState));
            assert_eq!(rep.source(), Ok(Source::Fair));
            let mut request = Message::from(["client", "router", "", "body", "", "more"]);
            assert_eq!(rep.accept(at(3), &mut request), Verdict::Deliver);
            assert_eq!(request.frames(), ["body", "", "more"].map(Frame::from));
            assert_eq!(rep.source(), Err(Refusal::WrongState));
            assert_eq!(rep.route(None), Ok(Route::One(at(3), Otherwise::Drop)));
            let mut envelope = Vec::new();
            rep.wrap(&mut envelope);
            assert_eq!(envelope, [&b"client"[..], b"router", b""]);
            reply(&mut rep);
        }
    }

    #[test]
    fn a_mandatory_one_whose_requester_is_gone_receives_the_next_request() {
        let mut rep = Rep {
            mandatory: true,
            ..Rep::default()
        };
        for requester in [at(3), at(4)] {
            let mut request = Message::from(["name", "", "body"]);
            assert_eq!(rep.accept(requester, &mut request), Verdict::Deliver);
            assert_eq!(rep.source(), Err(Refusal::WrongState));
            assert_eq!(rep.route(None), Ok(Route::One(requester, Otherwise::Wait)));
            rep.on_unroutable();
            for _ in 0..2 {
                assert_eq!(rep.route(None), Err(Refusal::Unroutable));
                assert_eq!(rep.source(), Ok(Source::Fair));
            }
        }
        let mut request = Message::from(["", "body"]);
        assert_eq!(rep.accept(at(5), &mut request), Verdict::Deliver);
        let mut envelope = Vec::new();
        rep.wrap(&mut envelope);
        assert_eq!(envelope, [b""], "nothing of the others");
        rep.sent(at(5), 1);
        assert_eq!(rep.route(None), Err(Refusal::WrongState));
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
                assert_eq!(rep.accept(at(1), &mut request), Verdict::Deliver);
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
            match rep.accept(at(1), &mut message) {
                Verdict::Deliver => {
                    let at = delimiter.unwrap();
                    prop_assert_eq!(message.len(), frames.len() - at - 1);
                    let mut again = Vec::new();
                    rep.wrap(&mut again);
                    again.extend(message.iter().map(|f| f.to_vec()));
                    prop_assert_eq!(again, frames);
                }
                verdict => {
                    prop_assert_eq!(verdict, Verdict::Discard);
                    prop_assert_eq!(delimiter, None);
                    prop_assert_eq!(rep.source(), Ok(Source::Fair));
                }
            }
        }
    }
}
