//! The desk: where the questions of all handshakes of a reactor are answered, on its first I/O thread.
//!
//! An [`Authority`](crate::Authority) goes before the ZAP handler. That is whatever socket has bound
//! [`zap::ENDPOINT`]: a REP or ROUTER, or a DEALER that keeps the order of its own. The desk has one inproc link to it,
//! as a DEALER would, and takes in what comes there when it is signalled, as every pipe of an I/O thread. Many questions are
//! under way on the link; each has a request id of its own, by which its reply is found.
//!
//! # What is bounded
//!
//! - *The pipe to the handler* by its high-water mark. A handler that does not keep up makes the desk refuse with 300, so
//!   that the peer tries again.
//! - *Questions that wait for a reply*: [`MAX_WAITING`]. One more refuses the oldest, whose handshake is most likely over.
//! - *Replies that are taken in at a time*: [`BUDGET`].
//!
//! # When the handler goes
//!
//! What it has not answered is refused with 300, and so is everybody until another one has bound the name. Nobody comes in
//! because a handler has crashed: only where there never was one the policy of the socket decides.

use std::{collections::BTreeMap, sync::Arc};

use zmtp::{
    Message, SocketType,
    zap::{self, Answer, Refusal, Reply, ReplyError},
};
use zpipe::{
    Notifier, Readiness,
    deferred::{self, Scope},
};

use crate::{
    authentication::{Asker, AuthoritySlot, Question},
    endpoint::{Endpoint, InprocName},
    event::SocketHandle,
    ids::next_id,
    inproc::Inproc,
    link::Link,
    options::Options,
};

/// Questions that wait for a handler's reply at a time.
const MAX_WAITING: usize = 4096;
/// Replies taken in before others have their turn.
const BUDGET: u32 = 64;

#[derive(Debug)]
pub(crate) struct Desk {
    authority: Arc<AuthoritySlot>,
    inproc: Arc<Inproc>,
    /// Of the I/O thread.
    io: Notifier,
    name: Option<InprocName>,
    line: Option<Line>,
    /// There has been a handler. When there is none, that is a failure from then on.
    had_handler: bool,
    waiting: Waiting<Asker>,
}

/// The link to the handler.
#[derive(Debug)]
struct Line {
    link: Link,
    /// Which of those that have bound the name it leads to.
    binding: u64,
}

impl Desk {
    pub(crate) fn new(authority: Arc<AuthoritySlot>, inproc: Arc<Inproc>, io: Notifier) -> Self {
        let name = match Endpoint::parse(zap::ENDPOINT) {
            Ok(Endpoint::Inproc(name)) => Some(name),
            _ => None,
        };
        Self {
            authority,
            inproc,
            io,
            name,
            line: None,
            had_handler: false,
            waiting: Waiting::default(),
        }
    }

    /// Has a question answered, now or later.
    pub(crate) fn ask(&mut self, question: Question) {
        if let Some(authority) = self.authority.current() {
            let socket = question.asker.socket();
            // Foreign code. The last handle of the authority may go here, so that is caught, too.
            let whole = deferred::catch(move || authority.ask(question));
            if !whole && let Some(socket) = socket {
                socket.counters().foreign_panics.add(1);
            }
            return;
        }
        let _scope = Scope::open();
        self.reach_handler();
        let Some(line) = &mut self.line else {
            if self.had_handler {
                return question.put_off("the handler is gone");
            }
            return question.answer(Answer::NoHandler);
        };
        if !line.link.writer.has_room() {
            return question.put_off("the handler is too busy");
        }
        let (request, asker) = question.into_parts();
        let (number, oldest) = self.waiting.add(asker);
        let mut message = request
            .with_request_id(number.to_string())
            .encode_delimited();
        line.link.writer.append_message(&mut message);
        if line.link.writer.commit_quietly() && line.link.pass_on() {
            line.link.wake_reader();
        }
        if let Some(oldest) = oldest {
            oldest.refuse(Refusal::TemporaryError, "the handler is too slow");
        }
    }

