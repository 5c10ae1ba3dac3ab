//! Every interleaving of two threads of a foreign loop, the I/O thread, a peer, a clock, and somebody who drops the leader,
//! around the real decisions. Each of their steps is one system call or one critical section of the real code.

use std::collections::HashSet;

use super::*;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Loop {
    /// Until the descriptor is reported.
    Waits,
    Comes,
    /// Has the state, and takes what the poll reports.
    Takes,
    /// Has handled it.
    Ends,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Io {
    Leads,
    /// Has been asked to hand over.
    HandsOver,
    /// The state lies in its place, and the descriptor is not reported yet.
    Announces,
    /// It has looked whether the descriptor is readable.
    Looks {
        readable: bool,
        ticked: bool,
    },
    Borrows,
    /// It sleeps for a tick.
    Ticks,
    /// It sleeps until the descriptor is readable.
    Watches,
}

/// What the real code could forget.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Defect {
    None,
    ReportsNothingAgain,
    CallsNobodyBack,
    AnnouncesNothing,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct World {
    lead: Lead,
    defect: Defect,
    /// The state of the I/O thread is in its place.
    lies_there: bool,
    /// Things in the poll that nobody has taken.
    events: u32,
    /// Its own event descriptor was written to.
    woken: bool,
    /// To be told to the foreign loop, which is told of changes only.
    edge: bool,
    loops: [Loop; 2],
    io: Io,
    /// The letter by which the foreign loop asks.
    asked: bool,
    /// The I/O thread is to be woken.
    bed: bool,
    due: bool,
    /// What may still happen.
    to_come: u32,
    timers: u32,
    may_give_up: bool,
}

impl World {
    fn new(defect: Defect) -> Self {
        Self {
            lead: Lead::new(),
            defect,
            lies_there: false,
            events: 0,
            woken: false,
            edge: false,
            loops: [Loop::Waits; 2],
            io: Io::Leads,
            asked: true,
            bed: false,
            due: false,
            to_come: 2,
            timers: 1,
            may_give_up: true,
        }
    }

    fn is_readable(&self) -> bool {
        self.events > 0 || self.woken
    }

    fn report(&mut self) {
        self.woken = true;
        self.edge = true;
    }

    fn is_done(&self) -> bool {
        self.events == 0 && !self.due
    }

    /// Something comes: input, a timer, the end of the leader.
    fn happens(&self) -> Vec<Self> {
        let mut all = Vec::new();
        if let Some(to_come) = self.to_come.checked_sub(1) {
            let mut world = self.clone();
            world.to_come = to_come;
            world.events += 1;
            world.edge = true;
            all.push(world);
        }
        if let Some(timers) = self.timers.checked_sub(1) {
            let mut world = self.clone();
            world.timers = timers;
            world.due = true;
            all.push(world);
        }
        if self.may_give_up {
            let mut world = self.clone();
            world.may_give_up = false;
            world.bed |= world.lead.give_up();
            all.push(world);
        }
        all
    }

    fn end(&mut self, end: End) {
        assert!(!self.lies_there, "two had the state");
        self.lies_there = true;
        if end.report_again && self.defect != Defect::ReportsNothingAgain {
            self.report();
        }
        self.bed |= end.call_back && self.defect != Defect::CallsNobodyBack;
    }

    fn take_state(&mut self) {
        assert!(self.lies_there, "nothing to be taken");
        self.lies_there = false;
    }

    /// A step of a thread of the foreign loop.
    fn foreign(&self, which: usize) -> Option<Self> {
        let mut world = self.clone();
        world.loops[which] = match world.loops[which] {
            Loop::Waits if world.edge => {
                world.edge = false;
                Loop::Comes
            }
            Loop::Waits => return None,
            Loop::Comes => match world.lead.begin_dispatch() {
                Begin::Dispatch => {
                    world.take_state();
                    Loop::Takes
                }
                Begin::Leave => Loop::Waits,
                Begin::Ask => {
                    world.asked = true;
                    // If the I/O thread waits in its poll.
                    world.report();
                    Loop::Waits
                }
                Begin::Ended => unreachable!(),
            },
            Loop::Takes => {
                world.events = 0;
                world.woken = false;
                Loop::Ends
            }
            Loop::Ends => {
                world.due = false;
                let end = world.lead.end_dispatch(false);
                world.end(end);
                Loop::Waits
            }
        };
        Some(world)
    }

    /// A step of the I/O thread. Only the clock has it wake up from a tick.
    fn io(&self, has_clock: bool) -> Option<Self> {
        let mut world = self.clone();
        let sample = |ticked| Io::Looks {
            readable: self.is_readable(),
            ticked,
        };
        world.io = match world.io {
            Io::Leads if world.asked => {
                world.asked = false;
                Io::HandsOver
            }
            Io::Leads if world.is_readable() || world.due => {
                world.events = 0;
                world.woken = false;
                world.due = false;
                Io::Leads
            }
            Io::Leads => return None,
            Io::HandsOver if world.lead.hand_over() => {
                world.lies_there = true;
                Io::Announces
            }
            Io::HandsOver => Io::Leads,
            Io::Announces => {
                if world.defect != Defect::AnnouncesNothing {
                    world.report();
                }
                Io::Ticks
            }
            Io::Ticks | Io::Watches if world.bed => {
                world.bed = false;
                sample(world.io == Io::Watches)
            }
            Io::Ticks if world.due => sample(false),
            Io::Ticks if has_clock => sample(true),
            Io::Ticks => return None,
            Io::Watches if world.is_readable() || world.due => sample(true),
            Io::Watches => return None,
            Io::Looks { readable, ticked } => match world.lead.look(readable, world.due, ticked) {
                Look::Lead => {
                    world.take_state();
                    Io::Leads
                }
                Look::Borrow => {
                    world.take_state();
                    Io::Borrows
                }
                Look::Tick => Io::Ticks,
                Look::Watch => Io::Watches,
                Look::Ended => unreachable!(),
            },
            Io::Borrows => {
                world.events = 0;
                world.woken = false;
                world.due = false;
                let end = world.lead.end_borrow(false);
                world.end(end);
                sample(false)
            }
        };
        Some(world)
    }

    /// The foreign loop stays away from now on. Whether everything is handled nonetheless, and after how many looks.
    fn is_handled_without_the_loop(&self) -> bool {
        let mut world = self.clone();
        for which in 0..2 {
            while matches!(world.loops[which], Loop::Takes | Loop::Ends) {
                world = world.foreign(which).unwrap();
            }
        }
        let mut ticks = 0;
        while !world.is_done() {
            ticks += u32::from(world.io == Io::Ticks && !world.bed && !world.due);
            match world.io(true) {
                Some(next) if ticks <= 4 => world = next,
                _ => return false,
            }
        }
        true
    }

    /// Whether everything is handled although no tick ever comes.
    fn is_handled_without_ticks(&self) -> bool {
        let mut world = self.clone();
        for _ in 0..100 {
            if world.is_done() {
                return true;
            }
            let next = (world.foreign(0)).or_else(|| world.foreign(1));
            match next.or_else(|| world.io(false)) {
                Some(next) => world = next,
                None => return false,
            }
        }
        false
    }
}

/// What may go wrong, in whatever order.
fn failure(defect: Defect) -> Option<&'static str> {
    let mut seen = HashSet::new();
    let mut next = vec![World::new(defect)];
    while let Some(world) = next.pop() {
        if !seen.insert(world.clone()) {
            continue;
        }
        if !world.is_handled_without_the_loop() {
            return Some("something is not handled when the loop stays away");
        }
        if !world.is_handled_without_ticks() {
            return Some("something waits for a tick although the loop is there");
        }
        next.extend(world.happens());
        next.extend((0..2).filter_map(|which| world.foreign(which)));
        next.extend(world.io(true));
    }
    assert!(seen.len() > 10_000, "only {} states", seen.len());
    None
}

