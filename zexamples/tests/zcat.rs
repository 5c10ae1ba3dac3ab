//! `zcat`, run as a user runs it: two of them, or one with libzmq.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{self, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use zinterop::sys::{opt, socket_type};
use zinterop::zmq;

const ZCAT: &str = env!("CARGO_BIN_EXE_zcat");
const ANYWHERE: &str = "tcp://127.0.0.1:*";
/// How long libzmq waits for a message.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a run may take, and some more for a machine that stands still.
const LIMIT: Duration = Duration::from_secs(300);

/// A running zcat. It is killed if the test fails.
struct Zcat {
    process: process::Child,
    stdin: Option<ChildStdin>,
    stdout: Option<BufReader<ChildStdout>>,
    stderr: BufReader<ChildStderr>,
}

/// What a zcat has left.
struct Outcome {
    status: i32,
    stdout: String,
    stderr: String,
}

impl Zcat {
    fn start(args: &[&str]) -> Self {
        let mut process = Command::new(ZCAT)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            stdin: process.stdin.take(),
            stdout: process.stdout.take().map(BufReader::new),
            stderr: BufReader::new(process.stderr.take().unwrap()),
            process,
        }
    }

    /// Starts one that binds, and waits until it says where.
    fn bound(args: &[&str]) -> (Self, String) {
        let mut zcat = Self::start(args);
        let line = zcat.error_line();
        let endpoint = line.strip_prefix("zcat: listening on ");
        let endpoint = endpoint.unwrap_or_else(|| panic!("{line}")).to_owned();
        (zcat, endpoint)
    }

    fn error_line(&mut self) -> String {
        let mut line = String::new();
        self.stderr.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let stdout = self.stdout.as_mut().unwrap();
        stdout.read_line(&mut line).unwrap();
        line.trim_end_matches('\n').to_owned()
    }

    fn write(&mut self, input: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        stdin.flush().unwrap();
    }

    fn interrupt(&self) {
        let id = Pid::from_raw(self.process.id().try_into().unwrap()).unwrap();
        kill_process(id, Signal::INT).unwrap();
    }

    /// Ends the input, and waits for the end.
    fn finish(mut self) -> Outcome {
        drop(self.stdin.take());
        let id = Pid::from_raw(self.process.id().try_into().unwrap()).unwrap();
        // One that hangs is killed, which the status tells.
        let (is_over, watch) = mpsc::channel::<()>();
        thread::scope(|scope| {
            scope.spawn(move || {
                if watch.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
                    let _ = kill_process(id, Signal::KILL);
                }
            });
            let (mut stdout, mut stderr) = (String::new(), String::new());
            let reader = self.stdout.take();
            let out = scope.spawn(move || {
                if let Some(mut reader) = reader {
                    reader.read_to_string(&mut stdout).unwrap();
                }
                stdout
            });
            self.stderr.read_to_string(&mut stderr).unwrap();
            let stdout = out.join().unwrap();
            let status = self.process.wait().unwrap();
            drop(is_over);
            Outcome {
                status: status.code().unwrap_or(-1),
                stdout,
                stderr,
            }
        })
    }

    #[track_caller]
    fn expect(self, stdout: &str) {
        let outcome = self.finish();
        assert_eq!(outcome.status, 0, "{}", outcome.stderr);
        assert_eq!(outcome.stdout, stdout, "{}", outcome.stderr);
    }

    #[track_caller]
    fn expect_error(self, status: i32, words: &[&str]) {
        let outcome = self.finish();
        assert_eq!(outcome.status, status, "{}", outcome.stderr);
        for word in words {
            assert!(outcome.stderr.contains(word), "{word}: {}", outcome.stderr);
        }
    }
}

