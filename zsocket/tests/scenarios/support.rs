//! The other end made by hand, and waiting with a deadline.

use std::{
    fs,
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::net::{UnixListener, UnixStream},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use socket2::SockRef;
use zsocket::{
    Context, Endpoint, Error, Event, InvalidOption, Monitor, Pull, Push, Socket, SocketBuilder,
};

/// What is wrong with an option, of a call that has failed for that.
pub(crate) fn invalid<T>(result: Result<T, Error>) -> InvalidOption {
    match result {
        Err(Error::Option(error)) => *error,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was accepted"),
    }
}

/// Long enough for a loaded machine; never waited for when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How long something that must not happen is watched for.
pub(crate) const A_WHILE: Duration = Duration::from_millis(30);

/// Larger than what the operating system buffers for a connection whose buffers are
/// [`SMALL_BUFFER`], so that no such message is ever taken whole by the system alone.
pub(crate) const HUGE: usize = 4 << 20;

/// For both buffers of a connection, in bytes.
pub(crate) const SMALL_BUFFER: usize = 16 << 10;

/// The transports on which a peer may be anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Tcp,
    Ipc,
}

pub(crate) const WIRES: [Wire; 2] = [Wire::Tcp, Wire::Ipc];

impl Wire {
    /// An endpoint to bind to.
    pub(crate) fn anywhere(self) -> &'static str {
        match self {
            Self::Tcp => loopback(),
            Self::Ipc => "ipc://*",
        }
    }
}

/// Where one can bind again and again. The files go with it.
pub(crate) struct Place {
    pub(crate) endpoint: String,
    _directory: tempfile::TempDir,
}

impl Place {
    /// A place for each transport, of which the first use of a tcp one settles the port.
    pub(crate) fn all() -> [Self; 3] {
        ["tcp", "ipc", "inproc"].map(|scheme| {
            let directory = tempfile::tempdir().unwrap();
            let endpoint = match scheme {
                "tcp" => loopback().to_owned(),
                "ipc" => format!("ipc://{}/socket", directory.path().display()),
                _ => "inproc://place".to_owned(),
            };
            Self {
                endpoint,
                _directory: directory,
            }
        })
    }

    /// Those among [`all`](Self::all) on which a peer may be anybody.
    pub(crate) fn wires() -> [Self; 2] {
        let [tcp, ipc, _] = Self::all();
        [tcp, ipc]
    }
}

/// Endpoints to bind to in a fresh context, for all transports.
pub(crate) fn everywhere() -> [&'static str; 3] {
    [loopback(), "ipc://*", "inproc://anywhere"]
}

/// A free port at an address that nobody has been given before. The system gives ports again and again, and a socket
/// of another test that still tries to reach its old one would be a stranger here.
pub(crate) fn loopback() -> &'static str {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    if !cfg!(target_os = "linux") {
        // Elsewhere this is the only one.
        return "tcp://127.0.0.1:*";
    }
    let given = GIVEN.fetch_add(1, Ordering::Relaxed) % 0xfffe + 1;
    let process = std::process::id() % 250 + 1;
    // They are few and short, and constants for those who use them.
    format!("tcp://127.{process}.{}.{}:*", given >> 8, given & 0xff).leak()
}

/// A stream whose bytes are the test's own. Reads and writes that take longer than [`PATIENCE`]
/// fail.
#[derive(Debug)]
pub(crate) enum Raw {
    Tcp(TcpStream),
    Ipc(UnixStream),
}

pub(crate) const MORE: u8 = 1;
pub(crate) const LONG: u8 = 2;
pub(crate) const COMMAND: u8 = 4;

impl Raw {
    pub(crate) fn connect(endpoint: &Endpoint) -> Self {
        Self::try_connect(endpoint).unwrap()
    }

    /// For an endpoint that may be gone.
    pub(crate) fn try_connect(endpoint: &Endpoint) -> io::Result<Self> {
        let text = endpoint.to_string();
        let raw = match text.split_once("://").unwrap() {
            ("tcp", address) => Self::Tcp(TcpStream::connect(address)?),
            ("ipc", path) => Self::Ipc(UnixStream::connect(path)?),
            _ => panic!("{text} is no stream"),
        };
        Ok(raw.patiently())
    }

