//! PLAIN against connections recorded from libzmq, and between two ends of our own.

use std::time::Instant;

use proptest::prelude::*;
use zmtp::zap::{Answer, Credentials, Policy, Reply, ReplyError, Request, Status};
use zmtp::{
    Blame, Connection, Error, Event, HandshakeConfig, MechanismConfig, Message, Metadata,
    SocketType, plain,
};

mod recording;

use recording::{Recording, Side};

fn dealer(username: &str, password: &str) -> HandshakeConfig {
    let credentials = plain::ClientConfig::new(username.to_owned(), password).unwrap();
    HandshakeConfig::new(SocketType::Dealer)
        .with_mechanism(MechanismConfig::PlainClient(credentials))
}

fn router(server: plain::ServerConfig) -> HandshakeConfig {
    HandshakeConfig::new(SocketType::Router).with_mechanism(MechanismConfig::PlainServer(server))
}

/// What an end made of its input: events, bytes, and how it ended.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    events: Vec<Event>,
    sent: Vec<u8>,
    error: Option<Error>,
}

/// Feeds `stream` in chunks to a connection whose ZAP handler always answers the same.
fn feed(
    connection: &mut Connection,
    stream: &[u8],
    chunk: usize,
    handler: impl Fn(&Request) -> Answer,
) -> Outcome {
    let now = Instant::now();
    let mut outcome = Outcome::default();
    let mut pieces = [&[][..]].into_iter().chain(stream.chunks(chunk));
    let mut rest: &[u8] = &[];
    loop {
        if rest.is_empty() {
            match pieces.next() {
                Some(piece) => rest = piece,
                None => break,
            }
        }
        match connection.handle_input(rest, now) {
            Ok(used) => rest = &rest[used..],
            Err(error) => drop(outcome.error.get_or_insert(error)),
        }
        while let Some(event) = connection.poll_event() {
            if let Event::Authenticate(request) = &event
                && let Err(error) = connection.handle_zap(handler(request), now)
            {
                outcome.error.get_or_insert(error);
            }
            outcome.events.push(event);
        }
        while let Some(bytes) = connection.poll_transmit() {
            outcome.sent.extend_from_slice(&bytes);
        }
        if outcome.error.is_some() {
            break;
        }
    }
    outcome
}

fn reply(status: Status) -> impl Fn(&Request) -> Answer {
    move |request| Answer::Reply(Reply::decision(request, status, "because"))
}

fn nobody(_: &Request) -> Answer {
    panic!("a client asks nobody")
}

fn admin() -> Box<Request> {
    let credentials = Credentials::Plain {
        username: "admin".into(),
        password: "secret".into(),
    };
    Box::new(Request::new(credentials))
}

// spec: RFC24/vectors-client: the client's side of a recorded handshake, byte for byte
#[test]
fn the_client_of_the_recording_is_reproduced() {
    let recording = Recording::load("plain-router-dealer.hex");
    for chunk in [1, 7, usize::MAX] {
        let config = dealer("admin", "secret").with_identity("me").unwrap();
        let mut connection = Connection::new(config, Instant::now());
        connection.send("hi").unwrap();
        let outcome = feed(
            &mut connection,
            &recording.bytes(Side::Listener),
            chunk,
            nobody,
        );
        assert_eq!(outcome.error, None);
        assert_eq!(outcome.sent, recording.bytes(Side::Connector));
        assert!(matches!(outcome.events[..], [Event::Connected(_)]));
    }
}

// spec: RFC24/vectors-server: the server's side of a recorded handshake, byte for byte but for as-server
// spec: RFC37/as-server: a PLAIN server says so in its greeting, which libzmq does not
#[test]
fn the_server_of_the_recording_is_reproduced() {
    let recording = Recording::load("plain-router-dealer.hex");
    let expected = recording.bytes_as_server(Side::Listener);
    for chunk in [1, 7] {
        let mut connection = Connection::new(router(plain::ServerConfig::new()), Instant::now());
        let stream = recording.bytes(Side::Connector);
        let outcome = feed(&mut connection, &stream, chunk, reply(Status::Success));
        assert_eq!(outcome.error, None);
        assert_eq!(outcome.sent, expected);
        let [
            Event::Authenticate(request),
            Event::Connected(peer),
            Event::Message(message),
        ] = &outcome.events[..]
        else {
            panic!("{:?}", outcome.events)
        };
        assert_eq!(
            *request,
            admin().with_request_id(request.request_id.clone()).into()
        );
        assert_eq!(peer.identity, "me");
        assert_eq!(*message, Message::from("hi"));
    }
}

