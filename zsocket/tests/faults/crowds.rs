//! Strangers in crowds.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use zsocket::{
    AccessList, Context, Dealer, Endpoint, Pull, Push, ReconnectStop, Router, Security, Socket,
    curve_keypair,
};

use crate::support::{
    PATIENCE, Raw, Task, WIRES, eventually, greeting, loopback, message, ready, spawn,
};

/// Has room for all of them, at both ends.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let higher = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, higher).unwrap();
}

/// A ROUTER that answers whatever it is asked, in a thread of its own.
struct Server {
    endpoint: Endpoint,
    is_over: Arc<AtomicBool>,
    task: Task<()>,
}

impl Server {
    fn start() -> Self {
        let (sender, receiver) = std::sync::mpsc::channel();
        let is_over = Arc::new(AtomicBool::new(false));
        let task = spawn({
            let is_over = Arc::clone(&is_over);
            move || {
                let context = Context::new();
                let router = context.build_socket::<Router>().backlog(1000);
                let router = router.build().unwrap();
                sender.send(router.bind(loopback()).unwrap()).unwrap();
                while !is_over.load(Ordering::Relaxed) {
                    if let Ok(request) = router.recv_timeout(Duration::from_millis(10)) {
                        router.send(request).unwrap();
                    }
                }
            }
        });
        Self {
            endpoint: receiver.recv_timeout(PATIENCE).unwrap(),
            is_over,
            task,
        }
    }

    fn end(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.task.join();
    }
}

/// Real clients ask one question after the other: how many answers a second they have together.
fn rate(endpoint: &Endpoint, clients: u64, each: u64) -> f64 {
    let started = Instant::now();
    let clients: Vec<_> = (0..clients)
        .map(|_| {
            let endpoint = endpoint.clone();
            spawn(move || {
                let context = Context::new();
                let dealer = context.socket::<Dealer>().unwrap();
                dealer.connect(&endpoint).unwrap();
                for number in 0..each {
                    dealer.send(number.to_be_bytes()).unwrap();
                    let answer = dealer.recv_timeout(PATIENCE).unwrap();
                    assert_eq!(answer[0], number.to_be_bytes());
                }
            })
        })
        .collect();
    let answers = clients.len() as u64 * each;
    clients.into_iter().for_each(Task::join);
    answers as f64 / started.elapsed().as_secs_f64()
}

/// Strangers that begin a handshake, and go on byte by byte for as long as they are there.
struct Loris {
    is_over: Arc<AtomicBool>,
    bytes: Arc<AtomicU64>,
    task: Task<()>,
}

impl Loris {
    /// Each of them says so many bytes a second.
    fn start(endpoint: &Endpoint, strangers: usize, pace: u32) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let bytes = Arc::new(AtomicU64::new(0));
        let task = spawn({
            let (endpoint, is_over, bytes) =
                (endpoint.clone(), Arc::clone(&is_over), Arc::clone(&bytes));
            move || {
                let connect = || Raw::connect(&endpoint);
                let mut all: Vec<_> = (0..strangers).map(|_| (connect(), 0)).collect();
                let greeting = greeting();
                let pause = Duration::from_secs(1) / pace / strangers as u32;
                while !is_over.load(Ordering::Relaxed) {
                    for (raw, said) in &mut all {
                        // All but the last: so it never comes to an end.
                        if *said == greeting.len() - 1
                            || raw.write_all(&greeting[*said..=*said]).is_err()
                        {
                            (*raw, *said) = (connect(), 0);
                        }
                        *said += 1;
                        bytes.fetch_add(1, Ordering::Relaxed);
                        thread::sleep(pause);
                    }
                }
            }
        });
        Self {
            is_over,
            bytes,
            task,
        }
    }

    fn end(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.task.join();
    }
}

const LORIS: usize = 500;

#[test]
fn real_clients_are_served_beside_500_handshakes_that_never_end() {
    raise_descriptor_limit();
    let server = Server::start();
    let loris = Loris::start(&server.endpoint, LORIS, 10);
    eventually("all are there", || {
        loris.bytes.load(Ordering::Relaxed) > LORIS as u64
    });
    rate(&server.endpoint, 8, 100);
    loris.end();
    server.end();
}

