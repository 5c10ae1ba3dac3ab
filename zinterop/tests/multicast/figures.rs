//! How fast multicast is among sockets of ours, and among those of the distribution's libzmq, in the same network one after the
//! other. For whoever wants to know:
//!
//! ```console
//! cargo test --release -p zinterop --test multicast figures -- --ignored --nocapture
//! ```

use std::time::{Duration, Instant, SystemTime};

use crate::{
    child::{Child, hear, role, say},
    ends::{Case, Kind, PROBE, Publisher, Subscriber, join},
    network, random, run,
};

const TEST: &str = "figures::figures";
/// Messages of what is timed one by one, and how far apart they are.
const TIMED: u32 = 2000;
const APART: Duration = Duration::from_millis(2);
/// How long the network is gone.
const GONE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug)]
enum Figure {
    /// So many messages of so many bytes.
    Throughput(u32, usize),
    /// How much longer a message takes that has to be sent again.
    Repair,
    /// How long it takes until everything is there that was sent while the network was gone.
    Partition,
}

const KINDS: [Kind; 2] = [Kind::Ours, Kind::Libzmq];

fn all() -> Vec<(Figure, Case)> {
    let mut all = Vec::new();
    for kind in KINDS {
        let case = |rate, drops| Case {
            rate,
            drops,
            ..Case::new((kind, kind), 0)
        };
        all.push((Figure::Throughput(100_000, 1000), case(10_000_000, &[])));
        all.push((Figure::Throughput(300_000, 100), case(10_000_000, &[])));
        all.push((
            Figure::Throughput(50_000, 1000),
            case(100_000, random("0.05")),
        ));
        all.push((Figure::Repair, case(100_000, random("0.05"))));
        all.push((Figure::Partition, case(10_000, &["partition"])));
    }
    all
}

#[test]
#[ignore = "takes minutes, and is for whoever wants to compare"]
fn figures() {
    match role().as_deref() {
        None => {
            let mut here = Child::start(&crate::ALONE, TEST, "here");
            for _ in all() {
                println!("{}", here.hear());
            }
        }
        Some("here") => {
            let mut there = network(TEST);
            for (number, (figure, case)) in all().into_iter().enumerate() {
                there.tell(&number.to_string());
                say(publish(figure, &case, number, &mut there));
            }
        }
        Some(_) => {
            crate::ends::set_up();
            for _ in all() {
                let number: usize = hear().parse().unwrap();
                let (figure, case) = all()[number];
                subscribe(figure, &case, number);
            }
        }
    }
}

fn now() -> u64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    since.as_nanos() as u64
}

/// A message with its number and the time.
fn timed(number: u32, size: usize) -> Vec<u8> {
    let mut body = number.to_be_bytes().to_vec();
    body.extend_from_slice(&now().to_be_bytes());
    body.resize(size.max(12), 0);
    body
}

fn publish(figure: Figure, case: &Case, number: usize, there: &mut Child) -> String {
    let publisher = Publisher::new(case, &case.endpoint(number, 1));
    there.expect("connected");
    join(&publisher, there, case);
    match figure {
        Figure::Throughput(messages, size) => {
            for number in 0..messages {
                publisher.send(&timed(number, size));
            }
        }
        Figure::Repair | Figure::Partition => {
            let partition = matches!(figure, Figure::Partition);
            let messages = if partition { 4 * TIMED } else { TIMED };
            let begin = Instant::now();
            for number in 0..messages {
                let due = begin + APART * number;
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                publisher.send(&timed(number, 500));
            }
        }
    }
    let found = there.hear();
    format!(
        "{:?}: {figure:?} at {} kbit/s: {found}",
        case.publisher, case.rate
    )
}

fn subscribe(figure: Figure, case: &Case, number: usize) {
    let mut subscriber = Subscriber::new(case, &case.endpoint(number, 2));
    let partition = matches!(figure, Figure::Partition);
    let dropping = Case {
        drops: if partition { &[] } else { case.drops },
        ..*case
    };
    dropping.hear_probes(&mut subscriber, number);
    let last = match figure {
        Figure::Throughput(messages, _) => messages - 1,
        Figure::Repair => TIMED - 1,
        Figure::Partition => 4 * TIMED - 1,
    };
    let gone = std::thread::spawn(move || {
        if !partition {
            return 0;
        }
        std::thread::sleep(Duration::from_secs(1));
        run(&["iptables", "-A", "INPUT", "-j", "DROP"]).unwrap();
        std::thread::sleep(GONE);
        run(&["iptables", "-F", "INPUT"]).unwrap();
        now()
    });
    let mut found: Vec<(u32, u64, u64)> = Vec::new();
    let mut begin = None;
    while found.last().is_none_or(|(number, ..)| *number != last) {
        let Some(body) = subscriber.receive_within(Duration::from_secs(40)) else {
            break;
        };
        if body == PROBE {
            continue;
        }
        begin.get_or_insert_with(Instant::now);
        let number = u32::from_be_bytes(body[..4].try_into().unwrap());
        let sent = u64::from_be_bytes(body[4..12].try_into().unwrap());
        found.push((number, now().saturating_sub(sent), now()));
    }
    let took = begin.map_or(0.0, |begin| begin.elapsed().as_secs_f64());
    let healed = gone.join().unwrap();
    dropping.stop_dropping();
    let missing = last as usize + 1 - found.len();
    say(match figure {
        Figure::Throughput(_, size) => {
            let megabytes = found.len() as f64 * size as f64 / 1e6 / took;
            format!("{megabytes:.1} MB/s, {missing} missing")
        }
        Figure::Repair => {
            // The first of those that come late was lost, the others wait behind it.
            let is_late = |&(_, late, _): &(u32, u64, u64)| late > 1_000_000;
            let mut late: Vec<u64> = found
                .windows(2)
                .filter(|two| !is_late(&two[0]) && is_late(&two[1]))
                .map(|two| two[1].1)
                .collect();
            late.sort_unstable();
            let at = |part: f64| {
                late.get((late.len() as f64 * part) as usize)
                    .copied()
                    .unwrap_or(0)
            };
            let (half, most) = (at(0.5) as f64 / 1e6, at(0.99) as f64 / 1e6);
            format!(
                "{} repairs, p50 {half:.1} ms, p99 {most:.1} ms, {missing} missing",
                late.len()
            )
        }
        Figure::Partition => {
            // When the first message comes in time again.
            let in_time = found
                .iter()
                .find(|(_, late, at)| *at > healed && *late < 20_000_000)
                .map_or(f64::NAN, |(_, _, at)| (*at - healed) as f64 / 1e6);
            format!("caught up {in_time:.0} ms after {GONE:?} without network, {missing} missing")
        }
    });
}
