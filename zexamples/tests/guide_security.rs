//! The five programs of the security guide, run as a user runs them, and with libzmq in the place of one of their ends.

mod support;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use zexamples::Child;
use zinterop::sys::{event, opt, socket_type};
use zinterop::zmq;
use zsocket::Certificate;

use support::{ANYWHERE, PATIENCE, output, start};

const GRASSLANDS: &str = env!("CARGO_BIN_EXE_grasslands");
const STRAWHOUSE: &str = env!("CARGO_BIN_EXE_strawhouse");
const WOODHOUSE: &str = env!("CARGO_BIN_EXE_woodhouse");
const STONEHOUSE: &str = env!("CARGO_BIN_EXE_stonehouse");
const IRONHOUSE: &str = env!("CARGO_BIN_EXE_ironhouse");
const ALL: [&str; 5] = [GRASSLANDS, STRAWHOUSE, WOODHOUSE, STONEHOUSE, IRONHOUSE];

const GREETED: [&str; 1] = ["Received Hello"];
/// How often a loop looks whether it is over.
const GLANCE: Duration = Duration::from_millis(10);

/// A house with its keys.
struct House {
    program: &'static str,
    keys: tempfile::TempDir,
}

impl House {
    fn new(program: &'static str) -> Self {
        Self {
            program,
            keys: tempfile::tempdir().unwrap(),
        }
    }

    fn keys(&self) -> &str {
        self.keys.path().to_str().unwrap()
    }

    fn server(&self) -> (Child, String) {
        let server = start(self.program, &["server", ANYWHERE, "--keys", self.keys()]);
        let endpoint = server.answer("Listening on").unwrap();
        (server, endpoint)
    }

    fn client(&self, endpoint: &str) -> Child {
        start(self.program, &["client", endpoint, "--keys", self.keys()])
    }

    /// The keys that the programs have made, or find if they are made now.
    fn certificate(&self, name: &str) -> Certificate {
        let path = self.keys.path().join(format!("{name}.cert"));
        if !path.exists() {
            Certificate::generate().unwrap().save(&path).unwrap();
        }
        Certificate::load(path).unwrap()
    }

    /// What the house wants of a client, said to a socket of libzmq.
    fn secure_client(&self, socket: &zmq::Socket) {
        match self.program {
            WOODHOUSE => plain(socket, "secret"),
            STONEHOUSE => curve(
                socket,
                &self.certificate("server"),
                &Certificate::generate().unwrap(),
            ),
            IRONHOUSE => curve(
                socket,
                &self.certificate("server"),
                &self.certificate("client"),
            ),
            _ => {}
        }
    }

    /// What the house has as a server, likewise.
    fn secure_server(&self, socket: &zmq::Socket) {
        match self.program {
            STRAWHOUSE => socket.set_bytes(opt::ZAP_DOMAIN, b"global").unwrap(),
            WOODHOUSE => socket.set_int(opt::PLAIN_SERVER, 1).unwrap(),
            STONEHOUSE | IRONHOUSE => {
                let own = self.certificate("server");
                socket.set_int(opt::CURVE_SERVER, 1).unwrap();
                let secret = own.key_pair().unwrap().secret().as_bytes();
                socket.set_bytes(opt::CURVE_SECRETKEY, secret).unwrap();
            }
            _ => {}
        }
    }
}

fn plain(socket: &zmq::Socket, password: &str) {
    socket.set_bytes(opt::PLAIN_USERNAME, b"admin").unwrap();
    socket
        .set_bytes(opt::PLAIN_PASSWORD, password.as_bytes())
        .unwrap();
}

fn curve(socket: &zmq::Socket, server: &Certificate, own: &Certificate) {
    let keys = own.key_pair().unwrap();
    socket
        .set_bytes(opt::CURVE_SERVERKEY, server.public_key().as_bytes())
        .unwrap();
    socket
        .set_bytes(opt::CURVE_PUBLICKEY, keys.public().as_bytes())
        .unwrap();
    socket
        .set_bytes(opt::CURVE_SECRETKEY, keys.secret().as_bytes())
        .unwrap();
}

/// A client of libzmq.
fn pull(context: &zmq::Context, endpoint: &str, secure: impl FnOnce(&zmq::Socket)) -> zmq::Socket {
    let socket = context.socket(socket_type::PULL).unwrap();
    secure(&socket);
    socket.connect(endpoint).unwrap();
    socket
}

