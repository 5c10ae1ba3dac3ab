//! Tables that a burst has made large give their memory back when little is left in them. As much must
//! go again before one is copied the next time, so on the whole it costs each entry little.

use std::{collections::HashMap, hash::Hash};

/// Entries for which a table keeps room in any case.
const KEPT: usize = 64;

/// What a table with this many entries and this much room shall have room for, if that is less.
fn room_for(len: usize, capacity: usize) -> Option<usize> {
    let is_large = capacity > KEPT * 4 && len < capacity / 4;
    is_large.then(|| (len * 2).max(KEPT))
}

/// Gives back what a list has no use for.
///
/// # Examples
///
/// ```
/// let mut numbers: Vec<u32> = (0..10_000).collect();
/// numbers.clear();
/// ztransport::shrink::list(&mut numbers);
/// assert!(numbers.capacity() < 100);
/// ```
pub fn list<T>(list: &mut Vec<T>) {
    if let Some(room) = room_for(list.len(), list.capacity()) {
        list.shrink_to(room);
    }
}

/// Gives back what a map has no use for.
///
/// # Examples
///
/// ```
/// let mut squares: std::collections::HashMap<u32, u32> = (0..10_000).map(|n| (n, n * n)).collect();
/// squares.clear();
/// ztransport::shrink::map(&mut squares);
/// assert!(squares.capacity() < 200);
/// ```
pub fn map<K: Hash + Eq, V>(map: &mut HashMap<K, V>) {
    if let Some(room) = room_for(map.len(), map.capacity()) {
        map.shrink_to(room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_shrink_after_a_burst_and_are_seldom_copied() {
        const BURST: usize = 10_000;
        let mut numbers: Vec<usize> = (0..BURST).collect();
        let mut names: HashMap<usize, usize> = (0..BURST).map(|at| (at, at)).collect();
        let (mut copies, mut capacity) = (0, numbers.capacity());
        for at in (0..BURST).rev() {
            numbers.pop();
            names.remove(&at);
            list(&mut numbers);
            map(&mut names);
            let room = KEPT.max(at) * 8;
            assert!(
                numbers.capacity() <= room,
                "{} for {at}",
                numbers.capacity()
            );
            assert!(
                names.capacity() <= room * 2,
                "{} for {at}",
                names.capacity()
            );
            if numbers.capacity() != capacity {
                capacity = numbers.capacity();
                copies += 1;
            }
        }
        assert!(copies <= 8, "{copies} copies");
        assert!(capacity <= KEPT * 4);
        // A few that come and go change nothing.
        let capacity = names.capacity();
        for at in 0..KEPT {
            names.insert(at, at);
            map(&mut names);
        }
        names.clear();
        map(&mut names);
        assert!(names.capacity() >= capacity / 2);
    }
}
