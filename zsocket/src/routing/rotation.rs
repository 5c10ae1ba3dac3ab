//! Taking turns: the order in which a socket serves its links, for sending (load balancing) as for
//! receiving (fair queueing).

use ztransport::shrink;

/// A circle of links that are ready, with a pointer to whose turn it is. Links that are full or empty
/// are outside until they are ready again; they come back at the end of the circle, which is just before
/// the one whose turn it is.
///
/// Everything is in terms of a link's place in the socket's table, and pure: no pipes in here. Each
/// operation takes constant time: a socket may have ten thousand peers.
#[derive(Debug, Default)]
pub(crate) struct Rotation {
    /// Indexed by place. A place that is in the circle knows its neighbours.
    places: Vec<Option<Neighbours>>,
    turn: Option<usize>,
    /// Links in the circle.
    len: usize,
}

/// How many turns [`Rotation::ahead`] looks ahead at most.
const LATER: usize = 6;

#[derive(Clone, Copy, Debug)]
struct Neighbours {
    before: usize,
    after: usize,
}

impl Rotation {
    /// Whose turn it is.
    #[inline]
    pub(crate) fn current(&self) -> Option<usize> {
        self.turn
    }

    /// Whether a link is in the circle.
    #[inline]
    pub(crate) fn contains(&self, link: usize) -> bool {
        self.neighbours(link).is_some()
    }

    /// Whether each turn is that of one link.
    #[inline]
    pub(crate) fn is_alone(&self) -> bool {
        self.len <= 1
    }

    /// Whose turn it is soon, and whose a little later: three and six turns from now. `None` in a circle so
    /// small that what its links need is at hand anyway.
    #[inline]
    pub(crate) fn ahead(&self) -> Option<(usize, usize)> {
        if self.len <= LATER {
            return None;
        }
        let after = |link| self.neighbours(link).map(|neighbours| neighbours.after);
        let third = |link| after(after(after(link)?)?);
        let soon = third(self.turn?)?;
        Some((soon, third(soon)?))
    }

    /// The turn goes to the next one.
    #[inline]
    pub(crate) fn advance(&mut self) {
        if let Some(turn) = self.turn {
            self.turn = self.neighbours(turn).map(|neighbours| neighbours.after);
        }
    }

    /// Takes a link in, at the end of the circle, if it is not in yet.
    pub(crate) fn insert(&mut self, link: usize) {
        if self.places.len() <= link {
            self.places.resize(link + 1, None);
        }
        if self.places[link].is_some() {
            return;
        }
        let after = *self.turn.get_or_insert(link);
        let before = self
            .neighbours(after)
            .map_or(link, |neighbours| neighbours.before);
        self.places[link] = Some(Neighbours { before, after });
        self.len += 1;
        self.join(before, link);
        self.join(link, after);
    }

    /// Takes a link out; if it had the turn, the next one has it now.
    pub(crate) fn remove(&mut self, link: usize) {
        let Some(Neighbours { before, after }) = self.places.get_mut(link).and_then(Option::take)
        else {
            return;
        };
        self.len -= 1;
        if after == link {
            self.turn = None;
            return;
        }
        self.join(before, after);
        if self.turn == Some(link) {
            self.turn = Some(after);
        }
    }

    /// There are no places from this one on any more, and none of them is in the circle.
    pub(crate) fn shorten(&mut self, places: usize) {
        self.places.truncate(places);
        shrink::list(&mut self.places);
    }

    #[inline]
    fn neighbours(&self, link: usize) -> Option<Neighbours> {
        self.places.get(link).copied().flatten()
    }

    fn join(&mut self, before: usize, after: usize) {
        if let Some(neighbours) = &mut self.places[before] {
            neighbours.after = after;
        }
        if let Some(neighbours) = &mut self.places[after] {
            neighbours.before = before;
        }
    }

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.places.capacity()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn everybody_has_a_turn() {
        let mut rotation = Rotation::default();
        assert_eq!(rotation.current(), None);
        for link in [5, 6, 7, 6] {
            rotation.insert(link);
        }
        let mut turns = Vec::new();
        for _ in 0..6 {
            turns.push(rotation.current().unwrap());
            rotation.advance();
        }
        assert_eq!(turns, [5, 6, 7, 5, 6, 7]);
        rotation.remove(5);
        assert_eq!(rotation.current(), Some(6));
        rotation.advance();
        rotation.remove(6);
        assert_eq!(rotation.current(), Some(7));
    }

    #[test]
    fn a_look_ahead_is_at_later_turns() {
        let mut rotation = Rotation::default();
        assert_eq!(rotation.ahead(), None);
        for link in 0..7 {
            assert_eq!(rotation.ahead(), None, "with {link} links");
            rotation.insert(link);
        }
        assert_eq!(rotation.ahead(), Some((3, 6)));
        rotation.advance();
        assert_eq!(rotation.ahead(), Some((4, 0)));
    }

    proptest! {
        /// Between two turns of one link that stays in, every other link that stays in has exactly
        /// one.
        #[test]
        fn turns_are_fair(
            ops in proptest::collection::vec((0..3u8, 0..8usize), 0..200),
        ) {
            let mut rotation = Rotation::default();
            let mut present = std::collections::BTreeSet::new();
            for (op, link) in ops {
                match op {
                    0 => { rotation.insert(link); present.insert(link); }
                    1 => { rotation.remove(link); present.remove(&link); }
                    _ => {
                        let mut seen: Vec<_> = (0..rotation.len).map(|_| {
                            let current = rotation.current().unwrap();
                            rotation.advance();
                            current
                        }).collect();
                        seen.sort_unstable();
                        prop_assert_eq!(seen, present.iter().copied().collect::<Vec<_>>());
                    }
                }
                prop_assert_eq!(rotation.current().is_some(), !present.is_empty());
                prop_assert_eq!(rotation.len, present.len());
            }
        }
    }
}
