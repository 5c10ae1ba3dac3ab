//! Commands and metadata: decoding any body is safe, and what is decoded is encoded again.

use zmtp::command::MAX_CONTEXT_LEN;
use zmtp::{Command, Metadata, header};

/// The bytes are the body of a command, and a list of properties.
///
/// # Panics
///
/// If a property does not hold.
pub fn check(body: &[u8]) {
    if let Ok(command) = Command::decode(body) {
        round_trip(&command, body);
        if let Command::Ready { metadata } = command {
            check_metadata(metadata);
        }
    }
    check_metadata(body);
}

fn round_trip(command: &Command<'_>, body: &[u8]) {
    let mut wire = Vec::new();
    command.encode(&mut wire);
    let (head, len) = header::decode(&wire)
        .expect("a valid header")
        .expect("a whole header");
    assert!(head.flags.is_command() && !head.flags.is_more());
    assert_eq!(head.size as usize, wire.len() - len);
    assert_eq!(Command::decode(&wire[len..]).as_ref(), Ok(command));
    // Only an over-long context and what follows the reason of an error are dropped.
    let canonical = match command {
        Command::Ping { context, .. } | Command::Pong { context } => {
            context.len() < MAX_CONTEXT_LEN
        }
        Command::Error { .. } => wire.len() - len == body.len(),
        _ => true,
    };
    if canonical {
        assert_eq!(&wire[len..], body);
    } else {
        assert!(body.starts_with(&wire[len..]));
    }
}

fn check_metadata(wire: &[u8]) {
    let limit = 128;
    let Ok(metadata) = Metadata::decode(wire, limit) else {
        return;
    };
    assert!(metadata.len() <= limit);
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
    if metadata.len() > 1 {
        let error = Metadata::decode(wire, metadata.len() - 1).expect_err("over the limit");
        assert!(matches!(error, zmtp::Error::TooManyProperties { .. }));
    }
}
