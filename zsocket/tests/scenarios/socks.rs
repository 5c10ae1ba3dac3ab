//! Connecting through a SOCKS proxy, which is made by hand here.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::Duration,
};

use zsocket::{Context, Endpoint, Event, Pull, Push, Rep, Req, Socket};

use crate::support::{PATIENCE, RawListener, Wire, wait_for};

/// The proxy goes to this host, whatever it was asked for.
const BEHIND: &str = "tcp://127.0.0.1:*";

const SOON: Duration = Duration::from_millis(2);

/// What the proxy was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Request {
    login: Option<(String, String)>,
    /// The kind of address, and the address as it was sent.
    kind: u8,
    address: Vec<u8>,
    port: u16,
}

/// How the proxy behaves.
#[derive(Debug, Clone, Copy, Default)]
struct Manner {
    /// Asks for a login, and takes this one.
    login: Option<(&'static str, &'static str)>,
    /// Answers byte by byte.
    slowly: bool,
    /// Answers with this code, the first so many times.
    refuses: Option<(u8, usize)>,
}

struct Proxy {
    address: SocketAddr,
    requests: mpsc::Receiver<Request>,
}

impl Proxy {
    /// Whatever it is asked for, it connects to the port on this machine.
    fn new(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = mpsc::channel();
        thread::spawn(move || {
            for (number, client) in listener.incoming().enumerate() {
                let (client, sender) = (client.unwrap(), sender.clone());
                // Whoever breaks off does not matter.
                thread::spawn(move || drop(serve(client, number, manner, &sender)));
            }
        });
        Self { address, requests }
    }

    fn request(&self) -> Request {
        self.requests.recv_timeout(PATIENCE).unwrap()
    }
}

fn take<const N: usize>(from: &mut TcpStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn take_some(from: &mut impl Read) {
    from.read_exact(&mut [0; 3]).unwrap();
}

fn take_text(from: &mut TcpStream) -> io::Result<String> {
    let [len] = take(from)?;
    let mut bytes = vec![0; len.into()];
    from.read_exact(&mut bytes)?;
    Ok(String::from_utf8(bytes).unwrap())
}

fn serve(
    mut client: TcpStream,
    number: usize,
    manner: Manner,
    requests: &mpsc::Sender<Request>,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    let say = |client: &mut TcpStream, bytes: &[u8]| -> io::Result<()> {
        let step = if manner.slowly { 1 } else { bytes.len() };
        for piece in bytes.chunks(step) {
            client.write_all(piece)?;
            if manner.slowly {
                thread::yield_now();
            }
        }
        Ok(())
    };
    let [version, count] = take(&mut client)?;
    assert_eq!(version, 5);
    let mut methods = vec![0; count.into()];
    client.read_exact(&mut methods)?;
    let mut login = None;
    if let Some(expected) = manner.login {
        if !methods.contains(&2) {
            return say(&mut client, &[5, 0xFF]);
        }
        say(&mut client, &[5, 2])?;
        assert_eq!(take(&mut client)?, [1]);
        let given = (take_text(&mut client)?, take_text(&mut client)?);
        let is_right = (&*given.0, &*given.1) == expected;
        say(&mut client, &[1, u8::from(!is_right)])?;
        if !is_right {
            return Ok(());
        }
        login = Some(given);
    } else {
        assert!(methods.contains(&0));
        say(&mut client, &[5, 0])?;
    }
    let [version, command, _, kind] = take(&mut client)?;
    assert_eq!((version, command), (5, 1));
    let address = match kind {
        1 => take::<4>(&mut client)?.to_vec(),
        4 => take::<16>(&mut client)?.to_vec(),
        _ => take_text(&mut client)?.into_bytes(),
    };
    let port = u16::from_be_bytes(take(&mut client)?);
    let request = Request {
        login,
        kind,
        address,
        port,
    };
    // Nobody wants to know any more when the test is over.
    let _ = requests.send(request);
    if let Some((code, times)) = manner.refuses
        && number < times
    {
        return say(&mut client, &[5, code, 0, 1, 0, 0, 0, 0, 0, 0]);
    }
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)) else {
        return say(&mut client, &[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]);
    };
    server.set_nodelay(true)?;
    // In the form that it likes.
    let name = b"\x05\x00\x00\x03\x05proxy\x00\x01";
    say(&mut client, name)?;
    let (mut to_client, mut from_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from_server, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Both);
    });
    io::copy(&mut client, &mut server)?;
    server.shutdown(Shutdown::Both)
}

