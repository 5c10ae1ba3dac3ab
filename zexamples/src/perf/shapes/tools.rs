//! The roles of `pub_thr`, `sub_thr`, `router_thr` and `dealer_thr`, which a user leads from a terminal.
//!
//! ```text
//!   pub_thr  PUB bind ────▶ n × SUB connect  sub_thr       router_thr  ROUTER bind ◀──▶ n × DEALER connect  dealer_thr
//! ```
//!
//! Nothing is dropped: a publisher waits for its subscribers, and for whoever has no room; a ROUTER is mandatory.

use super::kit::{
    Answers, AwaitsSubscribers, End, Kit, Publishes, Receives, Routes, Sends, Subscribes,
};
#[cfg(feature = "libzmq")]
use super::libzmq::Libzmq;
use super::{ours::Ours, round_trips};
use crate::Result;
use crate::perf::{Library, Load, Sockets, Throughput, time_arrivals};

/// Binds a PUB socket, waits for the subscribers, and sends everything to each of them; then the socket closes and lingers
/// until all is delivered. `bound` gets the endpoint with its wildcard resolved. With libzmq it is an XPUB, since its PUB
/// cannot tell who has subscribed.
///
/// # Errors
/// If a call fails.
pub fn pub_thr(
    endpoint: &str,
    load: Load,
    sockets: Sockets,
    subscribers: u32,
    bound: impl FnOnce(&str) -> Result<()>,
) -> Result<()> {
    match sockets.lib {
        Library::Ours => publish::<Ours>(endpoint, load, sockets, subscribers, bound),
        #[cfg(feature = "libzmq")]
        Library::Libzmq => publish::<Libzmq>(endpoint, load, sockets, subscribers, bound),
    }
}

/// Connects a SUB socket that subscribes to everything, receives as many messages as there are, and measures.
///
/// # Errors
/// If a call fails, or a message of another size arrives.
pub fn sub_thr(endpoint: &str, load: Load, sockets: Sockets) -> Result<Throughput> {
    match sockets.lib {
        Library::Ours => subscribe::<Ours>(endpoint, load, sockets),
        #[cfg(feature = "libzmq")]
        Library::Libzmq => subscribe::<Libzmq>(endpoint, load, sockets),
    }
}

/// Binds a ROUTER socket and sends each message back to where it came from. `bound` gets the endpoint with its wildcard
/// resolved.
///
/// # Errors
/// If a call fails, or a message of another size arrives.
pub fn router_thr(
    endpoint: &str,
    load: Load,
    sockets: Sockets,
    bound: impl FnOnce(&str) -> Result<()>,
) -> Result<()> {
    match sockets.lib {
        Library::Ours => route::<Ours>(endpoint, load, sockets, bound),
        #[cfg(feature = "libzmq")]
        Library::Libzmq => route::<Libzmq>(endpoint, load, sockets, bound),
    }
}

/// Connects `peers` DEALER sockets, which send in turn, each with up to `window` messages under way, and measures the time
/// from the first message to the last reply.
///
/// # Errors
/// If a call fails, a message of another size arrives, or the window is larger than the high-water mark.
pub fn dealer_thr(
    endpoint: &str,
    load: Load,
    sockets: Sockets,
    peers: u32,
    window: u32,
) -> Result<Throughput> {
    if sockets.hwm > 0 && window > sockets.hwm {
        // Both sides would wait for room, and nobody would receive.
        return Err(format!(
            "a window of {window} messages does not fit into a high-water mark of {}",
            sockets.hwm
        )
        .into());
    }
    match sockets.lib {
        Library::Ours => deal::<Ours>(endpoint, load, sockets, peers, window),
        #[cfg(feature = "libzmq")]
        Library::Libzmq => deal::<Libzmq>(endpoint, load, sockets, peers, window),
    }
}

fn publish<K: Kit>(
    endpoint: &str,
    load: Load,
    sockets: Sockets,
    subscribers: u32,
    bound: impl FnOnce(&str) -> Result<()>,
) -> Result<()> {
    let context = K::context();
    let publisher = K::News::open(&context, sockets.hwm)?;
    publisher.drop_nothing()?;
    publisher.hear_of_all()?;
    publisher.secure_server(sockets.mechanism)?;
    bound(&publisher.bind(endpoint)?)?;
    publisher.await_subscribers(subscribers)?;
    let body = vec![0; load.size];
    for _ in 0..load.count {
        publisher.send(&body)?;
    }
    publisher.await_delivery()?;
    drop(publisher);
    K::end(context)
}

fn subscribe<K: Kit>(endpoint: &str, load: Load, sockets: Sockets) -> Result<Throughput> {
    let context = K::context();
    let subscriber = K::Sub::open(&context, sockets.hwm)?;
    subscriber.subscribe(&[])?;
    subscriber.secure_client(sockets.mechanism)?;
    subscriber.connect(endpoint)?;
    let mut message = K::message(&[])?;
    time_arrivals(load, || load.check(1, subscriber.receive(&mut message)?))
}

fn route<K: Kit>(
    endpoint: &str,
    load: Load,
    sockets: Sockets,
    bound: impl FnOnce(&str) -> Result<()>,
) -> Result<()> {
    let context = K::context();
    let router = K::Router::open(&context, sockets.hwm)?;
    router.drop_nothing()?;
    router.secure_server(sockets.mechanism)?;
    bound(&router.bind(endpoint)?)?;
    let mut message = K::message(&[])?;
    for _ in 0..load.count {
        load.check(1, router.answer(&mut message)?)?;
    }
    drop(router);
    K::end(context)
}

fn deal<K: Kit>(
    endpoint: &str,
    load: Load,
    sockets: Sockets,
    peers: u32,
    window: u32,
) -> Result<Throughput> {
    let context = K::context();
    let connect = |_| {
        let dealer = K::Dealer::open(&context, sockets.hwm)?;
        dealer.secure_client(sockets.mechanism)?;
        dealer.establish(1, |dealer| dealer.connect(endpoint))?;
        Ok(dealer)
    };
    let dealers: Vec<K::Dealer> = (0..peers).map(connect).collect::<Result<_>>()?;
    let check = |size| load.check(1, size);
    let elapsed = round_trips::<K>(
        &dealers,
        load.count,
        window.into(),
        &vec![0; load.size],
        check,
    )?;
    Ok(Throughput { load, elapsed })
}
