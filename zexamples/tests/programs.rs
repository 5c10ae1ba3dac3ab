//! The programs, run as a user runs them, for a short time.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use zexamples::{Child, Endpoints, Result, Transport};

/// What is given to a program before it counts as hung; they take a second or so.
const LIMIT: Duration = Duration::from_secs(300);

const TOUR: &str = env!("CARGO_BIN_EXE_tour");
const SOAK: &str = env!("CARGO_BIN_EXE_soak");
const VERSUS: &str = env!("CARGO_BIN_EXE_versus");
const IDLE_CONNECTIONS: &str = env!("CARGO_BIN_EXE_idle_connections");
const STORMS: &str = env!("CARGO_BIN_EXE_storms");
const HWSERVER: &str = env!("CARGO_BIN_EXE_hwserver");
const HWCLIENT: &str = env!("CARGO_BIN_EXE_hwclient");
const LOCAL_THR: &str = env!("CARGO_BIN_EXE_local_thr");
const REMOTE_THR: &str = env!("CARGO_BIN_EXE_remote_thr");
const LOCAL_LAT: &str = env!("CARGO_BIN_EXE_local_lat");
const REMOTE_LAT: &str = env!("CARGO_BIN_EXE_remote_lat");
const PUB_THR: &str = env!("CARGO_BIN_EXE_pub_thr");
const SUB_THR: &str = env!("CARGO_BIN_EXE_sub_thr");
const ROUTER_THR: &str = env!("CARGO_BIN_EXE_router_thr");
const DEALER_THR: &str = env!("CARGO_BIN_EXE_dealer_thr");
const PROXY_THR: &str = env!("CARGO_BIN_EXE_proxy_thr");
const INPROC_THR: &str = env!("CARGO_BIN_EXE_inproc_thr");
const INPROC_LAT: &str = env!("CARGO_BIN_EXE_inproc_lat");

fn start(program: &str, args: &[&str]) -> Child {
    Child::spawn(Path::new(program), args, LIMIT).unwrap()
}

/// Runs a program to its end and returns what it printed.
fn output(program: &str, args: &[&str]) -> Result<Vec<String>> {
    start(program, args).finish()
}

/// Something to bind and connect to whose name is known beforehand.
fn ipc(endpoints: &Endpoints) -> String {
    endpoints.fresh(Transport::Ipc)
}

#[test]
fn hello_world() {
    let server = start(HWSERVER, &["tcp://127.0.0.1:*"]);
    let endpoint = server.answer("Listening on").unwrap();
    let lines = output(HWCLIENT, &[&endpoint]).unwrap();
    assert_eq!(lines.len(), 21, "{lines:?}");
    assert_eq!(lines[20], "Received World 9");
    for _ in 0..10 {
        assert_eq!(server.answer("Received").unwrap(), "Hello");
    }
}

#[test]
fn throughput_tools_of_either_library_fit_together() {
    let endpoints = Endpoints::new().unwrap();
    for local in ["ours", "libzmq"] {
        for remote in ["ours", "libzmq"] {
            let endpoint = ipc(&endpoints);
            let receiver = start(LOCAL_THR, &[&endpoint, "64", "1000", "--lib", local]);
            let sent = output(REMOTE_THR, &[&endpoint, "64", "1000", "--lib", remote]).unwrap();
            assert!(sent.is_empty(), "{sent:?}");
            check_throughput(&receiver.finish().unwrap());
        }
    }
}

#[test]
fn latency_tools_of_either_library_fit_together() {
    let endpoints = Endpoints::new().unwrap();
    for local in ["ours", "libzmq"] {
        for remote in ["ours", "libzmq"] {
            let endpoint = ipc(&endpoints);
            let replier = start(LOCAL_LAT, &[&endpoint, "64", "100", "--lib", local]);
            check_latency(&output(REMOTE_LAT, &[&endpoint, "64", "100", "--lib", remote]).unwrap());
            let printed = replier.finish().unwrap();
            assert!(printed.is_empty(), "{printed:?}");
        }
    }
}

