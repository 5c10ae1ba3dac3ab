//! A bounded channel of messages between two threads or tasks, for those who want no more than that.
//!
//! It is a [`pipe`] whose two ends bring their own [`ReadySet`] along, so they can wait:
//! blocking, with a timeout, or as futures on any executor. Bodies are copied into the channel's memory
//! when they are small and handed over when they are large; a receiver that reuses its
//! [`Message`](zmtp::Message) allocates nothing.
//!
//! A sender that waits for room goes on at the first free place. For a channel that is limited in
//! bytes, that is when fewer than these bytes are in it.
//!
//! # Examples
//!
//! ```
//! use zpipe::{Limits, channel};
//!
//! let (mut sender, receiver) = channel(Limits { messages: 10, bytes: 0 });
//! let thread = std::thread::spawn(move || {
//!     for number in 0..100 {
//!         sender.send(format!("message {number}")).unwrap();
//!     }
//! });
//! let mut count = 0;
//! for message in receiver {
//!     assert_eq!(message[0], *format!("message {count}"));
//!     count += 1;
//! }
//! assert_eq!(count, 100);
//! thread.join().unwrap();
//! ```

mod error;
mod receiver;
mod sender;
mod wait;

pub use self::{
    error::{RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError},
    receiver::{IntoIter, Iter, Receiver, TryIter},
    sender::Sender,
};

use crate::{Limits, ReadySet, pipe};

/// Makes a channel that holds no more than `limits` allow, and returns its two ends.
///
/// # Examples
///
/// ```
/// use zpipe::{Limits, channel, channel::{TryRecvError, TrySendError}};
///
/// let (mut sender, mut receiver) = channel(Limits { messages: 1, bytes: 0 });
/// sender.try_send("first").unwrap();
/// let Err(TrySendError::Full(message)) = sender.try_send("second") else {
///     panic!("it holds one message");
/// };
/// assert_eq!(message[0], "second");
/// assert_eq!(receiver.try_recv().unwrap()[0], "first");
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
/// ```
#[must_use]
pub fn channel(limits: Limits) -> (Sender, Receiver) {
    let (room, ready) = (ReadySet::new(), ReadySet::new());
    let (writer, reader) = pipe(limits, Some(room.notifier(0)), Some(ready.notifier(0)));
    (Sender::new(writer, room), Receiver::new(reader, ready))
}

fn capacity(limits: Limits) -> Option<usize> {
    (limits.messages > 0).then(|| usize::try_from(limits.messages).unwrap_or(usize::MAX))
}
