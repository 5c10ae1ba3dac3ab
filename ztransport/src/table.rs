//! Tables of what is there by number, which are as large as what is there.

use std::collections::HashMap;

/// Entries for which a table keeps room in any case.
const KEPT: usize = 64;

/// Removes an entry. A table that a burst has made large gives its memory back once few entries are
/// left; as many must go again before it is copied the next time.
pub(crate) fn remove<V>(table: &mut HashMap<u64, V>, key: u64) -> Option<V> {
    let removed = table.remove(&key);
    if table.capacity() > KEPT * 8 && table.len() < table.capacity() / 8 {
        table.shrink_to((table.len() * 2).max(KEPT));
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_shrinks_after_a_burst_and_is_seldom_copied() {
        const BURST: u64 = 10_000;
        let mut table: HashMap<u64, u64> = (0..BURST).map(|key| (key, key + 1)).collect();
        let (mut copies, mut capacity) = (0, table.capacity());
        for key in 0..BURST {
            assert_eq!(remove(&mut table, key), Some(key + 1));
            assert_eq!(remove(&mut table, key), None);
            let room = KEPT.max(table.len()) * 16;
            assert!(
                table.capacity() <= room,
                "{} for {}",
                table.capacity(),
                table.len()
            );
            // What was removed may still take up some room, so it is not the same all the time.
            if table.capacity() < capacity / 2 {
                copies += 1;
                capacity = table.capacity();
            }
        }
        assert!(copies <= 6, "{copies} copies");
        // A few that come and go change nothing.
        for key in 0..KEPT as u64 {
            table.insert(key, key);
        }
        let capacity = table.capacity();
        for key in 0..KEPT as u64 {
            remove(&mut table, key);
        }
        assert!(table.capacity() >= capacity / 2);
    }
}