    /// Sees to it that the link leads to whoever has bound the handler's name now, if anybody has who could answer.
    fn reach_handler(&mut self) {
        let bound = self
            .name
            .as_ref()
            .and_then(|name| self.inproc.binding(name))
            .filter(|(_, socket_type)| can_handle(*socket_type));
        let is_current = |line: &Line| {
            !line.link.writer.is_closed() && bound.is_some_and(|(key, _)| key == line.binding)
        };
        if self.line.as_ref().is_some_and(|line| !is_current(line)) {
            self.take_in();
            self.hang_up();
        }
        if self.line.is_none() && bound.is_some() {
            self.line = self.dial();
            self.had_handler |= self.line.is_some();
        }
    }

    fn dial(&self) -> Option<Line> {
        let id = next_id();
        // An inproc link brings no letters.
        let (letters, _) = zpipe::mailbox(self.io.sibling(id));
        let handle = SocketHandle::new(letters, self.io.sibling(id));
        let options = Arc::new(Options::new(SocketType::Dealer));
        let name = self.name.as_ref()?;
        let (binding, mut link) = self.inproc.connect_bound(id, name, &options, &handle)?;
        // Each frame is handed over as it is. A password has an owner that wipes it; a copy in the pipe would stay.
        link.writer.set_splice_min(1);
        if !link.set_idle() {
            // It says something already.
            self.io.sibling(id).notify(Readiness::READABLE);
        }
        Some(Line { link, binding })
    }

    /// Lets go of the handler. What it has not answered it will not answer any more.
    fn hang_up(&mut self) {
        self.line = None;
        for asker in self.waiting.take_all() {
            asker.refuse(Refusal::TemporaryError, "the handler is gone");
        }
    }

    /// Whether a signal with this token is about the link to the handler.
    pub(crate) fn is_signalled_by(&self, token: u64) -> bool {
        self.line.as_ref().is_some_and(|line| line.link.id == token)
    }

    /// The link was signalled.
    pub(crate) fn on_signal(&mut self) {
        let _scope = Scope::open();
        self.take_in();
        let Some(line) = &mut self.line else { return };
        line.link.settle();
        if line.link.writer.is_closed() && line.link.is_drained() {
            self.hang_up();
        }
    }

    /// Takes in replies.
    fn take_in(&mut self) {
        let Some(line) = &mut self.line else { return };
        let link = &mut line.link;
        let mut message = Message::new();
        for _ in 0..BUDGET {
            let (_, mut incoming) = link.incoming();
            if !incoming.fetch() {
                if link.set_idle() || link.is_drained() {
                    return;
                }
                continue;
            }
            if !link.reader.read_message(&mut message) {
                continue;
            }
            if let Some((asker, answer)) = self.waiting.settle(&message) {
                asker.answer_as_own(answer);
            }
            deferred::drop_bodies(&mut message);
        }
        self.io.sibling(link.id).notify(Readiness::READABLE);
    }
}

impl Drop for Desk {
    /// Whoever waits is on another thread, if anybody does. Its peer may come again when there is another context.
    fn drop(&mut self) {
        self.hang_up();
    }
}

/// Whether a socket of this type can speak ZAP.
const fn can_handle(socket_type: SocketType) -> bool {
    matches!(
        socket_type,
        SocketType::Rep | SocketType::Router | SocketType::Dealer
    )
}

/// Whoever waits for a reply, by the number of the request.
#[derive(Debug)]
struct Waiting<T> {
    next: u64,
    waiting: BTreeMap<u64, T>,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self {
            next: 1,
            waiting: BTreeMap::new(),
        }
    }
}

impl<T> Waiting<T> {
    /// Takes somebody in, and returns the number of the request, with whoever has to make room.
    fn add(&mut self, asker: T) -> (u64, Option<T>) {
        let number = self.next;
        self.next += 1;
        let oldest = if self.waiting.len() >= MAX_WAITING {
            self.waiting.pop_first().map(|(_, oldest)| oldest)
        } else {
            None
        };
        self.waiting.insert(number, asker);
        (number, oldest)
    }

