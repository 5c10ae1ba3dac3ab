//! The messaging patterns: what each of them decides, without links, threads or clocks.
//!
//! A pattern says where a message goes and in which envelope, from where one is received, and what is to be
//! made of it. The [core](crate::core) does it, on links, and knows no pattern by name. So each pattern is
//! tested by itself, and a new one is a file in here.
//!
//! ```text
//!   send ──▶ route ──▶ Balanced | One ──▶ wrap ──▶ the frames ──▶ sent | unsent
//!                  └─▶ Many ──▶ recipients ──▶ the same frames to each
//!   recv ──▶ source ──▶ Fair | Only ──▶ the frames ──▶ accept ──▶ Deliver | Discard
//!                   └─▶ Own ──▶ pop, of what accept has taken in before
//!   links: admit ──▶ Join | Hold | Replace | Refuse; on_interrupted, on_renewed, on_gone, on_detached; on_lost
//! ```

mod dealer;
mod dynamic;
mod pair;
mod publish;
mod pull;
mod push;
mod rep;
mod req;
mod router;
mod stream;
mod subscribe;

use bytes::Bytes;
use zmtp::{Frame, Message, SocketType};

pub(crate) use self::{
    dealer::Dealer,
    dynamic::Any,
    pair::Pair,
    publish::{Pub, Publisher, Rules, XPub},
    pull::Pull,
    push::Push,
    rep::Rep,
    req::Req,
    router::Router,
    stream::Stream,
    subscribe::{Sub, Subscriber, XSub},
};
use crate::error::Refusal;

/// The longest topic, in bytes: with what a SUBSCRIBE has beside it, as long as the longest command.
pub(crate) const MAX_TOPIC: usize = (1 << 20) - 10;

/// A link, as a pattern knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// Where it is in the socket's table. Another link may have this place later.
    pub(crate) place: usize,
    /// Its number, which no other link ever has.
    pub(crate) id: u64,
}

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// To the link whose turn it is, as soon as one has room.
    Balanced,
    /// To this one.
    One(At, Otherwise),
    /// To this one, as bytes without frames. A message without any ends its connection.
    Bytes(At, Otherwise),
    /// To all [recipients](State::recipients).
    Many(Otherwise),
    /// To nobody: it is dropped and counted.
    Nobody,
}

/// What becomes of a message for one link that is full or gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// It is dropped and counted.
    Drop,
    /// It waits for room, and is refused if the link is gone.
    Wait,
}

/// What the application is told of connections, each time by a message that seems to come from there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notify {
    /// That one is established, by an empty one.
    pub(crate) established: bool,
    /// That one has ended, by an empty one.
    pub(crate) ended: bool,
    /// That one was lost that had come.
    pub(crate) disconnect: Option<Bytes>,
    /// That one was lost that the socket had made.
    pub(crate) hiccup: Option<Bytes>,
}

/// Where the next message comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// From each link in turn.
    Fair,
    /// From this one.
    Only(At),
    /// From the pattern itself, which has taken it in.
    Own,
}

/// What to do with a message that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Hand it to the application.
    Deliver,
    /// It is none of this pattern: drop it and count it.
    Discard,
    /// Nobody has subscribed to it, or not any more: drop it and count it as such.
    Filtered,
    /// The pattern has taken what it wants of it.
    Taken,
    /// The pattern has no room for it yet: it is offered again later, and nothing else comes from there until then.
    Hold,
}

/// What a subscriber wants of its publishers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Messages that begin with this.
    Subscribe(Bytes),
    /// They are not wanted any more.
    Cancel(Bytes),
    /// Publishers are to hear of a cancellation that changes nothing here.
    Recall(Bytes),
}

/// What becomes of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It takes part.
    Join,
    /// Nothing is received from it until it has a name.
    Hold,
    /// It takes part, and has taken the place of this one.
    Replace(At),
    /// The socket has no use for it as long as this one is there.
    Refuse(At),
}