    /// Connects and introduces itself as a socket of this type.
    pub(crate) fn connect_as(endpoint: &Endpoint, socket_type: &str) -> Self {
        let mut raw = Self::connect(endpoint);
        raw.shake_hands(socket_type);
        raw
    }

    fn patiently(self) -> Self {
        match &self {
            Self::Tcp(stream) => {
                stream.set_nodelay(true).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.set_write_timeout(Some(PATIENCE)).unwrap();
            }
            Self::Ipc(stream) => {
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.set_write_timeout(Some(PATIENCE)).unwrap();
            }
        }
        self
    }

    pub(crate) fn shake_hands(&mut self, socket_type: &str) {
        self.write_all(&greeting()).unwrap();
        self.write_all(&ready(socket_type)).unwrap();
        self.hear_handshake();
    }

    /// Reads what the other end says first.
    pub(crate) fn hear_handshake(&mut self) {
        let mut theirs = [0; 64];
        self.read_exact(&mut theirs).unwrap();
        let (flags, body) = self.read_frame();
        assert_eq!(flags, COMMAND);
        assert!(body.starts_with(b"\x05READY"), "{}", body.escape_ascii());
    }

    pub(crate) fn send(&mut self, frames: &[&[u8]]) {
        self.write_all(&message(frames)).unwrap();
    }

    pub(crate) fn read_frame(&mut self) -> (u8, Vec<u8>) {
        let (flags, body) = self.try_read_frame().unwrap();
        (flags & !LONG, body)
    }

    fn try_read_frame(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut flags = [0];
        self.read_exact(&mut flags)?;
        let size = if flags[0] & LONG == 0 {
            let mut size = [0];
            self.read_exact(&mut size)?;
            usize::from(size[0])
        } else {
            let mut size = [0; 8];
            self.read_exact(&mut size)?;
            usize::try_from(u64::from_be_bytes(size)).unwrap()
        };
        let mut body = vec![0; size];
        self.read_exact(&mut body)?;
        Ok((flags[0], body))
    }

    pub(crate) fn read_message(&mut self) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        loop {
            let (flags, body) = self.read_frame();
            assert_eq!(flags & !MORE, 0, "a message's frame");
            frames.push(body);
            if flags & MORE == 0 {
                return frames;
            }
        }
    }

    /// Reads and forgets until the other end is gone.
    pub(crate) fn expect_close(&mut self) {
        let mut buffer = [0; 4096];
        loop {
            match self.read(&mut buffer) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return,
                // The process was stopped and goes on.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("not closed: {error}"),
            }
        }
    }

    /// Says that nothing more will come, if the connection is still there.
    pub(crate) fn finish(&self) {
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Ipc(stream) => stream.shutdown(Shutdown::Write),
        };
    }

    /// Reads what comes within a moment.
    pub(crate) fn read_for_a_while(&mut self, into: &mut Vec<u8>) {
        self.set_read_timeout(A_WHILE);
        let error = self.read_to_end(into).expect_err("the connection stays");
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        self.set_read_timeout(PATIENCE);
    }

    pub(crate) fn set_write_timeout(&self, timeout: Duration) {
        match self {
            Self::Tcp(stream) => stream.set_write_timeout(Some(timeout)).unwrap(),
            Self::Ipc(stream) => stream.set_write_timeout(Some(timeout)).unwrap(),
        }
    }

    /// Whether something has come that was not read.
    pub(crate) fn has_input(&self) -> bool {
        let mut byte = [std::mem::MaybeUninit::uninit()];
        let peeked = match self {
            Self::Tcp(stream) => SockRef::from(stream).peek(&mut byte),
            Self::Ipc(stream) => SockRef::from(stream).peek(&mut byte),
        };
        peeked.is_ok_and(|len| len > 0)
    }

    pub(crate) fn set_read_timeout(&self, timeout: Duration) {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(Some(timeout)).unwrap(),
            Self::Ipc(stream) => stream.set_read_timeout(Some(timeout)).unwrap(),
        }
    }
}

