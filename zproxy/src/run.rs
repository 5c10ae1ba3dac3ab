//! The proxy at work: what it forwards when, and what it waits for.

use std::{convert::Infallible, time::Duration};

use zpoll::{Events, Interest, Poller};
use zsocket::{Budget, Capture, ForwardEnd, ForwardError, ForwardSide, Pattern, Socket};

use crate::{
    CanControl, Ended, Error, ProxyHandle, ProxyStatistics, Role,
    control::Command,
    handle::Orders,
    side::{are_same, leads_to},
};

/// Commands of the control socket between two looks at messages.
const COMMANDS: u32 = 16;

const NO_TIME: Duration = Duration::ZERO;

const FRONTEND: usize = 0;
const BACKEND: usize = 1;
const CONTROL: usize = 2;

/// What a proxy works with. Nothing of it is owned.
pub(crate) struct Work<'a, F: Pattern, B: Pattern, K: Pattern> {
    pub(crate) frontend: &'a Socket<F>,
    pub(crate) backend: &'a Socket<B>,
    pub(crate) capture: Option<&'a dyn Capture>,
    pub(crate) control: Option<&'a Socket<K>>,
    pub(crate) budget: Budget,
    pub(crate) interruptible: bool,
    pub(crate) handle: &'a ProxyHandle,
}

/// Why there is no next round.
enum Stop {
    Ended(Ended),
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// What there is to forward.
#[derive(Clone, Copy)]
struct Ways {
    to_backend: bool,
    to_frontend: bool,
    /// Both sides are the same socket.
    is_echo: bool,
}

impl<F: Pattern, B: Pattern, K: CanControl> Work<'_, F, B, K> {
    /// Forwards until the end.
    pub(crate) fn run(&self) -> Result<Ended, Error> {
        let mut poller = Poller::new();
        poller.set_interruptible(self.interruptible);
        let _running = self.handle.begin(poller.waker());
        let mut statistics = ProxyStatistics::default();
        let result = self.forward_all(poller, &mut statistics);
        // What was done in the round that was the last counts, too.
        self.handle.report(&statistics);
        match result {
            Err(Stop::Ended(ended)) => Ok(ended),
            Err(Stop::Failed(error)) => Err(error),
            Ok(never) => match never {},
        }
    }

