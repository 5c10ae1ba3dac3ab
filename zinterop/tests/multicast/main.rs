//! pgm and epgm between this library and the libzmq of the distribution, which has OpenPGM, and what is lost between them.
//!
//! Each test makes a network of its own: two network namespaces in a user namespace, and a virtual Ethernet pair. That takes Linux,
//! `unshare` and `ip`, and a system that lets an ordinary user do it, or root; losses take `iptables` and `nft`. What is missing is said, and
//! the test is skipped. On Debian: `apt-get install libzmq5 iptables nftables
//! iproute2`.
//!
//! ```text
//!   test ──▶ "here": 10.78.0.1 ═══ veth ═══ "there": 10.78.0.2
//!             publisher                      subscriber, and what drops packets
//! ```

mod child;
mod ends;
mod figures;

use std::process::Command;

use self::{
    child::{Child, role},
    ends::{Case, Kind},
};

/// A process in a network of its own, as root there.
const ALONE: [&str; 5] = ["unshare", "--map-root-user", "--net", "--mount", "--"];

/// Runs a program, and says what went wrong.
fn run(words: &[&str]) -> Result<(), String> {
    match Command::new(words[0]).args(&words[1..]).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!(
            "{words:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        )),
        Err(error) => Err(format!("{words:?}: {error}")),
    }
}

/// Whether everything is there that these cases need; if not, says so.
fn can_run(test: &str, cases: &[Case]) -> bool {
    let needs_library = cases.iter().any(|case| case.has(Kind::Libzmq));
    let drops = cases.iter().any(|case| !case.drops.is_empty());
    let table = if drops {
        " && iptables -L && nft list tables"
    } else {
        ""
    };
    let script = format!("ip link add name x0 type veth peer name x1{table}");
    let words: Vec<_> = ALONE.into_iter().chain(["sh", "-c", &script]).collect();
    let mut outcome = run(&words);
    if needs_library && zinterop::distribution::Library::load().is_none() {
        outcome = Err("libzmq.so.5 with OpenPGM is not installed".to_owned());
    }
    if let Err(error) = &outcome {
        println!("{test} is SKIPPED: {error}");
    }
    outcome.is_ok()
}

/// Runs cases, one after the other, in one network.
fn check(test: &str, cases: &[Case]) {
    match role().as_deref() {
        None if can_run(test, cases) => {
            let mut here = Child::start(&ALONE, test, "here");
            for case in cases {
                here.expect(&format!("{case}: fine"));
            }
        }
        None => {}
        Some("here") => here(test, cases),
        Some(role) => ends::play(role, cases),
    }
}

/// Sets the network up, with a process at the other end.
fn network(test: &str) -> Child {
    let ip = |words: &str| {
        let words: Vec<_> = ["ip"].into_iter().chain(words.split(' ')).collect();
        run(&words).unwrap();
    };
    let mut there = Child::start(&["unshare", "--net", "--"], test, "there");
    there.expect("alone");
    ip("link set lo up");
    ip(&format!(
        "link add name here type veth peer name there netns {}",
        there.id()
    ));
    ip("address add 10.78.0.1/24 dev here");
    ip("-6 address add fd00:78::1/64 dev here nodad");
    ip("link set here up");
    there.tell("go");
    there.expect("up");
    there
}

/// Runs the cases.
fn here(test: &str, cases: &[Case]) {
    let mut there = network(test);
    for (number, case) in cases.iter().enumerate() {
        there.tell(&number.to_string());
        ends::publish(case, number, &mut there);
        child::say(format!("{case}: fine"));
    }
}

const TO_LIBZMQ: (Kind, Kind) = (Kind::Ours, Kind::Libzmq);
const FROM_LIBZMQ: (Kind, Kind) = (Kind::Libzmq, Kind::Ours);
const AMONG_OURS: (Kind, Kind) = (Kind::Ours, Kind::Ours);

/// Loses this part of all packets that arrive at the subscriber.
const fn random(probability: &'static str) -> &'static [&'static str] {
    match probability.as_bytes() {
        b"0.01" => &[
            "-m",
            "statistic",
            "--mode",
            "random",
            "--probability",
            "0.01",
        ],
        b"0.05" => &[
            "-m",
            "statistic",
            "--mode",
            "random",
            "--probability",
            "0.05",
        ],
        _ => &[
            "-m",
            "statistic",
            "--mode",
            "random",
            "--probability",
            "0.20",
        ],
    }
}

#[test]
fn everything_arrives_in_every_way() {
    let mut cases = Vec::new();
    for ends in [TO_LIBZMQ, FROM_LIBZMQ] {
        for scheme in ["epgm", "pgm"] {
            for ipv6 in [false, true] {
                let case = Case::new(ends, 3000);
                cases.push(Case {
                    scheme,
                    ipv6,
                    ..case
                });
            }
        }
    }
    check("everything_arrives_in_every_way", &cases);
}

#[test]
fn a_hundred_thousand_messages_of_all_sizes() {
    let cases = [TO_LIBZMQ, FROM_LIBZMQ, AMONG_OURS].map(|ends| Case {
        large: true,
        rate: 100_000,
        ..Case::new(ends, 100_000)
    });
    check("a_hundred_thousand_messages_of_all_sizes", &cases);
}

#[test]
fn what_is_lost_is_repaired() {
    let mut cases = Vec::new();
    for ends in [TO_LIBZMQ, FROM_LIBZMQ, AMONG_OURS] {
        for probability in ["0.01", "0.05", "0.20"] {
            cases.push(Case {
                drops: random(probability),
                ..Case::new(ends, 3000)
            });
        }
    }
    check("what_is_lost_is_repaired", &cases);
}

/// Twenty packets of data in a row, of each two hundred. Not of others: when there are few, as at the end, that would be all for
/// minutes.
#[test]
fn bursts_of_loss_are_repaired() {
    let burst: &[&str] = &[
        "nft", "@th,96,8", "4", "numgen", "inc", "mod", "200", "<", "20",
    ];
    let cases = [TO_LIBZMQ, FROM_LIBZMQ, AMONG_OURS].map(|ends| Case {
        drops: burst,
        ..Case::new(ends, 3000)
    });
    check("bursts_of_loss_are_repaired", &cases);
}

#[test]
fn raw_packets_are_repaired_too() {
    let cases = [TO_LIBZMQ, FROM_LIBZMQ, AMONG_OURS].map(|ends| Case {
        scheme: "pgm",
        drops: random("0.05"),
        ..Case::new(ends, 3000)
    });
    check("raw_packets_are_repaired_too", &cases);
}
