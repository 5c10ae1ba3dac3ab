//! Being watched.

use ztransport::{Event, EventKinds};

use super::Socket;
use crate::{
    Monitor, MonitorSnapshot, Pattern,
    core::Use,
    monitor::{self},
};

impl<P: Pattern> Socket<P> {
    /// Reports what happens to the socket's connections from now on, beside the monitors that it has already; each of them
    /// is told everything.
    #[must_use]
    pub fn monitor(&self) -> Monitor {
        self.monitor_only(EventKinds::ALL)
    }

    /// Likewise, only events of these kinds; [`Event::Lagged`] in any case.
    ///
    /// # Examples
    ///
    /// ```
    /// use zsocket::{Context, Event, EventKinds, Pull};
    ///
    /// let pull = Context::new().socket::<Pull>()?;
    /// let monitor = pull.monitor_only(EventKinds::LISTENER_CLOSED);
    /// let endpoint = pull.bind("tcp://127.0.0.1:*")?;
    /// pull.unbind(&endpoint)?;
    /// assert!(matches!(monitor.recv(), Some(Event::ListenerClosed { .. })));
    /// # Ok::<(), zsocket::Error>(())
    /// ```
    #[must_use]
    pub fn monitor_only(&self, kinds: EventKinds) -> Monitor {
        let (_, events) = self.with_core(|core| core.handle.monitor(kinds, monitor::CAPACITY));
        Monitor::new(events)
    }

    /// Likewise, and tells how things stand: where the socket listens and whom it is connected with. The snapshot and the
    /// events after it are the whole: what the one shows the other does not tell again, and nothing happens between
    /// them unseen. Takes time in proportion to the number of connections.
    ///
    /// # Examples
    ///
    /// ```
    /// use zsocket::{Context, Event, EventKinds, Pull, Push};
    ///
    /// let context = Context::new();
    /// let (pull, push) = (context.socket::<Pull>()?, context.socket::<Push>()?);
    /// push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
    /// push.send("hello")?;
    /// pull.recv()?;
    /// let (snapshot, monitor) = pull.monitor_with_snapshot(EventKinds::ALL);
    /// assert_eq!((snapshot.listening.len(), snapshot.peers.len()), (1, 1));
    /// drop(push);
    /// let Some(Event::Disconnected { connection, .. }) = monitor.recv() else { panic!() };
    /// assert_eq!(connection.id, snapshot.peers[0].id);
    /// # Ok::<(), zsocket::Error>(())
    /// ```
    #[must_use]
    pub fn monitor_with_snapshot(&self, kinds: EventKinds) -> (MonitorSnapshot, Monitor) {
        self.with_core(|core| {
            // What is connected to changes by calls alone.
            let attachments = core.attachments.iter().map(|(_, attachment)| attachment);
            let connected = attachments.filter(|attachment| {
                let is_inproc = matches!(attachment.endpoint, ztransport::Endpoint::Inproc(_));
                attachment.used == Use::Connected && !is_inproc
            });
            let mut connecting: Vec<_> = connected.map(|at| at.endpoint.clone()).collect();
            connecting.sort_unstable();
            let (snapshot, events) = core.handle.monitor(kinds, monitor::CAPACITY);
            (
                MonitorSnapshot::new(snapshot, connecting),
                Monitor::new(events),
            )
        })
    }

    /// Has monitors told what waits in the pipes of each peer: an [`Event::PipeStats`] for each. Says how many peers there are.
    /// `zmq_socket_monitor_pipes_stats`, at once.
    pub fn report_pipe_stats(&self) -> usize {
        self.with_core(|core| {
            // A terminated socket still has its pipes.
            let _ = core.process();
            let all = core.all_peer_stats();
            for stats in &all {
                core.handle.emit(|| Event::PipeStats {
                    endpoint: stats.endpoint.clone(),
                    outgoing: stats.outgoing,
                    queued_out: stats.queued_out,
                    queued_in: stats.queued_in,
                });
            }
            all.len()
        })
    }
}
