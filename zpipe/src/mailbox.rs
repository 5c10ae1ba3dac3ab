//! Letters from many threads to one consumer: attach this pipe, close that connection.
//!
//! Mailboxes carry control traffic, a few letters in a connection's life, so a mutex around a queue
//! serves; data travels in pipes. What matters is that posting wakes the consumer through the same
//! [`ReadySet`](crate::ReadySet) that its pipes use, so it has one thing to wait for.

use std::collections::VecDeque;

use crate::{
    ready::{Notifier, Readiness},
    sync::{Arc, Mutex},
};

/// The sending end of a mailbox. Clone it freely.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

/// The receiving end of a mailbox. Dropping it closes the mailbox and drops what is in it.
pub struct Mailbox<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    /// `None` once the receiver is gone.
    letters: Mutex<Option<VecDeque<T>>>,
    notifier: Notifier,
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
        letters: Mutex::new(Some(VecDeque::new())),
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
    /// Puts a letter in and wakes the consumer.
    ///
    /// # Errors
    ///
    /// Gives the letter back when the receiver is gone.
    pub fn post(&self, letter: T) -> Result<(), T> {
        {
            let mut letters = self.shared.lock();
            match &mut *letters {
                Some(queue) => queue.push_back(letter),
                None => return Err(letter),
            }
        }
        self.shared.notifier.notify(Readiness::MAIL);
        Ok(())
    }
}

impl<T> Sender<T> {
    /// Takes back a letter that has not been taken out yet: the last one that `is_it` accepts. It takes
    /// time in proportion to the letters that are there.
    pub fn retract(&self, mut is_it: impl FnMut(&mut T) -> bool) -> Option<T> {
        let mut letters = self.shared.lock();
        let queue = letters.as_mut()?;
        let at = queue.iter_mut().rposition(&mut is_it)?;
        queue.remove(at)
    }
}

impl<T> Mailbox<T> {
    /// Takes all letters, oldest first. Empty when there are none.
    pub fn take(&mut self) -> VecDeque<T> {
        self.shared
            .lock()
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }
}

impl<T> Mailbox<T> {
    /// Takes all letters and closes the mailbox: what is posted from now on comes back to its sender.
    pub fn close(&mut self) -> VecDeque<T> {
        let letters = self.shared.lock().take();
        letters.unwrap_or_default()
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> impl std::ops::DerefMut<Target = Option<VecDeque<T>>> + '_ {
        self.letters
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
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
        let letters = self.shared.lock().take();
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
    use crate::ReadySet;

    #[test]
    fn letters_keep_their_order_and_come_back_when_nobody_listens() {
        let set = ReadySet::new();
        let (sender, mut mailbox) = mailbox(set.notifier(3));
        let other = sender.clone();
        sender.post(1).unwrap();
        other.post(2).unwrap();
        sender.post(9).unwrap();
        assert_eq!(sender.retract(|letter| *letter == 9), Some(9));
        assert_eq!(sender.retract(|letter| *letter == 9), None);
        assert_eq!(mailbox.take(), [1, 2]);
        assert!(mailbox.take().is_empty());
        sender.post(3).unwrap();
        assert_eq!(mailbox.close(), [3]);
        assert_eq!(sender.post(4), Err(4));
        assert!(mailbox.take().is_empty());
        drop(mailbox);
        assert_eq!(sender.post(5), Err(5));
    }
}
