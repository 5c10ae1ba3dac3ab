//! One driver for connections of every kind, which takes their output in every way that there is.

use std::time::Instant;

use proptest::prelude::*;
use zmtp::{Connection, Event, HandshakeConfig, Message, SansIo, SocketType};

const TYPE: SocketType = SocketType::Pair;

fn over_stream() -> [Box<dyn SansIo>; 2] {
    [(), ()].map(|()| -> Box<dyn SansIo> {
        Box::new(Connection::new(HandshakeConfig::new(TYPE), Instant::now()))
    })
}

#[cfg(feature = "ws")]
fn over_websocket() -> [Box<dyn SansIo>; 2] {
    use zmtp::zws;

    let target = zws::Target::new("example.com", "/").unwrap();
    let config = || HandshakeConfig::new(TYPE);
    let client = zws::Connection::connect(config(), &target, Instant::now()).unwrap();
    let server = zws::Connection::accept(config(), Instant::now());
    [Box::new(client), Box::new(server)]
}

fn all() -> Vec<[Box<dyn SansIo>; 2]> {
    vec![
        over_stream(),
        #[cfg(feature = "ws")]
        over_websocket(),
    ]
}

/// How output is taken: all at once, in pieces of which so many bytes are written, into a buffer of so
/// many.
#[derive(Clone, Copy, Debug)]
enum Way {
    Poll,
    Slices(usize),
    Into(usize),
}

fn way() -> impl Strategy<Value = Way> {
    prop_oneof![
        Just(Way::Poll),
        (1..2000_usize).prop_map(Way::Slices),
        (1..2000_usize).prop_map(Way::Into),
    ]
}

/// The next output, taken in this way; empty if there is none.
fn transmit(end: &mut dyn SansIo, way: Way) -> Vec<u8> {
    let before = end.unsent_bytes();
    assert_eq!(end.wants_write(), before > 0);
    let taken = match way {
        Way::Poll => end.poll_transmit().unwrap_or_default().to_vec(),
        Way::Slices(most) => {
            let mut pieces = [&[][..]; 3];
            let filled = end.transmit_slices(&mut pieces);
            assert!(pieces[..filled].iter().all(|piece| !piece.is_empty()));
            let mut written = pieces[..filled].concat();
            written.truncate(most);
            end.advance_transmit(written.len());
            written
        }
        Way::Into(most) => {
            let mut buffer = vec![0; most];
            let len = end.transmit_into(&mut buffer);
            assert!(len == most || !end.wants_write());
            buffer.truncate(len);
            buffer
        }
    };
    assert_eq!(taken.is_empty(), before == 0);
    taken
}

/// Carries bytes both ways until there are none, and returns the messages that came at each end.
fn run(ends: &mut [Box<dyn SansIo>; 2], ways: [Way; 2]) -> [Vec<Message>; 2] {
    let mut received = [Vec::new(), Vec::new()];
    loop {
        let mut is_quiet = true;
        for from in [0, 1] {
            let bytes = transmit(&mut *ends[from], ways[from]);
            is_quiet &= bytes.is_empty();
            let to = &mut ends[1 - from];
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let used = to.handle_input(rest, Instant::now()).unwrap();
                rest = &rest[used..];
                while let Some(event) = to.poll_event() {
                    if let Event::Message(message) = event {
                        received[1 - from].push(message);
                    }
                }
            }
        }
        if is_quiet {
            return received;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_way_of_taking_output_gives_the_same(
        sizes in prop::collection::vec(prop_oneof![0..300_usize, 8000..20_000_usize], 0..8),
        ways in [way(), way()],
    ) {
        let messages: Vec<_> = sizes.iter().map(|size| Message::from(vec![7; *size])).collect();
        for mut ends in all() {
            for message in &messages {
                ends[0].send(message.clone()).unwrap();
            }
            let [at_first, at_second] = run(&mut ends, ways);
            prop_assert!(at_first.is_empty());
            prop_assert_eq!(&at_second, &messages);
            prop_assert!(ends.iter().all(|end| end.peer().is_some() && end.error().is_none()));
            // And on an open connection.
            for message in &messages {
                ends[1].send(message.clone()).unwrap();
            }
            let [at_first, _] = run(&mut ends, ways);
            prop_assert_eq!(&at_first, &messages);
        }
    }
}

#[test]
#[should_panic(expected = "beyond what there is to send")]
fn more_than_there_is_cannot_be_sent() {
    let [mut end, _] = over_stream();
    let unsent = end.unsent_bytes();
    end.advance_transmit(unsent + 1);
}

#[cfg(feature = "ws")]
#[test]
#[should_panic(expected = "beyond what there is to send")]
fn more_than_there_is_cannot_be_sent_over_websocket() {
    let [mut end, _] = over_websocket();
    let unsent = end.unsent_bytes();
    end.advance_transmit(unsent + 1);
}

#[test]
fn closing_says_a_word_where_there_is_one() {
    let [mut first, _] = over_stream();
    let before = first.unsent_bytes();
    first.close().unwrap();
    assert_eq!(first.unsent_bytes(), before);

    #[cfg(feature = "ws")]
    {
        let mut ends = over_websocket();
        run(&mut ends, [Way::Poll, Way::Poll]);
        ends[0].close().unwrap();
        assert_eq!(transmit(&mut *ends[0], Way::Into(100)).len(), 8);
        assert!(ends[0].send("late".into()).is_err());
    }
}
