//! Where a socket is bound and connected.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use zpipe::Limits;
use ztransport::{
    Bound, Closing, Endpoint, Link, Options, OwnedDescriptor, is_io_thread, net::resolve_bound,
};

use super::{
    Core,
    attachments::{Attachment, Use},
};
use crate::{
    Error,
    context::Shared,
    links::connection_of,
    options::SocketOptions,
    pattern::{At, Notify, State},
    security::Mechanism,
};

impl<S: State> Core<S> {
    pub(crate) fn bind(&mut self, endpoint: &Endpoint) -> Result<Endpoint, Error> {
        self.process()?;
        self.check_transport(endpoint)?;
        if let Endpoint::Multicast(_) = endpoint {
            // There is nobody to listen to.
            self.open(endpoint.clone(), endpoint.clone(), Use::Bound, None)?;
            return Ok(endpoint.clone());
        }
        let options = Arc::new(self.transport_options()?);
        let bound = self
            .context
            .reactor
            .bind(endpoint, &options, &self.handle)?;
        Ok(self.note_bound(bound, endpoint.clone()))
    }

    /// Binds to what listens already.
    pub(crate) fn adopt(&mut self, descriptor: OwnedDescriptor) -> Result<Endpoint, Error> {
        self.process()?;
        self.check_security()?;
        let options = Arc::new(self.transport_options()?);
        let bound = self
            .context
            .reactor
            .adopt(descriptor, &options, &self.handle)?;
        let given = bound.endpoint.clone();
        Ok(self.note_bound(bound, given))
    }

    fn note_bound(&mut self, bound: Bound, given: Endpoint) -> Endpoint {
        self.attachments.insert(
            bound.id,
            Attachment {
                used: Use::Bound,
                given,
                endpoint: bound.endpoint.clone(),
                name: None,
            },
        );
        self.last_endpoint = Some(bound.endpoint.clone());
        bound.endpoint
    }

    pub(crate) fn connect(&mut self, given: Endpoint) -> Result<(), Error> {
        self.process()?;
        let endpoint = given.absolute()?;
        self.check_transport(&endpoint)?;
        if self.state.connects_once() && !matches!(endpoint, Endpoint::Inproc(_)) {
            // One that was given up may have had no link from which the socket would know.
            let reactor = &self.context.reactor;
            self.attachments
                .forget_connected(&endpoint, |number| !reactor.has_connection(number));
            if self.attachments.contains(Use::Connected, &endpoint) {
                return Ok(());
            }
        }
        let name = self.state.take_name();
        if !self.state.may_connect(name.as_ref()) {
            return Err(Error::HasPeer);
        }
        self.open(endpoint, given, Use::Connected, name)
    }

    fn open(
        &mut self,
        endpoint: Endpoint,
        given: Endpoint,
        used: Use,
        name: Option<Bytes>,
    ) -> Result<(), Error> {
        let options = Arc::new(self.transport_options()?);
        let (id, link) = self
            .context
            .reactor
            .connect(&endpoint, &options, &self.handle)?;
        self.attachments.insert(
            id,
            Attachment {
                used,
                given,
                endpoint: endpoint.clone(),
                name,
            },
        );
        if let Some(link) = link {
            let at = self.admit(link);
            if let Endpoint::Multicast(group) = &endpoint {
                self.state.on_group(at);
                let limit = options.tuning.multicast.largest_message(group);
                self.group_limits.insert(id, limit);
                self.limit_messages();
            }
        }
        self.last_endpoint = Some(endpoint);
        Ok(())
    }

    /// Unbinds or disconnects an endpoint, each time that it was bound or connected, or if it never was,
    /// what was given as this endpoint before it was resolved.
    pub(crate) fn detach(&mut self, endpoint: Endpoint, used: Use) -> Result<(), Error> {
        self.process()?;
        // Without a current directory a relative path can only be one that was given before.
        let resolved = endpoint.absolute().unwrap_or_else(|_| endpoint.clone());
        let mut found = self.attachments.take(used, &resolved);
        if found.is_empty() {
            found = self.attachments.take_given(used, &endpoint);
        }
        if found.is_empty() && used == Use::Bound {
            found = self.bound_at_name(&endpoint);
        }
        if found.is_empty() {
            return Err(Error::NoSuchEndpoint(Box::new(endpoint)));
        }
        if used == Use::Connected {
            self.handle.note_disconnect();
        }
        for at in [&resolved, &endpoint] {
            self.handle.forget_troubles(at, used == Use::Connected);
        }
        for id in found {
            match used {
                Use::Bound if !matches!(resolved, Endpoint::Multicast(_)) => {
                    self.context.reactor.unbind(id, true);
                }
                _ => self.disconnect(id),
            }
        }
        Ok(())
    }

    /// The smallest of all limits holds.
    fn limit_messages(&mut self) {
        self.message_limit = self.group_limits.values().min().copied();
    }

