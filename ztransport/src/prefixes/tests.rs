use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const LABEL: usize = 26;

type Map = PrefixMap<u32, LABEL>;

impl<V: Default, const LABEL: usize> PrefixMap<V, LABEL> {
    /// What has to be true between operations.
    fn check(&self) {
        let mut stored = 0;
        let mut branches = 0;
        for at in 0..self.nodes.len() as u32 {
            let node = self.node(at);
            if let Children::Free(_) = node.children {
                continue;
            }
            stored += usize::from(node.stored);
            branches += usize::from(matches!(node.children, Children::Many(_)));
            let children = self.children(at);
            for child in children {
                assert_eq!(self.node(*child).parent, at);
                assert_eq!(self.child(at, self.node(*child).label[0]), Some(*child));
            }
            if at != ROOT {
                assert!(node.len > 0);
                assert!(self.children(node.parent).contains(&at));
                assert!(node.stored || !children.is_empty());
                if let [child] = *children {
                    let both = node.len + self.node(child).len;
                    assert!(node.stored || usize::from(both) > LABEL);
                }
            }
        }
        assert_eq!(stored, self.len);
        assert_eq!(branches, self.branches.len());
        let (mut free, mut before, mut at) = (0, ROOT, self.free);
        while at != ROOT {
            let Node {
                parent,
                children: Children::Free(next),
                ..
            } = *self.node(at)
            else {
                panic!("{at} is used");
            };
            assert_eq!(parent, before);
            (free, before, at) = (free + 1, at, next);
        }
        assert_eq!(self.used + free, self.nodes.len());
    }

    /// Shows all strings and their values, in the order of their bytes.
    fn each(&self, mut visit: impl FnMut(&[u8], &V)) {
        let mut key = b"what was there".to_vec();
        let mut next = self.first(&mut key);
        while let Some(id) = next {
            visit(&key, self.value(id));
            next = self.next_after(&mut key);
        }
    }
}

fn put(map: &mut Map, key: &[u8], value: u32) {
    let id = map.insert(key);
    *map.value_mut(id) = value;
}

fn take(map: &mut Map, key: &[u8]) -> Option<u32> {
    let id = map.find(key)?;
    Some(map.remove(id))
}

/// Few bytes, so that many are prefixes of others, and lengths about those of labels.
fn keys() -> impl Strategy<Value = Vec<u8>> {
    let stem = prop_oneof![Just(0), Just(1), 20..30_usize, 45..60_usize];
    let byte = prop_oneof![4 => b'a'..=b'c', 1 => any::<u8>()];
    (stem, proptest::collection::vec(byte, 0..5)).prop_map(|(stem, tail)| {
        let stem = std::iter::repeat_n(b'a', stem);
        stem.chain(tail).collect()
    })
}

proptest! {
    #[test]
    fn it_does_what_a_sorted_map_does(
        steps in proptest::collection::vec((keys(), 0..4_u32), 0..150),
        bodies in proptest::collection::vec(keys(), 20),
    ) {
        let (mut map, mut oracle) = (Map::default(), BTreeMap::new());
        // Numbers are for as long as a string is stored.
        let mut ids = BTreeMap::new();
        for (key, value) in steps {
            if value == 0 {
                prop_assert_eq!(take(&mut map, &key), oracle.remove(&key));
                ids.remove(&key);
            } else {
                put(&mut map, &key, value);
                oracle.insert(key.clone(), value);
                let id = map.find(&key);
                prop_assert_eq!(id, *ids.entry(key).or_insert(id));
            }
            map.check();
            prop_assert_eq!(map.len(), oracle.len());
        }
        let mut all = Vec::new();
        map.each(|key, value| all.push((key.to_vec(), *value)));
        prop_assert!(all.iter().map(|(key, value)| (key, value)).eq(&oracle));
        for body in bodies.iter().chain(oracle.keys()) {
            let found: Vec<u32> = map.prefixes_of(body).copied().collect();
            let expected = oracle.iter().filter(|(key, _)| body.starts_with(key));
            prop_assert_eq!(found, expected.map(|(_, value)| *value).collect::<Vec<_>>());
            prop_assert_eq!(map.find(body).map(|id| *map.value(id)), oracle.get(body).copied());
        }
        for body in &bodies {
            let mut key = body.clone();
            let next = map.next_after(&mut key).map(|id| (key, *map.value(id)));
            let behind = (std::ops::Bound::Excluded(body.clone()), std::ops::Bound::Unbounded);
            prop_assert_eq!(next, oracle.range(behind).next().map(|(key, value)| (key.clone(), *value)));
        }
        let mut key = Vec::new();
        for (expected, id) in ids {
            map.key(id.unwrap(), &mut key);
            prop_assert_eq!(&key, &expected);
        }
        for key in oracle.keys() {
            prop_assert!(take(&mut map, key).is_some());
            map.check();
        }
        prop_assert!(map.used <= 1 && map.branches.is_empty());
    }
}

