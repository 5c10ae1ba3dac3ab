//! Who watches the input of a socket's streams: the decisions of [`Inputs`](crate::inputs::Inputs), without
//! its polls, clocks and locks.

use std::{io, time::Duration};

/// How long an application that has the lease may stay away before the I/O thread watches again, at
/// first, and while the application is blocked in a call.
const TICK: Duration = Duration::from_millis(10);
const TICK_MAX: Duration = Duration::from_millis(100);

/// Whether the input is left to the application, and how long still.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Lease {
    /// The I/O thread is not told of input.
    held: bool,
    /// The application is waiting right now.
    blocked: bool,
    /// How often it had looked at the last tick.
    looks: u64,
    tick: Duration,
    ticking: Ticking,
    /// The socket is gone.
    closed: bool,
}

/// Whether the I/O thread is going to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Ticking {
    #[default]
    No,
    /// It has been asked to.
    Asked,
    /// Its timer is set.
    Due,
}

/// What the I/O thread has to do about a socket's poll.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Duty {
    None,
    /// Call [`Lease::on_tick`] after this time.
    Tick(Duration),
    /// Forget it.
    Forget,
}

impl Lease {
    /// Whether input is for the application to read.
    pub(crate) fn is_held(&self) -> bool {
        self.held
    }

    /// The application begins a wait: it has the lease until that [ends](Self::end_wait), and
    /// `take` takes the poll out of the I/O thread's if it did not have it. Says whether the I/O thread is to be
    /// signalled.
    ///
    /// One step: between two, a tick could give the lease to the I/O thread, which would take for its own
    /// what is to end the wait.
    pub(crate) fn begin_wait(&mut self, take: impl FnOnce() -> io::Result<()>) -> io::Result<bool> {
        if !self.held {
            take()?;
            self.held = true;
            self.tick = TICK;
        }
        self.blocked = true;
        let ask = self.ticking == Ticking::No;
        if ask {
            self.ticking = Ticking::Asked;
        }
        Ok(ask)
    }

    pub(crate) fn end_wait(&mut self) {
        self.blocked = false;
    }

