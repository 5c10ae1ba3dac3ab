//! Requests in flight, without sockets and clocks: which message goes out when, and which request a message that
//! comes in is the reply to.
//!
//! ```text
//!            begin          sent               on_reply
//!   caller ────────▶ queued ─────▶ under way ───────────▶ over ─────▶ taken
//!                      ▲             │   │                 ▲
//!                      └─────────────┘   └─────────────────┘
//!                        time to retry        deadline
//! ```
//!
//! A request goes out as its id, an empty frame, and the body. Everything up to the first empty frame is an envelope
//! to a REP, and to every ROUTER that keeps envelopes, and comes back with the reply.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

use zmtp::{Frame, Message};

use super::RequesterStats;

/// Requests that are looked at in one go because they are due.
const DUE_AT_ONCE: u32 = 256;

/// How often, and when, a request is sent again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Retries {
    pub(crate) times: u32,
    /// After the last time that it was sent.
    pub(crate) after: Duration,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Reply(Message),
    /// Its deadline passed, after it was sent that often.
    Overdue {
        attempts: u32,
    },
}

/// See the module documentation.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// Ids are numbers that begin anywhere, so that a reply to an earlier run of the program is none to this one.
    first_id: u64,
    begun: u64,
    limit: usize,
    requests: HashMap<u64, Request>,
    /// What waits for room, in order. By turns, so that what is given up leaves nothing behind.
    queued: BTreeMap<u64, u64>,
    /// The first of them, as it is going to be sent.
    outgoing: Option<(u64, Message)>,
    /// When each request that is not over is to be looked at.
    times: BTreeSet<(Instant, u64)>,
    /// Those that are over and belong to whoever asks, in order.
    over: BTreeMap<u64, u64>,
    /// Counts what is put into `queued` and `over`.
    turns: u64,
    /// How many belong to whoever asks, over or not.
    unclaimed: usize,
    /// Messages of no use any more: their owners may do anything when they are dropped.
    spent: Vec<Message>,
    stats: RequesterStats,
}

#[derive(Debug)]
struct Request {
    /// With its envelope; empty when it will not be sent again.
    message: Message,
    stage: Stage,
    deadline: Option<Instant>,
    retries: Retries,
    attempts: u32,
    /// Its time in `times`.
    time: Option<Instant>,
    /// Somebody waits for this very request.
    claimed: bool,
}

#[derive(Debug)]
enum Stage {
    /// With its turn.
    Queued(u64),
    UnderWay,
    /// With its turn, if it is unclaimed.
    Over(Outcome, Option<u64>),
}

impl Exchange {
    pub(crate) fn new(first_id: u64, limit: usize) -> Self {
        Self {
            first_id,
            begun: 0,
            limit,
            requests: HashMap::new(),
            queued: BTreeMap::new(),
            outgoing: None,
            times: BTreeSet::new(),
            over: BTreeMap::new(),
            turns: 0,
            unclaimed: 0,
            spent: Vec::new(),
            stats: RequesterStats::default(),
        }
    }

    /// A request is to be sent. Returns its id, or the body if there are as many as there may be.
    pub(crate) fn begin(
        &mut self,
        mut body: Message,
        deadline: Option<Instant>,
        retries: Retries,
        claimed: bool,
    ) -> Result<u64, Message> {
        if self.requests.len() >= self.limit {
            return Err(body);
        }
        let id = self.first_id.wrapping_add(self.begun);
        self.begun += 1;
        body.ensure_frame();
        let mut message = Message::with_capacity(body.len() + 2);
        message.push_back(id.to_be_bytes());
        message.push_back(Frame::new());
        for mut frame in body {
            if retries.times > 0 && !frame.is_inline() {
                // Sent more than once, and copied for none of them.
                frame = frame.into_bytes().into();
            }
            message.push_back(frame);
        }
        let turn = self.turn();
        self.queued.insert(turn, id);
        self.times.extend(deadline.map(|at| (at, id)));
        self.unclaimed += usize::from(!claimed);
        let request = Request {
            message,
            stage: Stage::Queued(turn),
            deadline,
            retries,
            attempts: 0,
            time: deadline,
            claimed,
        };
        self.requests.insert(id, request);
        Ok(id)
    }