/// What the options of a pattern are kept in, if it has any of its own.
pub enum Settings<'a> {
    /// It has none.
    None,
    /// Of a REQ.
    Req(&'a mut Req),
    /// Of a REP.
    Rep(&'a mut Rep),
    /// Of a DEALER.
    Dealer(&'a mut Dealer),
    /// Of a ROUTER.
    Router(&'a mut Router),
    /// Of a STREAM.
    Stream(&'a mut Stream),
    /// Of a PUB or XPUB.
    Publisher(&'a mut dyn Publisher),
    /// Of a SUB or XSUB.
    Subscriber(&'a mut dyn Subscriber),
}

impl<'a> Settings<'a> {
    /// Of a REQ.
    pub(crate) fn req(self) -> Option<&'a mut Req> {
        match self {
            Self::Req(req) => Some(req),
            _ => None,
        }
    }

    /// Of a ROUTER.
    pub(crate) fn router(self) -> Option<&'a mut Router> {
        match self {
            Self::Router(router) => Some(router),
            _ => None,
        }
    }

    /// Of a STREAM.
    pub(crate) fn stream(self) -> Option<&'a mut Stream> {
        match self {
            Self::Stream(stream) => Some(stream),
            _ => None,
        }
    }

    /// Of a PUB or XPUB.
    pub(crate) fn publisher(self) -> Option<&'a mut dyn Publisher> {
        match self {
            Self::Publisher(publisher) => Some(publisher),
            _ => None,
        }
    }

    /// Of a SUB or XSUB.
    pub(crate) fn subscriber(self) -> Option<&'a mut dyn Subscriber> {
        match self {
            Self::Subscriber(subscriber) => Some(subscriber),
            _ => None,
        }
    }

    /// The rules of a PUB or XPUB.
    pub(crate) fn rules(self) -> Option<&'a mut Rules> {
        self.publisher().map(|publisher| publisher.rules())
    }

    /// The rules of an XPUB, which receives what its peers ask for.
    pub(crate) fn receiving_rules(self) -> Option<&'a mut Rules> {
        let publisher = self.publisher().filter(|publisher| publisher.is_xpub())?;
        Some(publisher.rules())
    }
}

/// What a diagnosis wants to know of a pattern.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// To how many topics it has subscribed, if it needs any to receive something.
    pub(crate) subscriptions: Option<usize>,
    /// To how many topics its peers have subscribed, if it sends nothing else.
    pub(crate) topics: Option<usize>,
}

/// Where envelopes are written to: frames of a message whose last frame is still to come.
pub trait Frames {
    /// Writes one of them.
    fn append_part(&mut self, body: &[u8]);
}

