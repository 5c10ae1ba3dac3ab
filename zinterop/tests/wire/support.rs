//! One end of a connection on a blocking socket, and libzmq's sockets set up to fit.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use zinterop::PATIENCE;
use zinterop::sys::{opt, socket_type};
use zinterop::zmq::{Context, Socket};
use zmtp::curve::{self, KeyPair};
use zmtp::greeting::MechanismName;
use zmtp::zap::{self, Answer, Reply, Request, Status};
use zmtp::{
    Connection, ConnectionConfig, Error, Event, HandshakeConfig, MechanismConfig, Message, Random,
    SocketType, plain,
};

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// The other end closed it.
    Closed,
    /// This end did.
    Failed(Error),
}

/// One end of a connection on a blocking socket.
pub(crate) struct WirePeer {
    stream: TcpStream,
    connection: Connection,
    /// What ZAP answers; `None` if there is no handler.
    status: Option<Status>,
    /// What ZAP was asked.
    pub(crate) requests: Vec<Request>,
}

impl WirePeer {
    pub(crate) fn new(stream: TcpStream, config: impl Into<ConnectionConfig>) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            connection: Connection::new(config, Instant::now()),
            status: Some(Status::Success),
            requests: Vec::new(),
        }
    }

    /// Makes ZAP answer this instead of 200.
    pub(crate) fn with_zap(mut self, status: Status) -> Self {
        self.status = Some(status);
        self
    }

    /// Makes ZAP have no handler.
    pub(crate) fn without_zap(mut self) -> Self {
        self.status = None;
        self
    }

    /// Moves bytes both ways until `done` makes something of an event.
    pub(crate) fn run<T>(&mut self, done: impl FnMut(Event) -> Option<T>) -> Result<T, End> {
        let done = self.run_until(Instant::now() + PATIENCE, done)?;
        Ok(done.expect("something fits in time"))
    }

    /// The next event, if there is one in time.
    pub(crate) fn poll(&mut self, patience: Duration) -> Option<Event> {
        self.run_until(Instant::now() + patience, Some).unwrap()
    }

    fn run_until<T>(
        &mut self,
        deadline: Instant,
        mut done: impl FnMut(Event) -> Option<T>,
    ) -> Result<Option<T>, End> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            while let Some(event) = self.connection.poll_event() {
                if let Event::Authenticate(request) = &event {
                    let answer = match self.status {
                        Some(status) => Answer::Reply(answer(request, status)),
                        None => Answer::NoHandler,
                    };
                    self.requests.push((**request).clone());
                    let result = self.connection.handle_zap(answer, Instant::now());
                    self.flush()?;
                    result.map_err(End::Failed)?;
                } else if let Some(done) = done(event) {
                    self.flush()?;
                    return Ok(Some(done));
                }
            }
            self.flush()?;
            let now = Instant::now();
            if now >= deadline {
                return Ok(None);
            }
            let next = self
                .connection
                .poll_timeout()
                .map_or(deadline, |at| at.min(deadline));
            let wait = (next - now.min(next)).max(Duration::from_millis(1));
            self.stream.set_read_timeout(Some(wait)).unwrap();
            let result = match self.stream.read(&mut buffer) {
                Ok(0) => return Err(End::Closed),
                Ok(len) => self
                    .connection
                    .handle_input(&buffer[..len], Instant::now())
                    .map(|used| assert_eq!(used, len, "more events than may wait")),
                Err(error) if is_timeout(error.kind()) => Ok(()),
                Err(error) => return Err(broken(&error)),
            }
            .and_then(|()| self.connection.handle_timeout(Instant::now()));
            if let Err(error) = result {
                // What is left to say to the peer; it may be gone.
                let _ = self.flush();
                return Err(End::Failed(error));
            }
        }
    }

    pub(crate) fn connected(&mut self) -> Result<zmtp::Peer, End> {
        self.run(|event| match event {
            Event::Connected(peer) => Some(peer),
            _ => None,
        })
    }

    pub(crate) fn message(&mut self) -> Message {
        let message = self.run(|event| match event {
            Event::Message(message) => Some(message),
            _ => None,
        });
        message.unwrap()
    }

    pub(crate) fn send(&mut self, message: impl Into<Message>) {
        self.connection.send(message).unwrap();
        self.flush().unwrap();
    }

    /// The connection, for what has no method here.
    pub(crate) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Writes what the connection has to say.
    pub(crate) fn flush(&mut self) -> Result<(), End> {
        while let Some(bytes) = self.connection.poll_transmit() {
            self.stream
                .write_all(&bytes)
                .map_err(|error| broken(&error))?;
        }
        Ok(())
    }
}

