//! Values by a string of bytes, and all whose string is the beginning of another one.

mod branch;
#[cfg(test)]
mod tests;

use self::branch::Branch;
use crate::shrink;

/// A compressed radix tree: strings with the same beginning share the nodes of that beginning, and a node stands
/// for several bytes.
///
/// The strings come from strangers. So nothing here is recursive, since a tree may be deep, and nothing takes
/// more time than its own string is long: a label is short, and a longer string is a chain
/// of nodes.
///
/// A stored string keeps its number until it is removed, or [`shrink`](Self::shrink) says otherwise.
///
/// A node holds `LABEL` bytes at most, and takes 14 bytes beside these and its value. At most 255.
///
/// # Examples
///
/// ```
/// let mut map = ztransport::PrefixMap::<u32, 22>::new();
/// for (key, value) in [("a", 1), ("abc", 2), ("b", 3)] {
///     let id = map.insert(key.as_bytes());
///     *map.value_mut(id) = value;
/// }
/// assert!(map.prefixes_of(b"abcd").eq(&[1, 2]));
/// let id = map.find(b"a").unwrap();
/// assert_eq!((map.remove(id), map.len()), (1, 2));
/// ```
#[derive(Debug)]
pub struct PrefixMap<V, const LABEL: usize> {
    /// The root is the first one. None before the first string comes.
    nodes: Vec<Node<V, LABEL>>,
    branches: Vec<Branch>,
    /// The first of the free nodes; the root, which never is free, if there is none.
    free: u32,
    /// Nodes that are not free.
    used: usize,
    len: usize,
    /// While memory is given back: the number of nodes that are to remain. Otherwise zero.
    target: usize,
    /// Until then: none of the nodes before this one was free when it was looked at.
    hole: usize,
    /// How many nodes may be looked at the next time.
    steps: usize,
}

const ROOT: u32 = 0;

/// Free nodes are not worth the work in a tree with fewer nodes than this.
const KEPT: usize = 256;

/// Nodes looked at for each one that becomes free, while memory is given back. It has to be done before most of the
/// rest is gone as well: of 4 nodes one is used when it begins, and a fourth of those goes meanwhile.
const STEPS: usize = 16;

/// Unless it is the root, it has a value or several children, or its label and that of its only child are too long
/// for one node.
#[derive(Debug)]
struct Node<V, const LABEL: usize> {
    value: V,
    parent: u32,
    children: Children,
    label: [u8; LABEL],
    len: u8,
    /// Whether a stored string ends here.
    stored: bool,
}

#[derive(Clone, Copy, Debug)]
enum Children {
    None,
    One(u32),
    /// The place of a branch, which is this node's alone.
    Many(u32),
    /// The node is free, as is the next one of the list, unless that is the root.
    Free(u32),
}

impl<V, const LABEL: usize> Node<V, LABEL> {
    #[inline]
    fn label(&self) -> &[u8] {
        &self.label[..usize::from(self.len)]
    }

    #[inline]
    fn is_parent(&self) -> bool {
        matches!(self.children, Children::One(_) | Children::Many(_))
    }

    /// There must be room for it.
    fn set_label(&mut self, parts: [&[u8]; 2]) {
        let mut len = 0;
        for part in parts {
            self.label[len..len + part.len()].copy_from_slice(part);
            len += part.len();
        }
        self.len = len as u8;
    }
}

impl<V, const LABEL: usize> Default for PrefixMap<V, LABEL> {
    fn default() -> Self {
        Self {
            nodes: Vec::new(),
            branches: Vec::new(),
            free: ROOT,
            used: 0,
            len: 0,
            target: 0,
            hole: 0,
            steps: 0,
        }
    }
}

impl<V: Default, const LABEL: usize> PrefixMap<V, LABEL> {
    /// A map without strings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of strings that are stored.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no string is stored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes that it takes, without what values have elsewhere.
    #[must_use]
    pub fn size(&self) -> usize {
        self.nodes.capacity() * size_of::<Node<V, LABEL>>()
            + self.branches.capacity() * size_of::<Branch>()
    }

    /// The number of a string that is stored.
    #[must_use]
    pub fn find(&self, key: &[u8]) -> Option<u32> {
        let (mut at, mut rest) = (ROOT, key);
        loop {
            let node = self.nodes.get(at as usize)?;
            rest = rest.strip_prefix(node.label())?;
            let Some(&byte) = rest.first() else {
                return node.stored.then_some(at);
            };
            at = self.child(at, byte)?;
        }
    }

