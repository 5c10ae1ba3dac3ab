//! inproc: names within one context, behind which two sockets share pipes directly.
//!
//! There is no engine, no thread and no copy on the way: what one socket commits, the other reads.
//! Each direction holds as many messages as the writer's send mark and the reader's receive mark
//! together, or any number if either is unlimited. Connecting before somebody binds is allowed; until
//! then only the connecting socket's own mark counts, and the other ends wait here.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use zmtp::{Peer, Version};
use zpipe::{Limits, Reader, Writer, pipe};

use crate::{
    endpoint::{Endpoint, InprocName},
    event::{Letter, SocketHandle},
    link::{Link, next_id},
    lock::lock,
    options::Options,
};

/// Larger bodies are handed over, not copied: the reader may be on another core, and what it does not
/// look at need not travel there. Measured.
const SPLICE_MIN: usize = 512;

#[derive(Debug, Default)]
pub(crate) struct Inproc {
    names: Mutex<Names>,
}

#[derive(Debug, Default)]
struct Names {
    bound: HashMap<InprocName, Binding>,
    /// Connections without a binder, in the order in which they were made.
    pending: Vec<Pending>,
}

#[derive(Debug)]
struct Binding {
    key: u64,
    options: Arc<Options>,
    handle: SocketHandle,
}

/// The far ends of a connection that nobody has bound yet.
#[derive(Debug)]
struct Pending {
    link: u64,
    name: InprocName,
    options: Arc<Options>,
    writer: Writer,
    reader: Reader,
}

impl Inproc {
    /// Binds a name and takes up whoever waits for it. `false` when the name is taken.
    pub(crate) fn bind(
        &self,
        key: u64,
        name: &InprocName,
        options: &Arc<Options>,
        handle: &SocketHandle,
    ) -> bool {
        let mut names = self.lock();
        if names.bound.contains_key(name) {
            return false;
        }
        let (options, handle) = (Arc::clone(options), handle.clone());
        let binding = Binding {
            key,
            options,
            handle,
        };
        let waiting: Vec<_> = names.pending.extract_if(.., |p| p.name == *name).collect();
        for Pending {
            options,
            writer,
            reader,
            ..
        } in waiting
        {
            deliver(&binding, name, &options, writer, reader);
        }
        names.bound.insert(name.clone(), binding);
        true
    }

    pub(crate) fn connect(
        &self,
        id: u64,
        name: &InprocName,
        options: &Arc<Options>,
        handle: &SocketHandle,
    ) -> Link {
        let notifier = handle.notifier(id);
        let own = Limits {
            messages: u64::from(options.send_hwm),
            bytes: 0,
        };
        let (mut writer, far_reader) = pipe(own, Some(notifier.clone()), None);
        writer.set_splice_min(SPLICE_MIN);
        let (mut far_writer, reader) = pipe(Limits::default(), None, Some(notifier));
        far_writer.set_splice_min(SPLICE_MIN);
        let mut names = self.lock();
        let peer = match names.bound.get(name) {
            Some(binding) => {
                deliver(binding, name, options, far_writer, far_reader);
                Some(introduce(&binding.options))
            }
            None => {
                names.pending.push(Pending {
                    link: id,
                    name: name.clone(),
                    options: Arc::clone(options),
                    writer: far_writer,
                    reader: far_reader,
                });
                None
            }
        };
        Link {
            id,
            writer,
            reader,
            driver: None,
            endpoint: Endpoint::Inproc(name.clone()),
            outgoing: true,
            peer,
            abandoned: None,
        }
    }

    /// Frees a name. Connections stay.
    pub(crate) fn unbind(&self, key: u64) {
        self.lock().bound.retain(|_, binding| binding.key != key);
    }

    /// Drops the far ends of a connection that is still waiting.
    pub(crate) fn forget(&self, link: u64) {
        self.lock().pending.retain(|pending| pending.link != link);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Names> {
        lock(&self.names)
    }
}

/// Gives the binder its end of a connection.
fn deliver(
    binding: &Binding,
    name: &InprocName,
    connector: &Options,
    mut writer: Writer,
    mut reader: Reader,
) {
    let id = next_id();
    let notifier = binding.handle.notifier(id);
    writer.set_notifier(notifier.clone());
    reader.set_notifier(notifier);
    writer.set_limits(both(binding.options.send_hwm, connector.recv_hwm));
    reader.set_limits(both(connector.send_hwm, binding.options.recv_hwm));
    let link = Link {
        id,
        writer,
        reader,
        driver: None,
        endpoint: Endpoint::Inproc(name.clone()),
        outgoing: false,
        peer: Some(introduce(connector)),
        abandoned: None,
    };
    // A binder that is just closing drops the link, which the connector sees as a closed peer.
    let _ = binding.handle.post(Letter::Attach(Box::new(link)));
}

fn both(send: u32, recv: u32) -> Limits {
    let unlimited = send == 0 || recv == 0;
    let messages = if unlimited {
        0
    } else {
        u64::from(send) + u64::from(recv)
    };
    Limits { messages, bytes: 0 }
}

fn introduce(options: &Options) -> Peer {
    Peer::new(
        Version::V3_1,
        Some(options.socket_type),
        options.routing_id.clone(),
    )
}
