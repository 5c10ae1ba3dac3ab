//! Letters from many threads to one consumer: attach this pipe, close that connection.
//!
//! Mailboxes carry control traffic, a few letters in a connection's life, so a mutex around a queue
//! serves; data travels in pipes. What matters is that posting wakes the consumer through the same
//! [`ReadySet`](crate::ReadySet) that its pipes use, so it has one thing to wait for.

use std::collections::{BTreeMap, VecDeque, btree_map::Entry};

use crate::{
    guarded::Guarded,
    ready::{Notifier, Readiness},
    sync::{Arc, or_mutant},
};

/// The sending end of a mailbox. Clone it freely.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

/// The receiving end of a mailbox. Dropping it closes the mailbox and drops what is in it.
pub struct Mailbox<T> {
    shared: Arc<Shared<T>>,
}

/// Names a letter for [`Sender::retract_if`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(u64);

struct Shared<T> {
    /// `None` once the receiver is gone.
    letters: Guarded<Option<Letters<T>>>,
    notifier: Notifier,
}

struct Letters<T> {
    /// By their tickets' numbers, so the oldest comes first.
    waiting: BTreeMap<u64, T>,
    /// The number of the next ticket. No number comes twice.
    next: u64,
}

/// Makes a mailbox whose letters are announced through `notifier` with
/// [`Readiness::MAIL`].
///
/// # Examples
///
/// ```
/// let mut set = zpipe::ReadySet::new();
/// let (sender, mut mailbox) = zpipe::mailbox(set.notifier(0));
/// sender.post("hello").unwrap();
/// assert!(set.wait(None));
/// assert_eq!(mailbox.take(), ["hello"]);
/// ```
#[must_use]
pub fn mailbox<T>(notifier: Notifier) -> (Sender<T>, Mailbox<T>) {
    let shared = Arc::new(Shared {
        letters: Guarded::new(Some(Letters {
            waiting: BTreeMap::new(),
            next: 0,
        })),
        notifier,
    });
    (
        Sender {
            shared: Arc::clone(&shared),
        },
        Mailbox { shared },
    )
}

impl<T> Sender<T> {
    /// Puts a letter in and wakes the consumer. The ticket is for taking it back.
    ///
    /// # Errors
    ///
    /// Gives the letter back when the receiver is gone.
    pub fn post(&self, letter: T) -> Result<Ticket, T> {
        let number = {
            let mut letters = self.shared.letters.lock();
            let Some(letters) = &mut *letters else {
                return Err(letter);
            };
            let number = letters.next;
            letters.next += 1;
            letters.waiting.insert(number, letter);
            number
        };
        or_mutant!(self.shared.notifier.notify(Readiness::MAIL), ());
        Ok(Ticket(number))
    }
}

impl<T> Sender<T> {
    /// Takes back a letter if it has not been taken out yet and `is_unwanted` says so, which is asked at
    /// most once, while nobody else can look into the mailbox. No other letter is looked at, however
    /// many there are.
    ///
    /// # Examples
    ///
    /// ```
    /// let set = zpipe::ReadySet::new();
    /// let (sender, mut mailbox) = zpipe::mailbox(set.notifier(0));
    /// let ticket = sender.post("never mind").unwrap();
    /// sender.post("hello").unwrap();
    /// assert_eq!(sender.retract_if(ticket, |_| true), Some("never mind"));
    /// assert_eq!(mailbox.take(), ["hello"]);
    /// ```
    pub fn retract_if(
        &self,
        ticket: Ticket,
        is_unwanted: impl FnOnce(&mut T) -> bool,
    ) -> Option<T> {
        let mut letters = self.shared.letters.lock();
        let Entry::Occupied(mut letter) = letters.as_mut()?.waiting.entry(ticket.0) else {
            return None;
        };
        is_unwanted(letter.get_mut()).then(|| letter.remove())
    }
}

impl<T> Sender<T> {
    /// Whether a letter has neither been taken out nor taken back.
    ///
    /// # Examples
    ///
    /// ```
    /// let set = zpipe::ReadySet::new();
    /// let (sender, mut mailbox) = zpipe::mailbox(set.notifier(0));
    /// let ticket = sender.post("hello").unwrap();
    /// assert!(sender.is_waiting(ticket));
    /// mailbox.take();
    /// assert!(!sender.is_waiting(ticket));
    /// ```
    #[must_use]
    pub fn is_waiting(&self, ticket: Ticket) -> bool {
        let letters = self.shared.letters.lock();
        (letters.as_ref()).is_some_and(|letters| letters.waiting.contains_key(&ticket.0))
    }
}