// spec: WIRE-4.2/vectors-refused: libzmq's misspelt ERROR is understood, and reproduced on demand
#[test]
fn both_ends_of_the_refusal_are_reproduced() {
    let recording = Recording::load("plain-refused.hex");
    for chunk in [1, 7] {
        let mut client = Connection::new(
            dealer("admin", "secret").with_identity("me").unwrap(),
            Instant::now(),
        );
        let outcome = feed(&mut client, &recording.bytes(Side::Listener), chunk, nobody);
        assert_eq!(outcome.error.unwrap().auth_event_code(), Some(400));
        assert_eq!(outcome.sent, recording.bytes(Side::Connector));

        for misspelt in [true, false] {
            let server = plain::ServerConfig::new().with_misspelt_error(misspelt);
            let mut server = Connection::new(router(server), Instant::now());
            let stream = recording.bytes(Side::Connector);
            let refuse = reply(Status::AuthenticationFailure);
            let outcome = feed(&mut server, &stream, chunk, refuse);
            let error = outcome.error.unwrap();
            assert_eq!(error.auth_event_code(), Some(400));
            assert_eq!(error.blame(), Blame::Unauthenticated);
            let mut expected = recording.bytes_as_server(Side::Listener);
            if !misspelt {
                let at = expected.len() - 11;
                expected.splice(at.., *b"\x04\x0a\x05ERROR\x03400");
            }
            assert_eq!(outcome.sent, expected);
        }
    }
}

/// Runs both ends until neither has anything to say, and returns how each of them ended.
fn talk(client: HandshakeConfig, server: HandshakeConfig, answer: Answer) -> [Outcome; 2] {
    let now = Instant::now();
    let mut ends = [Connection::new(client, now), Connection::new(server, now)];
    let mut outcomes = [Outcome::default(), Outcome::default()];
    let mut idle = 0;
    let mut turn = 0;
    while idle < 2 {
        idle += 1;
        let (from, to) = (turn, 1 - turn);
        turn = to;
        while let Some(bytes) = ends[from].poll_transmit() {
            idle = 0;
            let result = ends[to].handle_input(&bytes, now).map(drop);
            let mut errors = vec![result];
            while let Some(event) = ends[to].poll_event() {
                if let Event::Authenticate(request) = &event {
                    let mut answer = answer.clone();
                    // What is meant for this question gets its id.
                    if let Answer::Reply(reply) = &mut answer
                        && reply.check(&admin()).is_ok()
                    {
                        reply.request_id = request.request_id.clone();
                    }
                    errors.push(ends[to].handle_zap(answer, now));
                }
                outcomes[to].events.push(event);
            }
            for error in errors.into_iter().filter_map(Result::err) {
                outcomes[to].error.get_or_insert(error);
            }
        }
    }
    outcomes
}

#[test]
fn what_zap_says_about_the_peer_is_kept_apart_from_its_claims() {
    let mut trusted = Metadata::new();
    trusted.push("Role", "operator").unwrap();
    let request = admin();
    let answer = Reply::success(&request, "joe").with_metadata(trusted.clone());
    let client = dealer("admin", "secret")
        .with_property("X-Role", "root")
        .unwrap();
    let server = router(plain::ServerConfig::new())
        .with_zap(Policy::new("global"))
        .with_peer_address("127.0.0.1");
    let [client, server] = talk(client, server, Answer::Reply(answer));
    assert_eq!((client.error, server.error), (None, None));
    let [Event::Authenticate(request), Event::Connected(peer)] = &server.events[..] else {
        panic!("{:?}", server.events)
    };
    let expected = admin()
        .with_domain("global")
        .with_address("127.0.0.1")
        .with_request_id(request.request_id.clone());
    assert_eq!(**request, expected);
    assert_eq!(peer.user_id, "joe");
    assert_eq!(peer.trusted, trusted);
    assert_eq!(peer.properties.get("Role"), None);
}

// spec: WIRE-5/effects: what each answer of the handler means to both ends
#[test]
fn each_answer_has_its_effect_at_both_ends() {
    let refusal = |status| Answer::Reply(Reply::decision(&admin(), status, ""));
    let failed = |status| Error::AuthenticationFailed { status };
    let refused = |reason: &str| {
        Some(Error::Refused {
            reason: reason.into(),
        })
    };
    let other = admin().with_request_id("2");
    let cases = [
        (Answer::NoHandler, Error::NoZapHandler, None),
        (
            refusal(Status::TemporaryError),
            failed(Status::TemporaryError),
            None,
        ),
        (
            refusal(Status::AuthenticationFailure),
            failed(Status::AuthenticationFailure),
            refused("400"),
        ),
        (
            refusal(Status::InternalError),
            failed(Status::InternalError),
            refused("500"),
        ),
        (
            Answer::Invalid(ReplyError::StatusCode),
            Error::InvalidZapReply {
                cause: ReplyError::StatusCode,
            },
            None,
        ),
        (
            Answer::Reply(Reply::success(&other, "")),
            Error::InvalidZapReply {
                cause: ReplyError::RequestId,
            },
            None,
        ),
    ];
    for (answer, at_server, at_client) in cases {
        let [client, server] = talk(
            dealer("admin", "secret"),
            router(plain::ServerConfig::new()),
            answer,
        );
        assert_eq!(server.error, Some(at_server));
        assert_eq!(client.error, at_client);
    }
}

