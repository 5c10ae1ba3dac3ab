//! Timers that a program runs itself, between its waits.

use std::{
    collections::BTreeMap,
    ffi::{c_int, c_long, c_void},
    ptr,
    sync::Arc,
    time::{Duration, Instant},
};

use zpipe::Guarded;

use crate::{entry::entries, errno::Errno, handles::Handles};

static TIMERS: Handles<Guarded<Timers>> = Handles::new();

/// What a timer does.
#[allow(non_camel_case_types, reason = "its name in C")]
pub type zmq_timer_fn = unsafe extern "C" fn(timer_id: c_int, arg: *mut c_void);

/// By when they are due; several may be at the same time.
#[derive(Default)]
struct Timers {
    last_id: c_int,
    due: BTreeMap<(Instant, c_int), Timer>,
    /// When each of them is due.
    by_id: BTreeMap<c_int, Instant>,
}

#[derive(Clone, Copy)]
struct Timer {
    interval: Duration,
    handler: zmq_timer_fn,
    argument: *mut c_void,
}

// SAFETY: the argument is for the handler, on whatever thread the program runs its timers.
unsafe impl Send for Timer {}

/// Keeps everybody out of the table, for a fork.
pub(crate) fn hold() -> impl std::any::Any {
    TIMERS.hold()
}

fn find(handle: *mut c_void) -> Result<Arc<Guarded<Timers>>, Errno> {
    TIMERS.get(handle).ok_or(Errno::FAULT)
}

/// An interval of nothing would be due for ever within one call.
fn interval(millis: usize) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX).max(1))
}

impl Timers {
    fn insert(&mut self, id: c_int, timer: Timer, from: Instant) {
        // One beyond the end of the clock is as good as never.
        let never = from + Duration::from_secs(100 * 365 * 86_400);
        let due = from.checked_add(timer.interval).unwrap_or(never);
        self.due.insert((due, id), timer);
        self.by_id.insert(id, due);
    }

    fn remove(&mut self, id: c_int) -> Result<Timer, Errno> {
        let due = self.by_id.remove(&id).ok_or(Errno::INVAL)?;
        self.due.remove(&(due, id)).ok_or(Errno::INVAL)
    }

    /// Takes the next one that is due, and has it due again.
    fn pop(&mut self, now: Instant) -> Option<(c_int, Timer)> {
        let (&(due, id), &timer) = self.due.first_key_value()?;
        if due > now {
            return None;
        }
        self.due.remove(&(due, id));
        self.insert(id, timer, now);
        Some((id, timer))
    }
}

entries! {
    /// Makes a set of timers.
    fn zmq_timers_new() -> *mut c_void, or ptr::null_mut(); {
        Ok(TIMERS.insert(Guarded::default()))
    }

    /// Frees it, and makes the pointer null.
    fn zmq_timers_destroy(timers_p: *mut *mut c_void) -> c_int, or -1; {
        // SAFETY: the program's variable.
        let timers = unsafe { timers_p.as_mut() }.ok_or(Errno::FAULT)?;
        TIMERS.remove(*timers).ok_or(Errno::FAULT)?;
        *timers = ptr::null_mut();
        Ok(0)
    }

    /// Adds a timer that is due again and again, and says its number.
    fn zmq_timers_add(
        timers: *mut c_void,
        interval_: usize,
        handler: Option<zmq_timer_fn>,
        arg: *mut c_void,
    ) -> c_int, or -1; {
        let timers = find(timers)?;
        let timer = Timer {
            interval: interval(interval_),
            handler: handler.ok_or(Errno::FAULT)?,
            argument: arg,
        };
        let mut timers = timers.lock();
        let id = timers.last_id.checked_add(1).ok_or(Errno::NOMEM)?;
        timers.last_id = id;
        timers.insert(id, timer, Instant::now());
        Ok(id)
    }

    /// Removes a timer.
    fn zmq_timers_cancel(timers: *mut c_void, timer_id: c_int) -> c_int, or -1; {
        find(timers)?.lock().remove(timer_id)?;
        Ok(0)
    }

    /// Changes how often it is due, from now on.
    fn zmq_timers_set_interval(timers: *mut c_void, timer_id: c_int, interval_: usize) -> c_int, or -1; {
        let timers = find(timers)?;
        let mut timers = timers.lock();
        let mut timer = timers.remove(timer_id)?;
        timer.interval = interval(interval_);
        timers.insert(timer_id, timer, Instant::now());
        Ok(0)
    }

    /// Has it begin anew.
    fn zmq_timers_reset(timers: *mut c_void, timer_id: c_int) -> c_int, or -1; {
        let timers = find(timers)?;
        let mut timers = timers.lock();
        let timer = timers.remove(timer_id)?;
        timers.insert(timer_id, timer, Instant::now());
        Ok(0)
    }

    /// Milliseconds until the next one is due, and -1 if there is none.
    fn zmq_timers_timeout(timers: *mut c_void) -> c_long, or -1; {
        let timers = find(timers)?;
        let next = timers.lock().due.first_key_value().map(|((due, _), _)| *due);
        let Some(due) = next else { return Ok(-1) };
        // Rounded up, so that it is due when the time is over.
        let left = due.saturating_duration_since(Instant::now()).as_nanos().div_ceil(1_000_000);
        Ok(c_long::try_from(left).unwrap_or(c_long::MAX))
    }

    /// Runs those that are due, each once.
    fn zmq_timers_execute(timers: *mut c_void) -> c_int, or -1; {
        let timers = find(timers)?;
        let now = Instant::now();
        loop {
            // Handlers may add and cancel timers, and destroy them all.
            let due = timers.lock().pop(now);
            let Some((id, timer)) = due else { return Ok(0) };
            // SAFETY: the program's function with its argument.
            unsafe { (timer.handler)(id, timer.argument) };
        }
    }
}