/// The state of a socket, as far as its pattern goes.
pub trait State: Send + 'static {
    /// The type that peers are told of.
    fn socket_type(&self) -> SocketType;

    /// Whether messages follow one another without waiting for answers. Then it pays to gather them;
    /// otherwise each is sent at once, since the peer has nothing else to do.
    fn streams(&self) -> bool;

    /// Its options.
    fn settings(&mut self) -> Settings<'_> {
        Settings::None
    }

    /// Whether the socket receives messages. Otherwise those that peers send to it are dropped as they come.
    fn receives(&self) -> bool {
        true
    }

    /// Whether peers send and take bytes without frames, and shake no hands.
    fn is_raw(&self) -> bool {
        false
    }

    /// What the application is told of connections that are not over inproc.
    fn notify(&self) -> Notify {
        Notify::default()
    }

    /// What the application wants to call the peer that is connected to now.
    fn take_name(&mut self) -> Option<Bytes> {
        None
    }

    /// Whether there is a use for another connection, to a peer of this name if the application has given one.
    fn may_connect(&self, name: Option<&Bytes>) -> bool {
        let _ = name;
        true
    }

    /// Whether connecting to an endpoint a second time changes nothing.
    fn connects_once(&self) -> bool {
        false
    }

    // ---- Sending ----

    /// Where a message goes that is sent now.
    /// `head` is the message's first frame, if others follow.
    fn route(&self, head: Option<&Frame>) -> Result<Route, Refusal> {
        let _ = head;
        Err(Refusal::NotSupported)
    }

    /// Whether sending and receiving take turns, so that a message which was received has to be taken before the next is sent.
    fn takes_turns(&self) -> bool {
        false
    }

    /// Whether a message that its first frame sends to a full peer waits for room.
    fn is_mandatory(&self) -> bool {
        false
    }

    /// Whether a message's first frame says where it goes, and is not sent.
    fn takes_head(&self) -> bool {
        false
    }

    /// Whether what a link has brought until now means nothing any more once a message is sent there.
    fn voids_input(&self) -> bool {
        false
    }

    /// What a peer is sent before everything else, on each connection.
    fn hello(&self) -> Option<Bytes> {
        None
    }

    /// What a new peer is sent before all other messages, so that it hears of this socket.
    fn greeting(&self) -> Option<Bytes> {
        None
    }

    /// Who gets a message for many, in any order and each once. `is_whole` if its first frame is its only one. `false` if
    /// it is none for peers, and the pattern has taken it.
    fn recipients(
        &mut self,
        first: &[u8],
        is_whole: bool,
        places: &mut Vec<usize>,
    ) -> Result<bool, Refusal> {
        let _ = (first, is_whole, places);
        Ok(true)
    }

    /// Takes out of a message of several frames what is for the pattern itself and not for peers. `false` if nothing is
    /// left of it.
    fn take_own(&mut self, message: &mut Message) -> Result<bool, Refusal> {
        let _ = message;
        Ok(true)
    }

    /// The message for many was sent.
    fn sent_to_many(&mut self) {}

    /// Whether the socket subscribes to what its peers send.
    fn subscribes(&self) -> bool {
        false
    }

    /// What has changed since the last call about what it wants, the oldest first.
    fn take_changes(&mut self) -> Vec<Change> {
        Vec::new()
    }

    /// Writes what goes in front of a message.
    fn wrap(&self, out: &mut impl Frames) {
        let _ = out;
    }

    /// The message went out on a link, as the one with this number.
    fn sent(&mut self, at: At, number: u64) {
        let _ = (at, number);
    }

    /// The message was dropped, because the one link that it was for is full or gone.
    fn unsent(&mut self) {}

    /// The message was refused, because the one link that it was for is gone.
    fn on_unroutable(&mut self) {}

    /// Frames that are of no use any more, and whose owners may do anything when they are dropped.
    fn take_spent(&mut self) -> Vec<Frame> {
        Vec::new()
    }

    // ---- Receiving ----

    /// Where a message comes from that is received now.
    fn source(&self) -> Result<Source, Refusal> {
        Err(Refusal::NotSupported)
    }

    /// Whether every message that comes is delivered. Then a poller need not look into it.
    fn takes_all(&self) -> bool {
        false
    }

    /// Whether a message of this frame alone would be delivered as it is; `None` if only [`accept`](Self::accept) can say.
    #[inline]
    fn takes_alone(&self, _: &[u8]) -> Option<bool> {
        (self.takes_all() && self.prefix() == 0).then_some(true)
    }

    /// Whether a message that was [accepted](Self::accept) before, and not delivered, would be now.
    fn still_wants(&self, message: &Message) -> bool {
        let _ = message;
        true
    }

    /// Makes a message ready to be received into, so that the buffers which it has are used again for what they
    /// were used for before.
    fn prepare(&self, message: &mut Message) {
        let _ = message;
    }

    /// Whether what comes in is taken in at every opportunity, and not only when the application receives.
    fn takes_in(&self) -> bool {
        false
    }

    /// Whether there is more to do about peers that are gone than could be done at once.
    fn is_unfinished(&self) -> bool {
        false
    }

    /// Does a part of that.
    fn go_on(&mut self, least: usize) {
        let _ = least;
    }

    /// How much the pattern may take in that the application has not received; 0 is unlimited.
    fn limit_input(&mut self, limit: u32) {
        let _ = limit;
    }

    /// Whether something was taken in that is for the application.
    fn has_own(&self) -> bool {
        false
    }

    /// Takes out the next of what was taken in and is for the application, and says where it came from.
    fn pop(&mut self, message: &mut Message) -> Option<At> {
        let _ = message;
        None
    }

    /// Frames that the pattern puts before what came in.
    fn prefix(&self) -> usize {
        0
    }

    /// A message came in, behind the [prefix](Self::prefix). If it is delivered, its envelope is taken off.
    fn accept(&mut self, from: At, message: &mut Message) -> Verdict {
        let _ = (from, message);
        Verdict::Deliver
    }

    /// Everything that came from the only source has been read. If nothing else will come from there, the
    /// number of the message to which that is the end.
    fn give_up(&mut self) -> Option<u64> {
        None
    }

    /// What a diagnosis wants to know.
    fn view(&self) -> View {
        View::default()
    }

    // ---- Links ----

    /// There is a new link, or the peer of one has said what it calls itself, for the first time or after its
    /// connection was made again. `name` is that, or what the application calls it; empty for nothing, and none if
    /// it has not said so yet.
    fn admit(&mut self, at: At, name: Option<&Bytes>) -> Admission {
        let _ = (at, name);
        Admission::Join
    }

    /// What the pattern calls the peer of a link.
    fn name(&self, at: At) -> Option<&Bytes> {
        let _ = at;
        None
    }

    /// A link is gone, and all that it brought has been received or dropped.
    fn on_detached(&mut self, at: At) {
        let _ = at;
    }

    /// The peer of a link is gone. What it has left is still received from there, if that is
    /// [wanted](Self::wants_rest).
    fn on_gone(&mut self, at: At) {
        let _ = at;
    }

    /// Whether what a peer has left that is gone is still of use.
    fn wants_rest(&self, at: At) -> bool;

    /// The same of peers that the socket has not even got to know.
    fn wants_rest_of_strangers(&self) -> bool {
        true
    }

    /// The number of the message whose answer is to come from this link.
    fn awaits(&self, at: At) -> Option<u64> {
        let _ = at;
        None
    }

    /// The connection of a link broke and will be made again. It had taken this many messages, which may be
    /// lost.
    fn on_interrupted(&mut self, at: At, taken: u64) {
        let _ = (at, taken);
    }

    /// The link leads to a multicast group: whoever receives there cannot say what it wants.
    fn on_group(&mut self, at: At) {
        let _ = at;
    }

    /// What a link brings from now on comes on another connection.
    fn on_renewed(&mut self, at: At) {
        let _ = at;
    }

    /// The application is told that the link is gone which it waits for.
    fn on_lost(&mut self, at: At) {
        let _ = at;
    }
}