/// With fewer than a thousand messages in a pipe, so that whoever is slow has to be waited for.
const SMALL_HWM: &str = "--hwm=50";

#[test]
fn publishing_tools_of_either_library_fit_together_and_lose_nothing() {
    let endpoints = Endpoints::new().unwrap();
    for local in ["ours", "libzmq"] {
        for remote in ["ours", "libzmq"] {
            let endpoint = ipc(&endpoints);
            let args = [&endpoint, "64", "1000", "2", SMALL_HWM, "--lib", local];
            let publisher = start(PUB_THR, &args);
            let args = [&endpoint, "64", "1000", SMALL_HWM, "--lib", remote];
            let subscribers = [start(SUB_THR, &args), start(SUB_THR, &args)];
            for subscriber in subscribers {
                check_throughput(&subscriber.finish().unwrap());
            }
            let printed = publisher.finish().unwrap();
            assert!(printed.is_empty(), "{printed:?}");
        }
    }
}

#[test]
fn routing_tools_of_either_library_fit_together_and_lose_nothing() {
    let endpoints = Endpoints::new().unwrap();
    for local in ["ours", "libzmq"] {
        for remote in ["ours", "libzmq"] {
            for [peers, window] in [["1", "1"], ["3", "50"]] {
                let endpoint = ipc(&endpoints);
                let args = [&endpoint, "64", "1000", SMALL_HWM, "--lib", local];
                let router = start(ROUTER_THR, &args);
                let args = [
                    &endpoint, "64", "1000", peers, window, SMALL_HWM, "--lib", remote,
                ];
                check_throughput(&output(DEALER_THR, &args).unwrap());
                let printed = router.finish().unwrap();
                assert!(printed.is_empty(), "{printed:?}");
            }
        }
    }
}

#[test]
fn inproc_tools_run_with_either_library() {
    for lib in ["ours", "libzmq"] {
        check_throughput(&output(INPROC_THR, &["64", "1000", "--lib", lib]).unwrap());
        check_latency(&output(INPROC_LAT, &["64", "100", "--lib", lib]).unwrap());
    }
}

#[test]
fn the_tool_of_proxies_runs_with_either_library() {
    for lib in ["ours", "libzmq"] {
        check_throughput(&output(PROXY_THR, &["64", "1000", "--lib", lib]).unwrap());
        let tcp = "tcp://127.0.0.1:*";
        let over_tcp = ["--frontend", tcp, "--backend", tcp];
        for endpoints in [&[][..], &over_tcp] {
            let args = ["64", "1000", "--clients", "2", "--lib", lib];
            check_throughput(&output(PROXY_THR, &[&args, endpoints].concat()).unwrap());
        }
    }
}

fn check_throughput(lines: &[String]) {
    let [size, count, messages, megabits] = lines else {
        panic!("{lines:?}")
    };
    assert_eq!(size, "message size: 64 [B]");
    assert_eq!(count, "message count: 1000");
    let rate: u64 = within(messages, "mean throughput: ", " [msg/s]")
        .parse()
        .unwrap();
    let volume: f64 = within(megabits, "mean throughput: ", " [Mb/s]")
        .parse()
        .unwrap();
    // The first is cut to a whole number.
    assert!(
        (volume - rate as f64 * 512.0 / 1e6).abs() < 0.002,
        "{lines:?}"
    );
}

fn check_latency(lines: &[String]) {
    let [size, count, latency] = lines else {
        panic!("{lines:?}")
    };
    assert_eq!(size, "message size: 64 [B]");
    assert_eq!(count, "roundtrip count: 100");
    assert!(
        within(latency, "average latency: ", " [us]")
            .parse::<f64>()
            .unwrap()
            > 0.0
    );
}

fn within<'l>(line: &'l str, before: &str, after: &str) -> &'l str {
    line.strip_prefix(before)
        .and_then(|rest| rest.strip_suffix(after))
        .unwrap_or_else(|| panic!("{line:?} is not {before:?} … {after:?}"))
}

