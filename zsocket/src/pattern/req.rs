//! REQ: one request, then its reply. RFC 28, "The REQ Socket Type".

use zmtp::{Frame, Message, SocketType};

use super::{At, Frames, Route, Source, State, Verdict, prepare_delimiter};
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
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Req {
    awaiting: Option<Awaited>,
}

#[derive(Debug, PartialEq, Eq)]
struct Awaited {
    at: At,
    /// The place of the request among all messages that were written to the link.
    number: u64,
    /// The connection that carried the request broke. What came before is still to be read.
    lost: bool,
}

impl State for Req {
    fn socket_type(&self) -> SocketType {
        SocketType::Req
    }

    fn streams(&self) -> bool {
        false
    }

    /// As libzmq: a REQ has one connection to each endpoint.
    fn connects_once(&self) -> bool {
        true
    }

    fn route(&self, _: Option<&Frame>) -> Result<Route, Refusal> {
        match self.awaiting {
            None => Ok(Route::Balanced),
            Some(_) => Err(Refusal::WrongState),
        }
    }

    /// Late replies to earlier requests are none to the next one.
    fn voids_input(&self) -> bool {
        true
    }

    /// The envelope of a request is an empty delimiter.
    fn wrap(&self, out: &mut impl Frames) {
        out.append_part(&[]);
    }

    fn sent(&mut self, at: At, number: u64) {
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

    /// A reply begins with an empty frame, which is taken off, and has at least one more.
    fn accept(&mut self, _: At, message: &mut Message) -> Verdict {
        let is_reply = message.len() > 1 && message[0].is_empty();
        if !is_reply {
            return Verdict::Discard;
        }
        message.pop_front();
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
                Verdict::Discard => prop_assert_eq!(req.source(), Ok(Source::Only(at(1)))),
            }
        }
    }
}
