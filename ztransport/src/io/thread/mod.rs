//! One I/O thread: waits for descriptors, pipes, letters and timers, and drives what is due.

mod led;
mod listeners;
#[cfg(all(test, loom))]
mod models;

use std::{
    cell::Cell,
    collections::{BTreeSet, HashMap, VecDeque},
    io,
    sync::Arc,
    task::Waker,
    time::{Duration, Instant},
};

use zmtp::zap::Answer;
use zpipe::{Mailbox, Notifier, Readiness, ReadySet, deferred};

use self::led::Held;
pub(crate) use self::led::Seat;
pub use self::led::{Dispatched, Ended};
use super::{
    allocator::Closings,
    command::{Command, ENDED, ListenerEntry, MAIL_TOKEN, Remote},
    live::Live,
    resolver::Resolver,
    session::{Action, Session},
    timers::{self, Purpose, Timer, Timers},
};
use crate::{
    authentication::{AuthoritySlot, Question, THREAD_ENDED},
    cork::{self, Corked},
    desk::Desk,
    event::{Change, Event, Letter},
    inproc::Inproc,
    inputs::{Duty, Inputs},
    net::AcceptError,
    poll::{Outside, Poll, Ready, Registry},
    shrink,
    signals::Events,
    sys,
};

/// Descriptors reported in one go.
const EVENTS: usize = 256;
/// How long the thread pauses when the system refuses to let it wait.
const RETRY_PAUSE: Duration = Duration::from_millis(10);