    /// What is to be sent next. When it was, [`sent`](Self::sent) says so.
    pub(crate) fn outgoing(&mut self) -> Option<&mut Message> {
        if self.outgoing.is_none() {
            let (_, id) = self.queued.first_key_value()?;
            let request = self.requests.get_mut(id)?;
            let message = if request.retries.times > 0 {
                request.message.clone()
            } else {
                std::mem::take(&mut request.message)
            };
            self.outgoing = Some((*id, message));
        }
        self.outgoing.as_mut().map(|(_, message)| message)
    }

    /// What [`outgoing`](Self::outgoing) returned was sent.
    pub(crate) fn sent(&mut self, now: Instant) {
        let Some((id, message)) = self.outgoing.take() else {
            return;
        };
        self.spent.push(message);
        self.stats.sent += 1;
        let Some(request) = self.requests.get_mut(&id) else {
            return;
        };
        request.attempts += 1;
        if let Stage::Queued(turn) = request.stage {
            self.queued.remove(&turn);
            request.stage = Stage::UnderWay;
        }
        if request.retries.times > 0 {
            let retry = now.checked_add(request.retries.after);
            let time = retry.into_iter().chain(request.deadline).min();
            self.set_time(id, time);
        }
    }

    /// Something came in. It is a reply, or counted.
    pub(crate) fn on_message(&mut self, mut message: Message) {
        let id = match message.frames() {
            [id, delimiter, _, ..] if delimiter.is_empty() => <[u8; 8]>::try_from(&id[..]).ok(),
            _ => None,
        };
        let Some(id) = id.map(u64::from_be_bytes) else {
            self.stats.malformed += 1;
            return self.spent.push(message);
        };
        let awaited = (self.requests.get(&id)).is_some_and(Request::may_be_answered);
        if !awaited {
            if id.wrapping_sub(self.first_id) < self.begun {
                self.stats.late += 1;
            } else {
                self.stats.unknown += 1;
            }
            return self.spent.push(message);
        }
        // So small that nobody shares them.
        message.drain_front(2).for_each(drop);
        self.stats.answered += 1;
        self.finish(id, Outcome::Reply(message));
    }

    /// Time has passed. Looks at some of the requests that are due, the longest first; if there are more,
    /// [`next_time`](Self::next_time) has passed as well.
    pub(crate) fn on_time(&mut self, now: Instant) {
        for _ in 0..DUE_AT_ONCE {
            if self.next_time().is_none_or(|at| at > now) {
                return;
            }
            let Some((_, id)) = self.times.pop_first() else {
                return;
            };
            let turn = self.turn();
            let Some(request) = self.requests.get_mut(&id) else {
                continue;
            };
            request.time = None;
            if request.deadline.is_some_and(|deadline| deadline <= now) {
                let attempts = request.attempts;
                self.stats.overdue += 1;
                self.finish(id, Outcome::Overdue { attempts });
                continue;
            }
            request.retries.times -= 1;
            request.stage = Stage::Queued(turn);
            let deadline = request.deadline;
            self.queued.insert(turn, id);
            self.stats.retried += 1;
            self.set_time(id, deadline);
        }
    }

    /// When [`on_time`](Self::on_time) has something to do.
    pub(crate) fn next_time(&self) -> Option<Instant> {
        self.times.first().map(|(at, _)| *at)
    }

    /// How a request has ended, if it has. It is not in flight any more then.
    pub(crate) fn take(&mut self, id: u64) -> Option<Outcome> {
        let request = self.requests.get(&id)?;
        matches!(request.stage, Stage::Over(..)).then(|| self.remove(id))?
    }

    /// The same for the first that ended of those that are unclaimed.
    pub(crate) fn take_any(&mut self) -> Option<(u64, Outcome)> {
        let (_, id) = self.over.first_key_value()?;
        let id = *id;
        Some((id, self.take(id)?))
    }

    /// Nobody wants to know about this one any more.
    pub(crate) fn forget(&mut self, id: u64) -> bool {
        if !self.requests.contains_key(&id) {
            return false;
        }
        if let Some(Outcome::Reply(reply)) = self.remove(id) {
            self.spent.push(reply);
        }
        self.stats.forgotten += 1;
        true
    }