    /// Finds whom a reply is for. Nobody waits any more for one that comes late. What names no request that was ever made
    /// comes from a handler that is broken, and is the answer to whoever waits longest: it refuses that peer.
    fn settle(&mut self, reply: &Message) -> Option<(T, Answer)> {
        let decoded = Reply::decode_delimited(reply);
        // Behind delimiter and version. It may be told whom a reply is for that is otherwise of no use.
        let number = reply
            .frames()
            .get(2)
            .and_then(|id| std::str::from_utf8(id).ok()?.parse::<u64>().ok());
        let asked = number.filter(|number| (1..self.next).contains(number));
        let (asker, is_asked) = match asked {
            Some(number) => (self.waiting.remove(&number)?, true),
            None => (self.waiting.pop_first()?.1, false),
        };
        let answer = match decoded {
            Ok(_) if !is_asked => Answer::Invalid(ReplyError::RequestId),
            Ok(reply) => Answer::Reply(reply),
            Err(cause) => Answer::Invalid(cause),
        };
        Some((asker, answer))
    }

    fn take_all(&mut self) -> impl Iterator<Item = T> + use<T> {
        std::mem::take(&mut self.waiting).into_values()
    }
}

#[cfg(test)]
mod tests {
    use zmtp::zap::{Credentials, Request};

    use super::*;

    /// Three that wait, with the numbers 1, 2 and 3.
    fn three() -> Waiting<&'static str> {
        let mut waiting = Waiting::default();
        for (number, name) in [(1, "a"), (2, "b"), (3, "c")] {
            assert_eq!(waiting.add(name), (number, None));
        }
        waiting
    }

    fn reply(id: &str) -> Message {
        let request = Request::new(Credentials::Null).with_request_id(id.to_owned());
        Reply::success(&request, "alice").encode_delimited()
    }

    #[test]
    fn replies_find_their_questions_in_any_order() {
        let mut waiting = three();
        for (id, name) in [("2", "b"), ("3", "c"), ("1", "a")] {
            let (asker, answer) = waiting.settle(&reply(id)).unwrap();
            assert_eq!(asker, name);
            let Answer::Reply(reply) = answer else {
                panic!("{answer:?}")
            };
            assert_eq!(reply.request_id, id);
            assert_eq!(reply.user_id, "alice");
        }
    }

    #[test]
    fn a_reply_that_comes_twice_harms_nobody() {
        let mut waiting = three();
        assert_eq!(waiting.settle(&reply("1")).unwrap().0, "a");
        assert_eq!(waiting.settle(&reply("1")), None);
        assert_eq!(waiting.settle(&reply("2")).unwrap().0, "b");
    }

    #[test]
    fn an_id_that_nobody_has_used_refuses_whoever_waits_longest() {
        for id in ["0", "4", "-1", "", "one", "18446744073709551616"] {
            let mut waiting = three();
            let settled = waiting.settle(&reply(id));
            let expected = Answer::Invalid(ReplyError::RequestId);
            assert_eq!(settled, Some(("a", expected)), "{id}");
        }
        assert_eq!(Waiting::<()>::default().settle(&reply("1")), None);
    }

    #[test]
    fn a_broken_reply_refuses_the_peer_that_it_names() {
        let broken = |index: usize, frame: &str| {
            let frames = reply("2").frames().to_vec();
            let frames = frames.iter().map(|frame| frame.to_vec());
            let mut frames: Vec<Vec<u8>> = frames.collect();
            frames[index] = frame.into();
            frames.into_iter().collect::<Message>()
        };
        let mut long = reply("2");
        long.push_back("more");
        for (message, cause) in [
            (broken(0, "x"), ReplyError::Delimiter),
            (broken(1, "1.1"), ReplyError::Version),
            (broken(3, "201"), ReplyError::StatusCode),
            (broken(6, "x"), ReplyError::Metadata),
            (long, ReplyError::FrameCount { frames: 8 }),
        ] {
            let mut waiting = three();
            assert_eq!(
                waiting.settle(&message),
                Some(("b", Answer::Invalid(cause)))
            );
        }
        let mut waiting = three();
        let cause = ReplyError::FrameCount { frames: 1 };
        let settled = waiting.settle(&Message::from("x"));
        assert_eq!(settled, Some(("a", Answer::Invalid(cause))));
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut waiting = Waiting::default();
        for number in 0..MAX_WAITING {
            assert_eq!(waiting.add(number).1, None);
        }
        assert_eq!(waiting.add(MAX_WAITING).1, Some(0));
        assert_eq!(waiting.add(MAX_WAITING + 1).1, Some(1));
        assert_eq!(waiting.take_all().count(), MAX_WAITING);
    }
}
