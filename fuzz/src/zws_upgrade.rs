//! The HTTP upgrade: no head makes the parser panic or take more than the limits, and what is read is written so that
//! it is read the same way.

use zmtp::Limits;
use zmtp::zws::{Protocol, Request, Response, Target, UpgradeError};

/// One byte chooses the limits, the rest is the head of a request or of a response.
///
/// # Panics
///
/// If a property does not hold.
pub fn check(data: &[u8]) {
    let Some((&selector, head)) = data.split_first() else {
        return;
    };
    let limits = crate::limits(selector);
    check_request(head, &limits);
    check_response(head, &limits);
    if let Ok(text) = str::from_utf8(head) {
        check_target(text);
    }
}

fn check_request(head: &[u8], limits: &Limits) {
    let mut decoded = None;
    let memory = allocation_counter::measure(|| decoded = Some(Request::decode(head, limits)));
    assert_memory(head, memory.bytes_max, limits);
    let request = match decoded {
        Some(Ok(request)) => request,
        Some(Err(error)) => return assert_answers(error),
        None => panic!("not measured"),
    };
    assert!(head.len() <= limits.max_http_head_size);
    // A part of a head is none.
    assert!(Request::decode(&head[..head.len() - 1], limits).is_err());
    assert!(Request::decode(&[head, b"x"].concat(), &Limits::default()).is_err());

    let encoded = request.encode();
    let again = Request::decode(
        &encoded,
        &Limits::default().with_max_http_head_size(1 << 20),
    );
    let again = again.unwrap_or_else(|error| panic!("{error}: {}", encoded.escape_ascii()));
    assert_alike(&again, &request);
    for protocol in [
        Protocol::Bare,
        Protocol::Null,
        Protocol::Plain,
        Protocol::Curve,
    ] {
        let chosen = request.choose(&[protocol]);
        assert_eq!(chosen.is_ok(), request.protocols.contains(&protocol));
        let response = Response::new(&request, protocol);
        let heard = Response::decode(&response.encode(), &Limits::default());
        assert_eq!(heard.as_ref(), Ok(&response));
        assert_eq!(
            response.check(&request),
            chosen.map_err(|_| UpgradeError::Protocol)
        );
    }
}

fn check_response(head: &[u8], limits: &Limits) {
    let mut decoded = None;
    let memory = allocation_counter::measure(|| decoded = Some(Response::decode(head, limits)));
    assert_memory(head, memory.bytes_max, limits);
    let Some(Ok(response)) = decoded else {
        return;
    };
    assert!(head.len() <= limits.max_http_head_size);
    assert!(Response::decode(&head[..head.len() - 1], limits).is_err());
    let encoded = response.encode();
    let again = Response::decode(
        &encoded,
        &Limits::default().with_max_http_head_size(1 << 20),
    );
    assert_eq!(again.as_ref(), Ok(&response), "{}", encoded.escape_ascii());

    let target = Target::new("host", "/").expect("valid");
    let request = Request::new(&target, &[response.protocol], &mut crate::random(2));
    let request = request.expect("there is randomness");
    let right = Response::new(&request, response.protocol);
    let answers = if response == right {
        Ok(response.protocol)
    } else {
        Err(UpgradeError::Accept)
    };
    assert_eq!(response.check(&request), answers);
}

fn check_target(text: &str) {
    let (host, path) = text.split_once('/').unwrap_or((text, ""));
    let Ok(target) = Target::new(host, format!("/{path}")) else {
        return;
    };
    let offered = [Protocol::Null, Protocol::Bare];
    let request = Request::new(&target, &offered, &mut crate::random(3)).expect("randomness");
    let heard = Request::decode(&request.encode(), &Limits::default());
    // Not every visible character may stand in a path.
    if let Ok(heard) = heard {
        assert_alike(&heard, &request);
    }
}

/// Whether two requests say the same, in whatever fields and order.
fn assert_alike(one: &Request, other: &Request) {
    assert_eq!((&one.host, &one.path), (&other.host, &other.path));
    assert_eq!((one.key, &one.protocols), (other.key, &other.protocols));
    assert_eq!(one.origin, other.origin);
}

/// A place for each field, and copies of those that are kept.
fn assert_memory(head: &[u8], most: u64, limits: &Limits) {
    let bound = 64 * limits.max_http_fields + 2 * head.len() + 512;
    assert!(most <= bound as u64, "{most} bytes for {}", head.len());
}

fn assert_answers(error: UpgradeError) {
    let answer = error.response();
    assert!(answer.starts_with(b"HTTP/1.1 4") || answer.starts_with(b"HTTP/1.1 5"));
    assert!(answer.ends_with(b"\r\n\r\n"));
}