thread_local! {
    static IS_IO_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// Whether this is an I/O thread, of whatever [`Reactor`](crate::Reactor). Foreign code may find itself on
/// one: a task's waker, or the `Drop` of a message body. I/O threads wait for nothing but their poll,
/// so what such code calls must not wait either.
#[must_use]
pub fn is_io_thread() -> bool {
    IS_IO_THREAD.get()
}

pub(crate) struct IoThread {
    poll: Poll,
    registry: Registry,
    /// All threads of the reactor, this one included.
    threads: Arc<[Remote]>,
    /// Which of them this one is.
    index: usize,
    ready: ReadySet,
    mailbox: Mailbox<Command>,
    commands: zpipe::Sender<Command>,
    timers: Timers,
    resolver: Resolver,
    /// On the first thread of a reactor, for all of them.
    desk: Option<Desk>,
    listeners: HashMap<u64, ListenerEntry>,
    sessions: HashMap<u64, Session>,
    /// The sessions of each listener.
    accepted: HashMap<u64, BTreeSet<u64>>,
    /// By their keys in the poll.
    inputs: HashMap<u64, Arc<Inputs>>,
    /// Who is signalled when a timer with this key fires.
    alarms: HashMap<u64, Notifier>,
    /// By the keys of their timers.
    corked: HashMap<u64, Arc<Corked>>,
    /// Taken out of the mailbox, and not yet handled.
    letters: VecDeque<Command>,
    /// Where a foreign event loop leads, or has led, from.
    seat: Option<Arc<Seat>>,
    /// That loop wants to lead from now on.
    hands_over: bool,
    live: Arc<Live>,
    closings: Closings,
    stopped: bool,
    stops_when_idle: bool,
    #[cfg(test)]
    dies: bool,
}

/// What was reported and is not yet handled; empty between two turns of the thread, unless the last one had a budget.
struct Turn {
    waker: Waker,
    descriptors: VecDeque<Ready>,
    signals: VecDeque<(u64, Readiness)>,
}

impl Turn {
    fn new(poll: &Poll) -> Self {
        Self {
            waker: poll.waker(),
            descriptors: VecDeque::new(),
            signals: VecDeque::new(),
        }
    }
}

impl IoThread {
    /// Prepares a thread's state, and returns how to send it commands.
    pub(crate) fn new(live: Arc<Live>, resolver: Resolver) -> io::Result<(Self, Remote)> {
        let (poll, registry) = Poll::new()?;
        let ready = ReadySet::new();
        let io = ready.notifier(MAIL_TOKEN);
        let (commands, mailbox) = zpipe::mailbox(io.clone());
        let remote = Remote {
            commands: commands.clone(),
            io,
            registry: registry.clone(),
            load: Arc::default(),
        };
        let thread = Self {
            poll,
            registry,
            threads: Arc::new([remote.clone()]),
            index: 0,
            ready,
            mailbox,
            commands,
            timers: Timers::default(),
            resolver,
            desk: None,
            listeners: HashMap::new(),
            sessions: HashMap::new(),
            accepted: HashMap::new(),
            inputs: HashMap::new(),
            alarms: HashMap::new(),
            corked: HashMap::new(),
            letters: VecDeque::new(),
            seat: None,
            hands_over: false,
            live,
            closings: Closings::default(),
            stopped: false,
            stops_when_idle: false,
            #[cfg(test)]
            dies: false,
        };
        Ok((thread, remote))
    }

    /// What others see of its poll.
    pub(crate) fn outside(&self) -> Outside {
        self.poll.outside()
    }

    /// Tells the thread, before it runs, among whom it shares out what it accepts.
    pub(crate) fn join(&mut self, threads: &Arc<[Remote]>, index: usize) {
        self.threads = Arc::clone(threads);
        self.index = index;
    }

    /// Tells the first thread, before it runs, who answers the questions of handshakes.
    pub(crate) fn staff(&mut self, authority: &Arc<AuthoritySlot>, inproc: &Arc<Inproc>) {
        let io = self.threads[self.index].io.clone();
        let (authority, inproc) = (Arc::clone(authority), Arc::clone(inproc));
        self.desk = Some(Desk::new(authority, inproc, io));
    }

    /// Has a question answered by whom it may concern.
    fn ask(&mut self, question: Box<Question>) {
        if let Some(desk) = &mut self.desk {
            desk.ask(*question);
        } else if self.index > 0 {
            let home = &self.threads[0].commands;
            if let Err(Command::Ask(question)) = home.post(Command::Ask(question)) {
                question.put_off(THREAD_ENDED);
            }
        } else {
            question.answer(Answer::NoHandler);
        }
    }

    /// Runs until it is told to stop.
    pub(crate) fn run(self) {
        IS_IO_THREAD.set(true);
        let mut held = Box::new(Held::new(self));
        loop {
            held.lead();
            let thread = &mut held.thread;
            if thread.is_over() {
                return;
            }
            thread.hands_over = false;
            let Some(seat) = thread.seat.clone() else {
                continue;
            };
            let Some(back) = seat.follow(held) else {
                return;
            };
            held = back;
        }
    }

    fn is_over(&self) -> bool {
        self.stopped || self.stops_when_idle && self.sessions.is_empty()
    }

    /// Waits until something happens or a timer is due, and at most until then.
    fn wait(&mut self, turn: &mut Turn, at_most: Option<Instant>) {
        // Signals that come while this thread works need no system call: only for the wait itself is the
        // waker registered.
        let deadline = if self.ready.register_direct(&turn.waker) || self.has_left(turn) {
            Some(Instant::now())
        } else {
            self.timers.next().into_iter().chain(at_most).min()
        };
        let descriptors = &mut turn.descriptors;
        let waited = self
            .poll
            .wait::<EVENTS>(deadline, |ready| descriptors.push_back(ready));
        if waited.is_err() {
            // The kernel is out of memory for the wait. There is nothing to do but to try again, and not at
            // full speed.
            std::thread::park_timeout(RETRY_PAUSE);
        }
        self.ready.unregister_direct();
    }

    /// Handles what has happened, until `go_on`, which is asked after each thing, says no. What is left is handled first
    /// the next time.
    fn work(&mut self, turn: &mut Turn, mut go_on: impl FnMut() -> bool) {
        while let Some(ready) = turn.descriptors.pop_front() {
            self.guard(ready.key, |thread| thread.on_descriptor(ready));
            if !go_on() {
                return;
            }
        }
        let signals = &mut turn.signals;
        if signals.is_empty() {
            self.ready
                .drain(|token, what| signals.push_back((token, what)));
        }
        loop {
            while let Some(command) = self.letters.pop_front() {
                self.guard(command.key(), |thread| thread.on_command(command));
                if !go_on() {
                    return;
                }
            }
            // A burst's memory goes with it.
            self.letters = VecDeque::new();
            let Some((token, what)) = turn.signals.pop_front() else {
                return;
            };
            if token == MAIL_TOKEN {
                self.letters = self.mailbox.take();
            } else {
                self.guard(token, |thread| thread.on_signal(token, what));
                if !go_on() {
                    return;
                }
            }
        }
    }

    /// Whether something is left of a turn that had a budget.
    fn has_left(&self, turn: &Turn) -> bool {
        !(turn.descriptors.is_empty() && turn.signals.is_empty() && self.letters.is_empty())
    }

    fn fire(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop(now) {
            self.guard(timer.key, |thread| thread.on_timer(timer));
        }
    }

    /// Does something for one connection or listener. A panic, which is a defect of this library, costs
    /// that connection, and not the thread with all others.
    fn guard(&mut self, key: u64, work: impl FnOnce(&mut Self)) {
        if deferred::catch(|| work(self)) {
            return;
        }
        if let Some(session) = self.sessions.get(&key) {
            session.connection.drive(Events::CONDEMN);
            self.remove(key);
        } else if self.listeners.contains_key(&key) {
            let error = io::Error::other("a panic, which is a defect");
            self.pause(key, &AcceptError::Fatal(error));
        }
    }

    fn on_descriptor(&mut self, ready: Ready) {
        if let Some(session) = self.sessions.get_mut(&ready.key) {
            let action = session.on_ready(ready);
            self.act(ready.key, action);
        } else if let Some(inputs) = self.inputs.get(&ready.key).cloned() {
            self.on_inputs(&inputs);
        } else if self.listeners.contains_key(&ready.key)
            // While accepting pauses, whoever else comes waits with the others.
            && !self.timers.is_set(ready.key, Purpose::Accept)
        {
            self.accept(ready.key);
        }
    }

    /// Streams of a socket have input that the application does not wait for.
    fn on_inputs(&mut self, inputs: &Inputs) {
        let mut streams = Vec::new();
        inputs.take(|ready| streams.push(ready));
        for ready in streams {
            self.guard(ready.key, |thread| thread.on_descriptor(ready));
        }
    }

    fn on_duty(&mut self, key: u64, duty: Duty) {
        match duty {
            Duty::None => {}
            Duty::Tick(after) => {
                let timer = Timer {
                    key,
                    purpose: Purpose::Lease,
                    generation: 0,
                };
                self.timers.set(timers::now() + after, timer);
            }
            Duty::Forget => {
                self.timers.remove(key);
                // Streams of sockets that are still there are read here again.
                let inputs = self.inputs.remove(&key);
                for connection in inputs.iter().flat_map(|inputs| inputs.joined()) {
                    if let Some(session) = self.sessions.get(&connection) {
                        session.connection.on_closed_inputs();
                    }
                }
            }
        }
    }

    /// Looks again, at the next tick, at what a thread has left in outbound pipes.
    fn uncork_soon(&mut self, key: u64) {
        let timer = Timer {
            key,
            purpose: Purpose::Corked,
            generation: 0,
        };
        self.timers.set(timers::now() + cork::TICK, timer);
    }

    fn on_signal(&mut self, token: u64, what: Readiness) {
        if let Some(inputs) = self.inputs.get(&token) {
            let duty = inputs.on_signal();
            return self.on_duty(token, duty);
        }
        if let Some(desk) = &mut self.desk
            && desk.is_signalled_by(token)
        {
            return desk.on_signal();
        }
        let Some(session) = self.sessions.get_mut(&token) else {
            return;
        };
        let mut pending = Events::empty();
        if what.contains(Readiness::READABLE) {
            pending |= Events::WRITE; // The outbound pipe is readable.
        }
        if what.contains(Readiness::WRITABLE) {
            pending |= Events::READ; // The inbound pipe is writable.
        }
        if !pending.is_empty() {
            session.connection.drive(pending);
        }
        self.take_outcomes(token);
    }

    fn take_outcomes(&mut self, key: u64) {
        let Some(session) = self.sessions.get(&key) else {
            return;
        };
        for outcome in session.connection.take_outcomes() {
            let Some(session) = self.sessions.get_mut(&key) else {
                return;
            };
            let action = session.on_outcome(outcome);
            self.act(key, action);
        }
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Listen(entry) => self.listen(entry),
            Command::Connect(connection, place) => {
                let key = connection.id;
                let mut session = Session::outgoing(connection, place);
                let action = session.connect();
                self.sessions.insert(key, session);
                self.act(key, action);
            }
            Command::Watch(inputs) => {
                let (key, duty) = (inputs.key(), inputs.on_signal());
                self.inputs.insert(key, inputs);
                self.on_duty(key, duty);
            }
            Command::Lead(seat) => {
                self.seat = Some(seat);
                self.hands_over = true;
            }
            Command::Uncork(corked) => {
                self.uncork_soon(corked.key);
                self.corked.insert(corked.key, corked);
            }
            Command::Resolved { key, found } => {
                if let Some(session) = self.sessions.get_mut(&key) {
                    let action = session.on_resolved(found, &self.registry);
                    self.act(key, action);
                }
            }
            Command::Close { key, linger } => {
                if let Some(session) = self.sessions.get_mut(&key) {
                    let action = session.close(linger);
                    self.act(key, action);
                    self.take_outcomes(key);
                }
            }
            Command::Alarm { key, at, notifier } => {
                let timer = Timer {
                    key,
                    purpose: Purpose::Alarm,
                    generation: 0,
                };
                self.timers.set(at, timer);
                self.alarms.insert(key, notifier);
            }
            Command::ForgetAlarm(key) => {
                self.timers.remove(key);
                self.alarms.remove(&key);
                shrink::map(&mut self.alarms);
            }
            Command::Unlisten {
                key,
                accepted_too,
                done,
            } => {
                self.unlisten(key, accepted_too, done);
            }
            Command::Serve(handover) => self.begin(handover),
            Command::Ask(question) => self.ask(question),
            Command::EndAccepted {
                listener,
                event,
                done,
            } => {
                self.end_accepted(listener, event);
                drop(done);
            }
            Command::Stop => self.stopped = true,
            Command::StopWhenIdle => self.stops_when_idle = true,
            #[cfg(test)]
            Command::TestDeath => self.dies = true,
            #[cfg(test)]
            Command::TestPanic(_) => panic!("on purpose: a command"),
        }
    }

    fn on_timer(&mut self, timer: Timer) {
        if timer.purpose == Purpose::Accept {
            return self.accept(timer.key);
        }
        if timer.purpose == Purpose::Alarm {
            let notifier = self.alarms.remove(&timer.key);
            return notifier
                .into_iter()
                .for_each(|notifier| notifier.notify(Readiness::MAIL));
        }
        if timer.purpose == Purpose::Trim {
            let again = self.closings.give_back();
            return self.trim_after(again);
        }
        if timer.purpose == Purpose::Lease {
            if let Some(inputs) = self.inputs.get(&timer.key) {
                let duty = inputs.on_tick();
                self.on_duty(timer.key, duty);
            }
            return;
        }
        if timer.purpose == Purpose::Corked {
            let corked = self.corked.get(&timer.key);
            if corked.is_some_and(|corked| corked.look()) {
                self.uncork_soon(timer.key);
            } else {
                self.corked.remove(&timer.key);
                shrink::map(&mut self.corked);
            }
            return;
        }
        if let Some(session) = self.sessions.get_mut(&timer.key) {
            let action = session.on_timer(timer);
            self.act(timer.key, action);
            self.take_outcomes(timer.key);
        }
    }

    /// Does what a session asked for.
    fn act(&mut self, key: u64, mut action: Action) {
        loop {
            let Some(session) = self.sessions.get_mut(&key) else {
                return;
            };
            action = match action {
                Action::None => return,
                Action::Timers(both) => {
                    for (delay, purpose) in both.into_iter().flatten() {
                        let timer = Timer {
                            key,
                            purpose,
                            generation: session.generation(),
                        };
                        // A delay beyond the end of the clock is for ever.
                        if let Some(at) = timers::now().checked_add(delay) {
                            self.timers.set(at, timer);
                        }
                    }
                    return;
                }
                Action::Timer(delay, purpose) => Action::Timers([Some((delay, purpose)), None]),
                Action::Unset(purpose) => return self.timers.unset(key, purpose),
                Action::Attempt => session.attempt(&self.registry),
                Action::Resolve => session.resolve(&self.resolver, &self.commands, &self.registry),
                Action::Remove => return self.remove(key),
            };
        }
    }

    /// Forgets a session and all that was under way for it.
    fn remove(&mut self, key: u64) {
        let removed = self.sessions.remove(&key);
        shrink::map(&mut self.sessions);
        if let Some(session) = removed
            && let Some(listener) = session.listener()
            && let Some(accepted) = self.accepted.get_mut(&listener)
        {
            accepted.remove(&key);
            if accepted.is_empty() {
                self.accepted.remove(&listener);
            }
        }
        self.timers.remove(key);
        self.resolver.forget(key);
        self.live.remove(key);
        let pause = self.closings.add();
        self.trim_after(pause);
    }

    fn trim_after(&mut self, pause: Option<Duration>) {
        if let Some(pause) = pause {
            let timer = Timer {
                // Of no connection.
                key: MAIL_TOKEN,
                purpose: Purpose::Trim,
                generation: 0,
            };
            self.timers.set(Instant::now() + pause, timer);
        }
    }
}

