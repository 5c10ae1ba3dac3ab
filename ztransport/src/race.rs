//! Which of an endpoint's addresses is tried when: "happy eyeballs", RFC 8305.
//!
//! ```text
//!   begin ─▶ first address ──────────────────────────▶ …
//!            after 250 ms, or when one fails ─▶ second ─▶ won: the others are closed
//! ```
//!
//! Decisions only: the clock and the sockets are with the [session](crate::io).

use std::{net::SocketAddr, time::Duration};

/// How long an attempt may take before the next one begins beside it (RFC 8305, section 5: "Connection Attempt Delay").
pub(crate) const STAGGER: Duration = Duration::from_millis(250);

/// Attempts that are under way at a time. The addresses behind have their turn when one of these fails.
const MAX_RUNNING: usize = 8;

/// One round of attempts, by their numbers.
#[derive(Debug)]
pub(crate) struct Race<A> {
    /// The next one last.
    untried: Vec<A>,
    /// The oldest first.
    running: Vec<(u32, A)>,
    next: u32,
}

impl<A> Default for Race<A> {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl<A> Race<A> {
    /// Among these, in the order in which they are to be tried.
    pub(crate) fn new(mut addresses: Vec<A>) -> Self {
        addresses.reverse();
        Self {
            untried: addresses,
            running: Vec::new(),
            next: 0,
        }
    }

    /// Begins the next attempt, if there is an address for it: the first one, one more after [`STAGGER`], and one more
    /// when one has failed.
    pub(crate) fn begin(&mut self) -> Option<(u32, &A)> {
        if self.running.len() == MAX_RUNNING {
            return None;
        }
        let address = self.untried.pop()?;
        let number = self.next;
        self.next = number.wrapping_add(1);
        self.running.push((number, address));
        self.running
            .last()
            .map(|(number, address)| (*number, address))
    }

    /// An attempt has failed. Its address has had its turn.
    pub(crate) fn failed(&mut self, number: u32) {
        self.running.retain(|(other, _)| *other != number);
    }

    /// An attempt has succeeded. The others that are under way are to be given up; their addresses have their turn again
    /// if this one turns out not to lead to a peer.
    pub(crate) fn won(&mut self, number: u32) {
        self.failed(number);
        let losers = self.running.drain(..).rev().map(|(_, address)| address);
        self.untried.extend(losers);
    }

    /// How many addresses are under way or wait for their turn.
    pub(crate) fn len(&self) -> usize {
        self.running.len() + self.untried.len()
    }

    /// Whether an address waits for its turn.
    pub(crate) fn has_more(&self) -> bool {
        !self.untried.is_empty()
    }
}

/// Addresses as the system has sorted them, with the families in turn, so that one that leads nowhere holds nobody up
/// for long (RFC 8305, section 4). The family of the first one stays the first.
pub(crate) fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first().map(SocketAddr::is_ipv6) else {
        return addresses;
    };
    let count = addresses.len();
    let (preferred, other): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == first);
    let (mut preferred, mut other) = (preferred.into_iter(), other.into_iter());
    let mut sorted = Vec::with_capacity(count);
    loop {
        let pair = [preferred.next(), other.next()];
        if pair == [None, None] {
            return sorted;
        }
        sorted.extend(pair.into_iter().flatten());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn families_take_turns_and_keep_their_order() {
        let [a, b, c, x, y] = ["[::1]:1", "[::2]:1", "[::3]:1", "10.0.0.1:1", "10.0.0.2:1"]
            .map(|text| text.parse::<SocketAddr>().unwrap());
        for (given, expected) in [
            (vec![a, b, c, x, y], vec![a, x, b, y, c]),
            (vec![x, y, a], vec![x, a, y]),
            (vec![a, x, b, y], vec![a, x, b, y]),
            (vec![a, b], vec![a, b]),
            (vec![], vec![]),
        ] {
            assert_eq!(interleave(given), expected);
        }
    }

    #[test]
    fn losers_have_their_turn_again_before_those_that_had_none() {
        let mut race = Race::new(vec!['a', 'b', 'c', 'd']);
        let numbers = [(); 3].map(|()| race.begin().unwrap().0);
        race.won(numbers[1]);
        let rest: Vec<_> =
            std::iter::from_fn(|| race.begin().map(|(_, address)| *address)).collect();
        assert_eq!(rest, ['a', 'c', 'd']);
    }

    /// What the world does to a race.
    #[derive(Clone, Copy, Debug)]
    enum Happens {
        Time,
        Fails(usize),
        Wins(usize),
        HandshakeFails,
    }

    fn happens() -> impl Strategy<Value = Happens> {
        prop_oneof![
            3 => Just(Happens::Time),
            3 => any::<usize>().prop_map(Happens::Fails),
            1 => any::<usize>().prop_map(Happens::Wins),
            1 => Just(Happens::HandshakeFails),
        ]
    }

    proptest! {
        /// Each address fails once, or leads to a handshake once, and none is forgotten: whatever happens in between.
        #[test]
        fn each_address_has_its_turn(count in 0_usize..20, events: Vec<Happens>) {
            let mut race = Race::new((0..count).collect());
            let mut running: Vec<(u32, usize)> = Vec::new();
            let mut done = BTreeSet::new();
            let mut connected = false;
            let begin = |race: &mut Race<usize>, running: &mut Vec<(u32, usize)>| {
                if let Some((number, address)) = race.begin() {
                    running.push((number, *address));
                }
            };
            begin(&mut race, &mut running);
            for event in events.into_iter().chain([Happens::HandshakeFails; 20]).chain([Happens::Fails(0); 60]) {
                match event {
                    Happens::Time if !connected => begin(&mut race, &mut running),
                    Happens::Fails(which) if !running.is_empty() => {
                        let (number, address) = running.remove(which % running.len());
                        race.failed(number);
                        prop_assert!(done.insert(address), "{address} a second time");
                        begin(&mut race, &mut running);
                    }
                    Happens::Wins(which) if !running.is_empty() => {
                        let (number, address) = running.remove(which % running.len());
                        race.won(number);
                        prop_assert!(done.insert(address), "{address} a second time");
                        running.clear();
                        connected = true;
                    }
                    Happens::HandshakeFails if connected => {
                        connected = false;
                        begin(&mut race, &mut running);
                    }
                    _ => {}
                }
                prop_assert!(running.len() <= MAX_RUNNING);
                let unique: BTreeSet<_> = running.iter().map(|(number, _)| *number).collect();
                prop_assert_eq!(unique.len(), running.len());
            }
            prop_assert!(!race.has_more() && running.is_empty());
            prop_assert_eq!(done.len(), count);
        }
    }

    impl Arbitrary for Happens {
        type Parameters = ();
        type Strategy = BoxedStrategy<Self>;

        fn arbitrary_with((): ()) -> Self::Strategy {
            happens().boxed()
        }
    }
}