impl Drop for Zcat {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An endpoint with a name that is known beforehand.
fn ipc() -> (TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/socket", directory.path().display());
    (directory, endpoint)
}

// ---- Two of them ----

#[test]
fn a_request_is_answered() {
    let (server, endpoint) = Zcat::bound(&["rep", "-b", ANYWHERE, "World", "again", "-n", "3"]);
    let mut client = Zcat::start(&["req", "-c", &endpoint]);
    client.write("one\ntwo\nthree\n");
    client.expect("World\nagain\nWorld\n");
    server.expect("one\ntwo\nthree\n");
}

#[test]
fn requests_are_echoed_or_answered_from_standard_input() {
    let (_directory, endpoint) = ipc();
    let (server, _) = Zcat::bound(&["rep", "-b", &endpoint, "--echo", "-n", "1"]);
    Zcat::start(&["req", "-c", &endpoint, "Hello"]).expect("Hello\n");
    server.expect("Hello\n");

    let (mut server, endpoint) = Zcat::bound(&["rep", "-b", ANYWHERE]);
    server.write("first\nsecond\n");
    let client = Zcat::start(&["req", "-c", &endpoint, "a", "b"]);
    client.expect("first\nsecond\n");
    server.expect("a\nb\n");
}

#[test]
fn tasks_go_through_a_pipeline_over_tcp_and_ipc() {
    let lines: String = (0..5000).map(|number| format!("task {number}\n")).collect();
    let (_directory, ipc) = ipc();
    for at in [ANYWHERE, &ipc] {
        let (sink, endpoint) = Zcat::bound(&["pull", "-b", at, "-n", "5000"]);
        let mut source = Zcat::start(&["push", "-c", &endpoint, "-w", "1"]);
        source.write(&lines);
        source.expect("");
        sink.expect(&lines);
    }
}

#[test]
fn a_publisher_waits_for_its_subscribers() {
    let (mut publisher, endpoint) = Zcat::bound(&["pub", "-b", ANYWHERE, "--wait-peers", "2"]);
    let all = Zcat::start(&["sub", "-c", &endpoint, "-n", "3"]);
    let some = Zcat::start(&[
        "sub", "-c", &endpoint, "-s", "news.", "-s", "other", "-n", "2",
    ]);
    publisher.write("news.a\nweather\nnews.b\n");
    publisher.expect("");
    all.expect("news.a\nweather\nnews.b\n");
    some.expect("news.a\nnews.b\n");
}

#[test]
fn a_pair_talks_in_both_directions() {
    let (mut here, endpoint) = Zcat::bound(&["pair", "-b", ANYWHERE, "-n", "2"]);
    let mut there = Zcat::start(&["pair", "-c", &endpoint, "-n", "1"]);
    there.write("hello\n");
    assert_eq!(here.line(), "hello");
    here.write("hello yourself\n");
    assert_eq!(there.line(), "hello yourself");
    there.write("good bye\n");
    there.expect("");
    here.expect("good bye\n");
}

#[test]
fn frames_are_written_in_quotes_hexadecimal_or_with_a_separator() {
    let (_directory, endpoint) = ipc();
    let formats: [(&[&str], &str); 3] = [
        (&["-f", "quoted"], "\"a,b\" \"\" \"\\x00\\\"\" \"ü\"\n"),
        (&["-f", "hex"], "612c62 - 0022 c3bc\n"),
        (&["--separator", "||"], "a,b||||\0\"||ü\n"),
    ];
    for (written, line) in formats {
        for (read, expected) in formats {
            let mut pull = vec!["pull", "-b", &endpoint, "-n", "1"];
            pull.extend(read);
            let (sink, _) = Zcat::bound(&pull);
            let mut push = vec!["push", "-c", &endpoint];
            push.extend(written);
            let mut source = Zcat::start(&push);
            source.write(line);
            source.expect("");
            sink.expect(expected);
        }
    }
}

#[test]
fn a_router_answers_the_peer_that_a_frame_names() {
    let (mut router, endpoint) = Zcat::bound(&["router", "-b", ANYWHERE, "-n", "1"]);
    let args = ["dealer", "-c", &endpoint, "-o", "routing_id=me", "-n", "1"];
    let dealer = Zcat::start(&[&args[..], &["-f", "quoted", "\"\" \"Hello\""]].concat());
    assert_eq!(router.line(), "\"me\" \"\" \"Hello\"");
    router.write("\"me\" \"\" \"World\"\n");
    router.expect("");
    dealer.expect("\"\" \"World\"\n");
}

#[test]
fn subscriptions_are_seen_and_made_by_hand() {
    let (mut publisher, endpoint) = Zcat::bound(&["xpub", "-b", ANYWHERE, "-n", "1"]);
    let subscriber = Zcat::start(&["xsub", "-c", &endpoint, "-n", "1", "\"\\x01news\""]);
    assert_eq!(publisher.line(), "\"\\x01news\"");
    publisher.write("\"nothing\"\n\"news\" \"of today\"\n");
    publisher.expect("");
    subscriber.expect("\"news\" \"of today\"\n");
}

#[test]
fn a_stream_talks_to_other_programs() {
    let (mut stream, endpoint) = Zcat::bound(&["stream", "-b", ANYWHERE]);
    let address = endpoint.strip_prefix("tcp://").unwrap();
    let mut client = std::net::TcpStream::connect(address).unwrap();
    client.write_all(b"hello").unwrap();
    let connected = stream.line();
    let id = connected.strip_suffix(" \"\"").unwrap().to_owned();
    assert_eq!(stream.line(), format!("{id} \"hello\""));
    stream.write(&format!("{id} \"good \" \"bye\"\n{id} \"\"\n"));
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "good bye");
}

