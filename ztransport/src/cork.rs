//! What a thread has left in outbound pipes, to write it together with what it sends next.
//!
//! A thread that answers what it receives often has another message to read, whose answer goes to the same
//! peer. Written at once, each answer costs a system call; left to the I/O thread, it costs a wake-up beside. So
//! the pipe is *corked*: nobody is told of the message. The thread writes all pipes that it has corked when it
//! finds nothing more to receive, and before it waits for anything.
//!
//! ```text
//!   recv, send, recv, send, recv: nothing ──▶ uncork ──▶ one write
//!            │           │                      ▲
//!            └── cork ───┴─▶ a thread's own list ┴── an I/O thread, for what lies there too long
//! ```
//!
//! What the thread does meanwhile is no reason for a message to stay: while a thread corks, an I/O thread looks
//! at its list every [`TICK`], and writes what it has seen there before. This ends when the thread has not
//! corked for some ticks, so that an idle process sleeps.
//!
//! A thread corks a few pipes only. With many, each has a message or two when its turn to be written comes, so
//! nothing is saved, and the thread would do all the writing that it can leave to another core.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
    time::Duration,
};

use zpipe::{Guarded, Process, deferred::Scope};

use crate::{connection::Connection, ids::next_id, io::Command};

/// How often an I/O thread looks.
pub(crate) const TICK: Duration = Duration::from_micros(200);
/// Ticks in a row, without anything corked meanwhile, after which an I/O thread looks no more.
const QUIET_TICKS: u32 = 4;
/// Pipes that a thread corks at most.
const MOST: usize = 16;
/// How often a thread that has found no place in its list leaves an idle pipe to the I/O thread, before it tries again.
const REFUSED: u32 = 1024;
/// Likewise for a thread that has let something lie until an I/O thread wrote it: what it does for each message takes so
/// long that its answers are late with others.
const LATE: u32 = 64;

thread_local! {
    static MINE: Mine = Mine::default();
}

/// What a thread knows itself of what it has corked.
#[derive(Default)]
struct Mine {
    corked: RefCell<Option<Arc<Corked>>>,
    /// There may be something in the list.
    some: Cell<bool>,
    /// How often the list was written.
    written: Cell<u64>,
    /// So many messages are left to the I/O thread.
    refused: Cell<u32>,
    /// Empty, kept for its memory.
    spare: RefCell<Vec<Arc<Connection>>>,
}

/// Leaves what this connection's outbound pipe holds until this thread calls [`uncork`], or for some ticks. The number
/// is for [`is_corked`]; `None` if that cannot be, and somebody has to be told.
pub(crate) fn cork(connection: &Arc<Connection>) -> Option<u64> {
    // A thread that is ending has no list any more.
    MINE.try_with(|mine| mine.cork(connection)).ok().flatten()
}

/// Whether what this thread has corked under this number has not been written by [`uncork`].
#[inline]
#[must_use]
pub fn is_corked(number: u64) -> bool {
    MINE.try_with(|mine| mine.some.get() && mine.written.get() == number)
        .unwrap_or(false)
}

/// Whether there may be something for [`uncork`].
#[inline]
#[must_use]
pub fn has_corked() -> bool {
    MINE.try_with(|mine| mine.some.get()).unwrap_or(false)
}

/// Writes what this thread has left in outbound pipes with [`Driver::cork`](crate::Driver::cork), as far as the peers take
/// it. To be called before this thread waits, and when it has found nothing to do.
#[inline]
pub fn uncork() {
    // What a thread that is ending has left is written by an I/O thread.
    let _ = MINE.try_with(|mine| {
        if mine.some.get() {
            mine.write();
        }
    });
}

impl Mine {
    fn cork(&self, connection: &Arc<Connection>) -> Option<u64> {
        if let Some(fewer) = self.refused.get().checked_sub(1) {
            self.refused.set(fewer);
            return None;
        }
        match self.corked().push(connection) {
            Place::Found => {}
            Place::None => {
                self.refused.set(REFUSED);
                return None;
            }
            Place::Late => {
                self.refused.set(LATE);
                return None;
            }
        }
        self.some.set(true);
        Some(self.written.get())
    }

    fn corked(&self) -> Arc<Corked> {
        let mut corked = self.corked.borrow_mut();
        if corked.as_ref().is_some_and(|c| c.process.is_forked()) {
            // The parent's, who may have had the lock. It is never dropped here.
            std::mem::forget(corked.take());
        }
        Arc::clone(corked.get_or_insert_with(Corked::new))
    }