#[test]
fn a_tool_fails_on_bad_arguments() {
    assert!(output(LOCAL_THR, &["tcp://nowhere", "64", "1000"]).is_err());
    assert!(output(LOCAL_THR, &["tcp://127.0.0.1:*", "64", "0"]).is_err());
    assert!(output(INPROC_LAT, &["64"]).is_err());
    assert!(output(PUB_THR, &["tcp://nowhere", "64", "1000"]).is_err());
    let too_large = ["tcp://127.0.0.1:1", "64", "1000", "1", "51", SMALL_HWM];
    assert!(output(DEALER_THR, &too_large).is_err());
}

#[test]
fn the_tour_finds_everything_in_order() {
    let lines = output(TOUR, &["--messages", "20000"]).unwrap();
    let rows = |name: &str| lines.iter().filter(|line| line.starts_with(name)).count();
    assert_eq!(
        (rows("pipeline, "), rows("requests, ")),
        (5, 5),
        "{lines:?}"
    );
    for name in ["updates, ", "broker, ", "pair, "] {
        assert_eq!(rows(name), 3, "{name}: {lines:?}");
    }
    assert_eq!(rows("stream, "), 1, "{lines:?}");
    let clean = lines.iter().filter(|line| line.ends_with("yes")).count();
    assert_eq!(clean, 20, "{lines:?}");
}

/// Checks the rows of the transports.
fn check_soak(lines: &[String]) {
    for transport in ["tcp ", "ipc ", "inproc "] {
        let row = lines.iter().find(|line| line.starts_with(transport));
        assert!(row.is_some_and(|row| row.ends_with("yes")), "{lines:?}");
    }
    assert!(
        lines.iter().any(|line| line.ends_with(" 0 violations")),
        "{lines:?}"
    );
}

#[test]
fn a_short_soak_loses_nothing() {
    let args = ["--seconds", "3", "--seed", "1", "--troubles", "none"];
    check_soak(&output(SOAK, &args).unwrap());
}

#[test]
fn a_short_soak_plays_scenes_of_every_type() {
    let args = ["--seconds", "4", "--seed", "1", "--scenes-only"];
    let lines = output(SOAK, &args).unwrap();
    for kind in [
        "pipeline", "pair", "routed", "publish", "requests", "service", "latest", "streams",
    ] {
        let row = lines
            .iter()
            .find(|line| line.starts_with(&format!("{kind} ")));
        let cells: Vec<&str> = row.unwrap().split_whitespace().collect();
        let [_, scenes, messages, .., violations] = cells[..] else {
            panic!("{lines:?}")
        };
        assert!(scenes.parse::<u64>().unwrap() > 0, "{lines:?}");
        assert!(messages.parse::<u64>().unwrap() > 0, "{lines:?}");
        assert_eq!(violations, "0", "{lines:?}");
    }
    assert!(
        lines.iter().any(|line| line.ends_with(" 0 violations")),
        "{lines:?}"
    );
}

#[test]
fn trouble_costs_the_others_nothing() {
    let args = ["--seconds", "3", "--seed", "1"];
    let lines = output(SOAK, &args).unwrap();
    check_soak(&lines);
    for what in ["hostile: ", "panics: ", "forks: ", "storms: "] {
        assert!(
            lines.iter().any(|line| line.starts_with(what)),
            "{what} in {lines:?}"
        );
    }
}

