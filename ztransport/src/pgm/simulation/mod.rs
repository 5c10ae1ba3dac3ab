//! Sources and receivers on a network that loses, doubles, delays and reorders packets, and falls apart for a while. Time is
//! virtual, and everything follows from the seed, which a failure prints.
//!
//! `ZLAYERS_PGM_SEED=n` runs one seed; `ZLAYERS_PGM_SEEDS=n` so many of each kind.

mod network;

use std::time::Duration;

use self::network::{Network, Plan, Verdict};

/// Seeds of each kind, of which there are four. `.ci/run` has all of them run, optimised.
const SEEDS: u64 = if cfg!(debug_assertions) { 250 } else { 2500 };

/// Runs a kind of simulation with many seeds.
fn with_seeds(
    plan: impl Fn(&mut fastrand::Rng) -> Plan,
    check: impl Fn(&Plan, &Network, &Verdict),
) {
    let number = |name| {
        let text = std::env::var(name).ok()?;
        Some(text.parse::<u64>().expect("a number"))
    };
    let seeds = match number("ZLAYERS_PGM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("ZLAYERS_PGM_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut random = fastrand::Rng::with_seed(seed);
            let plan = plan(&mut random);
            let mut network = Network::new(&plan, random);
            let verdict = network.run(&plan);
            check(&plan, &network, &verdict);
        }));
        if let Err(panic) = result {
            eprintln!("this was ZLAYERS_PGM_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// Everything that was ever sent can be repaired.
fn roomy(random: &mut fastrand::Rng) -> Plan {
    Plan {
        sources: random.usize(1..=3),
        receivers: random.usize(1..=4),
        messages: random.usize(1..=25),
        max_tsdu: random.usize(40..=200),
        window: 4096,
        loss: [0.0, 0.01, 0.05, 0.2, 0.4][random.usize(..5)],
        doubled: [0.0, 0.1][random.usize(..2)],
        delay: Duration::from_micros(random.u64(10..2000)),
        jitter: Duration::from_micros([0, 100, 5000][random.usize(..3)]),
        partition: None,
        late: Duration::ZERO,
        slow: false,
    }
}

#[test]
fn everything_inside_the_window_arrives_once_and_in_order() {
    with_seeds(roomy, |plan, _, verdict| {
        verdict.assert_in_order();
        verdict.assert_complete(plan);
        assert_eq!(verdict.lost, 0);
    });
}

#[test]
fn what_happens_in_a_partition_is_repaired_after_it() {
    let plan = |random: &mut fastrand::Rng| {
        let begin = Duration::from_millis(random.u64(1..400));
        Plan {
            // Any other loss as well, but not all the time.
            loss: [0.0, 0.05][random.usize(..2)],
            partition: Some((begin, begin + Duration::from_millis(random.u64(1..3000)))),
            ..roomy(random)
        }
    };
    with_seeds(plan, |plan, _, verdict| {
        verdict.assert_in_order();
        verdict.assert_complete(plan);
        assert_eq!(verdict.lost, 0);
    });
}

#[test]
fn what_is_beyond_the_window_is_told() {
    let plan = |random: &mut fastrand::Rng| Plan {
        window: random.u32(1..12),
        messages: random.usize(10..60),
        partition: random.bool().then(|| {
            let begin = Duration::from_millis(random.u64(1..400));
            (begin, begin + Duration::from_millis(random.u64(1..3000)))
        }),
        ..roomy(random)
    };
    with_seeds(plan, |_, network, verdict| {
        verdict.assert_in_order();
        verdict.assert_accounted_for(network);
    });
}

#[test]
fn latecomers_and_slow_receivers_get_whole_messages() {
    let plan = |random: &mut fastrand::Rng| Plan {
        late: Duration::from_millis(random.u64(1..700)),
        slow: random.bool(),
        window: random.u32(4..40),
        messages: random.usize(10..60),
        ..roomy(random)
    };
    with_seeds(plan, |_, network, verdict| {
        verdict.assert_in_order();
        verdict.assert_accounted_for(network);
    });
}

/// Twenty receivers on one network miss the same packets: one of them asks.
#[test]
fn many_receivers_that_miss_the_same_do_not_all_ask() {
    let plan = |random: &mut fastrand::Rng| Plan {
        sources: 1,
        receivers: 20,
        messages: 60,
        max_tsdu: 100,
        window: 4096,
        loss: 0.0,
        doubled: 0.0,
        delay: Duration::from_micros(random.u64(20..100)),
        jitter: Duration::ZERO,
        // All of them at once.
        partition: Some((Duration::from_millis(100), Duration::from_millis(300))),
        late: Duration::ZERO,
        slow: false,
    };
    let mut all = (0, 0);
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let plan = plan(&mut random);
        let mut network = Network::new(&plan, random);
        network.cuts_all = true;
        let verdict = network.run(&plan);
        verdict.assert_complete(&plan);
        let lost = network.cut;
        let asked: u64 = network.receivers().map(|counts| counts.asked).sum();
        all = (all.0 + lost / 20, all.1 + asked);
    }
    let (lost, asked) = all;
    eprintln!("{lost} packets were lost by 20 receivers each, and asked for {asked} times");
    assert!(lost > 100, "only {lost} packets were lost");
    assert!(asked <= 3 * lost, "{asked} times for {lost} packets");
}
