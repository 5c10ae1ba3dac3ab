//! Foreign code that panics: the owners of message bodies when they are dropped, and wakers.
//!
//! One panic may cost the message it comes from. The sockets, their connections and everybody else
//! must go on.

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use zexamples::{Ledger, Result, Transport};
use zsocket::{Bytes, Error, Frame, Message, Pull, Push, Socket};

use crate::PATIENCE;
use crate::stage::Stage;

/// What is thrown here.
struct Planned;

/// Messages that may be on their way when a new socket begins to send: those that are closed go on sending in the
/// background, and a receiver may be slower than all of them together.
const ON_THE_WAY: u64 = 500;

/// Keeps the panics that are planned off the terminal.
pub(crate) fn be_silent_about_planned_ones() {
    let others = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !info.payload().is::<Planned>() {
            others(info);
        }
    }));
}

/// The bytes of a body, whose end may be a panic.
struct Owner {
    bytes: Vec<u8>,
    panics: bool,
}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // A second panic while the first one unwinds would abort, whoever it is that drops.
        if self.panics && !thread::panicking() {
            panic_any(Planned);
        }
    }
}

struct PanickingWaker;

impl Wake for PanickingWaker {
    fn wake(self: Arc<Self>) {
        panic_any(Planned);
    }
}

/// What the two threads tell each other.
#[derive(Default)]
struct Shared {
    over: AtomicBool,
    received: AtomicU64,
    /// Nothing has come for a while.
    idle: AtomicBool,
}

/// Sends such bodies from one thread to another until the end.
pub(super) fn run(stage: &Stage, transport: Transport, mut rng: Rng) -> Result<()> {
    let pull = stage.insist(|| stage.context.socket::<Pull>())?;
    let endpoint = stage.endpoints.fresh(transport);
    let endpoint = stage.insist(|| pull.bind(endpoint.as_str()))?.to_string();
    let shared = Shared::default();
    let rng_of_receiver = Rng::with_seed(rng.u64(..));
    thread::scope(|scope| {
        let receiver = scope.spawn(|| receive(stage, pull, &shared, rng_of_receiver));
        let sent = send(stage, &endpoint, &shared, &mut rng);
        shared.over.store(true, Ordering::Relaxed);
        let received = receiver
            .join()
            .unwrap_or_else(|_| Err("a panic came out of a call for another one".into()));
        sent.and(received)
    })
}

/// Runs `f`, and says whether a planned panic came out of it.
fn catch<T>(stage: &Stage, what: &'static str, f: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(value) => Some(value),
        Err(payload) if payload.is::<Planned>() => {
            stage.log.count(what);
            None
        }
        Err(payload) => panic::resume_unwind(payload),
    }
}

fn send(stage: &Stage, endpoint: &str, shared: &Shared, rng: &mut Rng) -> Result<()> {
    let (mut generation, mut sent) = (0u32, 0u64);
    while !stage.stopping() {
        let received = shared.received.load(Ordering::Relaxed);
        if shared.idle.load(Ordering::Relaxed) {
            // Nothing is on its way, whatever panics have done to the count.
            sent = received;
        } else if sent > received + ON_THE_WAY {
            thread::sleep(Duration::from_millis(1));
            continue;
        }
        let push = stage.insist(|| stage.context.socket::<Push>())?;
        push.set_send_hwm(rng.u32(1..200))?;
        push.set_send_timeout(Some(PATIENCE))?;
        push.set_linger(Some(PATIENCE))?;
        stage.insist(|| push.connect(endpoint))?;
        for seq in 0..rng.u64(..500) {
            let message = message(generation, seq, rng);
            let result = catch(stage, "panics: that came out of a send", || {
                push.send(message).map_err(Error::from)
            });
            match result {
                Some(Ok(())) => {
                    sent += 1;
                    stage.log.count("panics: messages sent");
                }
                // Sent or not: what it dropped was its own.
                None => sent += 1,
                Some(Err(error)) => {
                    return Err(format!("sending beside panics: {error}").into());
                }
            }
            if stage.stopping() {
                break;
            }
        }
        catch(stage, "panics: that came out of a close", || push.close());
        generation += 1;
        stage.pause(Duration::from_millis(5));
    }
    Ok(())
}

