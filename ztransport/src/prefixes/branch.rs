//! The children of a node that has several.

/// Nodes by the byte that leads to them, in the bytes' order. It is as large as a cache line: with few nodes, as in most
/// branches, nothing else has to be fetched.
#[derive(Debug)]
pub(super) enum Branch {
    Few(Few),
    Many(Many),
}

/// Nodes of a small branch at most.
const FEW: usize = 11;

/// A large branch with so many nodes becomes a small one, and not one that is full.
const FEW_AGAIN: usize = FEW / 2;

#[derive(Debug, Default)]
pub(super) struct Few {
    nodes: [u32; FEW],
    bytes: [u8; FEW],
    len: u8,
}

/// A look-up takes the same time however many there are: the bits tell whether a byte is there, and how many are
/// before it.
#[derive(Debug, Default)]
pub(super) struct Many {
    /// One bit for each byte that is there.
    present: [u64; 4],
    nodes: Vec<u32>,
    /// How many bytes are there before those of each word of `present`: 192 at most.
    before: [u8; 4],
}

impl Default for Branch {
    fn default() -> Self {
        Self::Few(Few::default())
    }
}

impl Branch {
    /// The node that a byte leads to.
    #[inline]
    pub(super) fn find(&self, byte: u8) -> Option<u32> {
        match self {
            Self::Few(few) => few.find(byte),
            Self::Many(many) => many.contains(byte).then(|| many.nodes[many.rank(byte)]),
        }
    }

    /// The node that the next byte leads to.
    pub(super) fn after(&self, byte: u8) -> Option<u32> {
        let rank = match self {
            Self::Few(few) => few.bytes().partition_point(|other| *other <= byte),
            Self::Many(many) => many.rank(byte) + usize::from(many.contains(byte)),
        };
        self.nodes().get(rank).copied()
    }

    /// All nodes, in the order of their bytes.
    pub(super) fn nodes(&self) -> &[u32] {
        match self {
            Self::Few(few) => &few.nodes[..usize::from(few.len)],
            Self::Many(many) => &many.nodes,
        }
    }

    /// From now on a byte leads to this node.
    pub(super) fn insert(&mut self, byte: u8, node: u32) {
        match self {
            Self::Few(few) => {
                if few.insert(byte, node) {
                    return;
                }
                let mut many = Many::default();
                for (byte, node) in few.bytes().iter().zip(few.nodes) {
                    many.insert(*byte, node);
                }
                many.insert(byte, node);
                *self = Self::Many(many);
            }
            Self::Many(many) => many.insert(byte, node),
        }
    }

    /// From now on a byte leads nowhere.
    pub(super) fn remove(&mut self, byte: u8) {
        match self {
            Self::Few(few) => few.remove(byte),
            Self::Many(many) => {
                many.remove(byte);
                if many.nodes.len() <= FEW_AGAIN {
                    let mut few = Few::default();
                    let bytes = (0..=u8::MAX).filter(|byte| many.contains(*byte));
                    for (byte, node) in bytes.zip(&many.nodes) {
                        few.insert(byte, *node);
                    }
                    *self = Self::Few(few);
                }
            }
        }
    }
}

impl Few {
    fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// Compares all bytes, since a branch that the processor guesses wrong costs more.
    #[inline]
    fn find(&self, byte: u8) -> Option<u32> {
        let mut equal = 0_u32;
        for (place, other) in self.bytes.iter().enumerate() {
            equal |= u32::from(*other == byte) << place;
        }
        let place = equal.trailing_zeros() as usize;
        self.nodes[..usize::from(self.len)].get(place).copied()
    }

    /// Returns whether there is room for it.
    fn insert(&mut self, byte: u8, node: u32) -> bool {
        let len = usize::from(self.len);
        match self.bytes().binary_search(&byte) {
            Ok(place) => self.nodes[place] = node,
            Err(_) if len == FEW => return false,
            Err(place) => {
                self.bytes.copy_within(place..len, place + 1);
                self.nodes.copy_within(place..len, place + 1);
                (self.bytes[place], self.nodes[place]) = (byte, node);
                self.len += 1;
            }
        }
        true
    }

    fn remove(&mut self, byte: u8) {
        let len = usize::from(self.len);
        if let Ok(place) = self.bytes().binary_search(&byte) {
            self.bytes.copy_within(place + 1..len, place);
            self.nodes.copy_within(place + 1..len, place);
            self.len -= 1;
        }
    }
}

impl Many {
    #[inline]
    fn contains(&self, byte: u8) -> bool {
        let (word, bit) = bit(byte);
        self.present[word] & bit != 0
    }

    /// How many bytes are there that are less than this one.
    #[inline]
    fn rank(&self, byte: u8) -> usize {
        let (word, bit) = bit(byte);
        let less = self.present[word] & (bit - 1);
        usize::from(self.before[word]) + less.count_ones() as usize
    }

    fn insert(&mut self, byte: u8, node: u32) {
        let rank = self.rank(byte);
        if self.contains(byte) {
            self.nodes[rank] = node;
            return;
        }
        self.nodes.insert(rank, node);
        let (word, bit) = bit(byte);
        self.present[word] |= bit;
        for before in &mut self.before[word + 1..] {
            *before += 1;
        }
    }

    fn remove(&mut self, byte: u8) {
        if !self.contains(byte) {
            return;
        }
        self.nodes.remove(self.rank(byte));
        let (word, bit) = bit(byte);
        self.present[word] &= !bit;
        for before in &mut self.before[word + 1..] {
            *before -= 1;
        }
        if self.nodes.len() <= self.nodes.capacity() / 4 {
            self.nodes.shrink_to_fit();
        }
    }
}

/// The word of a byte, and its bit in there.
#[inline]
fn bit(byte: u8) -> (usize, u64) {
    (usize::from(byte >> 6), 1 << (byte & 63))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_lead_to_nodes(steps in proptest::collection::vec((any::<u8>(), 0..5u32), 0..600)) {
            let (mut branch, mut oracle) = (Branch::default(), BTreeMap::new());
            for (byte, node) in steps {
                if node == 0 {
                    branch.remove(byte);
                    oracle.remove(&byte);
                } else {
                    branch.insert(byte, node);
                    oracle.insert(byte, node);
                }
                prop_assert_eq!(branch.find(byte), oracle.get(&byte).copied());
                let after = byte.checked_add(1).and_then(|next| oracle.range(next..).next());
                prop_assert_eq!(branch.after(byte), after.map(|(_, node)| *node));
            }
            for byte in 0..=u8::MAX {
                prop_assert_eq!(branch.find(byte), oracle.get(&byte).copied());
            }
            prop_assert!(branch.nodes().iter().eq(oracle.values()));
        }
    }

    #[test]
    fn it_is_as_large_as_a_cache_line() {
        assert_eq!(size_of::<Branch>(), 64);
    }

    #[test]
    fn all_bytes_come_and_go() {
        let mut branch = Branch::default();
        for byte in 0..=u8::MAX {
            branch.insert(byte, u32::from(byte));
        }
        for byte in 0..=u8::MAX {
            assert_eq!(branch.find(byte), Some(u32::from(byte)));
            branch.remove(byte);
            assert_eq!(branch.find(byte), None);
        }
        assert!(branch.nodes().is_empty() && matches!(branch, Branch::Few(_)));
    }
}