impl Read for Raw {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Ipc(stream) => stream.read(buffer),
        }
    }
}

impl Write for Raw {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(buffer),
            Self::Ipc(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A listener whose connections are [`Raw`].
#[derive(Debug)]
pub(crate) enum RawListener {
    Tcp(TcpListener),
    Ipc {
        listener: UnixListener,
        endpoint: Endpoint,
        _directory: Option<tempfile::TempDir>,
    },
}

impl RawListener {
    pub(crate) fn anywhere(wire: Wire) -> Self {
        match wire {
            Wire::Tcp => Self::tcp(&loopback()["tcp://".len()..].replace('*', "0")),
            Wire::Ipc => {
                let directory = tempfile::tempdir().unwrap();
                let path = directory.path().join("raw");
                let endpoint = Endpoint::parse(&format!("ipc://{}", path.display())).unwrap();
                Self::Ipc {
                    listener: UnixListener::bind(path).unwrap(),
                    endpoint,
                    _directory: Some(directory),
                }
            }
        }
    }

    /// At an endpoint where somebody has listened before.
    pub(crate) fn again(endpoint: &Endpoint) -> Self {
        let text = endpoint.to_string();
        match text.split_once("://").unwrap() {
            ("tcp", address) => Self::tcp(address),
            ("ipc", path) => {
                if let Err(error) = fs::remove_file(path) {
                    assert_eq!(error.kind(), ErrorKind::NotFound);
                }
                Self::Ipc {
                    listener: UnixListener::bind(path).unwrap(),
                    endpoint: endpoint.clone(),
                    _directory: None,
                }
            }
            _ => panic!("{text} is no stream"),
        }
    }

    /// Its connections buffer little, and inherit that from it.
    fn tcp(address: &str) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        SockRef::from(&listener)
            .set_recv_buffer_size(SMALL_BUFFER)
            .unwrap();
        Self::Tcp(listener)
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        match self {
            Self::Tcp(listener) => Endpoint::from(listener.local_addr().unwrap()),
            Self::Ipc { endpoint, .. } => endpoint.clone(),
        }
    }

    pub(crate) fn accept(&self) -> Raw {
        let accept = || match self {
            Self::Tcp(listener) => listener.accept().map(|(stream, _)| Raw::Tcp(stream)),
            Self::Ipc { listener, .. } => listener.accept().map(|(stream, _)| Raw::Ipc(stream)),
        };
        accept().unwrap().patiently()
    }

    pub(crate) fn accept_as(&self, socket_type: &str) -> Raw {
        let mut raw = self.accept();
        raw.shake_hands(socket_type);
        raw
    }
}

/// What a peer of version 3.1 without security says first.
pub(crate) fn greeting() -> [u8; 64] {
    let mut greeting = [0; 64];
    greeting[0] = 0xFF;
    greeting[8] = 1;
    greeting[9] = 0x7F;
    greeting[10] = 3;
    greeting[11] = 1;
    greeting[12..16].copy_from_slice(b"NULL");
    greeting
}

/// A frame with READY.
pub(crate) fn ready(socket_type: &str) -> Vec<u8> {
    let mut body = b"\x05READY\x0bSocket-Type".to_vec();
    body.extend((socket_type.len() as u32).to_be_bytes());
    body.extend(socket_type.as_bytes());
    frame(COMMAND, &body)
}

/// A frame with PING, without a time to live.
pub(crate) fn ping(context: &[u8]) -> Vec<u8> {
    frame(COMMAND, &[b"\x04PING\0\0", context].concat())
}

pub(crate) fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
    [&header(flags, body.len() as u64), body].concat()
}

pub(crate) fn header(flags: u8, size: u64) -> Vec<u8> {
    match u8::try_from(size) {
        Ok(size) => vec![flags, size],
        Err(_) => [&[flags | LONG][..], &size.to_be_bytes()].concat(),
    }
}

