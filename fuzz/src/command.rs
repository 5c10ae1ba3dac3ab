//! Commands: decoding any body is safe, and what is decoded is encoded again.

use zmtp::command::MAX_CONTEXT_LEN;
use zmtp::{Command, header};

/// The bytes are the body of a command.
///
/// # Panics
///
/// If a property does not hold.
pub fn check(body: &[u8]) {
    if let Ok(command) = Command::decode(body) {
        round_trip(&command, body);
    }
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