// spec: WIRE-8/both-clients: two clients see an unexpected command, two servers wait
#[test]
fn equal_roles_do_not_fit() {
    let [one, other] = talk(dealer("a", "b"), dealer("a", "b"), Answer::NoHandler);
    for end in [one, other] {
        let code = end.error.and_then(|error| error.protocol_event_code());
        assert!(matches!(code, Some(0x1000_0001) | None), "{code:?}");
    }
    let server = || router(plain::ServerConfig::new());
    let [one, other] = talk(server(), server(), Answer::NoHandler);
    assert_eq!((one, other), (Outcome::default(), Outcome::default()));
}

/// The event, with the same request id as all others.
fn without_id(event: Event) -> Event {
    match event {
        Event::Authenticate(request) => Event::Authenticate(Box::new(request.with_request_id("1"))),
        other => other,
    }
}

/// A server's input up to its end: the greeting of a PLAIN client, and what follows.
fn behind_greeting(bytes: &[u8]) -> Vec<u8> {
    let greeting = &Recording::load("plain-refused.hex").bytes(Side::Connector)[..64];
    [greeting, bytes].concat()
}

fn credentials() -> impl Strategy<Value = Credentials> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..300);
    prop_oneof![
        Just(Credentials::Null),
        (bytes(), bytes()).prop_map(|(username, password)| Credentials::Plain {
            username: username.into(),
            password: password.into(),
        }),
        any::<[u8; 32]>().prop_map(|public_key| Credentials::Curve { public_key }),
        prop::collection::vec(bytes().prop_map(Into::into), 0..4).prop_map(|frames| {
            Credentials::Other {
                mechanism: "GSSAPI".into(),
                frames,
            }
        }),
    ]
}

/// A secret must not get into a log, on its way in or out.
#[test]
fn a_password_under_way_is_not_shown() {
    let now = Instant::now();
    let is_shown = |shown: String| {
        let bytes = format!("{:?}", b"secret");
        shown.contains("secret") || shown.contains(bytes.trim_matches(['[', ']']))
    };
    let mut client = Connection::new(dealer("admin", "secret"), now);
    let mut server = Connection::new(router(plain::ServerConfig::new()), now);
    let mut sent = Vec::new();
    for _ in 0..2 {
        while let Some(bytes) = server.poll_transmit() {
            client.handle_input(&bytes, now).unwrap();
        }
        assert!(!is_shown(format!("{client:?}")), "{client:?}");
        while let Some(bytes) = client.poll_transmit() {
            sent.extend_from_slice(&bytes);
            // The last byte of HELLO is missing for a while.
            let (last, others) = bytes.split_last().unwrap();
            server.handle_input(others, now).unwrap();
            assert!(!is_shown(format!("{server:?}")), "{server:?}");
            server.handle_input(&[*last], now).unwrap();
            assert!(!is_shown(format!("{server:?}")), "{server:?}");
        }
    }
    assert!(sent.ends_with(b"secret"));

    let mut handshake = zmtp::Handshake::new(dealer("admin", "secret"));
    let mut greeting = sent[..64].to_vec();
    greeting[32] = 1;
    handshake.handle_input(&greeting).unwrap();
    assert!(handshake.transmit().ends_with(b"secret"));
    assert!(!is_shown(format!("{handshake:?}")), "{handshake:?}");
}