fn port(endpoint: &Endpoint) -> u16 {
    let text = endpoint.to_string();
    text.rsplit(':').next().unwrap().parse().unwrap()
}

fn through<P: zsocket::TypedPattern>(context: &Context, proxy: &Proxy) -> Socket<P> {
    context
        .build_socket()
        .socks_proxy(Some(proxy.address.to_string()))
        .reconnect_interval(Some(SOON))
        .build()
        .unwrap()
}

#[test]
fn requests_and_replies_go_through_a_proxy_whatever_the_form_of_the_address() {
    let context = Context::new();
    for slowly in [false, true] {
        let proxy = Proxy::new(Manner {
            slowly,
            ..Manner::default()
        });
        let rep = context.socket::<Rep>().unwrap();
        let at = port(&rep.bind(BEHIND).unwrap());
        for (host, kind, address) in [
            ("127.0.0.1", 1, vec![127, 0, 0, 1]),
            ("[::1]", 4, [[0; 15].as_slice(), &[1]].concat()),
            // Nobody here could look it up.
            (
                "only-the-proxy.invalid",
                3,
                b"only-the-proxy.invalid".to_vec(),
            ),
        ] {
            let req: Socket<Req> = through(&context, &proxy);
            let monitor = req.monitor();
            req.connect(format!("tcp://{host}:{at}")).unwrap();
            req.send("question").unwrap();
            assert_eq!(rep.recv_timeout(PATIENCE).unwrap()[0], "question");
            rep.send("answer").unwrap();
            assert_eq!(req.recv_timeout(PATIENCE).unwrap()[0], "answer");
            let asked = proxy.request();
            let expected = Request {
                login: None,
                kind,
                address,
                port: at,
            };
            assert_eq!(asked, expected);
            wait_for(&monitor, "the connection", |event| {
                let to = format!("tcp://{}", proxy.address);
                matches!(event, Event::Connected { peer, .. } if peer.to_string() == to)
            });
        }
    }
}

#[test]
fn without_one_and_for_what_is_bound_nobody_asks_the_proxy() {
    let context = Context::new();
    let proxy = Proxy::new(Manner::default());
    let pull: Socket<Pull> = through(&context, &proxy);
    let push: Socket<Push> = through(&context, &proxy);
    let ipc = pull.bind("ipc://*").unwrap();
    push.connect(&ipc).unwrap();
    push.send("over ipc").unwrap();
    assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "over ipc");
    let direct = context.socket::<Push>().unwrap();
    direct.connect(pull.bind(BEHIND).unwrap()).unwrap();
    direct.send("directly").unwrap();
    assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "directly");
    assert!(proxy.requests.try_recv().is_err());
}

#[test]
fn a_proxy_that_asks_is_told_who_this_is() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    let endpoint = pull.bind(BEHIND).unwrap();
    for (username, password) in [("somebody", "secret"), ("somebody", "")] {
        let proxy = Proxy::new(Manner {
            login: Some((username, password)),
            ..Manner::default()
        });
        let push: Socket<Push> = through(&context, &proxy);
        push.set_socks_username(Some(username.to_owned())).unwrap();
        push.set_socks_password(Some(password.to_owned())).unwrap();
        push.connect(&endpoint).unwrap();
        push.send(password).unwrap();
        assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], password);
        let asked = proxy.request();
        assert_eq!(
            asked.login,
            Some((username.to_owned(), password.to_owned()))
        );
    }
    // One that does not ask is not told.
    let proxy = Proxy::new(Manner::default());
    let push: Socket<Push> = through(&context, &proxy);
    push.set_socks_username(Some("somebody".to_owned()))
        .unwrap();
    push.connect(&endpoint).unwrap();
    push.send("unasked").unwrap();
    assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "unasked");
    assert_eq!(proxy.request().login, None);
}