#[test]
fn errors_are_printed_for_people_and_have_a_status_of_their_own() {
    let tool = Command::new(LOCAL_THR)
        .args(["tcp://nowhere", "64", "1000"])
        .output()
        .unwrap();
    assert_eq!(tool.status.code(), Some(2));
    let words = String::from_utf8(tool.stderr).unwrap();
    assert!(words.starts_with("local_thr: "), "{words}");
    assert!(!words.contains("Error"), "{words}");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let mut tour = Command::new(TOUR)
        .args(["--messages", "100"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(tour.stdout.take());
    let output = tour.wait_with_output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{words}");
    assert!(!words.contains("panicked"), "{words}");
}

#[test]
fn versus_compares_over_every_transport() {
    let lines = output(
        VERSUS,
        &[
            "--tests",
            "throughput,filled,latency",
            "--sizes",
            "64",
            "--lat-sizes",
            "1",
            "--rounds",
            "1",
            "--duration",
            "20",
            "--markdown",
        ],
    )
    .unwrap();
    for row in [
        "| tcp, 64 B |",
        "| ipc, 64 B |",
        "| inproc, 64 B |",
        "| tcp, 1 B |",
    ] {
        assert!(
            lines.iter().any(|line| line.starts_with(row)),
            "{row} in {lines:?}"
        );
    }
    assert!(
        !lines.iter().any(|line| line.starts_with("FAILED, ours")),
        "{lines:?}"
    );
}

#[test]
fn versus_runs_every_shape() {
    let lines = output(
        VERSUS,
        &[
            "--tests",
            "links,sockets,senders,fan,clients,routed,published,matched,topics,neighbours",
            "--links",
            "1,20",
            "--sockets",
            "5",
            "--senders",
            "2",
            "--receivers",
            "3",
            "--dealers",
            "1,3",
            "--clients",
            "1,3",
            "--subscribers",
            "1,3",
            "--topics",
            "4",
            "--prefixes",
            "2000",
            "--form",
            "long",
            "--neighbours",
            "0,2",
            "--rounds",
            "1",
            "--duration",
            "5",
            "--markdown",
        ],
    )
    .unwrap();
    for row in [
        "| tcp, 64 B, links: 1 |",
        "| ipc, 64 B, links: 20 |",
        "| tcp, 64 B, sockets: 5 |",
        "| ipc, 64 B, senders: 2 |",
        "| inproc, 64 B, receivers: 3 |",
        "| tcp, 64 B, clients: 1 |",
        "| ipc, 64 B, clients: 3 |",
        "| tcp, 64 B, dealers: 3 |",
        "| tcp, 64 B, subscribers: 3 |",
        "| ipc, 64 B, subscribers: 4 |",
        "| tcp, 64 B, topics: 2000, long: all subscribed, ms |",
        "| tcp, 64 B, topics: 2000, long: subscriber, bytes a topic |",
        "| tcp, 64 B, neighbours: 0 |",
        "| ipc, 64 B, neighbours: 2 |",
    ] {
        assert!(
            lines.iter().any(|line| line.starts_with(row)),
            "{row} in {lines:?}"
        );
    }
    assert!(
        !lines.iter().any(|line| line.starts_with("FAILED")),
        "{lines:?}"
    );
}

#[test]
fn idle_connections_are_counted_and_given_back() {
    for lib in ["ours", "libzmq"] {
        // So few connections cannot tell what one takes, hence no limit here.
        let limit = u64::MAX.to_string();
        let args = [
            "--connections",
            "100",
            "--messages",
            "1000",
            "--limit",
            &limit,
            "--lib",
            lib,
        ];
        let lines = output(IDLE_CONNECTIONS, &args).unwrap();
        let figure = lines
            .iter()
            .find(|line| line.starts_with("memory per connection: "));
        assert!(figure.is_some(), "{lines:?}");
        let has_rate = |line: &String| line.starts_with("messages of 64 B over all of them");
        assert!(lines.iter().any(has_rate), "{lines:?}");
    }
}

#[test]
fn storms_are_weathered() {
    let args = ["--clients", "50", "--storms", "3", "--away", "50"];
    let lines = output(STORMS, &args).unwrap();
    let is_end = |line: &String| line.starts_with("3 storms of 50 clients");
    assert!(lines.iter().any(is_end), "{lines:?}");
}

#[test]
fn cycles_leave_nothing_behind() {
    let lines = output(IDLE_CONNECTIONS, &["--cycles", "300"]).unwrap();
    assert!(
        lines.iter().any(|line| line.contains("still serving")),
        "{lines:?}"
    );
}
