//! Which links there are.

use crate::pattern::At;

/// The links of a socket, in the order of their places.
#[derive(Debug, Default)]
pub(crate) struct Present {
    links: Vec<At>,
}

impl Present {
    /// Adds a link, if it is not there.
    pub(crate) fn insert(&mut self, at: At) {
        if let Err(index) = self.search(at.place) {
            self.links.insert(index, at);
        }
    }

    /// Removes a link, if it is there.
    pub(crate) fn remove(&mut self, at: At) {
        if let Ok(index) = self.search(at.place)
            && self.links[index] == at
        {
            self.links.remove(index);
        }
    }

    /// Whether this link is there, and not only another one at its place.
    pub(crate) fn contains(&self, at: At) -> bool {
        self.search(at.place)
            .is_ok_and(|index| self.links[index] == at)
    }

    /// Their places.
    pub(crate) fn places(&self) -> impl Iterator<Item = usize> {
        self.links.iter().map(|at| at.place)
    }

    fn search(&self, place: usize) -> Result<usize, usize> {
        self.links.binary_search_by_key(&place, |at| at.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::testing::at;

    #[test]
    fn a_link_is_there_from_when_it_comes_until_it_goes() {
        let mut present = Present::default();
        for place in [3, 1, 2, 1] {
            present.insert(at(place));
        }
        assert!(present.places().eq([1, 2, 3]));
        let later = At { place: 2, id: 99 };
        assert!(present.contains(at(2)) && !present.contains(later));
        present.remove(later);
        present.remove(at(2));
        present.remove(at(2));
        assert!(present.places().eq([1, 3]));
    }
}