    /// The application waits in another way, and `give` puts the poll back into the I/O thread's, which
    /// reports what is there already. If the system refuses, the lease goes on, and so do the ticks: each of
    /// them tries again.
    pub(crate) fn give_back(&mut self, give: impl FnOnce() -> io::Result<()>) {
        if self.held {
            self.held = give().is_err();
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    /// On the I/O thread: the application wants something.
    pub(crate) fn on_signal(&mut self) -> Duty {
        if self.closed {
            Duty::Forget
        } else if self.ticking == Ticking::Asked {
            self.ticking = Ticking::Due;
            Duty::Tick(TICK)
        } else {
            Duty::None
        }
    }

    /// On the I/O thread: time to see whether the application, which has looked for input so many times, is
    /// still there. Otherwise `give` is as for [`give_back`](Self::give_back).
    pub(crate) fn on_tick(&mut self, looks: u64, give: impl FnOnce() -> io::Result<()>) -> Duty {
        let looked = std::mem::replace(&mut self.looks, looks) != looks;
        if self.blocked {
            self.tick = (self.tick * 2).min(TICK_MAX);
        } else {
            self.tick = TICK;
            if !looked {
                self.give_back(give);
            }
        }
        if self.held {
            Duty::Tick(self.tick)
        } else {
            self.ticking = Ticking::No;
            Duty::None
        }
    }
}

/// Every interleaving of the application, the I/O thread and a peer, around the real lease. Each of their steps
/// is one system call or one critical section of the real code.
#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
    enum Io {
        Polls,
        /// The socket's poll was reported.
        Reported,
        /// It has taken the events of that poll.
        Took {
            woken: bool,
            input: bool,
        },
        /// It has the engine.
        Reads,
        /// It has read a message, and tells the socket.
        Signals,
    }

    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
    enum App {
        Receives,
        /// The old way: the lease first.
        BeginsInTwoSteps,
        Begins,
        Registers,
        Waits,
        Ends {
            input: bool,
        },
        Reads,
        /// Does something else for a while, with the lease.
        Away,
        /// Has received everything.
        Done,
    }

    #[derive(Clone, PartialEq, Eq, Hash, Debug)]
    struct World {
        lease: Lease,
        looks: u64,
        /// The poll is in that of the I/O thread.
        nested: bool,
        /// What it has to report, each to one wait.
        input: bool,
        wake: bool,
        /// Bytes of one message each.
        in_stream: u32,
        in_pipe: u32,
        /// Of the socket's ready list.
        signalled: bool,
        waiting: bool,
        io: Io,
        app: App,
        /// Messages still to be sent, and to be received.
        to_send: u32,
        to_receive: u32,
        /// Ticks that may come, to keep the world finite, and one that was asked for.
        ticks: u32,
        asked: bool,
        due: bool,
        in_two_steps: bool,
    }

    impl World {
        fn new(in_two_steps: bool) -> Self {
            Self {
                lease: Lease::default(),
                looks: 0,
                nested: true,
                input: false,
                wake: false,
                in_stream: 0,
                in_pipe: 0,
                signalled: false,
                waiting: false,
                io: Io::Polls,
                app: App::Receives,
                to_send: 2,
                to_receive: 2,
                ticks: 3,
                asked: false,
                due: false,
                in_two_steps,
            }
        }

        fn peer(&self) -> Option<Self> {
            let mut world = self.clone();
            world.to_send = world.to_send.checked_sub(1)?;
            world.in_stream += 1;
            world.input = true;
            Some(world)
        }

        fn duty(&mut self, duty: &Duty) {
            self.due = matches!(duty, Duty::Tick(_));
        }

        fn io(&self) -> Option<Self> {
            let mut world = self.clone();
            world.io = match world.io {
                Io::Polls if world.nested && (world.input || world.wake) => Io::Reported,
                Io::Polls => return None,
                Io::Reported => Io::Took {
                    woken: std::mem::take(&mut world.wake),
                    input: std::mem::take(&mut world.input),
                },
                Io::Took { woken, input } => {
                    world.wake |= woken && world.lease.is_held();
                    if input { Io::Reads } else { Io::Polls }
                }
                Io::Reads if world.lease.is_held() => {
                    world.input = true;
                    Io::Polls
                }
                Io::Reads => {
                    world.in_pipe += std::mem::take(&mut world.in_stream);
                    Io::Signals
                }
                Io::Signals => {
                    world.signalled = true;
                    world.wake |= std::mem::take(&mut world.waiting);
                    Io::Polls
                }
            };
            Some(world)
        }

        /// Between two polls the I/O thread also looks at its signals and timers.
        fn clock(&self) -> Option<Self> {
            let mut world = self.clone();
            if world.io != Io::Polls {
                return None;
            }
            if std::mem::take(&mut world.asked) {
                let duty = world.lease.on_signal();
                world.duty(&duty);
            } else if std::mem::take(&mut world.due) && world.ticks > 0 {
                world.ticks -= 1;
                let (looks, nested) = (world.looks, &mut world.nested);
                let duty = world.lease.on_tick(looks, || {
                    *nested = true;
                    Ok(())
                });
                world.duty(&duty);
            } else {
                return None;
            }
            Some(world)
        }

        fn begin(&mut self) {
            let nested = &mut self.nested;
            let ask = self.lease.begin_wait(|| {
                *nested = false;
                Ok(())
            });
            self.asked |= ask.unwrap();
        }

        fn app(&self) -> Vec<Self> {
            let mut world = self.clone();
            world.app = match world.app {
                App::Receives => {
                    world.signalled = false;
                    let taken = world.in_pipe.min(world.to_receive);
                    world.in_pipe -= taken;
                    world.to_receive -= taken;
                    match (world.to_receive, world.in_two_steps) {
                        (0, _) => App::Done,
                        (_, true) => App::BeginsInTwoSteps,
                        (_, false) => App::Begins,
                    }
                }
                App::Away => App::Receives,
                App::BeginsInTwoSteps => {
                    world.begin();
                    world.lease.end_wait();
                    App::Registers
                }
                App::Begins => {
                    world.begin();
                    App::Registers
                }
                App::Registers if world.signalled => App::Ends { input: false },
                App::Registers => {
                    world.waiting = true;
                    App::Waits
                }
                App::Waits if world.input || world.wake => {
                    world.wake = false;
                    App::Ends {
                        input: std::mem::take(&mut world.input),
                    }
                }
                App::Waits | App::Done => return Vec::new(),
                App::Ends { input } => {
                    world.waiting = false;
                    world.lease.end_wait();
                    world.looks += 1;
                    if input { App::Reads } else { App::Receives }
                }
                App::Reads => {
                    world.in_pipe += std::mem::take(&mut world.in_stream);
                    App::Receives
                }
            };
            let mut next = vec![world];
            if self.app == App::Receives && self.to_receive > 0 {
                let app = App::Away;
                next.push(Self {
                    app,
                    ..next[0].clone()
                });
            }
            next
        }
    }

    /// Whether there is an interleaving in which nobody has anything to do, and something was sent and not
    /// received.
    fn can_sleep_on(in_two_steps: bool) -> bool {
        let mut seen = HashSet::new();
        let mut next = vec![World::new(in_two_steps)];
        while let Some(world) = next.pop() {
            if !seen.insert(world.clone()) {
                continue;
            }
            let mut steps = world.app();
            steps.extend(
                [world.peer(), world.io(), world.clock()]
                    .into_iter()
                    .flatten(),
            );
            if steps.is_empty() && world.to_receive > 0 {
                return true;
            }
            next.extend(steps);
        }
        assert!(seen.len() > 1000, "only {} states", seen.len());
        false
    }

    #[test]
    fn whoever_waits_hears_of_everything() {
        assert!(!can_sleep_on(false));
    }

    /// A lease that can lapse between being taken and the wait. It shows that the model sees such things.
    #[test]
    fn a_lease_that_lapses_before_the_wait_would_lose_a_wake_up() {
        assert!(can_sleep_on(true));
    }

    #[test]
    fn what_the_system_refuses_is_tried_again() {
        let refused = || Err(io::ErrorKind::OutOfMemory.into());
        let mut lease = Lease::default();
        lease.begin_wait(refused).unwrap_err();
        assert!(!lease.is_held());
        assert!(lease.begin_wait(|| Ok(())).unwrap());
        assert_eq!(lease.on_signal(), Duty::Tick(TICK));
        lease.end_wait();
        // Nobody would watch if it ended.
        lease.give_back(refused);
        assert!(lease.is_held());
        assert_eq!(lease.on_tick(0, refused), Duty::Tick(TICK));
        assert_eq!(lease.on_tick(0, || Ok(())), Duty::None);
        assert!(!lease.is_held());
    }

    #[test]
    fn ticks_become_rare_during_a_wait_and_end_with_the_lease() {
        let give = || Ok(());
        let mut lease = Lease::default();
        assert!(lease.begin_wait(|| Ok(())).unwrap());
        assert_eq!(lease.on_signal(), Duty::Tick(TICK));
        assert_eq!(lease.on_tick(0, give), Duty::Tick(2 * TICK));
        for _ in 0..5 {
            lease.on_tick(0, give);
        }
        assert_eq!(lease.on_tick(0, give), Duty::Tick(TICK_MAX));
        lease.end_wait();
        assert_eq!(lease.on_tick(1, give), Duty::Tick(TICK));
        assert_eq!(lease.on_tick(1, give), Duty::None);
        lease.close();
        assert_eq!(lease.on_signal(), Duty::Forget);
    }
}
