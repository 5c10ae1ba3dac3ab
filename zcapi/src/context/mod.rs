//! Contexts: settings until the first socket, then the context of `zsocket`.

pub(crate) mod calls;
mod ending;
mod settings;

use std::{
    ffi::{c_int, c_void},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use zpipe::{Guarded, Process};
use zsocket::{Dynamic, Socket, SocketType};

use self::{ending::Ending, settings::Settings};
use crate::{errno::Errno, handles::Handles, signals::Blocked};

static CONTEXTS: Handles<Context> = Handles::new();

/// What a program calls a context.
pub(crate) struct Context {
    settings: Guarded<Settings>,
    /// Made with the first socket, which is when threads are started.
    inner: Guarded<Option<zsocket::Context>>,
    /// Shut down: every call on its sockets but `zmq_close` fails.
    terminated: AtomicBool,
    /// A thread waits for its end.
    ending: Guarded<Option<Arc<Ending>>>,
    process: Process,
}

/// Keeps everybody out of the table, for a fork.
pub(crate) fn hold() -> impl std::any::Any {
    CONTEXTS.hold()
}

/// The context of a handle.
pub(crate) fn find(handle: *const c_void) -> Result<Arc<Context>, Errno> {
    CONTEXTS.get(handle).ok_or(Errno::FAULT)
}

impl Context {
    fn new() -> Self {
        Self {
            settings: Guarded::default(),
            inner: Guarded::default(),
            terminated: AtomicBool::new(false),
            ending: Guarded::default(),
            process: Process::current(),
        }
    }

    /// Whether every call on its sockets fails. Nothing else hangs on it, so it needs no order.
    pub(crate) fn is_terminated(&self) -> bool {
        self.terminated.load(Ordering::Relaxed)
    }

    /// Makes a socket. Signals during its calls end them, as C programs expect.
    pub(crate) fn socket(&self, socket_type: SocketType) -> Result<Socket<Dynamic>, Errno> {
        if self.process.is_forked() || self.is_terminated() {
            return Err(Errno::TERM);
        }
        let inner = self.inner()?;
        let settings = self.settings.lock();
        let mut builder = inner.build_dynamic(socket_type);
        // libzmq's own defaults, where they differ.
        if !settings.blocky || matches!(socket_type, SocketType::Sub | SocketType::XSub) {
            builder = builder.linger(Some(std::time::Duration::ZERO));
        }
        builder = builder.ipv6(settings.ipv6).ipc_takeover(true);
        drop(settings);
        let socket = builder.build()?;
        socket.set_interruptible(true);
        Ok(socket)
    }

    fn inner(&self) -> Result<zsocket::Context, Errno> {
        let mut inner = self.inner.lock();
        if let Some(inner) = &*inner {
            return Ok(inner.clone());
        }
        if self.is_terminated() {
            return Err(Errno::TERM);
        }
        let builder = self.settings.lock().builder();
        let made = {
            let _blocked = Blocked::new();
            builder.build()?
        };
        Ok(inner.insert(made).clone())
    }

    /// From now on every call on its sockets fails, also those that wait.
    fn shut_down(&self) {
        // Under the lock, so that a first socket that is just being made is either refused or told.
        let inner = {
            let inner = self.inner.lock();
            self.terminated.store(true, Ordering::Relaxed);
            inner.clone()
        };
        if let Some(inner) = inner {
            inner.shutdown();
        }
    }

    /// Waits until all sockets are closed and what they had queued is sent, or a signal handler has run.
    fn wait_ended(&self) -> Result<(), Errno> {
        let Some(inner) = self.inner.lock().clone() else {
            return Ok(());
        };
        if inner.term_timeout(std::time::Duration::ZERO).is_ok() {
            return Ok(());
        }
        let ending = {
            let mut ending = self.ending.lock();
            match &*ending {
                Some(ending) => Arc::clone(ending),
                None => Arc::clone(ending.insert(Ending::begin(inner)?)),
            }
        };
        ending.wait()
    }

    fn set(&self, option: c_int, value: c_int) -> Result<(), Errno> {
        self.settings.lock().set(option, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_socket_it_has_no_threads_and_ends_at_once() {
        let context = Context::new();
        assert!(context.inner.lock().is_none());
        context.shut_down();
        assert_eq!(context.wait_ended(), Ok(()));
        assert_eq!(context.socket(SocketType::Pull).err(), Some(Errno::TERM));
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A context without a handle.
    pub(crate) fn context() -> Arc<Context> {
        Arc::new(Context::new())
    }
}