fn is_timeout(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

/// The other end is gone, and took what was unread along.
fn broken(error: &std::io::Error) -> End {
    let gone = [
        ErrorKind::ConnectionReset,
        ErrorKind::ConnectionAborted,
        ErrorKind::BrokenPipe,
    ];
    assert!(gone.contains(&error.kind()), "{error}");
    End::Closed
}

/// Which end binds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Binder {
    Ours,
    Libzmq,
}

impl Binder {
    pub(crate) const BOTH: [Self; 2] = [Self::Ours, Self::Libzmq];
}

/// How an end of ours gets connections with a socket of libzmq, one after the other.
pub(crate) enum Link {
    Listener(TcpListener),
    Address(String),
}

impl Link {
    pub(crate) fn new(binder: Binder, socket: &Socket) -> Self {
        match binder {
            Binder::Ours => {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let address = listener.local_addr().unwrap();
                socket.connect(&format!("tcp://{address}")).unwrap();
                Self::Listener(listener)
            }
            Binder::Libzmq => {
                let endpoint = socket.bind("tcp://127.0.0.1:*").unwrap();
                Self::Address(endpoint.trim_start_matches("tcp://").to_owned())
            }
        }
    }

    pub(crate) fn stream(&self) -> TcpStream {
        match self {
            Self::Listener(listener) => accept(listener),
            Self::Address(address) => TcpStream::connect(address).unwrap(),
        }
    }

    pub(crate) fn peer(&self, config: impl Into<ConnectionConfig>) -> WirePeer {
        WirePeer::new(self.stream(), config)
    }
}

/// Accepts a connection, in time.
pub(crate) fn accept(listener: &TcpListener) -> TcpStream {
    let listener = listener.try_clone().unwrap();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(listener.accept()));
    let (stream, _) = receiver
        .recv_timeout(PATIENCE)
        .expect("somebody connects in time")
        .unwrap();
    stream
}

/// A security mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mechanism {
    Null,
    Plain,
    Curve,
}

/// Who plays the server of a mechanism, and asks ZAP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    Ours,
    Libzmq,
}

impl Server {
    pub(crate) const BOTH: [Self; 2] = [Self::Ours, Self::Libzmq];
}

pub(crate) const DOMAIN: &str = "global";

/// What both ends know.
pub(crate) struct Keys {
    pub(crate) server: KeyPair,
    pub(crate) client: KeyPair,
}

impl Keys {
    pub(crate) fn new() -> Self {
        let pair = || KeyPair::generate(&mut Random::system()).unwrap();
        Self {
            server: pair(),
            client: pair(),
        }
    }
}

impl Mechanism {
    pub(crate) const ALL: [Self; 3] = [Self::Null, Self::Plain, Self::Curve];

    pub(crate) fn name(self) -> MechanismName {
        match self {
            Self::Null => MechanismName::NULL,
            Self::Plain => MechanismName::PLAIN,
            Self::Curve => MechanismName::CURVE,
        }
    }

    /// Our end as the server, without ZAP where that is possible.
    pub(crate) fn server(self, socket_type: SocketType, keys: &Keys) -> HandshakeConfig {
        HandshakeConfig::new(socket_type).with_mechanism(match self {
            Self::Null => MechanismConfig::Null,
            // So that libzmq's client understands a refusal.
            Self::Plain => {
                MechanismConfig::PlainServer(plain::ServerConfig::new().with_misspelt_error(true))
            }
            Self::Curve => MechanismConfig::CurveServer(
                curve::ServerConfig::new(copy(&keys.server)).allow_any_client(),
            ),
        })
    }