#[test]
fn everything_is_handled_in_whatever_order() {
    assert_eq!(failure(Defect::None), None);
}

#[test]
fn the_model_sees_what_could_be_forgotten() {
    for defect in [
        Defect::ReportsNothingAgain,
        Defect::CallsNobodyBack,
        Defect::AnnouncesNothing,
    ] {
        assert!(failure(defect).is_some(), "{defect:?}");
    }
}

/// A lead that the I/O thread has handed over.
fn handed_over() -> Lead {
    let mut lead = Lead::new();
    assert!(lead.hand_over());
    lead
}

#[test]
fn who_dispatches_keeps_the_lead() {
    let mut lead = handed_over();
    for _ in 0..100 {
        assert_eq!(lead.begin_dispatch(), Begin::Dispatch);
        lead.end_dispatch(false);
        // Though there is something new each time.
        assert_eq!(lead.look(true, false, true), Look::Tick);
    }
}

#[test]
fn the_lead_lapses_after_two_looks_and_comes_back_with_the_next_dispatch() {
    let mut lead = handed_over();
    assert_eq!(lead.look(true, false, true), Look::Tick);
    // Not after a look that came too early.
    assert_eq!(lead.look(true, false, false), Look::Tick);
    assert_eq!(lead.look(true, false, true), Look::Lead);
    assert_eq!(lead.begin_dispatch(), Begin::Ask);
    assert_eq!(lead.begin_dispatch(), Begin::Leave);
    assert!(lead.hand_over());
    assert_eq!(lead.begin_dispatch(), Begin::Dispatch);
}