    #[inline(never)]
    fn write(&self) {
        self.some.set(false);
        self.written.set(self.written.get() + 1);
        let mut all = self.spare.take();
        self.corked().take(&mut all);
        // Foreign code that this comes upon runs when all are written.
        let scope = Scope::open();
        all.iter().for_each(|connection| connection.drive_write());
        let panics = scope.close();
        if let Some(last) = all.last().filter(|_| panics > 0) {
            last.handle.counters().foreign_panics.add(panics);
        }
        all.clear();
        self.spare.replace(all);
    }
}

/// What a thread has corked, as it and an I/O thread see it.
pub(crate) struct Corked {
    /// The key of its timer.
    pub(crate) key: u64,
    /// A forked child has no I/O thread that looks.
    process: Process,
    list: Guarded<List<Arc<Connection>>>,
}

impl Corked {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            key: next_id(),
            process: Process::current(),
            list: Guarded::default(),
        })
    }

    /// There is no place if there is nobody to look at it, too. A lock for each pipe that was empty, and not for each
    /// message; the I/O thread has it for moments.
    fn push(self: &Arc<Self>, connection: &Arc<Connection>) -> Place {
        let is_watched = {
            let mut list = self.list.lock();
            let place = list.push(Arc::clone(connection));
            if place != Place::Found {
                return place;
            }
            std::mem::replace(&mut list.watched, true)
        };
        if is_watched {
            return Place::Found;
        }
        let begin = Command::Uncork(Arc::clone(self));
        let watched = connection.commands.post(begin).is_ok();
        if !watched {
            let mut list = self.list.lock();
            list.watched = false;
            list.all.pop();
            return Place::None;
        }
        Place::Found
    }

    fn take(&self, into: &mut Vec<Arc<Connection>>) {
        let mut list = self.list.lock();
        std::mem::swap(&mut list.all, into);
        list.seen = 0;
    }

    /// On the I/O thread, at each tick: writes what was there at the last one. `false` if it needs not look again until it is
    /// told to.
    pub(crate) fn look(&self) -> bool {
        let (due, goes_on) = self.list.lock().look();
        due.iter().for_each(|connection| connection.drive_write());
        goes_on
    }

    /// The I/O thread ends, and looks no more. Another one does when something is corked again.
    pub(crate) fn end(&self) {
        let mut all = Vec::new();
        self.list.lock().watched = false;
        self.take(&mut all);
        all.iter().for_each(|connection| connection.drive_write());
    }
}

/// Whether there is a place in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Found,
    None,
    /// What lay there before was late.
    Late,
}

/// In the order in which they were corked, some maybe more than once.
struct List<T> {
    all: Vec<T>,
    /// How many of them were there at the last tick.
    seen: usize,
    /// Something came since.
    news: bool,
    /// Something was due at the last look.
    late: bool,
    quiet: u32,
    /// An I/O thread looks.
    watched: bool,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            seen: 0,
            news: false,
            late: false,
            quiet: 0,
            watched: false,
        }
    }
}

impl<T> List<T> {
    fn push(&mut self, item: T) -> Place {
        if std::mem::take(&mut self.late) {
            return Place::Late;
        }
        if self.all.len() == MOST {
            return Place::None;
        }
        self.all.push(item);
        self.news = true;
        Place::Found
    }

    fn look(&mut self) -> (Vec<T>, bool) {
        let due: Vec<T> = self.all.drain(..self.seen).collect();
        self.late |= !due.is_empty();
        self.seen = self.all.len();
        self.quiet = if std::mem::take(&mut self.news) {
            0
        } else {
            self.quiet + 1
        };
        self.watched = self.quiet < QUIET_TICKS || self.seen > 0;
        (due, self.watched)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_lies_there_for_a_tick_is_due_and_a_quiet_list_is_left_alone() {
        let mut list = List::default();
        assert_eq!(list.push(1), Place::Found);
        assert_eq!(list.look(), (vec![], true), "came just now");
        assert_eq!(list.push(2), Place::Found);
        assert_eq!(list.look(), (vec![1], true));
        assert_eq!(list.look(), (vec![2], true));
        for _ in 2..QUIET_TICKS {
            assert_eq!(list.look(), (vec![], true));
        }
        assert_eq!(list.look(), (vec![], false));
        assert!(!list.watched);
    }

    #[test]
    fn there_is_an_end_to_what_is_corked() {
        let mut list = List::default();
        assert!((0..MOST).all(|item| list.push(item) == Place::Found));
        assert_eq!(list.push(MOST), Place::None);
        assert_eq!(list.all.len(), MOST);
    }

    #[test]
    fn who_lets_something_lie_is_told_once() {
        let mut list = List::default();
        assert_eq!(list.push(1), Place::Found);
        list.look();
        assert_eq!(list.look(), (vec![1], true));
        assert_eq!(list.push(2), Place::Late);
        assert_eq!(list.push(2), Place::Found);
    }
}
