//! What the tests of the synchronised publishers have in common.

use zexamples::Child;

use crate::support::{ANYWHERE, start};

/// A publisher, and where it publishes and synchronises.
pub(crate) fn publisher(
    program: &str,
    subscribers: usize,
    updates: u64,
) -> (Child, String, String) {
    let (subscribers, updates) = (subscribers.to_string(), updates.to_string());
    let publisher = start(program, &[ANYWHERE, ANYWHERE, &subscribers, &updates]);
    let publishes = publisher.answer("Publishing on").unwrap();
    let synchronises = publisher.answer("Synchronising on").unwrap();
    (publisher, publishes, synchronises)
}

/// Ten subscribers receive so many updates each.
pub(crate) fn ten_receive_all(publisher_program: &str, subscriber_program: &str, updates: u64) {
    let (publisher, publishes, synchronises) = publisher(publisher_program, 10, updates);
    let subscribers: Vec<Child> = (0..10)
        .map(|_| start(subscriber_program, &[&publishes, &synchronises]))
        .collect();
    for subscriber in subscribers {
        let expected = format!("Received {updates} updates");
        assert_eq!(subscriber.finish().unwrap(), [expected]);
    }
    assert_eq!(publisher.finish().unwrap(), ["Broadcasting messages"]);
}
