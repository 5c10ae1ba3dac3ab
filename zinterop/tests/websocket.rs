//! ØMQ over WebSocket with the codec alone: `zmtp::zws` on a blocking TCP socket against libzmq.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

use zinterop::PATIENCE;
use zinterop::sys::{opt, socket_type};
use zinterop::zmq::{Context, Socket};
use zmtp::zap::{self, Answer, Credentials, Refusal, Reply, Request};
use zmtp::{
    Error, Event, HandshakeConfig, MechanismConfig, Message, Random, SocketType, curve, plain, zws,
};

/// Moves bytes both ways until an event fits, and returns what is made of it.
fn drive<T>(
    stream: &mut TcpStream,
    connection: &mut zws::Connection,
    mut done: impl FnMut(Event) -> Option<T>,
) -> Result<T, Error> {
    let mut buffer = [0; 4096];
    let start = Instant::now();
    loop {
        while let Some(event) = connection.poll_event() {
            if let Event::Authenticate(request) = &event {
                let answer = Answer::Reply(judge(request));
                let result = connection.handle_zap(answer, Instant::now());
                flush(stream, connection);
                result?;
            }
            if let Some(done) = done(event) {
                flush(stream, connection);
                return Ok(done);
            }
        }
        flush(stream, connection);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let result = match stream.read(&mut buffer) {
            Ok(0) => panic!("libzmq has closed the connection"),
            Ok(len) => connection
                .handle_input(&buffer[..len], Instant::now())
                .map(|used| assert_eq!(used, len, "more events than may wait")),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) => panic!("{error}"),
        };
        flush(stream, connection);
        result?;
        assert!(start.elapsed() < PATIENCE, "nothing fits in time");
    }
}

fn flush(stream: &mut TcpStream, connection: &mut zws::Connection) {
    while let Some(bytes) = connection.poll_transmit() {
        stream.write_all(&bytes).unwrap();
    }
}

fn message(event: Event) -> Option<Message> {
    match event {
        Event::Message(message) => Some(message),
        _ => None,
    }
}

fn connected(event: Event) -> Option<()> {
    matches!(event, Event::Connected(_)).then_some(())
}

/// Connects to a bound socket of libzmq.
fn connect(config: HandshakeConfig, endpoint: &str) -> (TcpStream, zws::Connection) {
    let address = endpoint
        .strip_prefix("ws://")
        .unwrap()
        .trim_end_matches('/');
    let target = zws::Target::new(address, "/").unwrap();
    let connection = zws::Connection::connect(config, &target, Instant::now()).unwrap();
    (TcpStream::connect(address).unwrap(), connection)
}

/// Lets a socket of libzmq connect.
fn accept(config: HandshakeConfig, socket: &Socket) -> (TcpStream, zws::Connection) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    socket.connect(&format!("ws://{address}/")).unwrap();
    let (stream, _) = listener.accept().unwrap();
    (stream, zws::Connection::accept(config, Instant::now()))
}

/// Whom every handler here lets in.
fn judge(request: &Request) -> Reply {
    match &request.credentials {
        Credentials::Plain { username, password }
            if username == "admin" && *password == b"secret" =>
        {
            Reply::success(request, "admin")
        }
        _ => Reply::refusal(request, Refusal::AuthenticationFailure, "no"),
    }
}

/// Answers one request to the handler of a libzmq context.
fn handle_one(context: &Context) -> thread::JoinHandle<()> {
    let handler = context.socket(socket_type::REP).unwrap();
    handler.bind(zap::ENDPOINT).unwrap();
    thread::spawn(move || {
        let frames = handler.recv_timeout(PATIENCE).unwrap();
        let request = Request::decode(&frames.into_iter().collect()).unwrap();
        let reply = judge(&request).encode();
        handler.send(reply.frames()).unwrap();
    })
}

fn plain_client(password: &str) -> MechanismConfig {
    MechanismConfig::PlainClient(plain::ClientConfig::new("admin", password).unwrap())
}

// spec: RFC45/interop-client: our client and a libzmq server exchange messages
#[test]
fn our_client_talks_to_libzmq() {
    let context = Context::new();
    let router = context.socket(socket_type::ROUTER).unwrap();
    let endpoint = router.bind("ws://127.0.0.1:*").unwrap();
    let dealer = HandshakeConfig::new(SocketType::Dealer);
    let dealer = dealer.with_identity("me").unwrap();
    let (mut stream, mut dealer) = connect(dealer, &endpoint);
    let long = vec![7; 70_000];
    dealer.send([b"hi".to_vec(), long.clone()]).unwrap();
    drive(&mut stream, &mut dealer, connected).unwrap();
    let heard = router.recv_timeout(PATIENCE).unwrap();
    assert_eq!(heard, [b"me".to_vec(), b"hi".to_vec(), long.clone()]);
    router.send(&heard).unwrap();
    let echo = drive(&mut stream, &mut dealer, message).unwrap();
    assert_eq!(echo, Message::from([b"hi".to_vec(), long]));
}

// spec: RFC45/interop-server: a libzmq client and our server exchange messages
#[test]
fn libzmq_s_client_talks_to_us() {
    let context = Context::new();
    let dealer = context.socket(socket_type::DEALER).unwrap();
    let config = HandshakeConfig::new(SocketType::Router);
    let (mut stream, mut router) = accept(config, &dealer);
    dealer.send(&["hi", "there"]).unwrap();
    let heard = drive(&mut stream, &mut router, message).unwrap();
    assert_eq!(heard, Message::from(["hi", "there"]));
    router.send("yo").unwrap();
    flush(&mut stream, &mut router);
    assert_eq!(dealer.recv_timeout(PATIENCE).unwrap(), [b"yo"]);
}

