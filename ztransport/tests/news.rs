//! What a socket finds that has not looked for a long time.

#[allow(dead_code, reason = "shared with the other tests")]
mod common;

use std::{net::TcpListener, time::Duration};

use common::{Side, WIRES, options, scripted::Scripted};
use zmtp::{Event as Protocol, MechanismConfig, Message};
use ztransport::{Event, News};

fn ordinary() -> Side {
    Side::new(options(MechanismConfig::default()))
}

fn await_end(side: &Side) {
    side.wait_event("the end", |event| {
        matches!(event, Event::Disconnected { .. })
    });
}

/// However often a connection breaks while its socket does not look, the socket finds one piece of news.
#[test]
fn news_are_the_latest_state_of_a_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut side = ordinary();
    side.connect(&format!("tcp://{address}").parse().unwrap());
    let accept = || {
        let mut peer = Scripted::new(listener.accept().unwrap().0, MechanismConfig::default());
        peer.event(|event| matches!(event, Protocol::Connected(_)));
        peer
    };
    let mut peer = accept();
    side.await_established();
    side.send(Message::from("hello"));
    peer.event(|event| matches!(event, Protocol::Message(_)));
    drop(peer);
    for _ in 0..3 {
        await_end(&side);
        drop(accept());
    }
    await_end(&side);
    let peer = accept();
    side.await_news(|news| news.taken == Some(1) && news.peer.is_some());
    let driver = side.link().driver.clone().unwrap();
    assert_eq!(driver.take_news(), News::default(), "taken once");
    drop(peer);
    // It may come back at once, but nobody lets it in.
    side.await_news(|news| news.taken == Some(1) && news.peer.is_none());
}

/// Links come by letter to whoever binds, and to whoever connects and is `immediate`. Those that are gone
/// before the socket looks leave no letter and nothing in its ready list.
#[test]
fn links_that_are_gone_leave_nothing() {
    for wire in WIRES {
        let (mut side, mut peer) = (ordinary(), ordinary());
        let endpoint = side.bind(wire);
        for _ in 0..20 {
            peer.connect(&endpoint);
            peer.await_established();
            peer.close_with(Some(Duration::ZERO));
            await_end(&side);
        }
        assert_eq!(side.signalled(), [0], "{wire}: there was mail");
        assert!(!side.has_letters(), "{wire}");

        let mut config = options(MechanismConfig::default());
        config.immediate = true;
        let (mut side, mut peer) = (Side::new(config), ordinary());
        let endpoint = peer.bind(wire);
        side.connect(&endpoint);
        for _ in 0..20 {
            peer.await_link();
            peer.close_with(Some(Duration::ZERO));
            await_end(&side);
        }
        // The next one may have come.
        peer.await_link();
        assert_eq!(side.signalled(), [0], "{wire}: there was mail");
        side.await_link();
        assert!(!side.has_letters(), "{wire}");
    }
}