impl Drop for IoThread {
    /// Closes everything, also what nobody has looked at yet. So too when the thread panics: nobody must
    /// wait for connections that are no longer looked after, and the sockets hear of it.
    fn drop(&mut self) {
        self.threads[self.index].load.add(ENDED);
        let mut connections: Vec<_> = self.sessions.drain().map(|(_, s)| s.connection).collect();
        let mut listeners: Vec<_> = self.listeners.drain().map(|(_, entry)| entry).collect();
        let letters = std::mem::take(&mut self.letters);
        for command in letters.into_iter().chain(self.mailbox.close()) {
            match command {
                Command::Lead(seat) => seat.close(),
                // Of another thread, maybe, whose peers would never come again if they were refused.
                Command::Ask(question) => question.put_off(THREAD_ENDED),
                Command::Connect(connection, _) => connections.push(connection),
                Command::Serve(handover) => connections.push(handover.connection),
                Command::Listen(entry) => listeners.push(entry),
                Command::Uncork(corked) => {
                    self.corked.insert(corked.key, corked);
                }
                Command::Alarm { key, notifier, .. } => {
                    self.alarms.insert(key, notifier);
                }
                _ => {}
            }
        }
        let mut handles = Vec::new();
        for entry in listeners {
            let (endpoint, handle) = (entry.endpoint, entry.handle);
            let descriptor = sys::raw(&entry.listener);
            drop(entry.listener);
            handle.emit_change(Change::ListensNoMore(entry.key), || Event::ListenerClosed {
                endpoint,
                descriptor,
            });
            handles.push(handle);
        }
        for connection in connections {
            connection.drive(Events::DESTROY);
            self.live.remove(connection.id);
            handles.push(connection.handle.clone());
        }
        if let Some(seat) = &self.seat {
            seat.close();
        }
        // What threads have left in pipes of other reactors too.
        self.corked.values().for_each(|corked| corked.end());
        // There is no clock any more, which whoever looks finds out.
        for notifier in self.alarms.values() {
            notifier.notify(Readiness::MAIL);
        }
        if std::thread::panicking() {
            // Whoever hears of it finds everything closed.
            for handle in handles {
                // A socket that is closed does not want to know.
                let _ = handle.post(Letter::IoThreadLost);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use rustix::time::{ClockId, clock_gettime};
    use zmtp::SocketType;

    use super::*;
    use crate::{
        admission::Admission,
        connection::Connection,
        engine::Engine,
        event::SocketHandle,
        ids::next_id,
        io::resolver::Question,
        net::PeerAddress,
        options::Options,
        parts::{Parts, Slots},
    };

    /// A thread that does not run, with connections that one listener accepted.
    fn serving(connections: usize) -> IoThread {
        let (mut thread, remote) =
            IoThread::new(Arc::default(), Resolver::new(Question::look_up)).unwrap();
        let (letters, _) = zpipe::mailbox(ReadySet::new().notifier(0));
        let handle = SocketHandle::new(letters, ReadySet::new().notifier(0));
        let options = Arc::new(Options::new(SocketType::Pull));
        let listener = next_id();
        let admission = Admission::new(&options);
        for _ in 0..connections {
            let id = next_id();
            let parts = Parts {
                id,
                handle: handle.clone(),
                options: Arc::clone(&options),
                endpoint: "tcp://127.0.0.1:1".parse().unwrap(),
                outgoing: false,
                io: remote.io.sibling(id),
                registry: remote.registry.clone(),
                slots: Slots::default(),
            };
            let commands = remote.commands.clone();
            let connection = Connection::new(parts, commands, |c| Engine::new(&c.options, None));
            let admitted = admission.admit(&PeerAddress::Unknown).unwrap();
            let session = Session::accepted(connection, listener, admitted, remote.take_place());
            thread.sessions.insert(id, session);
            thread.accepted.entry(listener).or_default().insert(id);
        }
        thread
    }

    /// In processor time of this thread, which others that are busy do not change.
    fn time_to_close_another(connections: usize) -> Duration {
        let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
        let mut thread = serving(connections);
        let rounds = (0..5).map(|_| {
            let begin = now();
            for _ in 0..100 {
                thread.unlisten(next_id(), true, mpsc::channel().0);
            }
            now() - begin
        });
        rounds.min().unwrap()
    }

    #[test]
    fn closing_a_listener_does_not_look_at_the_connections_of_others() {
        let few = time_to_close_another(500);
        let many = time_to_close_another(5000);
        assert!(many < few * 4, "{few:?} beside 500, {many:?} beside 5000");
    }

    #[test]
    fn tables_are_small_again_when_a_burst_of_connections_is_over() {
        let mut thread = serving(5000);
        let all: Vec<u64> = thread.sessions.keys().copied().collect();
        for session in thread.sessions.values() {
            thread.live.add(&session.connection);
        }
        for key in &all[1..] {
            thread.remove(*key);
        }
        assert_eq!(thread.sessions.len(), 1);
        assert!(
            thread.sessions.capacity() < 600,
            "{}",
            thread.sessions.capacity()
        );
        assert!(thread.live.capacity() < 600, "{}", thread.live.capacity());
    }

    #[test]
    fn closing_a_listener_ends_what_it_accepted() {
        let mut thread = serving(3);
        let listener = *thread.accepted.keys().next().unwrap();
        let one = *thread.sessions.keys().next().unwrap();
        thread.remove(one);
        assert!(!thread.accepted[&listener].contains(&one));
        thread.unlisten(listener, true, mpsc::channel().0);
        assert!(thread.sessions.is_empty() && thread.accepted.is_empty());
    }
}
