//! The options of a context.

use std::{
    collections::BTreeSet,
    ffi::{c_int, c_void},
};

use zsocket::{ContextBuilder, RealTime};

use crate::errno::Errno;

const IO_THREADS: c_int = 1;
const MAX_SOCKETS: c_int = 2;
/// Read; set it is the priority.
const SOCKET_LIMIT: c_int = 3;
const THREAD_PRIORITY: c_int = 3;
const THREAD_SCHED_POLICY: c_int = 4;
const MAX_MSGSZ: c_int = 5;
const MSG_T_SIZE: c_int = 6;
const THREAD_AFFINITY_CPU_ADD: c_int = 7;
const THREAD_AFFINITY_CPU_REMOVE: c_int = 8;
const THREAD_NAME_PREFIX: c_int = 9;
const ZERO_COPY_RECV: c_int = 10;
const IPV6: c_int = 42;
const BLOCKY: c_int = 70;

/// The most sockets that can be asked for.
const SOCKET_LIMIT_VALUE: c_int = 65_535;
/// The longest prefix that libzmq takes.
const MAX_PREFIX: usize = 16;
/// What fits into a thread's name beside the rest of it.
const SHOWN_PREFIX: usize = 9;

/// See the module documentation.
pub(super) struct Settings {
    io_threads: c_int,
    max_sockets: c_int,
    priority: Option<c_int>,
    policy: c_int,
    cpus: BTreeSet<usize>,
    prefix: Vec<u8>,
    pub(super) ipv6: bool,
    pub(super) blocky: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            io_threads: 1,
            max_sockets: 1023,
            priority: None,
            policy: -1,
            cpus: BTreeSet::new(),
            prefix: Vec::new(),
            ipv6: false,
            blocky: true,
        }
    }
}

impl Settings {
    /// A context with these.
    pub(super) fn builder(&self) -> ContextBuilder {
        let mut builder = zsocket::Context::builder()
            .io_threads(self.io_threads as usize)
            .max_sockets(self.max_sockets as usize)
            .thread_cpus(self.cpus.iter().copied());
        let priority = self
            .priority
            .and_then(|priority| u8::try_from(priority).ok());
        builder = match (self.policy, priority) {
            (libc::SCHED_FIFO, priority) => builder.thread_real_time(RealTime::Fifo {
                priority: priority.unwrap_or(1),
            }),
            (libc::SCHED_RR, priority) => builder.thread_real_time(RealTime::RoundRobin {
                priority: priority.unwrap_or(1),
            }),
            // What libzmq makes of a priority without such a policy.
            (_, Some(1..)) => builder.thread_nice(-20),
            _ => builder,
        };
        if !self.prefix.is_empty() {
            let shown = &self.prefix[..self.prefix.len().min(SHOWN_PREFIX)];
            builder =
                builder.thread_name_prefix(String::from_utf8_lossy(shown).replace('\u{fffd}', "?"));
        }
        builder
    }

    pub(super) fn set(&mut self, option: c_int, value: c_int) -> Result<(), Errno> {
        let is_switch = matches!(value, 0..);
        match option {
            IO_THREADS if (0..=1024).contains(&value) => self.io_threads = value,
            MAX_SOCKETS if (1..=SOCKET_LIMIT_VALUE).contains(&value) => self.max_sockets = value,
            THREAD_PRIORITY if (0..=99).contains(&value) => self.priority = Some(value),
            THREAD_SCHED_POLICY
                if matches!(value, libc::SCHED_OTHER | libc::SCHED_FIFO | libc::SCHED_RR) =>
            {
                self.policy = value;
            }
            THREAD_AFFINITY_CPU_ADD if value >= 0 => {
                self.cpus.insert(value as usize);
            }
            THREAD_AFFINITY_CPU_REMOVE if value >= 0 && self.cpus.remove(&(value as usize)) => {}
            THREAD_NAME_PREFIX if value >= 0 => self.prefix = value.to_string().into_bytes(),
            IPV6 if is_switch => self.ipv6 = value != 0,
            BLOCKY if is_switch => self.blocky = value != 0,
            // What is never otherwise.
            MAX_MSGSZ if value == c_int::MAX => {}
            ZERO_COPY_RECV if value == 1 => {}
            _ => return Err(Errno::INVAL),
        }
        Ok(())
    }

    pub(super) fn get(&self, option: c_int) -> Result<c_int, Errno> {
        Ok(match option {
            IO_THREADS => self.io_threads,
            MAX_SOCKETS => self.max_sockets,
            SOCKET_LIMIT => SOCKET_LIMIT_VALUE,
            THREAD_SCHED_POLICY => self.policy,
            MAX_MSGSZ => c_int::MAX,
            MSG_T_SIZE => 64,
            THREAD_NAME_PREFIX => {
                let text = std::str::from_utf8(&self.prefix).unwrap_or_default();
                text.parse().unwrap_or(0)
            }
            ZERO_COPY_RECV => 1,
            IPV6 => self.ipv6.into(),
            BLOCKY => self.blocky.into(),
            _ => return Err(Errno::INVAL),
        })
    }

    /// By bytes: a number, or the prefix as text.
    pub(super) fn set_bytes(&mut self, option: c_int, value: &[u8]) -> Result<(), Errno> {
        if option == THREAD_NAME_PREFIX && value.len() != size_of::<c_int>() {
            // As text it may end with its zero.
            let text = value.strip_suffix(b"\0").unwrap_or(value);
            if text.is_empty() || text.len() > MAX_PREFIX || text.contains(&0) {
                return Err(Errno::INVAL);
            }
            self.prefix = text.to_vec();
            return Ok(());
        }
        match <[u8; size_of::<c_int>()]>::try_from(value) {
            Ok(value) => self.set(option, c_int::from_ne_bytes(value)),
            Err(_) => Err(Errno::INVAL),
        }
    }

    /// # Safety
    ///
    /// There is room for `room` bytes.
    pub(super) unsafe fn get_bytes(
        &self,
        option: c_int,
        to: *mut c_void,
        room: usize,
    ) -> Result<(), Errno> {
        let number = self.get(option)?.to_ne_bytes();
        let value = match option {
            THREAD_NAME_PREFIX if room != number.len() => &self.prefix[..],
            _ if room == number.len() => &number[..],
            _ => return Err(Errno::INVAL),
        };
        if value.len() > room {
            return Err(Errno::INVAL);
        }
        // SAFETY: the caller has promised the room.
        unsafe {
            std::ptr::write_bytes(to.cast::<u8>(), 0, room);
            std::ptr::copy_nonoverlapping(value.as_ptr(), to.cast(), value.len());
        }
        Ok(())
    }
}
