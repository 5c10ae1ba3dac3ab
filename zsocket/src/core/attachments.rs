//! What a socket has bound and connected, by number and by endpoint.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use ztransport::Endpoint;

/// What a socket has done with an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Use {
    Bound,
    Connected,
}

/// An endpoint that the socket is bound or connected to.
#[derive(Debug, PartialEq)]
pub(crate) struct Attachment {
    pub(crate) used: Use,
    /// As it was given.
    pub(crate) given: Endpoint,
    /// What the application calls the peer.
    pub(crate) name: Option<Bytes>,
    /// Without wildcards, names of what was bound, and relative paths.
    pub(crate) endpoint: Endpoint,
}

/// The endpoints of one socket. Each time that one is bound or connected has a number, which the
/// reactor gave. No call takes time in proportion to how many there are, except that which takes them
/// all.
#[derive(Debug, Default)]
pub(crate) struct Attachments {
    attachments: HashMap<u64, Attachment>,
    by_endpoint: Index,
    /// Only of those that were given as something else than they are.
    by_given: Index,
}

impl Attachments {
    pub(crate) fn insert(&mut self, number: u64, attachment: Attachment) {
        let Attachment {
            used,
            given,
            endpoint,
            ..
        } = &attachment;
        self.by_endpoint.insert(*used, endpoint, number);
        if given != endpoint {
            self.by_given.insert(*used, given, number);
        }
        self.attachments.insert(number, attachment);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.attachments.is_empty()
    }

    pub(crate) fn get(&self, number: u64) -> Option<&Attachment> {
        self.attachments.get(&number)
    }

    pub(crate) fn contains(&self, used: Use, endpoint: &Endpoint) -> bool {
        !self.by_endpoint.numbers(used, endpoint).is_empty()
    }

    /// Forgets the connections to an endpoint that were given up.
    pub(crate) fn forget_connected(&mut self, endpoint: &Endpoint, given_up: impl Fn(u64) -> bool) {
        let numbers = self.by_endpoint.numbers(Use::Connected, endpoint);
        let gone = numbers.into_iter().filter(|number| given_up(*number));
        for number in gone.collect::<Vec<_>>() {
            self.remove(number);
        }
    }

    /// Forgets one number, if it is known.
    pub(crate) fn remove(&mut self, number: u64) {
        if let Some(Attachment {
            used,
            given,
            endpoint,
            ..
        }) = self.attachments.remove(&number)
        {
            self.by_given.remove(used, given, number);
            self.by_endpoint.remove(used, endpoint, number);
        }
    }

    /// Takes out all numbers of an endpoint, the oldest first.
    pub(crate) fn take(&mut self, used: Use, endpoint: &Endpoint) -> Vec<u64> {
        let numbers = self.by_endpoint.numbers(used, endpoint);
        numbers.iter().for_each(|number| self.remove(*number));
        numbers
    }

    /// Takes out all numbers of what was given as this endpoint, the oldest first.
    pub(crate) fn take_given(&mut self, used: Use, given: &Endpoint) -> Vec<u64> {
        let numbers = self.by_given.numbers(used, given);
        numbers.iter().for_each(|number| self.remove(*number));
        numbers
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Attachment)> {
        let all = self.attachments.iter();
        all.map(|(number, attachment)| (*number, attachment))
    }

    /// Takes out everything.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = (u64, Use)> + use<> {
        let Self { attachments, .. } = std::mem::take(self);
        let all = attachments.into_iter();
        all.map(|(number, attachment)| (number, attachment.used))
    }
}

/// Numbers grow, so the oldest comes first.
#[derive(Debug, Default)]
struct Index(HashMap<(Use, Endpoint), BTreeSet<u64>>);

impl Index {
    fn insert(&mut self, used: Use, endpoint: &Endpoint, number: u64) {
        let numbers = self.0.entry((used, endpoint.clone())).or_default();
        numbers.insert(number);
    }

    fn remove(&mut self, used: Use, endpoint: Endpoint, number: u64) {
        let key = (used, endpoint);
        if let Some(numbers) = self.0.get_mut(&key) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.0.remove(&key);
            }
        }
    }

    fn numbers(&self, used: Use, endpoint: &Endpoint) -> Vec<u64> {
        let numbers = self.0.get(&(used, endpoint.clone()));
        numbers.into_iter().flatten().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(name: &str) -> Endpoint {
        format!("inproc://{name}").parse().unwrap()
    }

    fn attach(attachments: &mut Attachments, number: u64, used: Use, given: &str, name: &str) {
        let attachment = Attachment {
            used,
            given: endpoint(given),
            endpoint: endpoint(name),
            name: None,
        };
        attachments.insert(number, attachment);
    }

    #[test]
    fn an_endpoint_may_be_bound_and_connected_several_times() {
        let (a, b) = (endpoint("a"), endpoint("b"));
        let mut endpoints = Attachments::default();
        for number in [3, 1, 2] {
            attach(&mut endpoints, number, Use::Connected, "a", "a");
        }
        attach(&mut endpoints, 4, Use::Bound, "a", "a");
        attach(&mut endpoints, 5, Use::Connected, "b", "b");
        assert_eq!(endpoints.get(4).unwrap().used, Use::Bound);
        assert!(!endpoints.contains(Use::Bound, &b));
        endpoints.remove(2);
        endpoints.remove(2);
        let taken = endpoints.take(Use::Connected, &a);
        assert_eq!(taken, [1, 3], "the oldest first");
        assert!(!endpoints.contains(Use::Connected, &a));
        assert!(endpoints.take(Use::Connected, &a).is_empty());
        assert!(endpoints.get(1).is_none());
        endpoints.remove(5);
        assert!(!endpoints.contains(Use::Connected, &b));
        let rest: Vec<_> = endpoints.take_all().collect();
        assert_eq!(rest, [(4, Use::Bound)]);
        assert!(!endpoints.contains(Use::Bound, &a));
    }

    #[test]
    fn what_was_given_is_found_as_well() {
        let (given, a) = (endpoint("given"), endpoint("a"));
        let mut endpoints = Attachments::default();
        for number in [1, 2, 3] {
            attach(&mut endpoints, number, Use::Bound, "given", "a");
        }
        attach(&mut endpoints, 4, Use::Bound, "given", "b");
        endpoints.remove(2);
        assert!(endpoints.take(Use::Bound, &given).is_empty());
        assert!(endpoints.take_given(Use::Connected, &given).is_empty());
        assert_eq!(endpoints.take_given(Use::Bound, &given), [1, 3, 4]);
        assert!(!endpoints.contains(Use::Bound, &a));
        attach(&mut endpoints, 5, Use::Bound, "given", "a");
        assert_eq!(endpoints.take(Use::Bound, &a), [5]);
        assert!(endpoints.take_given(Use::Bound, &given).is_empty());
    }
}