proptest! {
    #[test]
    fn requests_round_trip(
        credentials in credentials(),
        fields in prop::array::uniform4(prop::collection::vec(any::<u8>(), 0..300)),
    ) {
        let [id, domain, address, identity] = fields;
        let request = Request::new(credentials)
            .with_request_id(id)
            .with_domain(domain)
            .with_address(address)
            .with_identity(identity);
        prop_assert_eq!(Request::decode(&request.encode()), Ok(request.clone()));
        prop_assert_eq!(Request::decode_delimited(&request.encode_delimited()), Ok(request));
    }

    #[test]
    fn replies_round_trip(
        id in prop::collection::vec(any::<u8>(), 0..300),
        status in prop::sample::select(vec![
            Status::Success,
            Status::TemporaryError,
            Status::AuthenticationFailure,
            Status::InternalError,
        ]),
        text in prop::collection::vec(any::<u8>(), 0..300),
        user_id in prop::collection::vec(any::<u8>(), 0..300),
        properties in prop::collection::vec(("[A-Za-z]{1,9}", prop::collection::vec(any::<u8>(), 0..99)), 0..9),
    ) {
        let request = Request::new(Credentials::Null).with_request_id(id);
        let mut metadata = Metadata::new();
        for (name, value) in properties {
            metadata.push(&name, value).unwrap();
        }
        let mut reply = Reply::decision(&request, status, text).with_metadata(metadata);
        reply.user_id = user_id.into();
        prop_assert_eq!(Reply::decode(&reply.encode()), Ok(reply.clone()));
        prop_assert_eq!(reply.check(&request), Ok(()));
        prop_assert_eq!(Reply::decode_delimited(&reply.encode_delimited()), Ok(reply));
    }

    #[test]
    fn any_message_is_a_request_or_a_reply_or_an_error(
        frames in prop::collection::vec(prop_oneof![
            Just(b"1.0".to_vec()),
            Just(b"200".to_vec()),
            Just(b"PLAIN".to_vec()),
            Just(Vec::new()),
            prop::collection::vec(any::<u8>(), 0..40),
        ], 0..10),
    ) {
        let message: Message = frames.into_iter().collect();
        for request in [Request::decode(&message), Request::decode_delimited(&message)].into_iter().flatten() {
            prop_assert!(request.encode() == message || request.encode_delimited() == message);
        }
        for reply in [Reply::decode(&message), Reply::decode_delimited(&message)].into_iter().flatten() {
            prop_assert!(reply.encode() == message || reply.encode_delimited() == message);
        }
    }

    #[test]
    fn a_server_comes_to_the_same_end_however_its_input_is_cut(
        username in "[a-z]{0,9}",
        password in "[a-z]{0,9}",
        junk in prop::collection::vec(any::<u8>(), 0..40),
        at in 0usize..60,
        chunk in 1usize..90,
    ) {
        let mut hello = vec![4, (8 + username.len() + password.len()) as u8];
        hello.extend_from_slice(b"\x05HELLO");
        for field in [&username, &password] {
            hello.push(field.len() as u8);
            hello.extend_from_slice(field.as_bytes());
        }
        let at = at.min(hello.len());
        hello.splice(at.., junk.iter().copied().chain(hello[at..].to_vec()));
        let stream = behind_greeting(&hello);
        let outcome = |chunk| {
            let mut server = Connection::new(router(plain::ServerConfig::new()), Instant::now());
            let outcome = feed(&mut server, &stream, chunk, reply(Status::Success));
            match outcome.error {
                // How far both ends got before an error depends on the pieces.
                Some(error) => Err(error),
                None => {
                    let events = outcome.events.into_iter().map(without_id);
                    Ok((events.collect::<Vec<_>>(), outcome.sent))
                }
            }
        };
        let whole = outcome(1);
        let pieces = outcome(chunk);
        // A command behind HELLO in the same piece is premature; behind the answer it is not.
        if !matches!(pieces, Err(Error::PrematureCommand { .. })) {
            prop_assert_eq!(pieces, whole);
        }
    }

    #[test]
    fn a_client_takes_any_input(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        chunk in 1usize..90,
    ) {
        let stream = behind_greeting(&bytes);
        let outcome = |chunk| {
            let mut client = Connection::new(dealer("a", "b"), Instant::now());
            let outcome = feed(&mut client, &stream, chunk, nobody);
            (outcome.events, outcome.error)
        };
        prop_assert_eq!(outcome(chunk), outcome(1));
    }
}

/// A stranger that announces a long HELLO and holds most of it back takes no more memory than a sound one.
#[test]
fn a_hello_that_is_too_long_is_refused_before_it_has_come() {
    let mut server = Connection::new(router(plain::ServerConfig::new()), Instant::now());
    let greeting = zmtp::Greeting {
        version: zmtp::Version::V3_1,
        mechanism: zmtp::greeting::MechanismName::PLAIN,
        as_server: false,
    };
    server
        .handle_input(&greeting.encode(0), Instant::now())
        .unwrap();
    let mut hello = vec![6, 0, 0, 0, 0, 0, 0, 0x40, 0];
    hello.extend_from_slice(b"\x05HELLO");
    hello.resize(hello.len() + 513, b'x');
    let error = server.handle_input(&hello, Instant::now()).unwrap_err();
    assert_eq!(error.protocol_event_code(), Some(0x1000_0013), "{error}");
}
