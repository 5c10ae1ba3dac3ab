//! Metadata: a list of properties is read as it was written, within its limits.

use zmtp::{Error, Metadata};

/// The limit of properties for most inputs.
const LIMIT: usize = 128;

/// The bytes are a list of properties.
///
/// # Panics
///
/// If a property does not hold.
pub fn check(wire: &[u8]) {
    let mut decoded = None;
    let memory = allocation_counter::measure(|| decoded = Some(Metadata::decode(wire, LIMIT)));
    // One copy, and a place for each property in a list that grows.
    let most = wire.len() + 3 * 64 * LIMIT.min(wire.len() / 5 + 4);
    assert!(memory.bytes_max <= most as u64, "{memory:?}");
    let metadata = match decoded {
        Some(Ok(metadata)) => metadata,
        Some(Err(Error::TooManyProperties { limit })) => {
            assert_eq!(limit, LIMIT);
            return;
        }
        other => return assert_eq!(other, Some(Err(Error::MalformedMetadata))),
    };
    assert!(metadata.len() <= LIMIT);
    assert_eq!(metadata.is_empty(), wire.is_empty());
    assert_eq!(metadata.encoded_len(), wire.len());
    let mut encoded = Vec::new();
    metadata.encode(&mut encoded);
    assert_eq!(encoded, wire);
    for (name, value) in metadata.iter() {
        let Ok(name) = str::from_utf8(name) else {
            continue;
        };
        assert!(metadata.get_all(name).any(|found| found == value));
        assert!(metadata.get(&name.to_ascii_uppercase()).is_some());
    }
    push_again(&metadata);
    if metadata.len() > 1 {
        let limit = metadata.len() - 1;
        let error = Metadata::decode(wire, limit).expect_err("over the limit");
        assert_eq!(error, Error::TooManyProperties { limit });
    }
    // A part of it is less of it, or nothing at all.
    for cut in 0..wire.len().min(300) {
        if let Ok(part) = Metadata::decode(&wire[..cut], LIMIT) {
            assert!(part.len() < metadata.len());
            assert!(part.iter().eq(metadata.iter().take(part.len())));
        }
    }
}

/// Properties with a proper name can be announced as well.
fn push_again(metadata: &Metadata) {
    let mut again = Metadata::new();
    for (name, value) in metadata.iter() {
        let Ok(name) = str::from_utf8(name) else {
            return;
        };
        if again.push(name, value.to_vec()).is_err() {
            return;
        }
    }
    assert_eq!(again, *metadata);
}