    fn forward_all<'p>(
        &'p self,
        mut poller: Poller<'p>,
        statistics: &mut ProxyStatistics,
    ) -> Result<Infallible, Stop> {
        let ways = self.ways()?;
        // What is wanted of the two sockets, as the poller knows it.
        let mut wanted = [Interest::END; 2];
        self.register(&mut poller, ways)?;
        let mut events = Events::new();
        loop {
            self.obey_control(statistics)?;
            let wants = match self.handle.report(statistics) {
                Orders::Terminate => return Err(Stop::Ended(Ended::ByHandle)),
                Orders::Pause => [Interest::END; 2],
                Orders::Forward => match self.forward_some(ways, statistics)? {
                    Some(wants) => wants,
                    // There is more, but orders first.
                    None => continue,
                },
            };
            for key in [FRONTEND, BACKEND] {
                if wants[key] != wanted[key] && !(ways.is_echo && key == BACKEND) {
                    poller.modify(key, wants[key]).map_err(Error::Wait)?;
                }
            }
            wanted = wants;
            self.handle.report(statistics);
            poller.wait(&mut events, None).map_err(Error::Wait)?;
            if events.is_empty() && !events.is_woken() {
                return Err(Error::OnIoThread.into());
            }
            for event in &events {
                if event.ready.contains(Interest::END) {
                    self.hear_end(event.key)?;
                }
            }
        }
    }

    fn ways(&self) -> Result<Ways, Error> {
        let (frontend, backend) = (self.frontend.socket_type(), self.backend.socket_type());
        let is_echo = are_same(self.frontend, self.backend);
        let ways = Ways {
            to_backend: leads_to(frontend, backend),
            to_frontend: leads_to(backend, frontend) && !is_echo,
            is_echo,
        };
        if !ways.to_backend && !ways.to_frontend {
            return Err(Error::NothingToForward { frontend, backend });
        }
        Ok(ways)
    }

    fn register<'p>(&'p self, poller: &mut Poller<'p>, ways: Ways) -> Result<(), Error> {
        let watch = |role| move |error| Error::Watch { role, error };
        (poller.add(self.frontend, FRONTEND, Interest::END)).map_err(watch(Role::Frontend))?;
        if !ways.is_echo {
            (poller.add(self.backend, BACKEND, Interest::END)).map_err(watch(Role::Backend))?;
        }
        if let Some(control) = self.control {
            (poller.add(control, CONTROL, Interest::RECV)).map_err(watch(Role::Control))?;
        }
        Ok(())
    }

    /// Forwards in each direction what the budget allows, and says what there is to wait for; nothing if there may be more
    /// at once.
    fn forward_some(
        &self,
        ways: Ways,
        statistics: &mut ProxyStatistics,
    ) -> Result<Option<[Interest; 2]>, Stop> {
        let mut wants = [Interest::NONE; 2];
        let mut has_more = false;
        for (is_way, from, to) in [
            (ways.to_backend, FRONTEND, BACKEND),
            (ways.to_frontend, BACKEND, FRONTEND),
        ] {
            if !is_way {
                continue;
            }
            let to_backend = to == BACKEND;
            let result = if to_backend {
                (self.frontend).forward_with(self.backend, self.capture, self.budget)
            } else {
                (self.backend).forward_with(self.frontend, self.capture, self.budget)
            };
            let forwarded = result.map_err(|error| failed(to_backend, error))?;
            statistics.add(to_backend, &forwarded);
            // A direction without room waits for that, and not for more to come in. The other one goes on.
            match forwarded.end {
                ForwardEnd::Empty => wants[from] = wants[from] | Interest::RECV,
                ForwardEnd::Full if ways.is_echo => wants[from] = wants[from] | Interest::SEND,
                ForwardEnd::Full => wants[to] = wants[to] | Interest::SEND,
                ForwardEnd::Budget => has_more = true,
            }
        }
        let wants = wants.map(|wants| {
            if wants.is_none() {
                Interest::END
            } else {
                wants
            }
        });
        Ok((!has_more).then_some(wants))
    }

    /// A socket of which nothing else is wanted now has come to its end, and says why.
    fn hear_end(&self, key: usize) -> Result<(), Stop> {
        // It has no fewer peers than none: only an error can come of this.
        let (role, heard) = if key == FRONTEND {
            (Role::Frontend, self.frontend.wait_connected(0, NO_TIME))
        } else {
            (Role::Backend, self.backend.wait_connected(0, NO_TIME))
        };
        heard.map_err(|error| stopped(role, error))
    }

    /// Does what the control socket asks for.
    fn obey_control(&self, statistics: &ProxyStatistics) -> Result<(), Stop> {
        let Some(control) = self.control else {
            return Ok(());
        };
        for _ in 0..COMMANDS {
            let command = match control.try_recv() {
                Ok(message) => Command::new(&message),
                // A REP that was lent to the proxy with a request that is not answered.
                Err(zsocket::Error::WouldBlock(_) | zsocket::Error::WrongState(_)) => return Ok(()),
                Err(error) => return Err(stopped(Role::Control, error)),
            };
            match command {
                Command::Pause => self.handle.set_paused(true),
                Command::Resume => self.handle.set_paused(false),
                Command::Terminate | Command::Statistics | Command::Unknown => {}
            }
            if let Some(reply) = command.answer(control.socket_type(), statistics) {
                K::reply(control, reply);
            }
            if command == Command::Terminate {
                return Err(Stop::Ended(Ended::ByControl));
            }
        }
        Ok(())
    }
}

fn failed(to_backend: bool, ForwardError { at, error }: ForwardError) -> Stop {
    let role = match (at, to_backend) {
        (ForwardSide::Capture, _) => Role::Capture,
        (ForwardSide::Source, true) | (ForwardSide::Destination, false) => Role::Frontend,
        (ForwardSide::Source, false) | (ForwardSide::Destination, true) => Role::Backend,
    };
    stopped(role, error)
}

fn stopped(role: Role, error: zsocket::Error) -> Stop {
    match error {
        zsocket::Error::Terminated => Stop::Ended(Ended::ContextShutDown(role)),
        error => Stop::Failed(Error::Socket { role, error }),
    }
}
