//! How the operating system runs I/O threads.

use std::{fmt, io};

/// A real-time policy: a thread that has one runs before all that have none, until it waits. Of two such threads the one of
/// higher priority goes first.
///
/// A process needs a privilege for it (`CAP_SYS_NICE`, or a limit `RLIMIT_RTPRIO`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RealTime {
    /// `SCHED_FIFO`: also before others of the same priority, until it waits.
    Fifo {
        /// 1 to 99.
        priority: u8,
    },
    /// `SCHED_RR`: in turn with others of the same priority.
    RoundRobin {
        /// 1 to 99.
        priority: u8,
    },
}

/// The I/O threads of a reactor, and how the operating system runs them.
///
/// # Platform
///
/// Anything but the number of threads and their names works on Linux only. Elsewhere it is refused, with a
/// [`SchedulingError`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IoThreads {
    /// How many there are.
    pub count: usize,
    /// What their names begin with; `-io-` and the thread's number follow. Default `zlayers`.
    pub name_prefix: String,
    /// Default: none, they run as all other threads.
    pub real_time: Option<RealTime>,
    /// The nice value, -20 (first) to 19 (last). Default: that of the thread that makes the reactor.
    pub nice: Option<i32>,
    /// The processors that they may run on, by number; empty for those of the thread that makes the reactor.
    pub cpus: Vec<usize>,
}

/// What the operating system has refused to a new I/O thread.
#[derive(Debug)]
#[non_exhaustive]
pub enum SchedulingError {
    /// The real-time policy.
    RealTime(io::Error),
    /// The nice value.
    Nice(io::Error),
    /// The processors: it has none of these, or this process may not use them.
    Cpus(io::Error),
}

impl fmt::Display for SchedulingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RealTime(error) => write!(
                f,
                "the system gives I/O threads no real-time policy: {error}; allow it to this process (CAP_SYS_NICE, \
                 RLIMIT_RTPRIO), or leave it out"
            ),
            Self::Nice(error) => write!(
                f,
                "the system gives I/O threads no such nice value: {error}; allow it to this process (CAP_SYS_NICE, \
                 RLIMIT_NICE), or give a higher one"
            ),
            Self::Cpus(error) => write!(
                f,
                "the system lets I/O threads run on none of these processors: {error}; name some that it has"
            ),
        }
    }
}

impl std::error::Error for SchedulingError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let (Self::RealTime(error) | Self::Nice(error) | Self::Cpus(error)) = self;
        Some(error)
    }
}

impl IoThreads {
    /// As many threads, run as all other threads.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self {
            count,
            name_prefix: "zlayers".to_owned(),
            real_time: None,
            nice: None,
            cpus: Vec::new(),
        }
    }

    /// The name of the thread with this number.
    #[must_use]
    pub fn name(&self, index: usize) -> String {
        format!("{}-io-{index}", self.name_prefix)
    }

    /// Whether the threads are run in a way of their own.
    pub(crate) fn are_special(&self) -> bool {
        self.real_time.is_some() || self.nice.is_some() || !self.cpus.is_empty()
    }

    /// Has the calling thread run as these say.
    pub(crate) fn apply(&self) -> Result<(), SchedulingError> {
        if !self.cpus.is_empty() {
            system::set_cpus(&self.cpus).map_err(SchedulingError::Cpus)?;
        }
        if let Some(nice) = self.nice {
            system::set_nice(nice).map_err(SchedulingError::Nice)?;
        }
        if let Some(real_time) = self.real_time {
            system::set_real_time(real_time).map_err(SchedulingError::RealTime)?;
        }
        Ok(())
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::io;

    use rustix::{
        process::setpriority_process,
        thread::{CpuSet, gettid, sched_setaffinity},
    };
    use thread_priority::{
        RealtimeThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
        set_thread_priority_and_policy, thread_native_id,
    };

    use super::RealTime;

    pub(super) fn set_cpus(cpus: &[usize]) -> io::Result<()> {
        let mut set = CpuSet::new();
        for cpu in cpus {
            if *cpu >= CpuSet::MAX_CPU {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            set.set(*cpu);
        }
        sched_setaffinity(None, &set)?;
        Ok(())
    }

    /// On Linux each thread has a nice value of its own.
    pub(super) fn set_nice(nice: i32) -> io::Result<()> {
        setpriority_process(Some(gettid()), nice)?;
        Ok(())
    }

    pub(super) fn set_real_time(real_time: RealTime) -> io::Result<()> {
        let (policy, priority) = match real_time {
            RealTime::Fifo { priority } => (RealtimeThreadSchedulePolicy::Fifo, priority),
            RealTime::RoundRobin { priority } => {
                (RealtimeThreadSchedulePolicy::RoundRobin, priority)
            }
        };
        let invalid = |text: String| io::Error::new(io::ErrorKind::InvalidInput, text);
        let value = ThreadPriorityValue::try_from(priority).map_err(invalid)?;
        set_thread_priority_and_policy(
            thread_native_id(),
            ThreadPriority::Crossplatform(value),
            ThreadSchedulePolicy::Realtime(policy),
        )
        .map_err(|error| match error {
            thread_priority::Error::OS(number) => io::Error::from_raw_os_error(number),
            other => invalid(other.to_string()),
        })
    }
}

/// Refused, and not ignored.
#[cfg(not(target_os = "linux"))]
mod system {
    use std::io;

    use super::RealTime;

    fn refuse() -> io::Result<()> {
        let text = "I/O threads can be told how to run on Linux only";
        Err(io::Error::new(io::ErrorKind::Unsupported, text))
    }

    pub(super) fn set_cpus(_: &[usize]) -> io::Result<()> {
        refuse()
    }

    pub(super) fn set_nice(_: i32) -> io::Result<()> {
        refuse()
    }

    pub(super) fn set_real_time(_: RealTime) -> io::Result<()> {
        refuse()
    }
}
