//! REQ: one request, then its reply. RFC 28, "The REQ Socket Type".

use bytes::Bytes;
use zmtp::{Frame, Message, SocketType};

use super::{At, Frames, Route, Settings, Source, State, Verdict, prepare_delimiter};
use crate::error::Refusal;

/// Where a REQ socket stands.
///
/// ```text
///                    sent
///   ┌──────┐ ────────────────────▶ ┌──────────────┐
///   │ idle │                       │ awaiting(at) │ ◀─┐ accept → Discard
///   └──────┘ ◀──────────────────── └──────────────┘ ──┘ on_interrupted
///            accept → Deliver, on_lost, give_up
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Req {
    awaiting: Option<Awaited>,
    /// Whether a request may be sent although the reply to the last one has not come, which is given up then.
    pub(crate) relaxed: bool,
    /// Whether a request carries its number, and only a reply with that is one.
    pub(crate) correlate: bool,
    /// Whether a new peer is sent an empty message first.
    pub(crate) probe: bool,
    /// That of the last request.
    request: u32,
}

impl Default for Req {
    fn default() -> Self {
        Self {
            awaiting: None,
            relaxed: false,
            correlate: false,
            probe: false,
            // So that a reply to an earlier run of the program hardly ever passes for one to this one.
            request: fastrand::u32(..),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Awaited {
    at: At,
    /// The place of the request among all messages that were written to the link.
    number: u64,
    /// The connection that carried the request broke. What came before is still to be read.
    lost: bool,
}

impl Req {
    /// Changes [`correlate`](Self::correlate), which a request that is under way would not survive.
    pub(crate) fn set_correlate(&mut self, correlate: bool) -> Result<(), Refusal> {
        if self.awaiting.is_some() && self.correlate != correlate {
            return Err(Refusal::WrongState);
        }
        self.correlate = correlate;
        Ok(())
    }
}

impl State for Req {
    fn socket_type(&self) -> SocketType {
        SocketType::Req
    }

    fn settings(&mut self) -> Settings<'_> {
        Settings::Req(self)
    }

    fn streams(&self) -> bool {
        false
    }

    /// As libzmq: a REQ has one connection to each endpoint.
    fn connects_once(&self) -> bool {
        true
    }

    fn route(&self, _: Option<&Frame>) -> Result<Route, Refusal> {
        if self.awaiting.is_none() || self.relaxed {
            Ok(Route::Balanced)
        } else {
            Err(Refusal::WrongState)
        }
    }

    fn takes_turns(&self) -> bool {
        !self.relaxed
    }

    /// Late replies to earlier requests are none to the next one.
    fn voids_input(&self) -> bool {
        true
    }

    fn greeting(&self) -> Option<Bytes> {
        self.probe.then(Bytes::new)
    }

    /// The envelope of a request is an empty delimiter, maybe behind the request's number.
    fn wrap(&self, out: &mut impl Frames) {
        if self.correlate {
            out.append_part(&self.request.wrapping_add(1).to_ne_bytes());
        }
        out.append_part(&[]);
    }

    fn sent(&mut self, at: At, number: u64) {
        self.request = self.request.wrapping_add(1);
        self.awaiting = Some(Awaited {
            at,
            number,
            lost: false,
        });
    }

    fn source(&self) -> Result<Source, Refusal> {
        let awaited = self.awaiting.as_ref().ok_or(Refusal::WrongState)?;
        Ok(Source::Only(awaited.at))
    }

    fn prepare(&self, message: &mut Message) {
        prepare_delimiter(message);
    }

    /// A reply begins with the envelope of the request, which is taken off, and has at least one more frame.
    fn accept(&mut self, _: At, message: &mut Message) -> Verdict {
        let number = self.request.to_ne_bytes();
        let is_reply = match message.frames() {
            [id, delimiter, _, ..] if self.correlate => id == &number[..] && delimiter.is_empty(),
            [delimiter, _, ..] => !self.correlate && delimiter.is_empty(),
            _ => false,
        };
        if !is_reply {
            return Verdict::Discard;
        }
        for _ in 0..1 + usize::from(self.correlate) {
            message.pop_front();
        }
        self.awaiting = None;
        Verdict::Deliver
    }

    fn give_up(&mut self) -> Option<u64> {
        let lost = self.awaiting.take_if(|awaited| awaited.lost)?;
        Some(lost.number)
    }

    fn wants_rest(&self, at: At) -> bool {
        self.awaits(at).is_some()
    }

    fn awaits(&self, at: At) -> Option<u64> {
        let awaited = self.awaiting.as_ref()?;
        (awaited.at == at).then_some(awaited.number)
    }

    /// Nobody will answer a request any more that the connection had taken.
    fn on_interrupted(&mut self, at: At, taken: u64) {
        if let Some(awaited) = &mut self.awaiting {
            awaited.lost |= awaited.at == at && awaited.number <= taken;
        }
    }

    /// If it owed the reply, the socket may send again.
    fn on_lost(&mut self, at: At) {
        self.awaiting.take_if(|awaited| awaited.at == at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::testing::at;
    use proptest::prelude::*;

    #[test]
    fn lock_step() {
        let mut req = Req::default();
        assert_eq!(req.source(), Err(Refusal::WrongState));
        assert_eq!(req.route(None), Ok(Route::Balanced));
        let mut written = Vec::new();
        req.wrap(&mut written);
        assert_eq!(written, [Vec::<u8>::new()]);
        req.sent(at(7), 1);
        assert_eq!(req.route(None), Err(Refusal::WrongState));
        assert_eq!(req.source(), Ok(Source::Only(at(7))));
        let mut discards =
            |message| req.accept(at(7), &mut Message::from(message)) == Verdict::Discard;
        assert!(discards("no delimiter"));
        assert!(discards(""));
        let mut reply = Message::from(["", "world"]);
        assert_eq!(req.accept(at(7), &mut reply), Verdict::Deliver);
        assert_eq!(reply.frames(), [Frame::from("world")]);
        assert_eq!(req.route(None), Ok(Route::Balanced));
    }

    #[test]
    fn a_relaxed_one_gives_a_request_up_for_the_next() {
        let mut req = Req {
            relaxed: true,
            ..Req::default()
        };
        req.sent(at(1), 1);
        assert_eq!(req.route(None), Ok(Route::Balanced));
        req.sent(at(2), 1);
        assert_eq!(req.source(), Ok(Source::Only(at(2))));
        req.on_lost(at(1));
        assert_eq!(req.awaits(at(2)), Some(1));
    }

    #[test]
    fn a_reply_bears_the_number_of_its_request() {
        let mut req = Req {
            correlate: true,
            relaxed: true,
            ..Req::default()
        };
        let send = |req: &mut Req| {
            let mut envelope = Vec::new();
            req.wrap(&mut envelope);
            req.sent(at(1), 1);
            assert_eq!(
                (envelope.len(), envelope[0].len(), envelope[1].len()),
                (2, 4, 0)
            );
            envelope.swap_remove(0)
        };
        let numbers = [send(&mut req), send(&mut req)];
        assert_ne!(numbers[0], numbers[1]);
        let mut accept = |number: &[u8]| {
            let mut reply: Message = [number, b"", b"reply"]
                .map(Frame::from)
                .into_iter()
                .collect();
            let verdict = req.accept(at(1), &mut reply);
            (verdict == Verdict::Deliver).then_some(reply)
        };
        assert_eq!(accept(&numbers[0]), None);
        assert_eq!(accept(b""), None);
        assert_eq!(accept(&numbers[1]), Some(Message::from("reply")));
    }

    #[test]
    fn loss_of_the_awaited_link_frees_the_socket() {
        let mut req = Req::default();
        req.sent(at(7), 1);
        // Another one that has its place by now, or another place.
        req.on_lost(At { id: 1, ..at(7) });
        req.on_lost(at(8));
        assert_eq!(req.awaits(at(7)), Some(1));
        req.on_lost(at(7));
        assert_eq!(req.route(None), Ok(Route::Balanced));
    }

    #[test]
    fn only_a_request_that_was_under_way_is_lost_with_its_connection() {
        let mut req = Req::default();
        req.on_interrupted(at(7), 9);
        assert_eq!(req.give_up(), None);
        req.sent(at(7), 3);
        req.on_interrupted(at(8), 3);
        req.on_interrupted(at(7), 2);
        assert_eq!(req.give_up(), None);
        req.on_interrupted(at(7), 3);
        // A reply that had come before counts.
        assert_eq!(req.route(None), Err(Refusal::WrongState));
        assert_eq!(req.give_up(), Some(3));
        assert_eq!(req.route(None), Ok(Route::Balanced));
    }

    proptest! {
        /// Whatever comes in, the socket is in exactly one of its two states, and a delivered reply
        /// is what followed the delimiter.
        #[test]
        fn never_stuck(frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3), 1..5)) {
            let mut req = Req::default();
            req.sent(at(1), 1);
            let mut message: Message = frames.iter().cloned().map(Frame::from).collect();
            match req.accept(at(1), &mut message) {
                Verdict::Deliver => {
                    prop_assert!(req.route(None).is_ok());
                    prop_assert!(frames[0].is_empty());
                    prop_assert_eq!(message.len(), frames.len() - 1);
                }
                verdict => {
                    prop_assert_eq!(verdict, Verdict::Discard);
                    prop_assert_eq!(req.source(), Ok(Source::Only(at(1))));
                }
            }
        }
    }
}