    /// Our end as the client.
    pub(crate) fn client(self, socket_type: SocketType, keys: &Keys) -> HandshakeConfig {
        HandshakeConfig::new(socket_type).with_mechanism(match self {
            Self::Null => MechanismConfig::Null,
            Self::Plain => {
                MechanismConfig::PlainClient(plain::ClientConfig::new("admin", "secret").unwrap())
            }
            Self::Curve => MechanismConfig::CurveClient(curve::ClientConfig::new(
                *keys.server.public(),
                copy(&keys.client),
            )),
        })
    }

    /// libzmq's end as the server.
    pub(crate) fn set_server(self, socket: &Socket, keys: &Keys) {
        match self {
            Self::Null => {}
            Self::Plain => socket.set_int(opt::PLAIN_SERVER, 1).unwrap(),
            Self::Curve => {
                socket.set_int(opt::CURVE_SERVER, 1).unwrap();
                let secret = keys.server.secret().as_bytes();
                socket.set_bytes(opt::CURVE_SECRETKEY, secret).unwrap();
            }
        }
    }

    /// libzmq's end as the client.
    pub(crate) fn set_client(self, socket: &Socket, keys: &Keys) {
        let set = |option, value: &[u8]| socket.set_bytes(option, value).unwrap();
        match self {
            Self::Null => {}
            Self::Plain => {
                set(opt::PLAIN_USERNAME, b"admin");
                set(opt::PLAIN_PASSWORD, b"secret");
            }
            Self::Curve => {
                set(opt::CURVE_SERVERKEY, keys.server.public().as_bytes());
                set(opt::CURVE_PUBLICKEY, keys.client.public().as_bytes());
                set(opt::CURVE_SECRETKEY, keys.client.secret().as_bytes());
            }
        }
    }

    /// Both ends: the configuration of ours, and libzmq's socket set up. Nobody asks ZAP but the
    /// server of PLAIN.
    pub(crate) fn set_up(
        self,
        server: Server,
        socket_type: SocketType,
        socket: &Socket,
        keys: &Keys,
    ) -> HandshakeConfig {
        match server {
            Server::Ours => {
                self.set_client(socket, keys);
                self.server(socket_type, keys)
            }
            Server::Libzmq => {
                self.set_server(socket, keys);
                self.client(socket_type, keys)
            }
        }
    }
}

fn copy(pair: &KeyPair) -> KeyPair {
    KeyPair::from_secret(curve::SecretKey::from_bytes(*pair.secret().as_bytes()))
}

/// Answers the requests to the handler of a libzmq context, one for each status.
pub(crate) fn handler(context: &Context, statuses: &[Status]) -> JoinHandle<Vec<Request>> {
    let statuses = statuses.to_vec();
    let replies = statuses
        .into_iter()
        .map(|status| move |request: &Request| answer(request, status).encode());
    handler_that(context, replies.collect())
}

/// The same with any replies.
pub(crate) fn handler_that(
    context: &Context,
    replies: Vec<impl Fn(&Request) -> Message + Send + 'static>,
) -> JoinHandle<Vec<Request>> {
    let socket = context.socket(socket_type::REP).unwrap();
    socket.bind(zap::ENDPOINT).unwrap();
    thread::spawn(move || {
        let answer_next = |reply: &dyn Fn(&Request) -> Message| {
            let frames = socket.recv_timeout(PATIENCE).unwrap();
            let request = Request::decode(&frames.into_iter().collect()).unwrap();
            socket.send(reply(&request).frames()).unwrap();
            request
        };
        replies.iter().map(|reply| answer_next(reply)).collect()
    })
}

fn answer(request: &Request, status: Status) -> Reply {
    match status {
        Status::Success => Reply::success(request, "joe"),
        other => Reply::decision(request, other, "because"),
    }
}

pub(crate) fn frames(message: &Message) -> Vec<Vec<u8>> {
    message.iter().map(|frame| frame.to_vec()).collect()
}
