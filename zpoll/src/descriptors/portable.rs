//! [`zpipe::poller`], level-triggered, for every system that `polling` knows.

use std::{collections::HashMap, io, time::Instant};

use zpipe::{
    ReadySet,
    poller::{Directions, Mode, Poller, Reported, Watched},
};
use zsocket::Interest;

use super::AnyDescriptor;
use crate::events::Event;

pub(crate) struct Descriptors<'a> {
    poller: Poller,
    /// By key. What is borrowed is open as long as it is here.
    all: HashMap<usize, (Watched<AnyDescriptor<'a>>, Interest)>,
    /// Of the sockets' list, so that the poller can be waited for itself.
    #[cfg(unix)]
    _sockets: Watched<std::os::fd::OwnedFd>,
}

impl<'a> Descriptors<'a> {
    /// A wait ends when a socket has signalled `sockets`.
    pub(crate) fn new(sockets: &ReadySet) -> io::Result<Self> {
        let _ = sockets; // Not everywhere.
        let poller = Poller::new()?;
        Ok(Self {
            #[cfg(unix)]
            _sockets: {
                let sockets = Watched::new(sockets.fd()?.try_clone_to_owned()?);
                poller.add(
                    &sockets,
                    super::SOCKETS,
                    directions(Interest::RECV),
                    Mode::Level,
                )?;
                sockets
            },
            poller,
            all: HashMap::new(),
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(crate) fn contains(&self, key: usize) -> bool {
        self.all.contains_key(&key)
    }

    pub(crate) fn add(
        &mut self,
        fd: AnyDescriptor<'a>,
        key: usize,
        interest: Interest,
    ) -> io::Result<()> {
        let fd = Watched::new(fd);
        self.poller
            .add(&fd, key as u64, directions(interest), Mode::Level)?;
        self.all.insert(key, (fd, interest));
        Ok(())
    }

    /// `None` if there is none with this key.
    pub(crate) fn modify(&mut self, key: usize, interest: Interest) -> Option<io::Result<()>> {
        let (fd, known) = self.all.get_mut(&key)?;
        *known = interest;
        Some(self.poller.modify(fd, key as u64, directions(interest)))
    }

    pub(crate) fn remove(&mut self, key: usize) -> bool {
        self.all.remove(&key).is_some()
    }

    /// Waits until a descriptor is ready or a socket has signalled, at most until the deadline.
    pub(crate) fn wait(
        &self,
        sockets: &mut ReadySet,
        deadline: Option<Instant>,
        mut report: impl FnMut(Event),
    ) -> io::Result<()> {
        let report = |found: Reported| {
            let Ok(key) = usize::try_from(found.key) else {
                return;
            };
            let Some((_, interest)) = self.all.get(&key) else {
                return; // The sockets.
            };
            let mut ready = Interest::NONE;
            if found.ready.input && interest.can_recv() {
                ready = ready | Interest::RECV;
            }
            if found.ready.output && interest.can_send() {
                ready = ready | Interest::SEND;
            }
            report(Event {
                key,
                ready,
                failed: found.failed,
            });
        };
        // One more for the sockets, and some for what ends a wait.
        let room = self.all.len() + 4;
        if cfg!(unix) {
            self.poller.wait(room, deadline, report)?;
        } else if sockets.register_direct(&self.poller.waker()) {
            self.poller.wait(room, Some(Instant::now()), report)?;
        } else {
            let waited = self.poller.wait(room, deadline, report);
            sockets.unregister_direct();
            waited?;
        }
        Ok(())
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for Descriptors<'_> {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.poller.as_fd()
    }
}

fn directions(interest: Interest) -> Directions {
    Directions {
        input: interest.can_recv(),
        output: interest.can_send(),
    }
}