// ---- With libzmq ----

#[test]
fn it_talks_to_libzmq() {
    let context = zmq::Context::new();
    let socket = context.socket(socket_type::ROUTER).unwrap();
    let endpoint = socket.bind(ANYWHERE).unwrap();
    let client = Zcat::start(&["req", "-c", &endpoint, "-f", "hex", "01 - 02ff"]);
    let request = socket.recv_timeout(PATIENCE).unwrap();
    assert_eq!(request[1..], [&b""[..], b"\x01", b"", b"\x02\xff"]);
    socket.send(&[&request[0][..], b"", b"ok", b""]).unwrap();
    client.expect("6f6b -\n");

    let (publisher, endpoint) = Zcat::bound(&["pub", "-b", ANYWHERE, "-w", "1", "a 1", "b 2"]);
    let socket = context.socket(socket_type::SUB).unwrap();
    socket.connect(&endpoint).unwrap();
    socket.set_bytes(opt::SUBSCRIBE, b"").unwrap();
    assert_eq!(socket.recv_timeout(PATIENCE).unwrap(), [b"a 1"]);
    assert_eq!(socket.recv_timeout(PATIENCE).unwrap(), [b"b 2"]);
    publisher.expect("");
}

// ---- A proxy ----

/// Starts a proxy that binds at both ends, and returns where, and what follows on standard error.
fn proxy(args: &[&str]) -> (Zcat, String, String) {
    let mut proxy = Zcat::start(&[&["proxy"], args].concat());
    let mut listening = || {
        let line = proxy.error_line();
        let (_, endpoint) = line
            .split_once(" listening on ")
            .unwrap_or_else(|| panic!("{line}"));
        endpoint.to_owned()
    };
    let (front, back) = (listening(), listening());
    (proxy, front, back)
}

/// A side of a proxy that binds anywhere.
fn anywhere(kind: &str) -> String {
    format!("{kind}:{ANYWHERE}")
}

#[test]
fn a_proxy_takes_updates_to_subscribers_and_counts_them() {
    let (proxy, front, back) = proxy(&[&anywhere("xsub"), &anywhere("xpub"), "--stats"]);
    let context = zmq::Context::new();
    let publisher = context.socket(socket_type::XPUB).unwrap();
    publisher.connect(&front).unwrap();
    let subscriber = Zcat::start(&["sub", "-c", &back, "-s", "news", "-n", "100"]);
    assert_eq!(publisher.recv_timeout(PATIENCE).unwrap(), [b"\x01news"]);
    for _ in 0..100 {
        publisher.send(&[b"news"]).unwrap();
        publisher.send(&[b"weather"]).unwrap(); // nobody wants it
    }
    subscriber.expect(&"news\n".repeat(100));
    // The end of the subscriber has come through, and so all that was before it.
    assert_eq!(publisher.recv_timeout(PATIENCE).unwrap(), [b"\x00news"]);
    proxy.interrupt();
    let outcome = proxy.finish();
    assert_eq!(outcome.status, 0, "{}", outcome.stderr);
    for told in [
        "in total to xpub 100 messages, 400 B in ",
        "in total to xsub 2 messages, 10 B in ",
    ] {
        assert!(outcome.stderr.contains(told), "{told}: {}", outcome.stderr);
    }
}