    /// The values of all strings that are a prefix of this one, the shortest first.
    #[inline]
    pub fn prefixes_of<'a>(&'a self, body: &'a [u8]) -> PrefixesOf<'a, V, LABEL> {
        PrefixesOf {
            map: self,
            rest: body,
            last: None,
            is_new: true,
        }
    }

    /// The value of a stored string, by its number.
    ///
    /// # Panics
    ///
    /// If there is no such string, maybe.
    #[must_use]
    pub fn value(&self, id: u32) -> &V {
        debug_assert!(self.node(id).stored);
        &self.node(id).value
    }

    /// The value of a stored string, by its number.
    ///
    /// # Panics
    ///
    /// If there is no such string, maybe.
    pub fn value_mut(&mut self, id: u32) -> &mut V {
        debug_assert!(self.node(id).stored);
        &mut self.node_mut(id).value
    }

    /// Writes a stored string into `key`, in place of what was in there.
    ///
    /// # Panics
    ///
    /// If there is no such string, maybe.
    pub fn key(&self, id: u32, key: &mut Vec<u8>) {
        key.clear();
        let mut at = id;
        while at != ROOT {
            let node = self.node(at);
            key.extend(node.label().iter().rev());
            at = node.parent;
        }
        key.reverse();
    }

    /// Turns `key` into the next string that is stored, in the order of their bytes, and returns its number. `None` if there is
    /// none.
    pub fn next_after(&self, key: &mut Vec<u8>) -> Option<u32> {
        if self.nodes.is_empty() {
            return None;
        }
        let (mut at, mut before) = (ROOT, 0);
        // The nearest subtree behind the string, and how much of the string leads there.
        let mut behind = None;
        loop {
            let label = self.node(at).label();
            let rest = &key[before..];
            let common = label.iter().zip(rest).take_while(|(a, b)| a == b).count();
            if common < label.len() {
                if rest.get(common).is_none_or(|byte| *byte < label[common]) {
                    behind = Some((at, before));
                }
                break;
            }
            before += common;
            let Some(byte) = key.get(before) else {
                let first = self.children(at).first();
                behind = first.map(|child| (*child, before)).or(behind);
                break;
            };
            let next = self.child_after(at, *byte);
            behind = next.map(|child| (child, before)).or(behind);
            let Some(child) = self.child(at, *byte) else {
                break;
            };
            at = child;
        }
        let (first, before) = behind?;
        key.truncate(before);
        self.first_in(first, key)
    }

    /// Turns `key`, which may be anything, into the first string that is stored, and returns its number.
    pub fn first(&self, key: &mut Vec<u8>) -> Option<u32> {
        key.clear();
        (self.len > 0).then(|| self.first_in(ROOT, key))?
    }

    /// The first stored string in a subtree. `key` is what leads there.
    fn first_in(&self, mut at: u32, key: &mut Vec<u8>) -> Option<u32> {
        loop {
            key.extend_from_slice(self.node(at).label());
            if self.node(at).stored {
                return Some(at);
            }
            at = *self.children(at).first()?;
        }
    }

    /// Stores a string, with the value that is the default, unless it is there already. Returns its number.
    ///
    /// # Panics
    ///
    /// If there are 2^32 nodes.
    pub fn insert(&mut self, key: &[u8]) -> u32 {
        if self.nodes.is_empty() {
            self.add_node(ROOT, &[]);
        }
        let (mut at, mut rest) = (ROOT, key);
        let mut torn = None;
        while let Some(&byte) = rest.first()
            && let Some(child) = self.child(at, byte)
        {
            let label = self.node(child).label();
            let common = label.iter().zip(rest).take_while(|(a, b)| a == b).count();
            if common == label.len() {
                at = child;
            } else {
                // The string ends here or goes another way: there is no second one.
                torn = Some([at, child]);
                at = self.split(child, common);
            }
            rest = &rest[common..];
        }
        for label in rest.chunks(LABEL) {
            let node = self.add_node(at, label);
            self.add_child(at, node);
            at = node;
        }
        let node = self.node_mut(at);
        let is_new = !node.stored;
        node.stored = true;
        self.len += usize::from(is_new);
        for node in torn.into_iter().flatten() {
            self.join(node);
        }
        at
    }

    /// Removes a stored string, by its number, and returns its value.
    ///
    /// # Panics
    ///
    /// If there is no such string, maybe.
    pub fn remove(&mut self, id: u32) -> V {
        let node = self.node_mut(id);
        debug_assert!(node.stored);
        node.stored = false;
        let value = std::mem::take(&mut node.value);
        self.len -= 1;
        let mut at = id;
        while at != ROOT
            && let Node {
                stored: false,
                children: Children::None,
                parent,
                label,
                ..
            } = *self.node(at)
        {
            self.remove_child(parent, label[0]);
            self.release(at);
            at = parent;
        }
        self.join(at);
        value
    }

