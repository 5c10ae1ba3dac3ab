//! ZAP: requests and replies are read as they were written, with the delimiter frame and without it.

use zmtp::zap::{Credentials, MAX_PROPERTIES, Reply, ReplyError, Request};
use zmtp::{Decoder, Item, Limits, Message};

/// The bytes are frames of ZMTP 3.1; each message among them is taken for a request and for a reply.
///
/// # Panics
///
/// If a property does not hold.
pub fn check(wire: &[u8]) {
    let (items, _) = crate::decode_all(Decoder::new(&Limits::default()), wire, 0);
    for item in items {
        if let Item::Message(message) = item {
            check_request(&message);
            check_reply(&message);
        }
    }
}

fn behind_delimiter(message: &Message) -> Option<Message> {
    let (delimiter, rest) = message.frames().split_first()?;
    delimiter.is_empty().then(|| rest.iter().cloned().collect())
}

fn check_request(message: &Message) {
    let mut decoded = None;
    let memory = allocation_counter::measure(|| decoded = Some(Request::decode(message)));
    assert_memory(message, memory.bytes_max);
    let delimited = Request::decode_delimited(message);
    if let Some(rest) = behind_delimiter(message) {
        assert_eq!(delimited, Request::decode(&rest));
    } else {
        assert!(delimited.is_err());
    }
    if let Ok(request) = &delimited {
        assert_eq!(request.encode_delimited(), *message);
    }
    let Some(Ok(request)) = decoded else {
        return;
    };
    assert_eq!(request.encode(), *message);
    let encoded = request.encode_delimited();
    assert_eq!(Request::decode_delimited(&encoded).as_ref(), Ok(&request));
    let frames = match &request.credentials {
        Credentials::Null => 0,
        Credentials::Plain { password, .. } => {
            assert_eq!(format!("{password:?}"), "Password(..)");
            2
        }
        Credentials::Curve { .. } => 1,
        Credentials::Other { frames, .. } => frames.len(),
        other => panic!("unknown credentials {other:?}"),
    };
    assert_eq!(message.len(), 6 + frames);
    let reply = Reply::success(&request, "me");
    assert_eq!(reply.check(&request), Ok(()));
    assert_eq!(Reply::decode(&reply.encode()), Ok(reply));
}

fn check_reply(message: &Message) {
    let mut decoded = None;
    let memory = allocation_counter::measure(|| decoded = Some(Reply::decode(message)));
    assert_memory(message, memory.bytes_max);
    let delimited = Reply::decode_delimited(message);
    if let Some(rest) = behind_delimiter(message) {
        let count = |error| match error {
            ReplyError::FrameCount { frames } => ReplyError::FrameCount { frames: frames + 1 },
            other => other,
        };
        assert_eq!(delimited, Reply::decode(&rest).map_err(count));
    } else {
        assert!(delimited.is_err());
    }
    if let Ok(reply) = &delimited {
        assert_eq!(reply.encode_delimited(), *message);
    }
    match decoded {
        Some(Ok(reply)) => {
            assert_eq!(reply.encode(), *message);
            assert!(reply.metadata.len() <= MAX_PROPERTIES);
            let encoded = reply.encode_delimited();
            assert_eq!(Reply::decode_delimited(&encoded), Ok(reply));
        }
        Some(Err(error)) => {
            assert!((0x2000_0000..0x2000_0006).contains(&error.protocol_event_code()))
        }
        None => panic!("not measured"),
    }
}

/// A copy of each field, and a list of them, or of as many properties as are allowed.
fn assert_memory(message: &Message, most: u64) {
    let size = message.byte_len() as u64;
    let list = 3 * 64 * (message.len() as u64 + size / 5 + 4);
    assert!(most <= 2 * size + list, "{most} bytes for {size}");
}
