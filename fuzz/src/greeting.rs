//! The greeting: any bytes in any pieces give the same answers, and what is decoded is encoded again.

use zmtp::greeting::{GREETING_LEN, Greeting, GreetingParser, Progress, SIGNATURE_LEN};

/// The first byte chooses how the input is cut into pieces, the rest is what the peer sends.
///
/// # Panics
///
/// If a property does not hold.
pub fn check(data: &[u8]) {
    let Some((&pattern, wire)) = data.split_first() else {
        return;
    };
    let whole = parse(wire, 0);
    assert_eq!(
        whole,
        parse(wire, pattern),
        "the answer depends on the pieces"
    );

    let (used, steps) = whole;
    assert!(used <= wire.len().min(GREETING_LEN));
    if let Some(Progress::Complete(greeting)) = steps.last() {
        assert_eq!(used, GREETING_LEN);
        let encoded = greeting.encode(0);
        assert_eq!(Greeting::decode(&encoded), *greeting);
        // What is looked at is what is encoded: version and mechanism.
        let range = SIGNATURE_LEN..SIGNATURE_LEN + 22;
        assert_eq!(encoded[range.clone()], wire[range]);
    }
}

/// The steps reported, and how many bytes were taken.
fn parse(wire: &[u8], pattern: u8) -> (usize, Vec<Progress>) {
    let mut parser = GreetingParser::new();
    let mut steps = Vec::new();
    let mut used = 0;
    for mut input in crate::pieces(wire, pattern) {
        while !input.is_empty() {
            let (taken, progress) = parser.parse(input);
            used += taken;
            input = &input[taken..];
            match progress {
                Progress::NeedMore => {
                    let ended = matches!(
                        steps.last(),
                        Some(
                            Progress::Unversioned | Progress::SocketType(_) | Progress::Complete(_)
                        )
                    );
                    assert!(input.is_empty() || ended, "stopped without a reason");
                    break;
                }
                progress => {
                    assert!(taken > 0, "the same step twice");
                    steps.push(progress);
                }
            }
        }
    }
    assert_eq!(parser.received(), &wire[..used]);
    (used, steps)
}