fn message(generation: u32, seq: u64, rng: &mut Rng) -> Message {
    let mut head = generation.to_le_bytes().to_vec();
    head.extend(seq.to_le_bytes());
    let owner = Owner {
        bytes: vec![seq as u8; rng.usize(1..40 << 10)],
        panics: rng.u32(..20) == 0,
    };
    let mut message = Message::single(head);
    message.push_back(Frame::from(Bytes::from_owner(owner)));
    message
}

fn receive(stage: &Stage, pull: Socket<Pull>, shared: &Shared, mut rng: Rng) -> Result<()> {
    let mut books = Books::default();
    let mut last = Instant::now();
    loop {
        shared.received.store(books.received, Ordering::Relaxed);
        let waits = (rng.u32(..50) == 0)
            .then(|| wait_with_a_panicking_waker(stage, &pull, &mut books))
            .flatten();
        let received = catch(stage, "panics: that came out of a recv", || {
            pull.recv_timeout(Duration::from_millis(100))
        });
        drop(waits);
        match received {
            Some(Ok(message)) => {
                last = Instant::now();
                shared.idle.store(false, Ordering::Relaxed);
                books.record(stage, &message);
                // Over inproc the body is the sender's own.
                catch(stage, "panics: of the receiver's own drop", || {
                    drop(message);
                });
            }
            None => last = Instant::now(),
            Some(Err(Error::WouldBlock(_))) => {
                shared.idle.store(true, Ordering::Relaxed);
                if shared.over.load(Ordering::Relaxed) {
                    break;
                }
                if last.elapsed() > PATIENCE {
                    return Err("nothing arrives any more beside panics".into());
                }
            }
            Some(Err(error)) => return Err(format!("receiving beside panics: {error}").into()),
        }
    }
    catch(stage, "panics: that came out of a close", || pull.close());
    Ok(())
}

/// While the future lives that this returns, a waker waits that panics when the next message arrives.
fn wait_with_a_panicking_waker<'s>(
    stage: &Stage,
    pull: &'s Socket<Pull>,
    books: &mut Books,
) -> Option<impl Future + use<'s>> {
    let waker = Waker::from(Arc::new(PanickingWaker));
    let mut receiving = Box::pin(pull.recv_async());
    let polled = catch(stage, "panics: that came out of a recv", || {
        receiving.as_mut().poll(&mut Context::from_waker(&waker))
    });
    stage.log.count("panics: wakers");
    match polled {
        Some(Poll::Pending) => Some(receiving),
        Some(Poll::Ready(Ok(message))) => {
            books.record(stage, &message);
            catch(stage, "panics: of the receiver's own drop", || {
                drop(message);
            });
            None
        }
        _ => None,
    }
}

/// The messages of the last few senders.
#[derive(Default)]
struct Books {
    streams: BTreeMap<u32, Ledger>,
    received: u64,
}

impl Books {
    fn record(&mut self, stage: &Stage, message: &Message) {
        let Some((generation, seq)) = check(message) else {
            stage.log.violation("a message beside panics is damaged");
            return;
        };
        self.received += 1;
        stage.log.count("panics: messages received");
        let ledger = self.streams.entry(generation).or_default();
        ledger.record(0, 0, seq);
        if ledger.settle(&[]).duplicated > 0 {
            stage.log.violation("a message beside panics arrived twice");
        }
        while self.streams.len() > 8 {
            self.streams.pop_first();
        }
    }
}

fn check(message: &Message) -> Option<(u32, u64)> {
    let (generation, seq) = message.first()?.split_first_chunk()?;
    let seq = u64::from_le_bytes(seq.try_into().ok()?);
    let body = message.get(1)?;
    let intact = message.len() == 2 && body.iter().all(|&byte| byte == seq as u8);
    intact.then(|| (u32::from_le_bytes(*generation), seq))
}