impl<T> Mailbox<T> {
    /// Takes all letters, oldest first. Empty when there are none.
    pub fn take(&mut self) -> VecDeque<T> {
        let waiting = match &mut *self.shared.letters.lock() {
            Some(letters) => std::mem::take(&mut letters.waiting),
            None => return VecDeque::new(),
        };
        waiting.into_values().collect()
    }
}

impl<T> Mailbox<T> {
    /// Takes all letters and closes the mailbox: what is posted from now on comes back to its sender.
    pub fn close(&mut self) -> VecDeque<T> {
        let letters = self.shared.letters.lock().take();
        let letters = letters.map(|letters| letters.waiting.into_values().collect());
        letters.unwrap_or_default()
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T> Drop for Mailbox<T> {
    fn drop(&mut self) {
        // Letters are dropped outside the lock: their own drop may post to this very mailbox.
        let letters = self.shared.letters.lock().take();
        drop(letters);
    }
}

impl<T> std::fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl<T> std::fmt::Debug for Mailbox<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailbox").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{
        ReadySet,
        sync::{AtomicU32, Ordering},
    };

    #[test]
    fn letters_keep_their_order_and_come_back_when_nobody_listens() {
        let set = ReadySet::new();
        let (sender, mut mailbox) = mailbox(set.notifier(3));
        let other = sender.clone();
        sender.post(1).unwrap();
        other.post(2).unwrap();
        let ticket = sender.post(9).unwrap();
        other.post(3).unwrap();
        assert_eq!(sender.retract_if(ticket, |_| false), None);
        assert_eq!(other.retract_if(ticket, |letter| *letter == 9), Some(9));
        assert_eq!(sender.retract_if(ticket, |_| true), None);
        assert_eq!(mailbox.take(), [1, 2, 3]);
        assert!(mailbox.take().is_empty());
        // What was taken out is not taken for another one.
        let ticket = sender.post(4).unwrap();
        assert_eq!(mailbox.take(), [4]);
        sender.post(5).unwrap();
        assert_eq!(sender.retract_if(ticket, |_| true), None);
        assert_eq!(mailbox.close(), [5]);
        assert_eq!(sender.post(4), Err(4));
        assert!(mailbox.take().is_empty());
        drop(mailbox);
        assert_eq!(sender.post(5), Err(5));
    }

    #[test]
    fn taking_a_letter_back_looks_at_no_other() {
        const LAST: usize = if cfg!(miri) { 50 } else { 1000 };
        let set = ReadySet::new();
        let (sender, mut mailbox) = mailbox(set.notifier(3));
        let tickets: Vec<_> = (0..=LAST).map(|n| sender.post(n).unwrap()).collect();
        let mut looked_at = 0;
        for ticket in &tickets[1..LAST] {
            let letter = sender.retract_if(*ticket, |_| {
                looked_at += 1;
                true
            });
            assert!(letter.is_some());
        }
        assert_eq!(looked_at, LAST - 1);
        assert_eq!(mailbox.take(), [0, LAST]);
    }

    /// A letter that asks its own mailbox when it is dropped.
    #[derive(Debug)]
    struct Asking(Sender<Self>, Arc<AtomicU32>);

    impl Drop for Asking {
        fn drop(&mut self) {
            assert!(!self.0.is_waiting(Ticket(0)));
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn letters_are_dropped_outside_the_lock() {
        let set = ReadySet::new();
        let (sender, mut mailbox) = mailbox(set.notifier(3));
        let dropped = Arc::new(AtomicU32::new(0));
        let post = || sender.post(Asking(sender.clone(), Arc::clone(&dropped)));
        let (first, _) = (post().unwrap(), post().unwrap());
        drop(sender.retract_if(first, |_| true));
        assert_eq!(dropped.load(Ordering::Relaxed), 1);
        drop(mailbox.take());
        assert_eq!(dropped.load(Ordering::Relaxed), 2);
        let _ = post();
        drop(mailbox);
        assert_eq!(dropped.load(Ordering::Relaxed), 3);
        drop(post());
        assert_eq!(dropped.load(Ordering::Relaxed), 4);
    }
}
