//! Foreign code, run last: wakers and bodies that take a lock which the thread that has them holds.
//!
//! Run where they stand they would wait for that lock for ever, which loom reports as a deadlock.

use std::{
    sync::Arc as StdArc,
    task::{Wake, Waker},
};

use bytes::Bytes;
use loom::{
    sync::{Arc, Mutex, Notify},
    thread,
};
use zmtp::header::Flags;
use zpipe::{
    Readiness, ReadySet,
    deferred::{self, Deferral, Scope},
    pipe,
};

use crate::{model, pipe::UNLIMITED};

/// Takes a lock when it is woken.
struct Locking {
    lock: Arc<Mutex<u32>>,
    woken: Notify,
}

impl Wake for Locking {
    fn wake(self: StdArc<Self>) {
        *self.lock.lock().unwrap() += 1;
        self.woken.notify();
    }
}

/// Takes a lock when it is dropped.
struct Counted(Arc<Mutex<u32>>);

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &[7; 32]
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        *self.0.lock().unwrap() += 1;
    }
}

fn locking() -> (StdArc<Locking>, Waker, Arc<Mutex<u32>>) {
    let lock = Arc::new(Mutex::new(0));
    let task = StdArc::new(Locking {
        lock: Arc::clone(&lock),
        woken: Notify::new(),
    });
    (StdArc::clone(&task), Waker::from(task), lock)
}

#[test]
fn a_task_is_woken_when_the_signaller_has_let_go() {
    model(|| {
        let mut set = ReadySet::new();
        let notifier = set.notifier(1);
        let (task, waker, lock) = locking();
        let thread = thread::spawn(move || {
            let _scope = Scope::open();
            let _guard = lock.lock().unwrap();
            notifier.notify(Readiness::READABLE);
        });
        while !set.register(&waker) {
            task.woken.wait();
        }
        let mut seen = 0;
        set.drain(|token, _| seen = token);
        assert_eq!(seen, 1);
        thread.join().unwrap();
    });
}

#[test]
fn a_task_that_waits_again_before_its_wake_up_has_come() {
    model(|| {
        let mut set = ReadySet::new();
        let (one, two) = (set.notifier(1), set.notifier(2));
        let (task, waker, lock) = locking();
        let thread = thread::spawn(move || {
            let mut deferral = Deferral::default();
            deferral.begin();
            let guard = lock.lock().unwrap();
            one.notify(Readiness::READABLE);
            // The first wake-up is collected. The task may have seen its signal, and wait again.
            two.notify(Readiness::READABLE);
            drop(guard);
            assert_eq!(deferral.end(), 0);
        });
        let mut seen = 0;
        while seen != 0b11 {
            while !set.register(&waker) {
                task.woken.wait();
            }
            set.drain(|token, _| seen |= token);
        }
        thread.join().unwrap();
        drop((set, waker));
        assert_eq!(StdArc::strong_count(&task), 1, "nothing keeps the task");
    });
}

#[test]
fn a_task_that_is_given_up_while_its_wake_up_is_collected() {
    model(|| {
        let mut set = ReadySet::new();
        let notifier = set.notifier(1);
        let (task, waker, lock) = locking();
        let theirs = Arc::clone(&lock);
        let thread = thread::spawn(move || {
            let _scope = Scope::open();
            let _guard = theirs.lock().unwrap();
            notifier.notify(Readiness::READABLE);
        });
        set.register(&waker);
        drop((set, waker));
        thread.join().unwrap();
        assert_eq!(StdArc::strong_count(&task), 1);
        assert!(*lock.lock().unwrap() <= 1, "woken at most once");
    });
}

#[test]
fn bodies_go_when_whoever_had_them_has_let_go() {
    model(|| {
        let lock = Arc::new(Mutex::new(0));
        let (mut writer, mut reader) = pipe(UNLIMITED, None, None);
        let theirs = Arc::clone(&lock);
        let thread = thread::spawn(move || {
            let _scope = Scope::open();
            let _guard = theirs.lock().unwrap();
            let body = || Bytes::from_owner(Counted(Arc::clone(&theirs)));
            writer.append_spliced(Flags::NONE, body());
            writer.commit();
            writer.append_spliced(Flags::MORE, body());
            writer.append(Flags::MORE, &crate::pipe::body(0));
            writer.rollback();
        });
        {
            let _scope = Scope::open();
            let _guard = lock.lock().unwrap();
            if let Some(frame) = reader.next_frame() {
                let zpipe::Body::Spliced(body) = frame.body else {
                    panic!("spliced");
                };
                deferred::drop_body(body);
            }
            drop(reader);
        }
        thread.join().unwrap();
        assert_eq!(*lock.lock().unwrap(), 2, "each dropped once");
    });
}
