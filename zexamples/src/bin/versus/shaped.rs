//! One run of a shape: leads its roles through their lines.

use std::str::FromStr;
use std::time::Duration;

use zexamples::perf::Library;
use zexamples::perf::shapes::{Role, Shape};
use zexamples::{Child, Result, Transport};

use crate::measure::{Bench, finish, measured};
use crate::role::ShapeArgs;
use crate::test::{Side, Test};

/// One run in fresh processes: the measured time of `count` messages.
pub(crate) fn run(bench: &Bench<'_>, side: Side, count: u64) -> Result<Duration> {
    let lead = Lead { bench, side, count };
    let plain = side == Side::Plain;
    match bench.test {
        Test::Links => lead.one_sender(Role::PushLinks),
        Test::Sockets => lead.one_sender(Role::PushSockets),
        Test::Senders => lead.many(Role::Collect, Role::Push),
        Test::Clients if plain => lead.many(Role::ServePlain, Role::AskPlain),
        Test::Clients => lead.many(Role::Serve, Role::Ask),
        Test::Neighbours => lead.neighbours(),
        Test::Routed => lead.routed(),
        Test::Published => lead.published(Role::Publish, Role::Subscribe),
        Test::Matched => lead.published(Role::PublishTopics, Role::SubscribeTopics),
        Test::Polled => finish(lead.spawn(Role::Poll, "inproc")?),
        Test::Fan => finish(lead.spawn(Role::Fan, "inproc")?),
        Test::Forwarded => finish(lead.spawn(Role::Forward, wildcard(bench.transport))?),
        Test::Brokered => finish(lead.spawn(Role::Broker, wildcard(bench.transport))?),
        Test::Throughput | Test::Filled | Test::Latency | Test::Topics => {
            Err(format!("{} is led by others", bench.test).into())
        }
    }
}

/// An endpoint for a process that is alone with it.
fn wildcard(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "tcp://127.0.0.1:*",
        Transport::Ipc => "ipc://*",
        Transport::Inproc => "inproc",
    }
}

pub(crate) struct Lead<'b> {
    pub(crate) bench: &'b Bench<'b>,
    pub(crate) side: Side,
    pub(crate) count: u64,
}

impl Lead<'_> {
    pub(crate) fn spawn(&self, role: Role, endpoint: &str) -> Result<Child> {
        let shape = Shape {
            role,
            lib: match self.side {
                Side::Library(library) => library,
                Side::Plain => Library::Ours,
            },
            hwm: self.bench.hwm,
            mechanism: self.bench.mechanism,
            size: u32::try_from(self.bench.size)?,
            count: self.count,
            peers: self.bench.peers,
            form: self.bench.form,
        };
        Child::spawn_self(
            ShapeArgs::command_line(endpoint, shape),
            self.bench.deadline,
        )
    }

    /// Starts the role that binds, and returns it with its endpoint.
    pub(crate) fn bind(&self, role: Role) -> Result<(Child, String)> {
        let endpoint = self.bench.endpoints.fresh(self.bench.transport);
        let local = self.spawn(role, &endpoint)?;
        let endpoint = local.answer("bound")?;
        Ok((local, endpoint))
    }

    fn one_sender(&self, role: Role) -> Result<Duration> {
        let (local, endpoint) = self.bind(Role::Pull)?;
        let mut remote = self.spawn(role, &endpoint)?;
        local.answer("ready")?;
        remote.answer("ready")?;
        remote.tell("go")?;
        let elapsed = measured(&local)?;
        same(number(&local, "received")?, number(&remote, "sent")?)?;
        local.finish()?;
        end([remote])?;
        Ok(elapsed)
    }

    fn many(&self, local: Role, remote: Role) -> Result<Duration> {
        let (mut local, endpoint) = self.bind(local)?;
        let mut remotes: Vec<Child> = (0..self.bench.peers)
            .map(|_| self.spawn(remote, &endpoint))
            .collect::<Result<_>>()?;
        local.answer("ready")?;
        remotes
            .iter()
            .try_for_each(|r| r.answer("ready").map(drop))?;
        remotes
            .iter_mut()
            .try_for_each(|remote| remote.tell("go"))?;
        let elapsed = measured(&local)?;
        remotes
            .iter_mut()
            .try_for_each(|remote| remote.tell("stop"))?;
        let received = number(&local, "received")?;
        let mut sent = 0;
        for remote in &remotes {
            sent += number::<u64>(remote, "sent")?;
        }
        same(received, sent)?;
        local.tell("close")?;
        local.finish()?;
        end(remotes)?;
        Ok(elapsed)
    }

    fn routed(&self) -> Result<Duration> {
        let (local, endpoint) = self.bind(Role::Route)?;
        let mut remote = self.spawn(Role::AskRouter, &endpoint)?;
        local.answer("ready")?;
        remote.answer("ready")?;
        remote.tell("go")?;
        let elapsed = measured(&remote)?;
        same(number(&local, "received")?, number(&remote, "sent")?)?;
        end([remote, local])?;
        Ok(elapsed)
    }

    fn published(&self, local: Role, remote: Role) -> Result<Duration> {
        let (mut local, endpoint) = self.bind(local)?;
        let remote = self.spawn(remote, &endpoint)?;
        local.answer("ready")?;
        remote.answer("ready")?;
        local.tell("go")?;
        let elapsed = measured(&remote)?;
        same(number(&remote, "received")?, number(&local, "sent")?)?;
        end([remote, local])?;
        Ok(elapsed)
    }

    fn neighbours(&self) -> Result<Duration> {
        let (local, endpoint) = self.bind(Role::ServeOne)?;
        let idle = self.spawn(Role::Idle, &endpoint)?;
        idle.answer("ready")?;
        let mut remote = self.spawn(Role::AskAlone, &endpoint)?;
        local.answer("ready")?;
        remote.answer("ready")?;
        remote.tell("go")?;
        let elapsed = measured(&remote)?;
        same(number(&local, "received")?, number(&remote, "sent")?)?;
        end([remote, idle, local])?;
        Ok(elapsed)
    }
}

/// Lets the roles close, all at once, and waits for them.
pub(crate) fn end(children: impl IntoIterator<Item = Child>) -> Result<()> {
    let mut children: Vec<Child> = children.into_iter().collect();
    children
        .iter_mut()
        .try_for_each(|child| child.tell("close"))?;
    children
        .into_iter()
        .try_for_each(|child| child.finish().map(drop))
}

pub(crate) fn number<N>(child: &Child, key: &str) -> Result<N>
where
    N: FromStr,
    zexamples::Error: From<N::Err>,
{
    Ok(child.answer(key)?.parse()?)
}

pub(crate) fn same(received: u64, sent: u64) -> Result<()> {
    if received == sent {
        Ok(())
    } else {
        Err(format!("{received} messages received, {sent} sent").into())
    }
}