#[test]
fn each_house_greets_in_one_process() {
    for program in ALL {
        assert_eq!(output(program, &[]), GREETED, "{program}");
    }
}

#[test]
fn each_house_greets_another_process() {
    for program in ALL {
        let house = House::new(program);
        let (server, endpoint) = house.server();
        let client = house.client(&endpoint);
        assert_eq!(client.finish().unwrap(), GREETED, "{program}");
        server.finish().unwrap();
    }
}

#[test]
fn each_house_greets_a_client_of_libzmq() {
    for program in ALL {
        let house = House::new(program);
        let (server, endpoint) = house.server();
        let context = zmq::Context::new();
        let client = pull(&context, &endpoint, |socket| house.secure_client(socket));
        assert_eq!(
            client.recv_timeout(PATIENCE).unwrap(),
            [b"Hello"],
            "{program}"
        );
        server.finish().unwrap();
    }
}

#[test]
fn a_client_of_each_house_is_greeted_by_libzmq() {
    for program in ALL {
        let house = House::new(program);
        let context = zmq::Context::new();
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let zap = context.socket(socket_type::REP).unwrap();
            zap.bind("inproc://zeromq.zap.01").unwrap();
            let server = context.socket(socket_type::PUSH).unwrap();
            house.secure_server(&server);
            let endpoint = server.bind(ANYWHERE).unwrap();
            let over = &over;
            scope.spawn(move || let_all_in(&zap, over));
            let client = house.client(&endpoint);
            server.send_timeout(&["Hello"], PATIENCE).unwrap();
            assert_eq!(client.finish().unwrap(), GREETED, "{program}");
            over.store(true, Ordering::Relaxed);
        });
    }
}

/// A ZAP handler.
fn let_all_in(zap: &zmq::Socket, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        let request = match zap.recv_timeout(GLANCE) {
            Ok(request) => request,
            Err(zmq::Error::WouldBlock) => continue,
            Err(error) => panic!("{error}"),
        };
        let id = &request[1][..];
        zap.send(&[b"1.0", id, b"200", b"OK", b"somebody", b""])
            .unwrap();
    }
}

/// libzmq has an event for whoever is refused, which is not the same for each mechanism.
const REFUSED: u16 = event::HANDSHAKE_FAILED_AUTH
    | event::HANDSHAKE_FAILED_PROTOCOL
    | event::HANDSHAKE_FAILED_NO_DETAIL
    | event::DISCONNECTED;

/// Whoever is not let in hears of it, and the greeting is for the next one.
fn refuses(house: &House, secure: impl FnOnce(&zmq::Socket)) {
    let (server, endpoint) = house.server();
    let context = zmq::Context::new();
    let stranger = context.socket(socket_type::PULL).unwrap();
    secure(&stranger);
    let monitor = stranger.monitor(REFUSED).unwrap();
    stranger.connect(&endpoint).unwrap();
    assert!(monitor.recv_timeout(PATIENCE).unwrap().is_some());
    assert_eq!(house.client(&endpoint).finish().unwrap(), GREETED);
    assert!(
        stranger.recv_timeout(Duration::ZERO).is_err(),
        "a stranger was greeted"
    );
    server.finish().unwrap();
}

#[test]
fn a_wrong_password_is_refused() {
    let house = House::new(WOODHOUSE);
    refuses(&house, |socket| plain(socket, "guess"));
}

#[test]
fn who_has_no_password_is_refused() {
    refuses(&House::new(WOODHOUSE), |_| {});
}

#[test]
fn an_unknown_key_is_refused() {
    let house = House::new(IRONHOUSE);
    refuses(&house, |socket| {
        curve(
            socket,
            &house.certificate("server"),
            &Certificate::generate().unwrap(),
        );
    });
}

#[test]
fn secret_keys_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::new(IRONHOUSE);
    let (server, endpoint) = house.server();
    house.client(&endpoint).finish().unwrap();
    server.finish().unwrap();
    for name in ["server", "client"] {
        let file = house.keys.path().join(format!("{name}.cert_secret"));
        let mode = std::fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let admitted = house.keys.path().join("clients");
    let names: Vec<_> = std::fs::read_dir(&admitted)
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    assert_eq!(names, ["client.cert"], "{}", Path::new(&admitted).display());
}