#[test]
fn a_proxy_is_a_broker_that_connects_captures_and_obeys() {
    let (_directory, workers) = ipc();
    let (_other, seen) = ipc();
    let (_third, control) = ipc();
    let backend = format!("dealer:connect:{workers}");
    let (capture, obeys) = (format!("pub:connect:{seen}"), format!("rep:{control}"));
    let context = zmq::Context::new();
    let look = context.socket(socket_type::SUB).unwrap();
    look.set_bytes(opt::SUBSCRIBE, b"").unwrap();
    look.bind(&seen).unwrap();
    let args = [
        "router:bind:tcp://127.0.0.1:*",
        &backend,
        "--capture",
        &capture,
        "--control",
        &obeys,
    ];
    let mut proxy = Zcat::start(&[&["proxy"], &args[..]].concat());
    let line = proxy.error_line();
    let front = line
        .strip_prefix("zcat: router listening on ")
        .unwrap_or_else(|| panic!("{line}"));
    assert_eq!(
        proxy.error_line(),
        format!("zcat: rep listening on {control}")
    );

    let (_worker, _) = Zcat::bound(&["rep", "-b", &workers, "World"]);
    let ask = || Zcat::start(&["req", "-c", front, "Hello"]).expect("World\n");
    ask();
    // What was before the capture's subscription nobody has seen. Then each request and reply is.
    let mut copies = Vec::new();
    while copies.len() < 2 {
        ask();
        while let Ok(copy) = look.recv_timeout(Duration::from_millis(10)) {
            copies.push(copy);
        }
    }
    for copy in copies {
        assert_eq!(copy.len(), 3, "{copy:?}");
        assert!(copy[2] == b"Hello" || copy[2] == b"World", "{copy:?}");
    }
    Zcat::start(&["req", "-c", &control, "PAUSE"]).expect("\n");
    Zcat::start(&["req", "-c", &control, "RESUME"]).expect("\n");
    ask();
    Zcat::start(&["req", "-c", &control, "TERMINATE"]).expect("\n");
    let outcome = proxy.finish();
    assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""));
}

#[test]
fn a_proxy_that_cannot_work_says_why() {
    let wrong: [(&[&str], &[&str]); 5] = [
        (&["xsub", "xpub:tcp://127.0.0.1:*"], &["TYPE:ENDPOINT"]),
        (&["xsub:tcp://127.0.0.1:*"], &["<BACKEND>"]),
        (
            &["xsub:tcp://127.0.0.1:*", "xpub:tcp://127.0.0.1"],
            &["xpub:tcp://127.0.0.1: "],
        ),
        (
            &["pull:tcp://127.0.0.1:*", "pull:tcp://127.0.0.1:*"],
            &["PULL and PULL", "nothing to forward"],
        ),
        (
            &[
                "pull:tcp://127.0.0.1:*",
                "push:tcp://127.0.0.1:*",
                "--backend-option",
                "sndhw=1",
            ],
            &["sndhw", "push --list-options"],
        ),
    ];
    for (args, words) in wrong {
        Zcat::start(&[&["proxy"], args].concat()).expect_error(2, words);
    }
}

// ---- Ends ----

#[test]
fn nothing_in_time_is_status_1_and_says_why() {
    let pull = Zcat::start(&["pull", "-b", ANYWHERE, "--timeout", "50ms"]);
    pull.expect_error(1, &["nothing was received for 50ms", "nobody is connected"]);
    let (_directory, endpoint) = ipc();
    let req = Zcat::start(&["req", "-c", &endpoint, "--timeout", "50ms", "Hello"]);
    req.expect_error(1, &["nothing was received for 50ms", &endpoint]);
    // Something, but less than was asked for; or as much as there was.
    let cases = [(&["-n", "2"][..], 1), (&[], 0)].map(|(count, status)| {
        let args = ["pull", "-b", ANYWHERE, "--timeout", "5s"];
        let (pull, endpoint) = Zcat::bound(&[&args[..], count].concat());
        Zcat::start(&["push", "-c", &endpoint, "one"]).expect("");
        (pull, status)
    });
    for (pull, status) in cases {
        let outcome = pull.finish();
        assert_eq!(outcome.stdout, "one\n");
        assert_eq!(outcome.status, status, "{}", outcome.stderr);
    }
}

