//! Looking names up, on a few threads of its own: a name server may take a long time to answer, and no
//! I/O thread waits for it.
//!
//! Names are looked up in the order in which they were asked for, a few at a time. So a name server
//! that is silent delays the names behind, but costs no more threads the more names there are. A name
//! that several connections ask for is looked up once for all of them.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use zpipe::{Guard, Guarded};

use crate::{endpoint::TcpEndpoint, net};

/// Look-ups that are under way at a time.
const MAX_WORKERS: usize = 4;
/// How long a thread waits for another name before it ends.
const IDLE_TIME: Duration = Duration::from_secs(5);

/// What a look-up found.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    /// In the order in which to try them.
    pub(crate) addresses: Vec<SocketAddr>,
    /// The address to connect from.
    pub(crate) source: Option<SocketAddr>,
}

/// What is looked up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Question {
    pub(crate) endpoint: TcpEndpoint,
    pub(crate) ipv6: bool,
}

impl Question {
    /// Looks it up on this thread. Blocks if [`TcpEndpoint::needs_dns`].
    pub(crate) fn look_up(&self) -> io::Result<Resolved> {
        let addresses = net::resolve(&self.endpoint, self.ipv6)?;
        let source = net::resolve_source(&self.endpoint, self.ipv6)?;
        Ok(Resolved { addresses, source })
    }
}

type LookUp = dyn Fn(&Question) -> io::Result<Resolved> + Send + Sync;
/// Brings an answer to whoever asked.
type Answer = Box<dyn FnOnce(io::Result<Resolved>) + Send>;

/// A pool of threads that look names up. They end when the last clone is gone.
#[derive(Clone)]
pub(crate) struct Resolver {
    handle: Arc<Handle>,
}

struct Handle {
    shared: Arc<Shared>,
}

struct Shared {
    look_up: Box<LookUp>,
    state: Guarded<State>,
}

#[derive(Default)]
struct State {
    /// What is to be looked up, by the order of asking. At most one for each connection that waits.
    queue: BTreeMap<u64, Question>,
    next: u64,
    entries: BTreeMap<Question, Entry>,
    /// What each connection waits for.
    asked: BTreeMap<u64, Question>,
    workers: usize,
    idle: usize,
    closed: bool,
}

/// A question that is queued or being looked up.
struct Entry {
    /// Its place in the queue; nothing while it is being looked up.
    queued: Option<u64>,
    answers: BTreeMap<u64, Answer>,
}

impl Resolver {
    pub(crate) fn new(
        look_up: impl Fn(&Question) -> io::Result<Resolved> + Send + Sync + 'static,
    ) -> Self {
        let shared = Arc::new(Shared {
            look_up: Box::new(look_up),
            state: Guarded::default(),
        });
        Self {
            handle: Arc::new(Handle { shared }),
        }
    }

    /// Has `answer` called with what is found, on another thread, or on this one if no thread can be
    /// made. A connection asks one thing at a time: what it asked before is forgotten.
    pub(crate) fn ask(
        &self,
        connection: u64,
        question: Question,
        answer: impl FnOnce(io::Result<Resolved>) + Send + 'static,
    ) {
        self.forget(connection);
        let shared = &self.handle.shared;
        let mut guard = shared.state.lock();
        let state = &mut *guard;
        state.asked.insert(connection, question.clone());
        let entry = state.entries.entry(question.clone()).or_insert_with(|| {
            let place = state.next;
            state.next += 1;
            state.queue.insert(place, question);
            Entry {
                queued: Some(place),
                answers: BTreeMap::new(),
            }
        });
        entry.answers.insert(connection, Box::new(answer));
        if state.queue.len() <= state.idle || state.workers == MAX_WORKERS {
            return shared.state.notify_one();
        }
        let worker = Arc::clone(shared);
        let spawned = thread::Builder::new()
            .name("zlayers-dns".to_owned())
            .spawn(move || worker.work());
        match spawned {
            Ok(_) => state.workers += 1,
            // The other threads get to it.
            Err(_) if state.workers > 0 => {}
            Err(error) => {
                let failed = state.fail_queued();
                drop(guard);
                for answer in failed {
                    answer(Err(copy(&error)));
                }
            }
        }
    }

    /// Forgets what a connection asked for.
    pub(crate) fn forget(&self, connection: u64) {
        let mut state = self.handle.shared.state.lock();
        let dropped = state.forget(connection);
        drop(state);
        drop(dropped);
    }
}

impl State {
    fn forget(&mut self, connection: u64) -> Option<Answer> {
        let question = self.asked.remove(&connection)?;
        let entry = self.entries.get_mut(&question)?;
        let answer = entry.answers.remove(&connection);
        // One that is being looked up stays, so that nobody looks it up a second time meanwhile.
        if entry.answers.is_empty()
            && let Some(place) = entry.queued
        {
            self.queue.remove(&place);
            self.entries.remove(&question);
        }
        answer
    }

    /// Takes the answers to a question that has been looked up.
    fn finish(&mut self, question: &Question) -> Vec<Answer> {
        let answers = self.entries.remove(question).map(|entry| entry.answers);
        let answers = answers.unwrap_or_default();
        for connection in answers.keys() {
            self.asked.remove(connection);
        }
        answers.into_values().collect()
    }

    fn fail_queued(&mut self) -> Vec<Answer> {
        let queue = std::mem::take(&mut self.queue);
        let answers = queue.values().flat_map(|question| self.finish(question));
        answers.collect()
    }
}

impl Shared {
    fn work(&self) {
        let mut state = self.state.lock();
        loop {
            if state.closed {
                break;
            }
            if let Some((_, question)) = state.queue.pop_first() {
                if let Some(entry) = state.entries.get_mut(&question) {
                    entry.queued = None;
                }
                drop(state);
                let found = (self.look_up)(&question);
                state = self.state.lock();
                let mut answers = state.finish(&question);
                drop(state);
                let last = answers.pop();
                for answer in answers {
                    answer(match &found {
                        Ok(resolved) => Ok(resolved.clone()),
                        Err(error) => Err(copy(error)),
                    });
                }
                if let Some(answer) = last {
                    answer(found);
                }
                state = self.state.lock();
                continue;
            }
            let in_time;
            (state, in_time) = self.wait(state);
            if !in_time && state.queue.is_empty() {
                break;
            }
        }
        state.workers -= 1;
    }

    fn wait<'s>(&'s self, mut state: Guard<'s, State>) -> (Guard<'s, State>, bool) {
        state.idle += 1;
        let deadline = Instant::now() + IDLE_TIME;
        let (mut state, in_time) = self.state.wait(state, Some(deadline));
        state.idle -= 1;
        (state, in_time)
    }
}

impl Drop for Handle {
    /// A thread that is looking something up ends when it has an answer, which nobody waits for.
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.closed = true;
        let unanswered = (
            std::mem::take(&mut state.queue),
            std::mem::take(&mut state.entries),
        );
        drop(state);
        self.shared.state.notify_all();
        drop(unanswered);
    }
}

fn copy(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}

#[cfg(test)]
mod tests;