    /// Takes back a request that was never sent, and returns its body.
    pub(crate) fn withdraw(&mut self, id: u64) -> Option<Message> {
        let request = self.requests.get_mut(&id)?;
        if request.attempts > 0 {
            return None;
        }
        let outgoing = self.outgoing.take_if(|(outgoing, _)| *outgoing == id);
        let mut body = match outgoing {
            Some((_, message)) => message,
            None => std::mem::take(&mut request.message),
        };
        body.drain_front(2).for_each(drop);
        self.remove(id);
        Some(body)
    }

    /// Says whether somebody waits for this very request; `false` if it is not in flight.
    pub(crate) fn claim(&mut self, id: u64, claimed: bool) -> bool {
        let turn = self.turn();
        let Some(request) = self.requests.get_mut(&id) else {
            return false;
        };
        if request.claimed == claimed {
            return true;
        }
        request.claimed = claimed;
        if claimed {
            self.unclaimed -= 1;
        } else {
            self.unclaimed += 1;
        }
        if let Stage::Over(_, place) = &mut request.stage {
            if let Some(turn) = place.take() {
                self.over.remove(&turn);
            }
            if !claimed {
                *place = Some(turn);
                self.over.insert(turn, id);
            }
        }
        true
    }

    /// Whether it has not been taken or forgotten, and nobody else waits for it.
    pub(crate) fn is_free(&self, id: u64) -> bool {
        (self.requests.get(&id)).is_some_and(|request| !request.claimed)
    }

    /// Whether it was sent, and is in flight.
    pub(crate) fn is_sent(&self, id: u64) -> bool {
        (self.requests.get(&id)).is_some_and(|request| request.attempts > 0)
    }

    /// How many requests are in flight, over or not.
    pub(crate) fn in_flight(&self) -> usize {
        self.requests.len()
    }

    /// How many requests have ended so far, other than by being forgotten.
    pub(crate) fn ended(&self) -> u64 {
        self.stats.answered + self.stats.overdue
    }

    /// How many requests belong to whoever asks.
    pub(crate) fn unclaimed(&self) -> usize {
        self.unclaimed
    }

    pub(crate) fn stats(&self) -> RequesterStats {
        RequesterStats {
            in_flight: self.in_flight(),
            ..self.stats
        }
    }

    /// Messages of no use any more, for the caller to drop when foreign code may run.
    pub(crate) fn spent(&mut self) -> &mut Vec<Message> {
        &mut self.spent
    }

    fn turn(&mut self) -> u64 {
        self.turns += 1;
        self.turns
    }

    fn finish(&mut self, id: u64, outcome: Outcome) {
        self.quit(id);
        let turn = self.turn();
        if let Some(request) = self.requests.get_mut(&id) {
            let turn = (!request.claimed).then_some(turn);
            self.over.extend(turn.map(|turn| (turn, id)));
            request.stage = Stage::Over(outcome, turn);
        }
    }

    fn remove(&mut self, id: u64) -> Option<Outcome> {
        self.quit(id);
        let request = self.requests.remove(&id)?;
        self.unclaimed -= usize::from(!request.claimed);
        match request.stage {
            Stage::Over(outcome, turn) => {
                turn.map(|turn| self.over.remove(&turn));
                Some(outcome)
            }
            Stage::Queued(_) | Stage::UnderWay => None,
        }
    }

    /// The request is not to be sent any more, nor to be looked at later.
    fn quit(&mut self, id: u64) {
        self.set_time(id, None);
        if let Some((_, message)) = self.outgoing.take_if(|(outgoing, _)| *outgoing == id) {
            self.spent.push(message);
        }
        if let Some(request) = self.requests.get_mut(&id) {
            self.spent.push(std::mem::take(&mut request.message));
            if let Stage::Queued(turn) = request.stage {
                self.queued.remove(&turn);
            }
        }
    }

    fn set_time(&mut self, id: u64, time: Option<Instant>) {
        let Some(request) = self.requests.get_mut(&id) else {
            return;
        };
        if let Some(before) = std::mem::replace(&mut request.time, time) {
            self.times.remove(&(before, id));
        }
        self.times.extend(time.map(|at| (at, id)));
    }
}

impl Request {
    /// It was sent, and is not over. While it waits to be sent again a reply is as good.
    fn may_be_answered(&self) -> bool {
        self.attempts > 0 && !matches!(self.stage, Stage::Over(..))
    }
}

#[cfg(test)]
mod tests;