#[test]
fn a_burst_leaves_little_and_what_stays_is_found() {
    let mut map = Map::default();
    let mut random = fastrand::Rng::with_seed(1);
    let mut keys: Vec<(Vec<u8>, u32)> = (0..20_000_u32)
        .map(|n| (format!("{:x}/{n}", n % 777).into(), n))
        .collect();
    random.shuffle(&mut keys);
    let mut ids = BTreeMap::new();
    for (key, value) in &keys {
        put(&mut map, key, *value);
        ids.insert(*value, map.find(key).unwrap());
    }
    let burst = map.size();
    random.shuffle(&mut keys);
    let mut moves = 0;
    while keys.len() > 30 {
        let (key, value) = keys.pop().unwrap();
        assert_eq!(take(&mut map, &key), Some(value));
        ids.remove(&value);
        let mut calls = 0;
        map.shrink(|old, new, value| {
            assert!(new < old);
            assert_eq!(ids.insert(*value, new), Some(old));
            calls += 1;
        });
        assert!(calls <= STEPS * 4);
        moves += calls;
        // Others come meanwhile, and take free places.
        match keys.len() % 1000 {
            20 => {
                put(&mut map, b"1/x", u32::MAX);
                ids.insert(u32::MAX, map.find(b"1/x").unwrap());
            }
            10 => {
                take(&mut map, b"1/x");
                ids.remove(&u32::MAX);
            }
            0 => map.check(),
            _ => {}
        }
    }
    map.check();
    // Each time that the tree becomes small, a fourth of it at most.
    assert!(moves > 0 && moves <= 20_000 / 3, "{moves}");
    assert!(map.size() < burst / 20, "{} of {burst}", map.size());
    for (key, value) in &keys {
        let id = map.find(key).unwrap();
        assert_eq!((id, *map.value(id)), (ids[value], *value));
    }
}

/// What strangers may send: one long string, and others that tear it.
#[test]
fn long_strings_and_long_chains_are_nothing_special() {
    const LONG: usize = 1 << 20;
    const SHORT: usize = 2000;
    let mut map = Map::default();
    let body: Vec<u8> = (0..LONG).map(|n| (n / 7) as u8).collect();
    put(&mut map, &body, 1);
    assert!(map.size() < LONG * 8, "{}", map.size());
    // Each of them tears the long one, which costs as much as a label is long.
    for len in 0..SHORT {
        put(&mut map, &body[..len], 2);
    }
    map.check();
    assert_eq!(map.prefixes_of(&body).count(), SHORT + 1);
    for len in 0..SHORT {
        assert_eq!(take(&mut map, &body[..len]), Some(2));
    }
    map.check();
    let mut key = Vec::new();
    map.key(map.find(&body).unwrap(), &mut key);
    assert!(key == body);
    assert_eq!(take(&mut map, &body), Some(1));
    assert_eq!(map.used, 1);
    // One string may be a burst.
    map.shrink(|_, _, _| ());
    assert!(map.size() < 1 << 15, "{}", map.size());
}

#[test]
fn a_chain_of_prefixes_is_as_deep_as_it_likes() {
    const DEPTH: usize = 100_000;
    // Its strings have 5 GB together. So its nodes are made one after the other, as `insert` makes them.
    let mut map = Map::default();
    let body = vec![b'x'; DEPTH];
    let mut at = map.insert(b"");
    let mut ids = vec![at];
    for _ in 0..DEPTH {
        let node = map.add_node(at, b"x");
        map.add_child(at, node);
        map.node_mut(node).stored = true;
        map.len += 1;
        ids.push(node);
        at = node;
    }
    map.check();
    assert_eq!(map.prefixes_of(&body).count(), DEPTH + 1);
    assert_eq!(map.find(&body), Some(at));
    let mut key = body[..DEPTH - 1].to_vec();
    assert_eq!((map.next_after(&mut key), key.len()), (Some(at), DEPTH));
    assert_eq!(map.next_after(&mut key), None);
    // From somewhere, so that nodes become one, and then the rest from the end.
    for (n, id) in ids.iter().rev().enumerate() {
        if n % 3 > 0 {
            map.remove(*id);
        }
    }
    map.check();
    assert!(map.used <= DEPTH / 3 + 2, "{}", map.used);
    assert_eq!(map.prefixes_of(&body).count(), map.len());
    for id in ids.iter().rev().step_by(3) {
        map.remove(*id);
    }
    assert_eq!((map.len(), map.used), (0, 1));
}
