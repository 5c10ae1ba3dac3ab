//! The shortest way through every layer, for each pattern and transport.

use std::{thread, time::Duration};

use zsocket::{Context, Error, Message, Pull, Push, Rep, Req};

/// Long enough for a loaded machine; never waited for when all is well.
const PATIENCE: Duration = Duration::from_secs(20);

fn endpoints() -> [&'static str; 3] {
    ["tcp://127.0.0.1:*", "ipc://*", "inproc://smoke"]
}

#[test]
fn push_pull_in_order() {
    for endpoint in endpoints() {
        let context = Context::new();
        let pull = context.socket::<Pull>().unwrap();
        let endpoint = pull.bind(endpoint).unwrap();
        let push = context.socket::<Push>().unwrap();
        push.connect(&endpoint).unwrap();
        let sender = thread::spawn(move || {
            for n in 0..100_000u32 {
                push.send(n.to_be_bytes()).unwrap();
            }
        });
        let mut message = Message::new();
        pull.set_recv_timeout(Some(PATIENCE)).unwrap();
        for n in 0..100_000u32 {
            pull.recv_into(&mut message)
                .unwrap_or_else(|e| panic!("{endpoint} at {n}: {e}"));
            assert_eq!(message.frames()[0], n.to_be_bytes(), "{endpoint}");
        }
        sender.join().unwrap();
        assert!(matches!(pull.try_recv(), Err(Error::WouldBlock(_))));
    }
}

#[test]
fn request_reply() {
    for endpoint in endpoints() {
        let context = Context::new();
        let rep = context.socket::<Rep>().unwrap();
        let endpoint = rep.bind(endpoint).unwrap();
        let server = thread::spawn(move || {
            for _ in 0..1000 {
                let request = rep.recv_timeout(PATIENCE).unwrap();
                rep.send(request).unwrap();
            }
        });
        let req = context.socket::<Req>().unwrap();
        req.connect(&endpoint).unwrap();
        for n in 0..1000u32 {
            req.send([n.to_string(), "second".to_owned()]).unwrap();
            assert!(matches!(
                req.send("too early").unwrap_err().error,
                Error::WrongState(_)
            ));
            let reply = req.recv_timeout(PATIENCE).unwrap();
            assert_eq!(reply.len(), 2);
            assert_eq!(reply[0], n.to_string().as_str());
        }
        assert!(matches!(req.recv(), Err(Error::WrongState(_))));
        server.join().unwrap();
    }
}
