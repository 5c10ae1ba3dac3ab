//! A flood of messages leaves others their turn.

use std::{
    cell::Cell,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use futures_util::StreamExt;
use zsocket::{AsyncSocket, Context, Pull, Push, Socket};

use crate::support::{PATIENCE, spawn};

const FLOOD: u32 = 100_000;

/// Runs on one thread.
fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let local = tokio::task::LocalSet::new();
    runtime.block_on(async {
        let in_time = tokio::time::timeout(PATIENCE, local.run_until(future));
        in_time.await.expect("nothing happens")
    })
}

/// A socket with that many messages to receive, and its sender.
fn flooded() -> (Socket<Pull>, Socket<Push>) {
    let context = Context::new();
    let pull = context.build_socket::<Pull>().recv_hwm(0).build().unwrap();
    pull.bind("inproc://flood").unwrap();
    let push = context.build_socket::<Push>().send_hwm(0).build().unwrap();
    push.connect("inproc://flood").unwrap();
    for at in 0..FLOOD {
        push.send(at.to_be_bytes()).unwrap();
    }
    (pull, push)
}

/// How often another task of the same thread has its turn meanwhile.
fn turns_of_another(flood: impl AsyncFnOnce()) -> u32 {
    run(async {
        let turns = Rc::new(Cell::new(0));
        let counted = Rc::clone(&turns);
        let another = tokio::task::spawn_local(async move {
            loop {
                tokio::task::yield_now().await;
                counted.set(counted.get() + 1);
            }
        });
        flood().await;
        another.abort();
        turns.get()
    })
}

const FAIR: u32 = FLOOD / 64;

#[test]
fn who_receives_a_flood_lets_others_run() {
    let (pull, _push) = flooded();
    let turns = turns_of_another(async || {
        for _ in 0..FLOOD {
            pull.recv_async().await.unwrap();
        }
    });
    assert!(turns >= FAIR - 1, "{turns}");

    let (pull, _push) = flooded();
    let mut pull = pull.into_async();
    let turns = turns_of_another(async || {
        for _ in 0..FLOOD {
            pull.recv().await.unwrap();
        }
    });
    assert!(turns >= FAIR - 1, "{turns}");

    let (pull, _push) = flooded();
    let turns = turns_of_another(async || {
        let received = pull.into_async().take(FLOOD as usize).count().await;
        assert_eq!(received, FLOOD as usize);
    });
    assert!(turns >= FAIR - 1, "{turns}");
}

#[test]
fn who_sends_a_flood_lets_others_run() {
    let (_pull, mut push) = {
        let (pull, push) = flooded();
        (pull, push.into_async())
    };
    let turns = turns_of_another(async || {
        for _ in 0..FLOOD {
            push.send("x").await.unwrap();
        }
    });
    assert!(turns >= FAIR - 1, "{turns}");
}

/// Also when it is the timer of this thread that they wait for.
#[test]
fn a_ticker_goes_on() {
    let context = Context::new();
    let mut pull = context.async_socket::<Pull>().unwrap();
    let endpoint = pull.bind("inproc://ticks").unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    // So that there is always more.
    let sender = spawn(move || {
        let push = context
            .build_socket::<Push>()
            .send_hwm(10_000)
            .build()
            .unwrap();
        push.connect(&endpoint).unwrap();
        while !stopped.load(Ordering::Relaxed) {
            if push.try_send("x").is_err() {
                thread::yield_now();
            }
        }
    });
    run(async {
        let receiver = tokio::task::spawn_local(async move {
            loop {
                pull.recv().await.unwrap();
            }
        });
        for _ in 0..50 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        receiver.abort();
    });
    stop.store(true, Ordering::Relaxed);
    sender.join();
}

#[test]
fn tasks_of_one_socket_share_a_flood() {
    const TASKS: u32 = 8;
    let (pull, _push) = flooded();
    let left = Rc::new(Cell::new(FLOOD));
    let pull = Rc::new(pull);
    let shares = run(async {
        let tasks = [(); TASKS as usize].map(|()| {
            let (pull, left) = (Rc::clone(&pull), Rc::clone(&left));
            tokio::task::spawn_local(async move {
                let mut share = 0;
                while left.get() > 0 {
                    left.set(left.get() - 1);
                    pull.recv_async().await.unwrap();
                    share += 1;
                }
                share
            })
        });
        let mut shares = Vec::new();
        for task in tasks {
            shares.push(task.await.unwrap());
        }
        shares
    });
    let equal = FLOOD / TASKS;
    assert!(shares.iter().all(|share| *share > equal / 2), "{shares:?}");
}

/// Behind a lock of their executor, on more than one thread.
#[test]
fn tasks_that_share_a_half_by_a_lock() {
    const TASKS: u32 = 8;
    let (pull, _push) = flooded();
    let shared = Arc::new(tokio::sync::Mutex::new((pull.into_async(), FLOOD)));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let shares = runtime.block_on(async {
        let tasks = [(); TASKS as usize].map(|()| {
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                let mut share = 0;
                loop {
                    let mut locked = shared.lock().await;
                    let (pull, left): &mut (AsyncSocket<Pull>, u32) = &mut locked;
                    if *left == 0 {
                        return share;
                    }
                    pull.recv().await.unwrap();
                    *left -= 1;
                    share += 1;
                }
            })
        });
        let mut shares = Vec::new();
        for task in tasks {
            shares.push(tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap());
        }
        shares
    });
    assert_eq!(shares.iter().sum::<u32>(), FLOOD);
    assert!(shares.iter().all(|share| *share > 0), "{shares:?}");
}
