//! What a [`Connection`] does with an input.

use std::time::Instant;

use zmtp::{Connection, Error, Event, Message, SocketType, zap};

use super::{Input, Phase, Reaction};

/// Lets a connection have the input in one piece.
pub fn react(input: &Input) -> Reaction {
    react_in_pieces(input, usize::MAX)
}

/// What a connection has said when it is time for the input.
pub fn prelude(input: &Input) -> Vec<u8> {
    let now = Instant::now();
    let mut connection = Connection::new(input.config(), now);
    connection.handle_input(&input.prelude(), now).unwrap();
    transmit(&mut connection)
}

pub fn react_in_pieces(input: &Input, chunk: usize) -> Reaction {
    let now = Instant::now();
    let mut connection = Connection::new(input.config(), now);
    let signature = transmit(&mut connection);
    assert_eq!(signature.len(), 10);
    connection.handle_input(&input.prelude(), now).unwrap();
    if input.phase == Phase::Traffic {
        let connected = connection.poll_event();
        assert!(matches!(connected, Some(Event::Connected(_))));
    }
    if input.socket_type == SocketType::Req {
        connection.send(["", "request"]).unwrap();
    }
    transmit(&mut connection);

    let mut reaction = Reaction {
        is_open: true,
        ..Reaction::default()
    };
    if input.phase == Phase::Traffic {
        // Told before the input; libzmq's list has it, too.
        reaction.succeed();
    }
    let mut pieces = input.bytes.chunks(chunk);
    let mut rest: &[u8] = &[];
    loop {
        if rest.is_empty() {
            match pieces.next() {
                Some(piece) => rest = piece,
                None => break,
            }
        }
        let mut result = connection
            .handle_input(rest, now)
            .map(|used| rest = &rest[used..]);
        while let Some(event) = connection.poll_event() {
            if let Event::Authenticate(request) = &event {
                let accept = zap::Reply::success(request, "");
                result = connection.handle_zap(zap::Answer::Reply(accept), now);
            }
            take(&mut reaction, event, &connection, input);
        }
        reaction.reply.extend(transmit(&mut connection));
        if let Err(error) = result {
            reaction.fail(&error);
            assert_eq!(connection.handle_input(b"", now), Err(Error::Closed));
            break;
        }
    }
    reaction
}

fn take(reaction: &mut Reaction, event: Event, connection: &Connection, input: &Input) {
    match event {
        Event::Connected(_) => reaction.succeed(),
        Event::Message(message) => {
            let mut frames = frames(&message);
            if input.socket_type == SocketType::Router {
                // What a ROUTER would put before it.
                let peer = connection.peer().unwrap();
                frames.insert(0, peer.identity.to_vec());
            }
            assert_eq!(reaction.delivered, None);
            reaction.delivered = Some(frames);
        }
        Event::Command(body) => reaction.commands.push(body.to_vec()),
        Event::Authenticate(_) | Event::Ping { .. } | Event::Pong { .. } => {}
        other => panic!("{other:?}"),
    }
}

pub fn frames(message: &Message) -> Vec<Vec<u8>> {
    message.iter().map(|frame| frame.to_vec()).collect()
}

fn transmit(connection: &mut Connection) -> Vec<u8> {
    let mut sent = Vec::new();
    while let Some(bytes) = connection.poll_transmit() {
        sent.extend_from_slice(&bytes);
    }
    sent
}