#[test]
fn errors_are_status_2_and_say_what_helps() {
    let wrong: [(&[&str], &[&str]); 11] = [
        (&["pull"], &["--bind ENDPOINT or --connect ENDPOINT"]),
        (&["pull", "-b", "udp://x"], &["--bind udp://x: "]),
        (
            &["push", "-c", "tcp://localhost"],
            &["--connect tcp://localhost: "],
        ),
        (
            &["pull", "-b", ANYWHERE, "-o", "sndhw=1"],
            &["sndhw", "--list-options"],
        ),
        (&["pull", "-b", ANYWHERE, "-o", "linger"], &["NAME=VALUE"]),
        (&["pull", "-b", ANYWHERE, "-t", "5"], &["250ms"]),
        (
            &["push", "-b", ANYWHERE, "-t", "10ms", "x"],
            &["no peer has taken a message"],
        ),
        (
            &["push", "-b", ANYWHERE, "-t", "10ms", "-w", "2"],
            &["fewer than 2 peers came"],
        ),
        (
            &["push", "-c", ANYWHERE, "-f", "hex", "0g"],
            &["command line: column 1"],
        ),
        (
            &["push", "-c", ANYWHERE, "-f", "hex", "--separator", ","],
            &["--format text"],
        ),
        (
            &["monitor", "pipe", "-b", ANYWHERE],
            &["expected one of req, rep"],
        ),
    ];
    for (args, words) in wrong {
        Zcat::start(args).expect_error(2, words);
    }
    // What is not delivered is told, too.
    let (_directory, nobody) = ipc();
    let push = Zcat::start(&["push", "-c", &nobody, "-t", "50ms", "lost"]);
    push.expect_error(2, &["1 messages were not sent", "start a peer"]);
    let (sink, endpoint) = Zcat::bound(&["pull", "-b", ANYWHERE, "-n", "1"]);
    let mut source = Zcat::start(&["push", "-c", &endpoint, "-f", "quoted"]);
    source.write("\"good\"\nbad\n");
    source.expect_error(2, &["line 2 of standard input: column 1"]);
    sink.expect("good\n");
    let (_first, endpoint) = Zcat::bound(&["pull", "-b", ANYWHERE]);
    Zcat::start(&["pull", "-b", &endpoint]).expect_error(2, &["in use"]);
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let (mut sink, endpoint) = Zcat::bound(&["pull", "-b", ANYWHERE]);
    let context = zmq::Context::new();
    let source = context.socket(socket_type::PUSH).unwrap();
    source.connect(&endpoint).unwrap();
    source.send(&[b"one"]).unwrap();
    assert_eq!(sink.line(), "one");
    drop(sink.stdout.take());
    source.send(&[b"two"]).unwrap();
    let outcome = sink.finish();
    assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""));
}

#[test]
fn an_interrupt_ends_it_with_everything_sent_and_told() {
    let (mut sink, endpoint) = Zcat::bound(&["pull", "-b", ANYWHERE, "--stats"]);
    let mut source = Zcat::start(&["push", "-c", &endpoint]);
    source.write("last words\n");
    assert_eq!(sink.line(), "last words");
    source.interrupt();
    source.expect("");
    sink.interrupt();
    let outcome = sink.finish();
    assert_eq!(outcome.status, 0, "{}", outcome.stderr);
    let total = "in total received 1 messages, 10 B in ";
    assert!(outcome.stderr.contains(total), "{}", outcome.stderr);
}

// ---- The rest ----