    /// Gives memory back after a burst, a little for each string: to be called whenever one has been removed.
    /// `moved` is told of each string whose number has become another one: the old number, the new one and the value.
    ///
    /// Most nodes must have become free before anything is done, and then those at the end go to the places of free
    /// ones further ahead. So on the whole a string costs little, and has few numbers in its life.
    pub fn shrink(&mut self, mut moved: impl FnMut(u32, u32, &V)) {
        let steps = std::mem::take(&mut self.steps);
        if self.target == 0 {
            if self.nodes.len() <= KEPT || self.used >= self.nodes.len() / 4 {
                return;
            }
            (self.target, self.hole) = (self.used, 0);
        }
        for _ in 0..steps {
            let last = self.nodes.len() - 1;
            if last < self.target || self.hole >= self.target {
                self.target = 0;
                break;
            }
            if self.is_free(last) {
                self.take_free(last as u32);
                self.nodes.pop();
            } else if !self.is_free(self.hole) {
                self.hole += 1;
            } else {
                let (old, new) = (last as u32, self.hole as u32);
                self.take_free(new);
                self.nodes.swap_remove(self.hole);
                self.follow(new);
                let node = self.node(new);
                if node.stored {
                    moved(old, new, &node.value);
                }
            }
        }
        shrink::list(&mut self.nodes);
    }

    // ---- Nodes ----

    #[inline]
    fn node(&self, at: u32) -> &Node<V, LABEL> {
        &self.nodes[at as usize]
    }

    fn node_mut(&mut self, at: u32) -> &mut Node<V, LABEL> {
        &mut self.nodes[at as usize]
    }

    fn add_node(&mut self, parent: u32, label: &[u8]) -> u32 {
        let mut node = Node {
            value: V::default(),
            parent,
            children: Children::None,
            label: [0; LABEL],
            len: 0,
            stored: false,
        };
        node.set_label([label, &[]]);
        self.used += 1;
        if self.free != ROOT {
            let at = self.free;
            self.take_free(at);
            *self.node_mut(at) = node;
            return at;
        }
        // So many nodes take more than 150 GiB.
        let at = u32::try_from(self.nodes.len()).expect("fewer than 2^32 nodes");
        self.nodes.push(node);
        at
    }

    /// Adds a node to the list of free ones. In there a parent is the one before it.
    fn release(&mut self, at: u32) {
        let next = std::mem::replace(&mut self.free, at);
        if next != ROOT {
            self.node_mut(next).parent = at;
        }
        let node = self.node_mut(at);
        (node.parent, node.children) = (ROOT, Children::Free(next));
        self.used -= 1;
        self.steps += STEPS;
    }

    /// Takes a node out of the list of free ones, if it is one.
    fn take_free(&mut self, at: u32) {
        let Node {
            parent: before,
            children: Children::Free(next),
            ..
        } = *self.node(at)
        else {
            return;
        };
        if before == ROOT {
            self.free = next;
        } else {
            self.node_mut(before).children = Children::Free(next);
        }
        if next != ROOT {
            self.node_mut(next).parent = before;
        }
    }

    fn is_free(&self, place: usize) -> bool {
        matches!(self.nodes[place].children, Children::Free(_))
    }

    /// A node has another number than before: tells its parent and its children.
    fn follow(&mut self, at: u32) {
        let Node { parent, label, .. } = *self.node(at);
        self.set_child(parent, label[0], at);
        for place in 0..self.children(at).len() {
            let child = self.children(at)[place];
            self.node_mut(child).parent = at;
        }
    }

    /// Puts a new node, with the first bytes of a node's label, between that one and its parent. Returns the new
    /// one; the other one keeps its number and its children.
    fn split(&mut self, at: u32, len: usize) -> u32 {
        let Node { parent, label, .. } = *self.node(at);
        let upper = self.add_node(parent, &label[..len]);
        let node = self.node_mut(at);
        let lower = &label[len..usize::from(node.len)];
        node.set_label([lower, &[]]);
        node.parent = upper;
        self.node_mut(upper).children = Children::One(at);
        self.set_child(parent, label[0], upper);
        upper
    }

    /// Makes one node of this one and its only child, if nothing ends here and the label is not too long. What is
    /// left is the child.
    fn join(&mut self, at: u32) {
        let Node {
            parent,
            label,
            len,
            stored: false,
            children: Children::One(child),
            ..
        } = *self.node(at)
        else {
            return;
        };
        let node = self.node_mut(child);
        if at == ROOT || usize::from(len) + usize::from(node.len) > LABEL {
            return;
        }
        let (lower, lower_len) = (node.label, usize::from(node.len));
        node.set_label([&label[..usize::from(len)], &lower[..lower_len]]);
        node.parent = parent;
        self.set_child(parent, label[0], child);
        self.release(at);
    }

