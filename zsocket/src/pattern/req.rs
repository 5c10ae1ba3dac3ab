//! REQ: one request, then its reply. RFC 28, "The REQ Socket Type".

use zmtp::Message;

use super::Frames;
use crate::error::Refusal;

/// Where a REQ socket stands.
///
/// ```text
///            begin_send, sent(link, …)
///   ┌──────┐ ───────────────────────▶ ┌────────────────┐
///   │ idle │                          │ awaiting(link) │ ◀─┐ on_message → Discard
///   └──────┘ ◀─────────────────────── └────────────────┘ ──┘ on_interrupted
///            on_message → Deliver, on_link_lost, give_up
/// ```
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Req {
    awaiting: Option<Awaited>,
}

#[derive(Debug, PartialEq, Eq)]
struct Awaited {
    link: u64,
    /// The place of the request among all messages that were written to the link.
    number: u64,
    /// The connection that carried the request broke. What came before is still to be read.
    lost: bool,
}

/// What to do with a message that came in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Hand it to the application.
    Deliver,
    /// It is no reply: forget it and count it.
    Discard,
}

impl Req {
    /// Whether a request may be sent now.
    pub(crate) fn begin_send(&self) -> Result<(), Refusal> {
        if self.awaiting.is_some() {
            Err(Refusal::WrongState)
        } else {
            Ok(())
        }
    }

    /// Writes the envelope of a request: an empty delimiter.
    pub(crate) fn wrap(out: &mut impl Frames) {
        out.append_part(&[]);
    }

    /// The request went out on a link, as the message with this number.
    pub(crate) fn sent(&mut self, link: u64, number: u64) {
        self.awaiting = Some(Awaited {
            link,
            number,
            lost: false,
        });
    }

    /// The link from which the reply must come.
    pub(crate) fn awaited(&self) -> Result<u64, Refusal> {
        let awaited = self.awaiting.as_ref().ok_or(Refusal::WrongState)?;
        Ok(awaited.link)
    }

    /// The number of the request whose reply must come from this link, if there is one.
    pub(crate) fn awaits(&self, link: u64) -> Option<u64> {
        let awaited = self.awaiting.as_ref()?;
        (awaited.link == link).then_some(awaited.number)
    }

    /// A message came in on the awaited link. A reply begins with an empty frame, which is taken off,
    /// and has at least one more.
    pub(crate) fn on_message(&mut self, message: &mut Message) -> Verdict {
        let is_reply = message.len() > 1 && message[0].is_empty();
        if !is_reply {
            return Verdict::Discard;
        }
        message.pop_front();
        self.awaiting = None;
        Verdict::Deliver
    }

    /// The connection of a link broke and will be made again; this many messages had been taken by
    /// it. Nobody will answer one of these any more.
    pub(crate) fn on_interrupted(&mut self, link: u64, taken: u64) {
        if let Some(awaited) = &mut self.awaiting {
            awaited.lost |= awaited.link == link && awaited.number <= taken;
        }
    }

    /// There is no reply to be read. If none will come the socket may send again, and the number of the
    /// request is returned.
    pub(crate) fn give_up(&mut self) -> Option<u64> {
        let lost = self.awaiting.take_if(|awaited| awaited.lost)?;
        Some(lost.number)
    }

    /// A link is gone for good. `true` if it owed the reply: then the socket may send again.
    pub(crate) fn on_link_lost(&mut self, link: u64) -> bool {
        let owed = self.awaits(link).is_some();
        if owed {
            self.awaiting = None;
        }
        owed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zmtp::Frame;

    use super::*;

    #[test]
    fn lock_step() {
        let mut req = Req::default();
        assert!(matches!(req.awaited(), Err(Refusal::WrongState)));
        req.begin_send().unwrap();
        let mut written = Vec::new();
        Req::wrap(&mut written);
        assert_eq!(written, [Vec::<u8>::new()]);
        req.sent(7, 1);
        assert!(matches!(req.begin_send(), Err(Refusal::WrongState)));
        assert_eq!(req.awaited().unwrap(), 7);
        assert_eq!(
            req.on_message(&mut Message::from("no delimiter")),
            Verdict::Discard
        );
        assert_eq!(req.on_message(&mut Message::from("")), Verdict::Discard);
        let mut reply = Message::from(["", "world"]);
        assert_eq!(req.on_message(&mut reply), Verdict::Deliver);
        assert_eq!(reply.frames(), [Frame::from("world")]);
        req.begin_send().unwrap();
    }

    #[test]
    fn loss_of_the_awaited_link_frees_the_socket() {
        let mut req = Req::default();
        req.sent(7, 1);
        assert!(!req.on_link_lost(8));
        assert!(req.on_link_lost(7));
        req.begin_send().unwrap();
    }

    #[test]
    fn only_a_request_that_was_under_way_is_lost_with_its_connection() {
        let mut req = Req::default();
        req.on_interrupted(7, 9);
        assert_eq!(req.give_up(), None);
        req.sent(7, 3);
        req.on_interrupted(8, 3);
        req.on_interrupted(7, 2);
        assert_eq!(req.give_up(), None);
        req.on_interrupted(7, 3);
        // A reply that had come before counts.
        assert!(matches!(req.begin_send(), Err(Refusal::WrongState)));
        assert_eq!(req.give_up(), Some(3));
        req.begin_send().unwrap();
    }

    proptest! {
        /// Whatever comes in, the socket is in exactly one of its two states, and a delivered reply
        /// is what followed the delimiter.
        #[test]
        fn never_stuck(frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3), 1..5)) {
            let mut req = Req::default();
            req.sent(1, 1);
            let mut message: Message = frames.iter().cloned().map(Frame::from).collect();
            match req.on_message(&mut message) {
                Verdict::Deliver => {
                    prop_assert!(req.begin_send().is_ok());
                    prop_assert!(frames[0].is_empty());
                    prop_assert_eq!(message.len(), frames.len() - 1);
                }
                Verdict::Discard => prop_assert_eq!(req.awaited().unwrap(), 1),
            }
        }
    }
}