#[test]
fn a_monitor_prints_what_happens() {
    let (_directory, endpoint) = ipc();
    let mut monitor = Zcat::start(&["monitor", "pull", "-b", &endpoint, "-n", "4"]);
    let name = |line: String| {
        let (seconds, rest) = line.split_once(' ').unwrap();
        assert!(seconds.parse::<f64>().unwrap() >= 0.0);
        rest.to_owned()
    };
    assert_eq!(name(monitor.line()), format!("listening {endpoint}"));
    Zcat::start(&["push", "-c", &endpoint, "-w", "1", "x"]).expect("");
    let accepted = name(monitor.line());
    assert!(
        accepted.starts_with(&format!("accepted {endpoint} from ipc://")),
        "{accepted}"
    );
    let established = name(monitor.line());
    assert!(
        established.starts_with("handshake-succeeded"),
        "{established}"
    );
    assert!(established.ends_with(": PUSH, ZMTP 3.1"), "{established}");
    let ended = name(monitor.line());
    assert!(ended.starts_with("disconnected"), "{ended}");
    assert!(ended.ends_with("closed by the peer"), "{ended}");
    monitor.expect("");

    let monitor = Zcat::start(&["monitor", "pull", "-b", ANYWHERE, "-n", "2", "-t", "50ms"]);
    monitor.expect_error(1, &["no event for 50ms"]);
}

#[test]
fn generated_keys_fit_together_and_are_new() {
    let keys = || {
        let outcome = Zcat::start(&["curve-keygen"]).finish();
        assert_eq!(outcome.status, 0);
        let lines: Vec<_> = outcome.stdout.lines().map(str::to_owned).collect();
        let [public, secret] = &lines[..] else {
            panic!("{lines:?}");
        };
        let public = public.strip_prefix("public ").unwrap();
        let secret = secret.strip_prefix("secret ").unwrap();
        let parsed = zmtp::curve::SecretKey::from_z85(secret).unwrap();
        assert_eq!(parsed.public().to_z85(), public);
        secret.to_owned()
    };
    assert_ne!(keys(), keys());
}

#[test]
fn generated_keys_go_into_files_and_are_not_written_over() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ada.cert");
    let path = path.to_str().unwrap();
    let outcome = Zcat::start(&["curve-keygen", path, "-m", "name=Ada"]).finish();
    assert_eq!(outcome.status, 0);
    let certificate = zsocket::Certificate::load(path).unwrap();
    assert_eq!(certificate.metadata("name"), Some("Ada"));
    assert!(certificate.key_pair().is_some());
    // The secret key is in its file and nowhere else.
    let public = certificate.public_key().to_z85();
    assert_eq!(outcome.stdout, format!("public {public}\n"));

    let outcome = Zcat::start(&["curve-keygen", path]).finish();
    assert_eq!(outcome.status, 2);
    assert!(
        outcome.stderr.contains("exists already"),
        "{}",
        outcome.stderr
    );
    assert_eq!(zsocket::Certificate::load(path).unwrap(), certificate);

    let outcome = Zcat::start(&["curve-keygen", path, "--replace"]).finish();
    assert_eq!(outcome.status, 0);
    assert_ne!(zsocket::Certificate::load(path).unwrap(), certificate);
    let outcome = Zcat::start(&["curve-keygen", "-m", "name=Ada"]).finish();
    assert_eq!(outcome.status, 2);
}

#[test]
fn it_lists_options_and_teaches() {
    let outcome = Zcat::start(&["pull", "--list-options"]).finish();
    assert_eq!(outcome.status, 0);
    assert!(outcome.stdout.contains("recv_hwm="), "{}", outcome.stdout);
    assert!(
        outcome.stdout.contains("(ZMQ_RCVHWM)"),
        "{}",
        outcome.stdout
    );
    assert!(
        !outcome.stdout.contains("ZMQ_REQ_RELAXED"),
        "{}",
        outcome.stdout
    );

    let help = Zcat::start(&["--help"]).finish();
    assert_eq!(help.status, 0);
    for word in [
        "Examples:",
        "Exit status:",
        "curve-keygen",
        "--wait-peers 2",
    ] {
        assert!(help.stdout.contains(word), "{word}");
    }
    let help = Zcat::start(&["req", "--help"]).finish();
    assert!(
        help.stdout
            .contains("zcat req -c tcp://localhost:5555 Hello")
    );
}
