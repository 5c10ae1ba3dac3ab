//! DEALER: asynchronous requests, in turn to each peer.

use zinterop::{AnySocket, Failure, Frames, Pattern, Transport, Trial, four_ways};

fn pair(trial: &Trial, other: Pattern) -> (AnySocket, AnySocket) {
    let bound = trial.second(other);
    let dealer = trial.first(Pattern::Dealer);
    dealer.connect(&bound.bind(&trial.endpoint()));
    (dealer, bound)
}

#[test]
fn a_dealer_writes_the_envelope_of_a_rep_itself() {
    four_ways(&Transport::ALL, |trial| {
        let (dealer, rep) = pair(trial, Pattern::Rep);
        // Several requests at a time, which a REQ could not send.
        for number in 0..10 {
            dealer.send(["", &number.to_string()]);
        }
        for number in 0..10 {
            assert_eq!(rep.recv(), number.to_string().as_str());
            let reply = format!("reply {number}");
            rep.send(reply.as_str());
            assert_eq!(dealer.recv(), ["", reply.as_str()]);
        }
    });
}

#[test]
fn two_dealers_exchange_whole_messages() {
    four_ways(&Transport::ALL, |trial| {
        let (one, other) = pair(trial, Pattern::Dealer);
        one.send(["no", "envelope", ""]);
        assert_eq!(other.recv(), ["no", "envelope", ""]);
        for number in 0..200 {
            other.send(Frames::numbered(number, 1000));
        }
        for number in 0..200 {
            assert_eq!(one.recv().number(), number);
        }
    });
}

#[test]
fn each_peer_has_its_turn() {
    four_ways(&Transport::ALL, |trial| {
        let dealer = trial.first(Pattern::Dealer);
        let peers: Vec<_> = (0..3).map(|_| trial.second(Pattern::Dealer)).collect();
        for peer in &peers {
            dealer.connect(&peer.bind(&trial.endpoint()));
        }
        for number in 0..30 {
            dealer.send(Frames::numbered(number, 10));
        }
        for round in 0..10 {
            for (at, peer) in peers.iter().enumerate() {
                assert_eq!(peer.recv().number(), round * 3 + at as u64);
            }
        }
    });
}

#[test]
fn a_dealer_without_peers_waits() {
    four_ways(&Transport::ALL, |trial| {
        let dealer = trial.first(Pattern::Dealer);
        dealer.bind(&trial.endpoint());
        assert_eq!(dealer.try_send("nobody"), Err(Failure::WouldBlock));
        assert_eq!(dealer.try_recv(), Err(Failure::WouldBlock));
    });
}

#[test]
fn connecting_twice_makes_one_connection() {
    four_ways(&Transport::WIRED, |trial| {
        let dealer = trial.first(Pattern::Dealer);
        let [twice, once] = [(); 2].map(|()| trial.second(Pattern::Dealer));
        let endpoint = twice.bind(&trial.endpoint());
        dealer.connect(&endpoint);
        dealer.connect(&endpoint);
        dealer.connect(&once.bind(&trial.endpoint()));
        for number in 0..8 {
            dealer.send(Frames::numbered(number, 10));
        }
        for number in [0, 2, 4, 6] {
            assert_eq!(twice.recv().number(), number);
            assert_eq!(once.recv().number(), number + 1);
        }
    });
}