    /// Takes out what is bound to an address of this name, if it is one, under another name or as a number.
    fn bound_at_name(&mut self, endpoint: &Endpoint) -> Vec<u64> {
        let Endpoint::Tcp(tcp) = endpoint else {
            return Vec::new();
        };
        // An I/O thread waits for nobody.
        if !tcp.needs_dns() || tcp.port().is_none() || is_io_thread() {
            return Vec::new();
        }
        // A name that nobody knows is bound nowhere.
        let ipv6 = self.options.transport.tuning.ipv6;
        let addresses = resolve_bound(tcp, ipv6).unwrap_or_default();
        let taken = addresses
            .into_iter()
            .map(|address| self.attachments.take(Use::Bound, &address.into()));
        taken.flatten().collect()
    }

    /// Ends a connection that this socket made.
    pub(super) fn disconnect(&mut self, id: u64) {
        self.context.reactor.forget_inproc(id);
        if self.group_limits.remove(&id).is_some() {
            self.limit_messages();
        }
        let linger = self.options.linger;
        let mut told = false;
        for (place, mut link) in self.links.remove_connection(id) {
            link.settle();
            let at = At { place, id: link.id };
            self.departed.remove(at.id);
            self.on_detached(at);
            self.stats.dropped.unread += link.left().messages;
            if link.writer.is_closed() {
                self.stats.dropped.peer_lost += link.unclaimed();
            } else {
                told |= link.driver.is_some();
                close_link(link, linger);
            }
        }
        if !told {
            self.context.reactor.disconnect(id, linger);
        }
        if self.state.takes_in() {
            // The end of what a peer has asked for is something to receive.
            self.wake_tasks();
        }
    }

    /// Ends the connection of a link for good, also one that this socket made, when what is queued there is sent.
    pub(super) fn close_peer(&mut self, at: At) {
        let connection = self.links.at(at).and_then(|slot| connection_of(&slot.link));
        if let Some(id) = connection {
            self.attachments.remove(id);
            return self.disconnect(id);
        }
        self.forget_offered(at.place);
        if let Some(link) = self.links.remove(at.place) {
            self.departed.remove(at.id);
            close_link(link, self.options.linger);
            self.on_detached(at);
        }
    }

    /// Streams are taken as they are only where there are streams, and there is no handshake on them that could be secure.
    fn check_transport(&self, endpoint: &Endpoint) -> Result<(), Error> {
        if self.state.is_raw() && matches!(endpoint, Endpoint::Inproc(_)) {
            return Err(Error::NotSupported);
        }
        // Multicast has no handshake either.
        let is_secure = self.options.security.mechanism != Mechanism::Null;
        if is_secure && matches!(endpoint, Endpoint::Multicast(_)) {
            return Err(Error::NotSupported);
        }
        self.check_security()
    }

    /// Streams without a handshake cannot be protected.
    fn check_security(&self) -> Result<(), Error> {
        if self.state.is_raw() && self.options.security.mechanism != Mechanism::Null {
            return Err(Error::NotSupported);
        }
        Ok(())
    }

    /// Everything is closed next, and lingers for this long: what there is to ask about afterwards, and whom.
    pub(crate) fn begin_close(&mut self, linger: Duration) -> (Arc<Shared>, Vec<Closing>) {
        let context = Arc::clone(&self.context);
        if self.process.is_forked() {
            return (context, Vec::new());
        }
        // A terminated socket still has its links.
        let _ = self.process();
        self.options.linger = Some(linger);
        let links = self.links.iter_mut();
        let closings = links.map(|(_, slot)| Closing::new(&slot.link)).collect();
        (context, closings)
    }

    fn transport_options(&self) -> Result<Options, Error> {
        let mut options = self.options.transport()?;
        options.receives = self.state.receives();
        options.wants_rest = self.state.wants_rest_of_strangers();
        options.raw = self.state.is_raw();
        let Notify {
            established,
            ended,
            disconnect,
            hiccup,
        } = self.state.notify();
        options.notices.established = established;
        options.notices.ended = ended;
        options.notices.disconnect = disconnect;
        options.notices.hiccup = hiccup;
        options.hello = self.state.hello();
        options.subscriptions = self.subscriptions.clone();
        Ok(options)
    }

    pub(crate) fn last_endpoint(&self) -> Option<Endpoint> {
        self.last_endpoint.clone()
    }

    /// Applies changed high-water marks to all pipes.
    pub(crate) fn apply_marks(&mut self) {
        if self.process.is_forked() {
            return;
        }
        for (_, slot) in self.links.iter_mut() {
            set_marks(&mut slot.link, &self.options);
        }
    }
}

/// Gives a link's pipes the marks of the options. Those of inproc are a sum that was made when the two
/// sockets met.
pub(super) fn set_marks(link: &mut Link, options: &SocketOptions) {
    let limits = |messages: u32| Limits {
        messages: u64::from(messages),
        bytes: 0,
    };
    if link.driver.is_some() {
        link.writer.set_limits(limits(options.transport.send_hwm));
        link.reader.set_limits(limits(options.transport.recv_hwm));
    }
}

/// Lets go of a link: first its pipes, then, so that the engine finds them closed, its connection.
pub(super) fn close_link(mut link: Link, linger: Option<Duration>) {
    link.say_goodbye();
    if let Some(driver) = link.close() {
        driver.linger(linger);
    }
}
