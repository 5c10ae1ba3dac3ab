//! An epoll.

use std::{
    cell::RefCell,
    collections::HashMap,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::Instant,
};

use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
};
use zpipe::ReadySet;
use zsocket::Interest;

use super::{AnyDescriptor, SOCKETS};
use crate::events::Event;

pub(crate) struct Descriptors<'a> {
    epoll: OwnedFd,
    /// Room for an event of each, used again.
    room: RefCell<Vec<epoll::Event>>,
    /// By key. What is borrowed is open as long as it is here.
    all: HashMap<usize, AnyDescriptor<'a>>,
}

impl<'a> Descriptors<'a> {
    /// A wait ends when a socket has signalled `sockets`.
    pub(crate) fn new(sockets: &ReadySet) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let data = epoll::EventData::new_u64(SOCKETS);
        epoll::add(&epoll, sockets.fd()?, data, epoll::EventFlags::IN)?;
        Ok(Self {
            epoll,
            room: RefCell::default(),
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
        let data = epoll::EventData::new_u64(key as u64);
        epoll::add(&self.epoll, fd.as_fd(), data, flags(interest))?;
        self.all.insert(key, fd);
        Ok(())
    }

    /// `None` if there is none with this key.
    pub(crate) fn modify(&mut self, key: usize, interest: Interest) -> Option<io::Result<()>> {
        let fd = self.all.get(&key)?;
        let data = epoll::EventData::new_u64(key as u64);
        let modified = epoll::modify(&self.epoll, fd.as_fd(), data, flags(interest));
        Some(modified.map_err(Into::into))
    }

    pub(crate) fn remove(&mut self, key: usize) -> bool {
        let Some(fd) = self.all.remove(&key) else {
            return false;
        };
        // Fails only if there is nothing to take out.
        let _ = epoll::delete(&self.epoll, fd.as_fd());
        true
    }

    /// Waits until a descriptor is ready or a socket has signalled, at most until the deadline. Fails with `Interrupted` when
    /// a signal handler has run.
    pub(crate) fn wait(
        &self,
        _: &mut ReadySet,
        deadline: Option<Instant>,
        mut report: impl FnMut(Event),
    ) -> io::Result<()> {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        // A time that the system cannot count is for ever.
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        let mut room = self.room.borrow_mut();
        room.clear();
        // One more for the sockets.
        room.reserve(self.all.len() + 1);
        match epoll::wait(&self.epoll, spare_capacity(&mut room), left.as_ref()) {
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        use epoll::EventFlags as Flags;
        for event in room.iter() {
            let (key, found) = (event.data.u64(), event.flags);
            if key == SOCKETS {
                continue;
            }
            let mut ready = Interest::NONE;
            if found.intersects(Flags::IN | Flags::PRI) {
                ready = ready | Interest::RECV;
            }
            if found.contains(Flags::OUT) {
                ready = ready | Interest::SEND;
            }
            report(Event {
                key: usize::try_from(key).unwrap_or(usize::MAX),
                ready,
                failed: found.intersects(Flags::ERR | Flags::HUP),
            });
        }
        Ok(())
    }
}

impl AsFd for Descriptors<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

fn flags(interest: Interest) -> epoll::EventFlags {
    let mut flags = epoll::EventFlags::empty();
    if interest.can_recv() {
        flags |= epoll::EventFlags::IN;
    }
    if interest.can_send() {
        flags |= epoll::EventFlags::OUT;
    }
    flags
}
