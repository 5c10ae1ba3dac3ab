//! The guide's broker of requests, which does the work of a proxy itself: it waits for both sides and passes on what has come.
//!
//! ```console
//! $ rrbroker                                  # clients at tcp port 5559, workers at 5560
//! $ rrbroker tcp://*:5559 tcp://*:5560
//! Clients at tcp://0.0.0.0:5559
//! Workers at tcp://0.0.0.0:5560
//! ```
//!
//! The guide's program moves one frame after the other and would wait for a side that has no room. Here whole messages go
//! from socket to socket, a side without room is waited for, and the other direction goes on meanwhile. `msgqueue` does the
//! same with a proxy.

use std::process;

use zexamples::Result;
use zpoll::{Events, Interest, Poller};
use zsocket::{Budget, Context, Dealer, ForwardEnd, Router};

const CLIENTS: usize = 0;
const WORKERS: usize = 1;

fn main() {
    if let Err(error) = broker() {
        eprintln!("rrbroker: {error}");
        process::exit(2);
    }
}

fn broker() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let for_clients = args.next().unwrap_or_else(|| "tcp://*:5559".into());
    let for_workers = args.next().unwrap_or_else(|| "tcp://*:5560".into());

    let context = Context::new();
    let clients = context.socket::<Router>()?;
    println!("Clients at {}", clients.bind(for_clients.as_str())?);
    let workers = context.socket::<Dealer>()?;
    println!("Workers at {}", workers.bind(for_workers.as_str())?);

    let mut poller = Poller::new();
    poller.add(&clients, CLIENTS, Interest::NONE)?;
    poller.add(&workers, WORKERS, Interest::NONE)?;
    let mut events = Events::new();
    loop {
        let requests = clients.forward_to(&workers, Budget::default())?.end;
        let replies = workers.forward_to(&clients, Budget::default())?.end;
        if ForwardEnd::Budget == requests || ForwardEnd::Budget == replies {
            continue;
        }
        poller.modify(CLIENTS, wanted(requests, replies))?;
        poller.modify(WORKERS, wanted(replies, requests))?;
        poller.wait(&mut events, None)?;
    }
}

/// What to wait for at a socket: for more to come in if all was passed on, for room if what should go out has none.
fn wanted(from_here: ForwardEnd, to_here: ForwardEnd) -> Interest {
    let mut wanted = Interest::NONE;
    if from_here == ForwardEnd::Empty {
        wanted = wanted | Interest::RECV;
    }
    if to_here == ForwardEnd::Full {
        wanted = wanted | Interest::SEND;
    }
    wanted
}