#[test]
fn a_look_while_somebody_dispatches_begins_anew() {
    let mut lead = handed_over();
    assert_eq!(lead.look(true, false, true), Look::Tick);
    assert_eq!(lead.begin_dispatch(), Begin::Dispatch);
    assert_eq!(lead.look(true, true, true), Look::Tick);
    lead.end_dispatch(false);
    assert_eq!(lead.look(true, false, true), Look::Tick);
    assert_eq!(lead.look(true, false, true), Look::Tick);
    assert_eq!(lead.look(true, false, true), Look::Lead);
}

#[test]
fn quiet_is_watched_without_ticks() {
    let mut lead = handed_over();
    for _ in 1..QUIET {
        assert_eq!(lead.look(false, false, true), Look::Tick);
    }
    assert_eq!(lead.look(false, false, true), Look::Watch);
    assert_eq!(lead.look(true, false, true), Look::Tick);
    assert_eq!(lead.look(true, false, true), Look::Lead);
}

#[test]
fn what_is_given_up_is_not_handed_over() {
    let mut lead = handed_over();
    assert!(lead.give_up());
    assert_eq!(lead.begin_dispatch(), Begin::Leave);
    assert_eq!(lead.look(false, false, false), Look::Lead);
    assert_eq!(lead.begin_dispatch(), Begin::Leave);
    assert!(!lead.hand_over());

    let mut lead = handed_over();
    assert_eq!(lead.begin_dispatch(), Begin::Dispatch);
    assert!(!lead.give_up());
    let end = lead.end_dispatch(false);
    assert!(end.call_back);
    assert_eq!(lead.look(false, false, false), Look::Lead);
}

/// Whoever finds that the I/O thread has nothing to do any more has it end.
#[test]
fn what_is_over_is_taken_back() {
    let mut lead = handed_over();
    assert_eq!(lead.begin_dispatch(), Begin::Dispatch);
    assert!(lead.end_dispatch(true).call_back);
    assert_eq!(lead.look(false, false, false), Look::Lead);

    let mut lead = handed_over();
    assert_eq!(lead.look(false, true, false), Look::Borrow);
    lead.end_borrow(true);
    assert_eq!(lead.look(false, false, false), Look::Lead);
}

#[test]
fn the_end_is_the_end() {
    let mut lead = handed_over();
    lead.close();
    assert_eq!(lead.begin_dispatch(), Begin::Ended);
    assert_eq!(lead.look(true, true, true), Look::Ended);
    assert!(!lead.hand_over());
    assert_eq!(lead.begin_dispatch(), Begin::Ended);
}
