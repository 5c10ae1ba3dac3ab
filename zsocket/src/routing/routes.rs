//! Peers by name.

use std::collections::HashMap;

use bytes::Bytes;
use zmtp::Message;
use ztransport::shrink;

use crate::pattern::At;

/// Which link leads to which name, and what the peer of a link is called. Names come from strangers, so they are
/// hashed with a key that nobody knows. Each look-up takes constant time.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    by_name: HashMap<Bytes, At>,
    /// By place; a place is taken again by other links.
    names: Vec<Option<(u64, Bytes)>>,
}

impl Routes {
    /// The link that leads to a name.
    pub(crate) fn find(&self, name: &[u8]) -> Option<At> {
        self.by_name.get(name).copied()
    }

    /// What the peer of a link is called.
    #[inline]
    pub(crate) fn name(&self, at: At) -> Option<&Bytes> {
        let (id, name) = self.names.get(at.place)?.as_ref()?;
        (*id == at.id).then_some(name)
    }

    /// Puts what the peer of a link is called into the first frame of what came from there. `false` if it has no name.
    #[inline]
    pub(crate) fn sign(&self, from: At, message: &mut Message) -> bool {
        let Some(name) = self.name(from) else {
            return false;
        };
        message.reuse_frame(0).assign(name);
        true
    }

    /// A name that leads nowhere: a zero, and the next number.
    pub(crate) fn make_name(&self, number: &mut u32) -> Bytes {
        loop {
            *number = number.wrapping_add(1);
            let mut name = vec![0];
            name.extend(number.to_be_bytes());
            if self.find(&name).is_none() {
                return name.into();
            }
        }
    }

    /// Gives a link a name that leads nowhere yet. It loses the one it had.
    pub(crate) fn insert(&mut self, at: At, name: Bytes) {
        self.remove(at);
        if self.names.len() <= at.place {
            self.names.resize(at.place + 1, None);
        }
        self.names[at.place] = Some((at.id, name.clone()));
        let other = self.by_name.insert(name, at);
        debug_assert_eq!(other, None, "two links of one name");
    }

    /// The name leads nowhere any more, and another link may have it. The link keeps it.
    pub(crate) fn unroute(&mut self, at: At) {
        let Some(name) = self.name(at).cloned() else {
            return;
        };
        if self.by_name.get(&name) == Some(&at) {
            self.by_name.remove(&name);
            shrink::map(&mut self.by_name);
        }
    }

    /// Takes a link's name away.
    pub(crate) fn remove(&mut self, at: At) {
        self.unroute(at);
        let Some(entry) = self.names.get_mut(at.place) else {
            return;
        };
        if entry.take_if(|(id, _)| *id == at.id).is_some() {
            while self.names.pop_if(|entry| entry.is_none()).is_some() {}
            shrink::list(&mut self.names);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::pattern::testing::at;

    proptest! {
        /// Beside an oracle: names come, change and go, and lead nowhere any more.
        #[test]
        fn each_name_leads_to_its_link(steps in proptest::collection::vec((0..6usize, 0..10u8), 0..60)) {
            let mut routes = Routes::default();
            // Names of links, and whether they lead there.
            let mut oracle: BTreeMap<usize, (u8, bool)> = BTreeMap::new();
            for (link, name) in steps {
                if name == 0 {
                    routes.remove(at(link));
                    oracle.remove(&link);
                } else if name == 9 {
                    routes.unroute(at(link));
                    oracle.entry(link).and_modify(|(_, leads)| *leads = false);
                } else if !oracle.values().any(|other| *other == (name, true)) {
                    routes.insert(at(link), Bytes::from(vec![name]));
                    oracle.insert(link, (name, true));
                }
                for link in 0..6 {
                    let name = oracle.get(&link).map(|(name, _)| *name);
                    prop_assert_eq!(routes.name(at(link)).map(|name| name[0]), name);
                    // Another link that has this place by now has no name.
                    prop_assert_eq!(routes.name(At { id: 99, ..at(link) }), None);
                }
                for name in 1..9 {
                    let link = oracle.iter().find(|(_, other)| **other == (name, true));
                    prop_assert_eq!(routes.find(&[name]), link.map(|(link, _)| at(*link)));
                }
            }
        }
    }

    #[test]
    fn a_name_that_is_made_leads_nowhere_yet() {
        let mut routes = Routes::default();
        routes.insert(at(1), Bytes::from_static(&[0, 0, 0, 0, 0]));
        let mut number = u32::MAX - 1;
        assert_eq!(routes.make_name(&mut number)[..], [0, 255, 255, 255, 255]);
        assert_eq!(routes.make_name(&mut number)[..], [0, 0, 0, 0, 1]);
    }

    #[test]
    fn the_tables_are_small_again_after_a_burst() {
        let mut routes = Routes::default();
        for link in 0..5000 {
            routes.insert(at(link), Bytes::from(link.to_string()));
        }
        for link in 1..5000 {
            routes.remove(at(link));
        }
        assert_eq!(routes.find(b"0"), Some(at(0)));
        assert!(routes.names.capacity() < 600 && routes.by_name.capacity() < 600);
    }
}