// spec: WIRE-7.2/interop-subscriptions: libzmq understands our subscriptions over WebSocket, and we its
#[test]
fn subscriptions_are_understood_both_ways() {
    let context = Context::new();
    let xpub = context.socket(socket_type::XPUB).unwrap();
    let endpoint = xpub.bind("ws://127.0.0.1:*").unwrap();
    let (mut stream, mut sub) = connect(HandshakeConfig::new(SocketType::Sub), &endpoint);
    sub.subscribe("top").unwrap();
    drive(&mut stream, &mut sub, connected).unwrap();
    assert_eq!(xpub.recv_timeout(PATIENCE).unwrap(), [b"\x01top"]);
    xpub.send(&["other"]).unwrap();
    xpub.send(&["topic"]).unwrap();
    let heard = drive(&mut stream, &mut sub, message).unwrap();
    assert_eq!(heard, Message::from("topic"));

    let sub = context.socket(socket_type::SUB).unwrap();
    sub.set_bytes(opt::SUBSCRIBE, b"top").unwrap();
    let config = HandshakeConfig::new(SocketType::Pub);
    let (mut stream, mut publisher) = accept(config, &sub);
    let heard = drive(&mut stream, &mut publisher, message).unwrap();
    assert_eq!(heard, Message::from("\x01top"));
    publisher.send("topic").unwrap();
    flush(&mut stream, &mut publisher);
    assert_eq!(sub.recv_timeout(PATIENCE).unwrap(), [b"topic"]);
}

// spec: WIRE-4.2/interop-client: libzmq accepts our PLAIN client, and its misspelt ERROR is understood
#[test]
fn plain_opens_and_refuses_at_libzmq() {
    for (password, accepted) in [("secret", true), ("wrong", false)] {
        let context = Context::new();
        let handler = handle_one(&context);
        let pull = context.socket(socket_type::PULL).unwrap();
        pull.set_int(opt::PLAIN_SERVER, 1).unwrap();
        let endpoint = pull.bind("ws://127.0.0.1:*").unwrap();
        let config = HandshakeConfig::new(SocketType::Push).with_mechanism(plain_client(password));
        let (mut stream, mut push) = connect(config, &endpoint);
        push.send("job").unwrap();
        let result = drive(&mut stream, &mut push, connected);
        handler.join().unwrap();
        if accepted {
            result.unwrap();
            assert_eq!(pull.recv_timeout(PATIENCE).unwrap(), [b"job"]);
        } else {
            // libzmq spells ERROR in its own way.
            assert_eq!(result.unwrap_err().auth_event_code(), Some(400));
        }
    }
}

// spec: WIRE-4.2/interop-server: our PLAIN server accepts and refuses libzmq clients
#[test]
fn plain_opens_and_refuses_at_our_end() {
    for (password, accepted) in [("secret", true), ("wrong", false)] {
        let context = Context::new();
        let push = context.socket(socket_type::PUSH).unwrap();
        push.set_bytes(opt::PLAIN_USERNAME, b"admin").unwrap();
        push.set_bytes(opt::PLAIN_PASSWORD, password.as_bytes())
            .unwrap();
        let server = MechanismConfig::PlainServer(plain::ServerConfig::new());
        let config = HandshakeConfig::new(SocketType::Pull).with_mechanism(server);
        let (mut stream, mut pull) = accept(config, &push);
        push.set_int(opt::LINGER, 0).unwrap();
        push.send(&["job"]).unwrap();
        let result = drive(&mut stream, &mut pull, message);
        if accepted {
            assert_eq!(result.unwrap(), Message::from("job"));
        } else {
            assert_eq!(result.unwrap_err().auth_event_code(), Some(400));
        }
    }
}

// spec: WIRE-7.1/interop-curve: ZWS2.0/CURVE works with libzmq in both roles
#[test]
fn curve_works_both_ways() {
    let mut random = Random::system();
    let server = curve::KeyPair::generate(&mut random).unwrap();
    let client = curve::KeyPair::generate(&mut random).unwrap();
    let context = Context::new();

    let pull = context.socket(socket_type::PULL).unwrap();
    pull.set_int(opt::CURVE_SERVER, 1).unwrap();
    pull.set_bytes(opt::CURVE_SECRETKEY, server.secret().as_bytes())
        .unwrap();
    let endpoint = pull.bind("ws://127.0.0.1:*").unwrap();
    let ours = curve::ClientConfig::new(*server.public(), client.clone());
    let config =
        HandshakeConfig::new(SocketType::Push).with_mechanism(MechanismConfig::CurveClient(ours));
    let (mut stream, mut push) = connect(config, &endpoint);
    push.send("job").unwrap();
    drive(&mut stream, &mut push, connected).unwrap();
    assert_eq!(pull.recv_timeout(PATIENCE).unwrap(), [b"job"]);

    let push = context.socket(socket_type::PUSH).unwrap();
    push.set_bytes(opt::CURVE_SERVERKEY, server.public().as_bytes())
        .unwrap();
    push.set_bytes(opt::CURVE_PUBLICKEY, client.public().as_bytes())
        .unwrap();
    push.set_bytes(opt::CURVE_SECRETKEY, client.secret().as_bytes())
        .unwrap();
    let ours = curve::ServerConfig::new(server).allow_any_client();
    let config =
        HandshakeConfig::new(SocketType::Pull).with_mechanism(MechanismConfig::CurveServer(ours));
    let (mut stream, mut pull) = accept(config, &push);
    push.send(&["job"]).unwrap();
    let heard = drive(&mut stream, &mut pull, message).unwrap();
    assert_eq!(heard, Message::from("job"));
}
