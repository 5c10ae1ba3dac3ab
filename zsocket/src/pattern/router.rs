//! ROUTER: to the peer whose routing id is the first frame, from each in turn behind its routing id. RFC 28,
//! "The ROUTER Socket Type".

use bytes::Bytes;
use zmtp::{Frame, Message, SocketType};

use super::{Admission, At, Notify, Otherwise, Route, Settings, Source, State, Verdict};
use crate::{error::Refusal, routing::Routes};

/// Whom a ROUTER socket knows by what routing id.
#[derive(Debug)]
pub struct Router {
    routes: Routes,
    /// Whether a message that goes nowhere is an error.
    pub(crate) mandatory: bool,
    /// Whether a peer takes the routing id over from another one that has it.
    pub(crate) handover: bool,
    /// Whether a new peer is sent an empty message first.
    pub(crate) probe: bool,
    /// What is told of connections.
    pub(crate) notify: Notify,
    /// What peers are sent before everything else.
    pub(crate) hello: Option<Bytes>,
    /// Whether peers do not speak ZMTP.
    pub(crate) raw: bool,
    /// Whether the next message has nothing to wait for, as the answer to the only request at work.
    pub(crate) alone: bool,
    /// The routing id of the peer that is connected to next, whatever it calls itself.
    pub(crate) next_name: Option<Bytes>,
    /// For peers that do not call themselves anything.
    next_number: u32,
}

impl Default for Router {
    fn default() -> Self {
        Self {
            routes: Routes::default(),
            mandatory: false,
            handover: false,
            probe: false,
            notify: Notify::default(),
            hello: None,
            raw: false,
            alone: false,
            next_name: None,
            // So that an id from an earlier run of the program hardly ever leads to somebody else in this one.
            next_number: fastrand::u32(..),
        }
    }
}

impl Router {
    /// A routing id that no peer can call itself by.
    fn make_name(&mut self) -> Bytes {
        self.routes.make_name(&mut self.next_number)
    }

    /// A peer calls itself something. What begins like the ids that are made here does not count: it could be
    /// that of another one.
    fn call(&mut self, at: At, name: &Bytes) -> Admission {
        if name.first().is_none_or(|first| *first == 0) {
            if self.routes.name(at).is_none_or(|name| name[0] != 0) {
                let name = self.make_name();
                self.routes.insert(at, name);
            }
            return Admission::Join;
        }
        let other = self.routes.find(name).filter(|other| *other != at);
        match other {
            None => {
                self.routes.insert(at, name.clone());
                Admission::Join
            }
            Some(other) if self.handover => {
                // What the other one has sent is still received, from a peer to whom nothing can be sent.
                let unknown = self.make_name();
                self.routes.insert(other, unknown);
                self.routes.insert(at, name.clone());
                Admission::Replace(other)
            }
            Some(other) => Admission::Refuse(other),
        }
    }
}

impl State for Router {
    fn socket_type(&self) -> SocketType {
        SocketType::Router
    }