/// `cargo test --release -p zsocket --test faults -- --ignored --nocapture rate_beside`
#[test]
#[ignore = "it measures, on a machine that does nothing else"]
fn rate_beside_500_handshakes_that_never_end() {
    raise_descriptor_limit();
    let server = Server::start();
    rate(&server.endpoint, 8, 1000);
    let mut ratios = Vec::new();
    for _ in 0..5 {
        let alone = rate(&server.endpoint, 8, 5000);
        let loris = Loris::start(&server.endpoint, LORIS, 1);
        eventually("all are there", || {
            loris.bytes.load(Ordering::Relaxed) > LORIS as u64
        });
        let beside = rate(&server.endpoint, 8, 5000);
        loris.end();
        println!("{alone:.0} answers a second alone, {beside:.0} beside {LORIS} strangers");
        ratios.push(beside / alone);
    }
    ratios.sort_by(f64::total_cmp);
    println!("median ratio {:.2}", ratios[2]);
    server.end();
}

/// Half of them know a wrong key of the server, which finds nothing to read in what they say; half of them have a key of
/// their own that the server does not know.
#[test]
fn a_thousand_clients_with_a_wrong_key_are_refused_beside_one_with_the_right_one() {
    const STRANGERS: usize = 1000;
    raise_descriptor_limit();
    let [server_keys, client_keys, other_keys] = [(); 3].map(|()| curve_keypair().unwrap());
    let context = Context::new();
    let access = AccessList::new();
    access.allow_key(*client_keys.public(), "client");
    context.set_authenticator(access);
    let pull = context
        .build_socket::<Pull>()
        .security(Security::curve_server(server_keys.clone()))
        .backlog(1000)
        .build()
        .unwrap();
    let endpoint = pull.bind(loopback()).unwrap();
    let connect = |context: &Context, security| {
        let push = context
            .build_socket::<Push>()
            .security(security)
            .linger(Some(Duration::ZERO))
            // Else those who are not told that they are unknown would come again and again.
            .reconnect_stop(ReconnectStop {
                handshake_failed: true,
                ..ReconnectStop::default()
            })
            .build()
            .unwrap();
        push.connect(&endpoint).unwrap();
        push
    };
    let contexts = [Context::new(), Context::new()];
    let right = Security::curve_client(*server_keys.public(), client_keys.clone());
    let client = connect(&contexts[0], right);
    client.send("the first").unwrap();
    assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "the first");

    let mut strangers: Vec<Socket<Push>> = Vec::new();
    for number in 0..STRANGERS {
        let (server, own) = if number % 2 == 0 {
            (&other_keys, client_keys.clone())
        } else {
            (&server_keys, other_keys.clone())
        };
        let security = Security::curve_client(*server.public(), own);
        strangers.push(connect(&contexts[1], security));
        if number % 10 == 0 {
            client.send("right").unwrap();
            assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "right");
        }
    }
    let refused = || {
        let connections = pull.stats().connections;
        connections.unauthenticated + connections.protocol
    };
    eventually("all are refused", || refused() >= STRANGERS as u64);
    eventually("none of them tries again", || {
        strangers.iter().all(|push| push.peers() == 0)
    });
    assert_eq!(refused(), STRANGERS as u64);
    let connections = pull.stats().connections;
    assert_eq!((connections.established, connections.open), (1, 1));
    assert_eq!(pull.peers(), 1);
    assert!(strangers.iter().all(|push| push.try_send("wrong").is_err()));
    drop(strangers);
    client.send("the last").unwrap();
    assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "the last");
    assert!(pull.try_recv().is_err());
}

/// Handshake and message come byte by byte, from many at a time, while others are as quick as ever.
#[test]
fn those_who_say_a_byte_at_a_time_are_heard_to_the_end() {
    const SLOW: usize = 50;
    for wire in WIRES {
        let context = Context::new();
        let pull = context.socket::<Pull>().unwrap();
        let endpoint = pull.bind(wire.anywhere()).unwrap();
        let mut slow: Vec<_> = (0..SLOW).map(|_| Raw::connect(&endpoint)).collect();
        let mut quick = Raw::connect_as(&endpoint, "PUSH");
        let all = [
            &greeting()[..],
            &ready("PUSH"),
            &message(&[b"slow", b"but sure"]),
        ]
        .concat();
        for (at, byte) in all.iter().enumerate() {
            for raw in &mut slow {
                raw.write_all(&[*byte]).unwrap();
            }
            if at + 1 < all.len() {
                quick.send(&[&[at as u8]]);
                assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], [at as u8]);
            }
        }
        for _ in 0..SLOW {
            assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[1], "but sure");
        }
        assert_eq!(pull.peers(), SLOW + 1);
    }
}