pub(crate) fn message(frames: &[&[u8]]) -> Vec<u8> {
    let (last, parts) = frames.split_last().unwrap();
    let mut bytes: Vec<u8> = parts.iter().flat_map(|part| frame(MORE, part)).collect();
    bytes.extend(frame(0, last));
    bytes
}

/// Waits for an event, past those that are others.
pub(crate) fn wait_for(
    monitor: &Monitor,
    what: &str,
    mut wanted: impl FnMut(&Event) -> bool,
) -> Event {
    let deadline = Instant::now() + PATIENCE;
    let mut seen = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match monitor.recv_timeout(left) {
            Some(event) if wanted(&event) => return event,
            Some(event) => seen.push(event),
            None => panic!("waited in vain for {what}; there came {seen:?}"),
        }
    }
}

/// Waits for something that no event tells.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// A thread that must come to an end.
pub(crate) struct Task<T> {
    result: mpsc::Receiver<T>,
    thread: thread::JoinHandle<()>,
}

pub(crate) fn spawn<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Task<T> {
    let (sender, result) = mpsc::sync_channel(1);
    let thread = thread::spawn(move || {
        // Nobody listens any more if the test has failed.
        let _ = sender.send(run());
    });
    Task { result, thread }
}

impl<T> Task<T> {
    pub(crate) fn join(self) -> T {
        match self.result.recv_timeout(PATIENCE) {
            Ok(value) => value,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("a thread hangs"),
            Err(mpsc::RecvTimeoutError::Disconnected) => match self.thread.join() {
                Err(panic) => std::panic::resume_unwind(panic),
                Ok(()) => unreachable!("a thread that ends well sends its result"),
            },
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        !self.thread.is_finished()
    }
}

/// A PULL that listens, and a PUSH of another context that has always behaved.
pub(crate) struct Server {
    pub(crate) pull: Socket<Pull>,
    pub(crate) monitor: Monitor,
    pub(crate) endpoint: Endpoint,
    pub(crate) good: Socket<Push>,
    _contexts: [Context; 2],
}

impl Server {
    pub(crate) fn new(wire: Wire) -> Self {
        Self::with(wire, |builder| builder)
    }

    pub(crate) fn with(
        wire: Wire,
        configure: impl FnOnce(SocketBuilder<Pull>) -> SocketBuilder<Pull>,
    ) -> Self {
        let contexts = [Context::new(), Context::new()];
        let pull = configure(contexts[0].build_socket()).build().unwrap();
        let monitor = pull.monitor();
        let endpoint = pull.bind(wire.anywhere()).unwrap();
        let good = contexts[1].socket::<Push>().unwrap();
        good.connect(&endpoint).unwrap();
        let server = Self {
            pull,
            monitor,
            endpoint,
            good,
            _contexts: contexts,
        };
        server.wait_for("the first peer", |event| {
            matches!(event, Event::HandshakeSucceeded { .. })
        });
        server.serves("the first peer");
        server
    }

    pub(crate) fn wait_for(&self, what: &str, wanted: impl FnMut(&Event) -> bool) -> Event {
        wait_for(&self.monitor, what, wanted)
    }

    /// The peer that behaves is served, and nothing has come from anybody else.
    pub(crate) fn serves(&self, text: &str) {
        self.good.send(text).unwrap();
        let message = self.pull.recv_timeout(PATIENCE).unwrap();
        assert_eq!(message.len(), 1);
        assert_eq!(message[0], text);
    }

    /// As [`serves`](Self::serves), and somebody new is served as well.
    pub(crate) fn goes_on(&self) {
        self.serves("somebody known");
        let mut raw = Raw::connect_as(&self.endpoint, "PUSH");
        raw.send(&[b"somebody", b"new"]);
        let message = self.pull.recv_timeout(PATIENCE).unwrap();
        assert_eq!(message.len(), 2);
        assert_eq!(message[1], "new");
    }
}
