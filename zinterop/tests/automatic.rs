//! Messages that are sent and received without a call: hello, disconnect and hiccup.

use std::time::Duration;

use zinterop::{Options, Pattern, Transport, four_ways};

const SOON: Duration = Duration::from_millis(10);

#[test]
fn both_ends_say_hello_before_everything_else() {
    four_ways(&Transport::ALL, |trial| {
        let options = Options::new().hello(b"I am the server");
        let router = trial.second_with(Pattern::Router, &options);
        let endpoint = router.bind(&trial.endpoint());
        let options = Options::new().routing_id(b"anna").hello(b"I am a client");
        let dealer = trial.first_with(Pattern::Dealer, &options);
        dealer.connect(&endpoint);
        dealer.send("question");
        assert_eq!(router.recv(), ["anna", "I am a client"]);
        assert_eq!(router.recv(), ["anna", "question"]);
        router.send(["anna", "answer"]);
        assert_eq!(dealer.recv(), "I am the server");
        assert_eq!(dealer.recv(), "answer");
    });
}

#[test]
fn hello_is_said_again_on_the_next_connection() {
    four_ways(&Transport::WIRED, |trial| {
        let endpoint = trial.fixed_endpoint();
        let options = Options::new()
            .routing_id(b"anna")
            .hello(b"hello")
            .reconnect_interval(Some(SOON));
        let dealer = trial.first_with(Pattern::Dealer, &options);
        let first = trial.second(Pattern::Router);
        first.bind(&endpoint);
        dealer.connect(&endpoint);
        assert_eq!(first.recv(), ["anna", "hello"]);
        first.close();
        let second = trial.second(Pattern::Router);
        second.bind_when_free(&endpoint);
        assert_eq!(second.recv(), ["anna", "hello"]);
    });
}

#[test]
fn a_server_hears_that_a_client_is_gone() {
    four_ways(&Transport::ALL, |trial| {
        let options = Options::new().disconnect(b"gone");
        let router = trial.second_with(Pattern::Router, &options);
        let endpoint = router.bind(&trial.endpoint());
        for name in ["anna", "bert"] {
            let options = Options::new().routing_id(name.as_bytes());
            let dealer = trial.first_with(Pattern::Dealer, &options);
            dealer.connect(&endpoint);
            dealer.send("hello");
            assert_eq!(router.recv(), [name, "hello"]);
            router.send([name, "welcome"]);
            assert_eq!(dealer.recv(), "welcome");
            dealer.close();
            assert_eq!(router.recv(), [name, "gone"]);
        }
    });
}

#[test]
fn a_client_hears_that_its_connection_was_lost() {
    four_ways(&Transport::WIRED, |trial| {
        let endpoint = trial.fixed_endpoint();
        let options = Options::new()
            .routing_id(b"anna")
            .hiccup(b"hiccup")
            .reconnect_interval(Some(SOON));
        let dealer = trial.first_with(Pattern::Dealer, &options);
        dealer.connect(&endpoint);
        for round in ["1", "2"] {
            let router = trial.second(Pattern::Router);
            router.bind_when_free(&endpoint);
            dealer.send(round);
            assert_eq!(router.recv(), ["anna", round]);
            router.send(["anna", round]);
            router.close();
            assert_eq!(dealer.recv(), round);
            assert_eq!(dealer.recv(), "hiccup");
        }
    });
}