/// The reason why an attempt failed.
fn failure(push: &Socket<Push>, endpoint: &str) -> String {
    let monitor = push.monitor();
    push.connect(endpoint).unwrap();
    let failed = wait_for(&monitor, "a failure", |event| {
        matches!(event, Event::ConnectFailed { .. })
    });
    wait_for(&monitor, "another attempt", |event| {
        matches!(event, Event::ConnectRetried { .. })
    });
    let Event::ConnectFailed { reason, .. } = failed else {
        unreachable!("waited for")
    };
    reason
}

#[test]
fn what_a_proxy_refuses_is_said_and_tried_again() {
    let context = Context::new();
    let asks = Proxy::new(Manner {
        login: Some(("somebody", "secret")),
        ..Manner::default()
    });
    let there = "tcp://127.0.0.1:9";
    let push: Socket<Push> = through(&context, &asks);
    assert!(failure(&push, there).contains("asks for a login"));
    let push: Socket<Push> = through(&context, &asks);
    push.set_socks_username(Some("somebody".to_owned()))
        .unwrap();
    push.set_socks_password(Some("wrong".to_owned())).unwrap();
    assert!(failure(&push, there).contains("does not take the user name"));

    // Something that is no proxy.
    let other = RawListener::anywhere(Wire::Tcp);
    let push: Socket<Push> = through(&context, &asks);
    let text = other.endpoint().to_string();
    push.set_socks_proxy(Some(text.replace("tcp://", "")))
        .unwrap();
    let answering = thread::spawn(move || {
        let mut raw = other.accept();
        // What is not read would be taken back with the connection.
        take_some(&mut raw);
        raw.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    assert!(failure(&push, there).contains("SOCKS 5"));
    answering.join().unwrap();

    // One that refuses three times, and then does what it is asked.
    let proxy = Proxy::new(Manner {
        refuses: Some((4, 3)),
        ..Manner::default()
    });
    let pull = context.socket::<Pull>().unwrap();
    let push: Socket<Push> = through(&context, &proxy);
    let monitor = push.monitor();
    push.connect(pull.bind(BEHIND).unwrap()).unwrap();
    push.send("at last").unwrap();
    assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "at last");
    for _ in 0..3 {
        wait_for(
            &monitor,
            "a refusal",
            |event| matches!(event, Event::ConnectFailed { reason, .. } if reason.contains("host is unreachable")),
        );
    }
}

#[test]
fn a_proxy_that_says_nothing_has_the_time_of_a_connection() {
    let context = Context::new();
    let silent = RawListener::anywhere(Wire::Tcp);
    let text = silent.endpoint().to_string().replace("tcp://", "");
    for (connect, handshake) in [(Some(20), 3_600_000), (None, 20)] {
        let push = context
            .build_socket::<Push>()
            .socks_proxy(Some(text.clone()))
            .connect_timeout(connect.map(Duration::from_millis))
            .handshake_interval(Some(Duration::from_millis(handshake)))
            .linger(Some(Duration::ZERO))
            .build()
            .unwrap();
        assert!(failure(&push, "tcp://name.invalid:9").contains("timed out"));
    }
}

/// The proxy's last answer and the peer's first bytes in one segment, and the peer waits for nothing.
#[test]
fn what_comes_behind_the_answer_is_the_peers() {
    let context = Context::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let pull = context
        .build_socket::<Pull>()
        .socks_proxy(Some(listener.local_addr().unwrap().to_string()))
        .build()
        .unwrap();
    pull.connect("tcp://name.invalid:9").unwrap();
    let (mut client, _) = listener.accept().unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(take(&mut client).unwrap(), [5, 1, 0]);
    client.write_all(&[5, 0]).unwrap();
    take::<{ 4 + 1 + 12 + 2 }>(&mut client).unwrap();
    let mut answer = b"\x05\x00\x00\x01\0\0\0\0\0\0".to_vec();
    answer.extend(crate::support::greeting());
    answer.extend(crate::support::ready("PUSH"));
    answer.extend(crate::support::message(&[b"early"]));
    client.write_all(&answer).unwrap();
    assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "early");
}
