//! A proxy between two sockets.

use std::thread;
use std::time::{Duration, Instant};

use zexamples::Result;
use zpoll::{Events, Interest, PollWaker, Poller};
use zproxy::{Direction, Ended, Error, Proxy, ProxyHandle};
use zsocket::{Context, Dynamic, Socket, SocketType};

use crate::cli::{Relay, Side};
use crate::interrupts::Interrupts;
use crate::tally::{self, PERIOD};

/// How long what is forwarded is sent after the end.
const GRACE: Duration = Duration::from_secs(1);

const INTERRUPTS: usize = 0;

/// Forwards until an interrupt, or until the control socket says that it is the end.
pub(crate) fn relay(relay: &Relay) -> Result<bool> {
    let context = Context::new();
    let frontend = open(&context, &relay.frontend, &relay.frontend_option, relay)?;
    let backend = open(&context, &relay.backend, &relay.backend_option, relay)?;
    let open_other = |side: &Option<Side>| {
        let socket = side.as_ref().map(|side| open(&context, side, &[], relay));
        socket.transpose()
    };
    let (capture, control) = (open_other(&relay.capture)?, open_other(&relay.control)?);
    let proxy = Proxy::new(frontend, backend);
    let handle = proxy.handle();
    let forward: Box<dyn FnOnce() -> Result<Ended, Error> + Send> = match (capture, control) {
        (None, None) => Box::new(|| proxy.run()),
        (Some(capture), None) => Box::new(|| proxy.capture(capture).run()),
        (None, Some(control)) => Box::new(|| proxy.control(control).run()),
        (Some(capture), Some(control)) => {
            Box::new(|| proxy.capture(capture).control(control).run())
        }
    };

    let interrupts = Interrupts::catch()?;
    let mut watch = Watch {
        poller: Poller::new(),
        interrupts: &interrupts,
        handle,
        books: relay.stats.then(|| Books::new(relay)),
    };
    watch
        .poller
        .add_fd(&interrupts.pipe, INTERRUPTS, Interest::RECV)?;
    let over = Over(watch.poller.waker());
    let ended = thread::scope(|scope| {
        let proxy = scope.spawn(move || {
            let _over = over;
            forward()
        });
        let watched = watch.watch();
        // Whatever has become of this, the proxy has to end, or the scope would wait for it.
        watch.handle.terminate();
        let ended = proxy.join().map_err(|_| "the proxy panicked")?;
        watched?;
        Ok::<_, zexamples::Error>(ended?)
    });
    drop(watch);
    drop(interrupts);
    context.term()?;
    ended.map(|_| true)
}

/// Opens a socket of the proxy where the command line wants it.
fn open(
    context: &Context,
    side: &Side,
    options: &[(String, String)],
    relay: &Relay,
) -> Result<Socket<Dynamic>> {
    let kind = side.socket_type.name().to_ascii_lowercase();
    let socket = context.dynamic(side.socket_type)?;
    socket.set_linger(Some(GRACE))?;
    for (name, value) in options {
        let set = socket.set_option(name.as_str(), value.as_str());
        set.map_err(|error| {
            format!("the option {name}={value} of the {kind}: {error}; `zcat {kind} --list-options` tells those that there are")
        })?;
    }
    // A SUB passes nothing on that it has not subscribed to, and has no way to hear what is wanted behind it.
    if side.socket_type == SocketType::Sub {
        socket.subscribe("")?;
    }
    let fail = |error| format!("{kind}:{}: {error}", side.endpoint);
    if side.connects {
        socket.connect(side.endpoint.as_str()).map_err(fail)?;
    } else {
        let bound = socket.bind(side.endpoint.as_str()).map_err(fail)?;
        if !relay.quiet {
            eprintln!("zcat: {kind} listening on {bound}");
        }
    }
    Ok(socket)
}

/// Wakes the thread that watches, when the proxy is over.
struct Over(PollWaker);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.wake();
    }
}

/// What looks on while the proxy runs.
struct Watch<'a> {
    poller: Poller<'a>,
    interrupts: &'a Interrupts,
    handle: ProxyHandle,
    books: Option<Books>,
}

impl Watch<'_> {
    /// Ends the proxy at an interrupt, and tells each second what went through.
    fn watch(&mut self) -> Result<()> {
        let mut events = Events::new();
        while !self.handle.has_ended() {
            if self.interrupts.have_come() {
                self.handle.terminate();
                // The pipe stays readable. Now only the end is of interest.
                self.poller.modify(INTERRUPTS, Interest::NONE)?;
            }
            let now = Instant::now();
            let due = self
                .books
                .as_mut()
                .map(|books| books.tell_when_due(&self.handle, now));
            self.poller.wait(&mut events, due.map(|due| due - now))?;
        }
        if let Some(books) = &self.books {
            books.tell_total(&self.handle);
        }
        Ok(())
    }
}

/// What went through the proxy, as far as it has been told.
struct Books {
    /// `to xpub` and `to xsub`.
    words: [String; 2],
    start: Instant,
    last: Instant,
    told: [Direction; 2],
}

impl Books {
    fn new(relay: &Relay) -> Self {
        let to = |side: &Side| format!("to {}", side.socket_type.name().to_ascii_lowercase());
        let now = Instant::now();
        Self {
            words: [to(&relay.backend), to(&relay.frontend)],
            start: now,
            last: now,
            told: [Direction::default(); 2],
        }
    }

    /// Tells what went through since the last time, if it is time; returns when it will be.
    fn tell_when_due(&mut self, handle: &ProxyHandle, now: Instant) -> Instant {
        if now < self.last + PERIOD {
            return self.last + PERIOD;
        }
        let directions = directions(handle);
        for (word, (all, told)) in self.words.iter().zip(directions.iter().zip(&self.told)) {
            let messages = all.received.messages - told.received.messages;
            if messages > 0 {
                let bytes = all.received.bytes - told.received.bytes;
                tally::tell(word, messages, bytes, now - self.last);
            }
        }
        (self.last, self.told) = (now, directions);
        self.last + PERIOD
    }

    fn tell_total(&self, handle: &ProxyHandle) {
        let time = self.start.elapsed();
        for (word, all) in self.words.iter().zip(&directions(handle)) {
            let (received, sent) = (all.received, all.sent);
            let word = format!("in total {word}");
            tally::tell(&word, received.messages, received.bytes, time);
            if sent.messages < received.messages {
                let lost = received.messages - sent.messages;
                eprintln!("zcat: {word} {lost} messages for nobody");
            }
        }
        let statistics = handle.statistics();
        if statistics.capture_dropped > 0 {
            let dropped = statistics.capture_dropped;
            eprintln!("zcat: {dropped} messages that the capture had no room for");
        }
    }
}

fn directions(handle: &ProxyHandle) -> [Direction; 2] {
    let statistics = handle.statistics();
    [statistics.to_backend, statistics.to_frontend]
}