/// Makes room in a message for a delimiter that will be taken off: the body's buffer stays the body's.
fn prepare_delimiter(message: &mut Message) {
    if message.len() == 1 {
        message.push_front(Frame::new());
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! What the tests of patterns share.

    use super::{At, Frames};

    impl Frames for Vec<Vec<u8>> {
        fn append_part(&mut self, body: &[u8]) {
            self.push(body.to_vec());
        }
    }

    pub(crate) fn at(place: usize) -> At {
        At {
            place,
            id: place as u64 + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    /// The rule of this module: see above. What a pattern may use of the others is named here.
    #[test]
    fn patterns_know_neither_pipes_nor_links_nor_threads_nor_clocks() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pattern");
        let mut files = 0;
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            let lines = code.lines().map(str::trim);
            let code: String = lines.filter(|line| !line.starts_with("//")).collect();
            let follows = |prefix: &'static str| {
                let found = code.match_indices(prefix);
                found.map(|(at, _)| code[at + prefix.len()..].trim_start_matches(['{', ' ']))
            };
            for (prefix, allowed) in [
                ("crate::", &["error::Refusal", "routing::"][..]),
                ("std::", &["mem::"]),
                ("zpipe", &[]),
                ("ztransport", &[]),
            ] {
                for rest in follows(prefix) {
                    let is_allowed = allowed.iter().any(|allowed| rest.starts_with(allowed));
                    assert!(is_allowed, "{}: {prefix}{rest:.40}", path.display());
                }
            }
            files += 1;
        }
        assert!(files > 4, "only {files} files");
    }
}
