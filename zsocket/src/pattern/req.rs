//! REQ: one request, then its reply. RFC 28, "The REQ Socket Type".

use zmtp::Message;

use super::Frames;
use crate::error::Refusal;

/// Where a REQ socket stands.
///
/// ```text
///            begin_send, sent(link)
///   ┌──────┐ ───────────────────────▶ ┌────────────────┐
///   │ idle │                          │ awaiting(link) │ ◀─┐ on_message → Discard
///   └──────┘ ◀─────────────────────── └────────────────┘ ──┘
///            on_message → Deliver, on_link_lost
/// ```
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Req {
    awaiting: Option<u64>,
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

    /// The request went out on a link.
    pub(crate) fn sent(&mut self, link: u64) {
        self.awaiting = Some(link);
    }

    /// The link from which the reply must come.
    pub(crate) fn awaited(&self) -> Result<u64, Refusal> {
        self.awaiting.ok_or(Refusal::WrongState)
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

    /// A link is gone for good. `true` if it owed the reply: then the socket may send again.
    pub(crate) fn on_link_lost(&mut self, link: u64) -> bool {
        let owed = self.awaiting == Some(link);
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
        req.sent(7);
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
        req.sent(7);
        assert!(!req.on_link_lost(8));
        assert!(req.on_link_lost(7));
        req.begin_send().unwrap();
    }

    proptest! {
        /// Whatever comes in, the socket is in exactly one of its two states, and a delivered reply
        /// is what followed the delimiter.
        #[test]
        fn never_stuck(frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3), 1..5)) {
            let mut req = Req::default();
            req.sent(1);
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