    // ---- Children ----

    /// The child that this byte leads to.
    #[inline]
    fn child(&self, at: u32, byte: u8) -> Option<u32> {
        match self.node(at).children {
            Children::One(child) => (self.node(child).label[0] == byte).then_some(child),
            Children::Many(branch) => self.branches[branch as usize].find(byte),
            Children::None | Children::Free(_) => None,
        }
    }

    /// The next child behind the one that this byte leads to.
    fn child_after(&self, at: u32, byte: u8) -> Option<u32> {
        match self.node(at).children {
            Children::One(child) => (self.node(child).label[0] > byte).then_some(child),
            Children::Many(branch) => self.branches[branch as usize].after(byte),
            Children::None | Children::Free(_) => None,
        }
    }

    fn children(&self, at: u32) -> &[u32] {
        match &self.node(at).children {
            Children::One(child) => std::slice::from_ref(child),
            Children::Many(branch) => self.branches[*branch as usize].nodes(),
            Children::None | Children::Free(_) => &[],
        }
    }

    /// Puts a node in the place of the child that this byte leads to.
    fn set_child(&mut self, at: u32, byte: u8, node: u32) {
        match &mut self.node_mut(at).children {
            Children::One(child) => *child = node,
            Children::Many(branch) => {
                let branch = *branch as usize;
                self.branches[branch].insert(byte, node);
            }
            Children::None | Children::Free(_) => {}
        }
    }

    /// Adds a child to which nothing leads yet.
    fn add_child(&mut self, at: u32, node: u32) {
        let byte = self.node(node).label[0];
        match self.node(at).children {
            Children::One(other) => {
                let mut branch = Branch::default();
                branch.insert(self.node(other).label[0], other);
                branch.insert(byte, node);
                // There are fewer than nodes.
                self.node_mut(at).children = Children::Many(self.branches.len() as u32);
                self.branches.push(branch);
            }
            Children::Many(branch) => self.branches[branch as usize].insert(byte, node),
            Children::None | Children::Free(_) => self.node_mut(at).children = Children::One(node),
        }
    }

    fn remove_child(&mut self, at: u32, byte: u8) {
        let Children::Many(place) = self.node(at).children else {
            self.node_mut(at).children = Children::None;
            return;
        };
        let branch = &mut self.branches[place as usize];
        branch.remove(byte);
        let [child] = *branch.nodes() else {
            return;
        };
        self.node_mut(at).children = Children::One(child);
        self.branches.swap_remove(place as usize);
        // The last one has its place now.
        if let Some(branch) = self.branches.get(place as usize) {
            let owner = self.node(branch.nodes()[0]).parent;
            self.node_mut(owner).children = Children::Many(place);
        }
        shrink::list(&mut self.branches);
    }
}

/// See [`PrefixMap::prefixes_of`].
#[derive(Debug)]
pub struct PrefixesOf<'a, V, const LABEL: usize> {
    map: &'a PrefixMap<V, LABEL>,
    /// What follows the labels of the nodes up to `last`.
    rest: &'a [u8],
    /// The node found last, if it leads anywhere. Where to is looked up only when the next one is asked for.
    last: Option<u32>,
    /// Nothing was found yet.
    is_new: bool,
}

impl<'a, V: Default, const LABEL: usize> Iterator for PrefixesOf<'a, V, LABEL> {
    type Item = &'a V;

    /// Most often there are few topics, or only the empty one: then this is over before it has become a search.
    #[inline]
    fn next(&mut self) -> Option<&'a V> {
        if std::mem::take(&mut self.is_new) {
            let root = self.map.nodes.first()?;
            self.last = root.is_parent().then_some(ROOT);
            if root.stored {
                return Some(&root.value);
            }
        }
        self.last?;
        self.descend()
    }
}

impl<'a, V: Default, const LABEL: usize> PrefixesOf<'a, V, LABEL> {
    #[inline(never)]
    fn descend(&mut self) -> Option<&'a V> {
        loop {
            let at = self.map.child(self.last.take()?, *self.rest.first()?)?;
            let node = self.map.nodes.get(at as usize)?;
            self.rest = self.rest.strip_prefix(node.label())?;
            self.last = node.is_parent().then_some(at);
            if node.stored {
                return Some(&node.value);
            }
        }
    }
}
