//! STREAM: bytes to and from peers that do not speak ZMTP, each under a routing id that is made here.

use bytes::Bytes;
use zmtp::{Frame, Message, SocketType};

use super::{Admission, At, Notify, Otherwise, Route, Settings, Source, State, Verdict};
use crate::{error::Refusal, routing::Routes};

/// Whom a STREAM socket knows by what routing id.
#[derive(Debug)]
pub struct Stream {
    routes: Routes,
    /// Whether connections that come and go are told of.
    pub(crate) notify: bool,
    /// The routing id of the peer that is connected to next.
    pub(crate) next_name: Option<Bytes>,
    /// That of the peer that was connected to last.
    pub(crate) last_name: Option<Bytes>,
    /// For the others.
    next_number: u32,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            routes: Routes::default(),
            notify: true,
            next_name: None,
            last_name: None,
            // As for ROUTER.
            next_number: fastrand::u32(..),
        }
    }
}

impl State for Stream {
    fn name(&self, at: At) -> Option<&Bytes> {
        self.routes.name(at)
    }

    fn socket_type(&self) -> SocketType {
        SocketType::Stream
    }

    fn settings(&mut self) -> Settings<'_> {
        Settings::Stream(self)
    }

    fn streams(&self) -> bool {
        true
    }

    fn is_raw(&self) -> bool {
        true
    }

    fn notify(&self) -> Notify {
        Notify {
            established: self.notify,
            ended: self.notify,
            ..Notify::default()
        }
    }

    fn route(&self, head: Option<&Frame>) -> Result<Route, Refusal> {
        let name = head.ok_or(Refusal::NoRoutingId)?;
        let at = self.routes.find(name).ok_or(Refusal::Unroutable)?;
        Ok(Route::Bytes(at, Otherwise::Wait))
    }

    fn takes_head(&self) -> bool {
        true
    }

    fn is_mandatory(&self) -> bool {
        true
    }

    fn takes_all(&self) -> bool {
        true
    }

    fn source(&self) -> Result<Source, Refusal> {
        Ok(Source::Fair)
    }

    fn prefix(&self) -> usize {
        1
    }

    fn accept(&mut self, from: At, message: &mut Message) -> Verdict {
        if self.routes.sign(from, message) {
            Verdict::Deliver
        } else {
            Verdict::Discard
        }
    }

    /// Every connection has its name before there is a peer, and each link of it has the same.
    fn take_name(&mut self) -> Option<Bytes> {
        let name = self.next_name.take();
        let name = name.unwrap_or_else(|| self.routes.make_name(&mut self.next_number));
        self.last_name = Some(name.clone());
        Some(name)
    }

    fn may_connect(&self, name: Option<&Bytes>) -> bool {
        name.is_none_or(|name| self.routes.find(name).is_none())
    }

    fn admit(&mut self, at: At, name: Option<&Bytes>) -> Admission {
        let name = match name {
            // Peers that came say nothing.
            None => self.routes.make_name(&mut self.next_number),
            Some(name) if name.is_empty() => self.routes.make_name(&mut self.next_number),
            Some(name) => name.clone(),
        };
        match self.routes.find(&name).filter(|other| *other != at) {
            Some(other) => Admission::Refuse(other),
            None => {
                if self.routes.name(at).is_none() {
                    self.routes.insert(at, name);
                }
                Admission::Join
            }
        }
    }

    fn on_detached(&mut self, at: At) {
        self.routes.remove(at);
    }

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

    fn comes_as(stream: &mut Stream, from: At) -> Option<Vec<u8>> {
        let mut message = Message::from(["something else", "bytes"]);
        let verdict = stream.accept(from, &mut message);
        (verdict == Verdict::Deliver).then(|| {
            assert_eq!(message[1], "bytes");
            message[0].to_vec()
        })
    }

    fn to(stream: &Stream, name: &[u8]) -> Result<Route, Refusal> {
        stream.route(Some(&Frame::from(name)))
    }

    #[test]
    fn a_peer_gets_an_id_of_five_bytes_that_leads_to_it() {
        let mut stream = Stream::default();
        assert_eq!(stream.route(None), Err(Refusal::NoRoutingId));
        assert_eq!(to(&stream, b"x"), Err(Refusal::Unroutable));
        let ids = [1, 2].map(|link| {
            assert_eq!(stream.admit(at(link), Some(&Bytes::new())), Admission::Join);
            let id = comes_as(&mut stream, at(link)).unwrap();
            assert_eq!((id.len(), id[0]), (5, 0));
            assert_eq!(
                to(&stream, &id),
                Ok(Route::Bytes(at(link), Otherwise::Wait))
            );
            id
        });
        assert_ne!(ids[0], ids[1]);
        // What it has left is received under that id, and nothing is sent there.
        stream.on_gone(at(1));
        assert_eq!(to(&stream, &ids[0]), Err(Refusal::Unroutable));
        assert_eq!(comes_as(&mut stream, at(1)).unwrap(), ids[0]);
        stream.on_detached(at(1));
        assert_eq!(comes_as(&mut stream, at(1)), None);
    }

    #[test]
    fn a_connection_has_its_id_before_there_is_a_peer_and_keeps_it() {
        let mut stream = Stream::default();
        let made = stream.take_name();
        assert_eq!(made, stream.last_name);
        stream.next_name = Some("given".into());
        let given = stream.take_name();
        assert_eq!(given, Some("given".into()));
        assert_ne!(stream.take_name(), given, "only once");
        for (link, name) in [(1, &made), (2, &given)] {
            assert!(stream.may_connect(name.as_ref()));
            assert_eq!(stream.admit(at(link), name.as_ref()), Admission::Join);
            assert_eq!(
                comes_as(&mut stream, at(link)).unwrap(),
                name.as_ref().unwrap()[..]
            );
            assert!(!stream.may_connect(name.as_ref()));
            // It gets a link of its own each time it is made.
            assert_eq!(
                stream.admit(at(link + 2), name.as_ref()),
                Admission::Refuse(at(link))
            );
            stream.on_gone(at(link));
            assert_eq!(stream.admit(at(link + 2), name.as_ref()), Admission::Join);
        }
    }

    proptest! {
        /// Peers come and go: an id leads to the one link whose bytes come with it, and to none when it is gone.
        #[test]
        fn ids_and_links_belong_together(steps in proptest::collection::vec((0..5usize, 0..3), 0..80)) {
            let mut stream = Stream::default();
            // With whether the peer is still there.
            let mut links: BTreeMap<usize, (Vec<u8>, bool)> = BTreeMap::new();
            for (link, step) in steps {
                match (links.get_mut(&link), step) {
                    (None, _) => {
                        prop_assert_eq!(stream.admit(at(link), Some(&Bytes::new())), Admission::Join);
                        let id = comes_as(&mut stream, at(link)).unwrap();
                        prop_assert!(links.values().all(|(other, _)| *other != id));
                        links.insert(link, (id, true));
                    }
                    (Some(known), 0) => {
                        stream.on_gone(at(link));
                        known.1 = false;
                    }
                    (Some(_), _) => {
                        stream.on_detached(at(link));
                        links.remove(&link);
                    }
                }
                for (link, (id, is_there)) in &links {
                    let comes = comes_as(&mut stream, at(*link));
                    prop_assert_eq!(comes.as_ref(), Some(id));
                    let expected = if *is_there {
                        Ok(Route::Bytes(at(*link), Otherwise::Wait))
                    } else {
                        Err(Refusal::Unroutable)
                    };
                    prop_assert_eq!(to(&stream, id), expected);
                }
            }
        }
    }
}
