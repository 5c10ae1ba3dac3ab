//! Answers that come close together wait for one another in their pipe, and for nothing else: each of these tests
//! stops calling while they may wait there.

use std::{sync::mpsc, thread, time::Duration};

use zsocket::{Bytes, Context, Dealer, Push, Rep, Router, Socket};

use crate::support::{PATIENCE, Wire};

/// Requests that come together.
const TOGETHER: usize = 5;
const ROUNDS: usize = 50;

fn router_and_dealer(context: &Context) -> (Socket<Router>, Socket<Dealer>) {
    let router = context.socket::<Router>().unwrap();
    let endpoint = router.bind(Wire::Tcp.anywhere()).unwrap();
    let dealer = context.socket::<Dealer>().unwrap();
    dealer.connect(endpoint).unwrap();
    (router, dealer)
}

/// Asks, and waits for the answers on another thread; what is returned says that all have come.
fn ask(dealer: Socket<Dealer>, rounds: mpsc::Receiver<()>) -> mpsc::Receiver<()> {
    let (done, all_answered) = mpsc::channel();
    thread::spawn(move || {
        while rounds.recv().is_ok() {
            (0..TOGETHER).for_each(|_| dealer.send("request").unwrap());
            for _ in 0..TOGETHER {
                dealer.recv_timeout(PATIENCE).unwrap();
            }
            done.send(()).unwrap();
        }
    });
    all_answered
}

/// Answers all requests of one round, one directly after the other.
fn answer(router: &Socket<Router>) {
    let requests: Vec<_> = (0..TOGETHER)
        .map(|_| router.recv_timeout(PATIENCE).unwrap())
        .collect();
    requests
        .into_iter()
        .for_each(|request| router.send(request).unwrap());
}

#[test]
fn a_thread_that_makes_no_further_call_has_its_answers_sent() {
    let context = Context::new();
    let (router, dealer) = router_and_dealer(&context);
    let (begin, rounds) = mpsc::channel();
    let all_answered = ask(dealer, rounds);
    for _ in 0..ROUNDS {
        begin.send(()).unwrap();
        answer(&router);
        all_answered.recv_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn so_has_a_thread_that_ends() {
    let context = Context::new();
    let (mut router, dealer) = router_and_dealer(&context);
    let (begin, rounds) = mpsc::channel();
    let all_answered = ask(dealer, rounds);
    for _ in 0..ROUNDS {
        begin.send(()).unwrap();
        let answers = thread::spawn(move || {
            answer(&router);
            router
        });
        router = answers.join().unwrap();
        all_answered.recv_timeout(PATIENCE).unwrap();
    }
}

/// The I/O thread that looked after this thread's pipes ends with its context.
#[test]
fn so_has_a_thread_whose_other_context_ends() {
    let lasting = Context::new();
    let (router, dealer) = router_and_dealer(&lasting);
    let (begin, rounds) = mpsc::channel();
    let all_answered = ask(dealer, rounds);
    for _ in 0..ROUNDS {
        let passing = Context::new();
        let (other, other_dealer) = router_and_dealer(&passing);
        (0..TOGETHER).for_each(|_| other_dealer.send("request").unwrap());
        begin.send(()).unwrap();
        answer(&other);
        answer(&router);
        drop((other, other_dealer, passing));
        all_answered.recv_timeout(PATIENCE).unwrap();
    }
}

/// A REP, and a DEALER whose requests come together.
fn rep_and_dealer(context: &Context, wire: Wire) -> (Socket<Rep>, Socket<Dealer>) {
    let rep = context.socket::<Rep>().unwrap();
    let endpoint = rep.bind(wire.anywhere()).unwrap();
    let dealer = context.socket::<Dealer>().unwrap();
    dealer.connect(endpoint).unwrap();
    (rep, dealer)
}

/// Answers all requests of a round but the last one, which lies there already or is about to.
fn answer_all_but_one(rep: &Socket<Rep>) {
    for _ in 1..TOGETHER {
        let request = rep.recv_timeout(PATIENCE).unwrap();
        rep.send(request).unwrap();
    }
}

#[test]
fn a_rep_that_has_more_requests_and_makes_no_further_call_has_its_replies_sent() {
    let context = Context::new();
    let (rep, dealer) = rep_and_dealer(&context, Wire::Tcp);
    for _ in 0..ROUNDS {
        (0..TOGETHER).for_each(|_| dealer.send(["", "request"]).unwrap());
        answer_all_but_one(&rep);
        (1..TOGETHER).for_each(|_| drop(dealer.recv_timeout(PATIENCE).unwrap()));
        let request = rep.recv_timeout(PATIENCE).unwrap();
        rep.send(request).unwrap();
        dealer.recv_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn what_a_socket_has_answered_is_not_lost_when_nothing_lingers() {
    let context = Context::new();
    for _ in 0..ROUNDS {
        let (rep, dealer) = rep_and_dealer(&context, Wire::Ipc);
        rep.set_linger(Some(Duration::ZERO)).unwrap();
        (0..TOGETHER).for_each(|_| dealer.send(["", "request"]).unwrap());
        answer_all_but_one(&rep);
        drop(rep);
        (1..TOGETHER).for_each(|_| drop(dealer.recv_timeout(PATIENCE).unwrap()));
    }
}

/// Tells when it is dropped.
struct Body(Vec<u8>, mpsc::Sender<()>);

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        let _ = self.1.send(());
    }
}

/// A socket that goes has its answers written, which may come upon foreign code. That is collected until it is gone, and not
/// for ever.
#[test]
fn a_thread_goes_on_to_free_bodies_when_a_socket_went_with_answers_in_its_pipe() {
    const LARGE: usize = 10_000;
    let context = Context::new();
    let (sender, freed) = mpsc::channel();
    for round in 0..ROUNDS {
        let (router, dealer) = router_and_dealer(&context);
        (0..TOGETHER).for_each(|_| dealer.send("request").unwrap());
        answer(&router);
        drop(router);
        let push = context.socket::<Push>().unwrap();
        push.connect("inproc://nobody").unwrap();
        push.send(Bytes::from_owner(Body(vec![0; LARGE], sender.clone())))
            .unwrap();
        push.set_linger(Some(Duration::ZERO)).unwrap();
        drop(push);
        assert!(freed.try_recv().is_ok(), "kept after {round} rounds");
    }
}