    fn settings(&mut self) -> Settings<'_> {
        Settings::Router(self)
    }

    fn streams(&self) -> bool {
        !self.alone
    }

    fn is_raw(&self) -> bool {
        self.raw
    }

    fn notify(&self) -> Notify {
        // As with libzmq, and as a STREAM by default.
        Notify {
            established: self.notify.established || self.raw,
            ended: self.notify.ended || self.raw,
            ..self.notify.clone()
        }
    }

    fn route(&self, head: Option<&Frame>) -> Result<Route, Refusal> {
        let name = head.ok_or(Refusal::NoRoutingId)?;
        let otherwise = if self.mandatory {
            Otherwise::Wait
        } else {
            Otherwise::Drop
        };
        match self.routes.find(name) {
            Some(at) if self.raw => Ok(Route::Bytes(at, otherwise)),
            Some(at) => Ok(Route::One(at, otherwise)),
            None if self.mandatory => Err(Refusal::Unroutable),
            None => Ok(Route::Nobody),
        }
    }

    fn hello(&self) -> Option<Bytes> {
        self.hello.clone()
    }

    fn greeting(&self) -> Option<Bytes> {
        self.probe.then(Bytes::new)
    }

    fn takes_head(&self) -> bool {
        true
    }

    fn is_mandatory(&self) -> bool {
        self.mandatory
    }

    fn takes_all(&self) -> bool {
        true
    }

    #[inline]
    fn source(&self) -> Result<Source, Refusal> {
        Ok(Source::Fair)
    }

    #[inline]
    fn prefix(&self) -> usize {
        1
    }

    #[inline]
    fn accept(&mut self, from: At, message: &mut Message) -> Verdict {
        // A link without a name is held, so nothing comes from there.
        if self.routes.sign(from, message) {
            Verdict::Deliver
        } else {
            Verdict::Discard
        }
    }

    fn take_name(&mut self) -> Option<Bytes> {
        self.next_name.take()
    }

    fn may_connect(&self, name: Option<&Bytes>) -> bool {
        name.is_none_or(|name| self.routes.find(name).is_none())
    }

    fn admit(&mut self, at: At, name: Option<&Bytes>) -> Admission {
        match name {
            Some(name) => self.call(at, name),
            // It will never say so.
            None if self.raw => self.call(at, &Bytes::new()),
            None => Admission::Hold,
        }
    }

    fn name(&self, at: At) -> Option<&Bytes> {
        self.routes.name(at)
    }

    fn on_detached(&mut self, at: At) {
        self.routes.remove(at);
    }

    /// Whoever comes next by that name is somebody new, or the same peer again.
    fn on_gone(&mut self, at: At) {
        self.routes.unroute(at);
    }

    fn wants_rest(&self, _: At) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::pattern::testing::at;

    fn id(name: u8) -> Bytes {
        Bytes::from(vec![name])
    }

    fn goes_to(router: &Router, name: &[u8]) -> Option<At> {
        match router.route(Some(&Frame::from(name))).unwrap() {
            Route::One(at, Otherwise::Drop) => Some(at),
            Route::Nobody => None,
            other => panic!("{other:?}"),
        }
    }

    fn comes_as(router: &mut Router, from: At) -> Option<Vec<u8>> {
        let mut message = Message::from(["something else", "body"]);
        let verdict = router.accept(from, &mut message);
        (verdict == Verdict::Deliver).then(|| {
            assert_eq!(message[1], "body");
            message[0].to_vec()
        })
    }

    #[test]
    fn a_message_goes_where_its_first_frame_says() {
        let mut router = Router::default();
        assert_eq!(router.route(None), Err(Refusal::NoRoutingId));
        assert_eq!(router.admit(at(1), Some(&id(b'a'))), Admission::Join);
        assert_eq!(goes_to(&router, b"a"), Some(at(1)));
        assert_eq!(goes_to(&router, b"b"), None);
        router.mandatory = true;
        let to = |router: &Router, name: &str| router.route(Some(&Frame::from(name)));
        assert_eq!(to(&router, "a"), Ok(Route::One(at(1), Otherwise::Wait)));
        assert_eq!(to(&router, "b"), Err(Refusal::Unroutable));
    }

    #[test]
    fn raw_peers_have_their_names_at_once() {
        let mut router = Router {
            raw: true,
            ..Router::default()
        };
        assert!(router.is_raw() && router.notify().established && router.notify().ended);
        assert_eq!(router.admit(at(1), None), Admission::Join);
        let name = comes_as(&mut router, at(1)).unwrap();
        assert_eq!(router.admit(at(1), Some(&Bytes::new())), Admission::Join);
        assert_eq!(comes_as(&mut router, at(1)).as_ref(), Some(&name));
        let to = |router: &Router| router.route(Some(&Frame::from(&name[..])));
        assert_eq!(to(&router), Ok(Route::Bytes(at(1), Otherwise::Drop)));
        router.mandatory = true;
        assert_eq!(to(&router), Ok(Route::Bytes(at(1), Otherwise::Wait)));
    }

    #[test]
    fn a_peer_without_a_name_gets_one_of_five_bytes() {
        let mut router = Router::default();
        let names = [1, 2].map(|link| {
            assert_eq!(router.admit(at(link), None), Admission::Hold);
            assert_eq!(comes_as(&mut router, at(link)), None);
            assert_eq!(router.admit(at(link), Some(&Bytes::new())), Admission::Join);
            let name = comes_as(&mut router, at(link)).unwrap();
            assert_eq!((name.len(), name[0]), (5, 0));
            assert_eq!(goes_to(&router, &name), Some(at(link)));
            // It keeps it when its connection is made again.
            assert_eq!(router.admit(at(link), Some(&Bytes::new())), Admission::Join);
            assert_eq!(comes_as(&mut router, at(link)), Some(name.clone()));
            name
        });
        assert_ne!(names[0], names[1]);
    }

    #[test]
    fn nobody_can_call_itself_by_an_id_that_was_made() {
        for handover in [false, true] {
            let mut router = Router {
                handover,
                ..Router::default()
            };
            router.admit(at(1), Some(&Bytes::new()));
            let made = comes_as(&mut router, at(1)).unwrap();
            let stolen = Bytes::from(made.clone());
            assert_eq!(router.admit(at(2), Some(&stolen)), Admission::Join);
            assert_eq!(goes_to(&router, &made), Some(at(1)));
            assert_ne!(comes_as(&mut router, at(2)), Some(made));
        }
    }

    #[test]
    fn a_name_is_given_once_and_only_if_nobody_has_it() {
        let mut router = Router {
            next_name: Some(id(b'x')),
            ..Router::default()
        };
        let name = router.take_name();
        assert!(router.may_connect(name.as_ref()));
        assert_eq!(router.admit(at(1), name.as_ref()), Admission::Join);
        assert_eq!(goes_to(&router, b"x"), Some(at(1)));
        assert!(!router.may_connect(name.as_ref()));
        assert_eq!(router.take_name(), None);
        assert!(router.may_connect(None));
    }

    #[test]
    fn the_last_to_come_has_the_name_if_it_is_handed_over() {
        let mut router = Router {
            handover: true,
            ..Router::default()
        };
        assert_eq!(router.admit(at(1), Some(&id(b'a'))), Admission::Join);
        let replaces = Admission::Replace(at(1));
        assert_eq!(router.admit(at(2), Some(&id(b'a'))), replaces);
        assert_eq!(goes_to(&router, b"a"), Some(at(2)));
        let before = comes_as(&mut router, at(1)).unwrap();
        assert_eq!(before[0], 0, "no longer by that name");
        router.on_detached(at(1));
        assert_eq!(goes_to(&router, b"a"), Some(at(2)));
    }

    proptest! {
        /// Links come with and without names, name themselves, and go: a name leads to the one link whose messages
        /// come with it, and each link that takes part has one.
        #[test]
        fn names_and_links_belong_together(
            handover: bool,
            steps in proptest::collection::vec((0..5usize, 0..4u8, 0..3), 0..60),
        ) {
            let mut router = Router { handover, ..Router::default() };
            // What is known of each link that takes part: nothing for one that is held.
            let mut links: BTreeMap<usize, Option<u8>> = BTreeMap::new();
            for (link, name, step) in steps {
                let bytes = if name == 0 { Bytes::new() } else { id(name) };
                let admission = match (links.contains_key(&link), step) {
                    (true, 0) => {
                        router.on_detached(at(link));
                        links.remove(&link);
                        continue;
                    }
                    (true, _) => router.admit(at(link), Some(&bytes)),
                    (false, 0) => {
                        prop_assert_eq!(router.admit(at(link), None), Admission::Hold);
                        links.insert(link, None);
                        continue;
                    }
                    (false, _) => router.admit(at(link), Some(&bytes)),
                };
                let owner = links.iter().find(|(other, known)| {
                    **other != link && name != 0 && **known == Some(name)
                });
                match owner.map(|(owner, _)| *owner) {
                    None => {
                        prop_assert_eq!(admission, Admission::Join);
                        links.insert(link, Some(name));
                    }
                    Some(owner) if handover => {
                        prop_assert_eq!(admission, Admission::Replace(at(owner)));
                        links.insert(owner, Some(0));
                        links.insert(link, Some(name));
                    }
                    Some(owner) => {
                        prop_assert_eq!(admission, Admission::Refuse(at(owner)));
                        router.on_detached(at(link));
                        links.remove(&link);
                    }
                }
                for (link, known) in &links {
                    let comes = comes_as(&mut router, at(*link));
                    match known {
                        None => prop_assert_eq!(comes, None),
                        Some(0) => {
                            let name = comes.unwrap();
                            prop_assert_eq!((name.len(), name[0]), (5, 0));
                            prop_assert_eq!(goes_to(&router, &name), Some(at(*link)));
                        }
                        Some(name) => {
                            prop_assert_eq!(comes.as_deref(), Some(&[*name][..]));
                            prop_assert_eq!(goes_to(&router, &[*name]), Some(at(*link)));
                        }
                    }
                }
            }
        }
    }
}
