//! What is wrong with a socket, as far as it can tell from its state.

use std::time::Duration;

use bytes::Bytes;
use zmtp::{Frame, SocketType};
use ztransport::{Endpoint, Trouble, What};

use super::{Core, Use};
use crate::{
    diagnose::Finding,
    error::Refusal,
    links::{Slot, connection_of},
    pattern::State,
    peer::PeerId,
};

/// What calls leave behind for a diagnosis: the latest only.
#[derive(Debug, Default)]
pub(super) struct Traces {
    /// A call that the pattern did not allow, with the messages sent and received by then: a later one means that the
    /// application has found its way.
    misstep: Option<(bool, u64, u64)>,
    /// The routing id of the last message that was for nobody.
    unroutable: Option<Bytes>,
    /// Messages sent, and those of them for nobody, when the first subscription came.
    first_subscribed: Option<(u64, u64)>,
}

/// Peers that come and cannot be served are news for this long. A port is open to strangers, and one of them was there at
/// some time.
const RECENT: Duration = Duration::from_secs(60);

impl<S: State> Core<S> {
    // ---- Traces ----

    /// A call was refused.
    #[cold]
    pub(crate) fn note_refusal(&mut self, refusal: Refusal, sending: bool) {
        if refusal == Refusal::WrongState {
            let stats = &self.stats;
            self.traces.misstep = Some((sending, stats.messages_sent, stats.messages_received));
        }
    }

    /// What a sink has accepted is dropped with it.
    #[cold]
    pub(crate) fn note_unflushed(&mut self, messages: u64) {
        self.stats.dropped.unflushed += messages;
    }

    /// A message is dropped because nobody has its routing id.
    #[cold]
    pub(super) fn note_nobody(&mut self, head: Option<&Frame>) {
        self.stats.dropped.no_peer += 1;
        self.traces.unroutable = head.map(|id| Bytes::copy_from_slice(&id[..id.len().min(255)]));
    }

    /// Something was taken in, maybe a subscription.
    pub(super) fn note_subscribed(&mut self) {
        let topics = self.state.view().topics;
        if self.traces.first_subscribed.is_none() && topics.is_some_and(|topics| topics > 0) {
            let stats = &self.stats;
            self.traces.first_subscribed = Some((stats.messages_sent, stats.dropped.no_subscriber));
        }
    }

    // ---- Findings ----

    pub(crate) fn diagnose(&mut self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if let Err(refusal) = self.process() {
            findings.push(Finding::Ended {
                error: refusal.into(),
            });
            return findings;
        }
        if self.attachments.iter().next().is_none() && self.links.len() == 0 {
            findings.push(Finding::Unattached);
        }
        let troubles = self.handle.troubles();
        self.find_unconnected(&troubles, &mut findings);
        self.find_unvisited(&troubles, &mut findings);
        self.find_subscriptions(&mut findings);
        self.find_missteps(&mut findings);
        self.find_full(&mut findings);
        for trouble in &troubles {
            if let What::Traffic(address, reason) = &trouble.what {
                findings.push(Finding::BadTraffic {
                    endpoint: trouble.endpoint.clone(),
                    address: address.clone(),
                    reason: reason.clone(),
                    times: trouble.times,
                    age: trouble.age,
                });
            }
        }
        self.find_losses(&mut findings);
        findings
    }

    /// Endpoints that the socket has connected to, and where nobody is.
    fn find_unconnected(&mut self, troubles: &[Trouble], findings: &mut Vec<Finding>) {
        let outgoing: Vec<(u64, Endpoint)> = {
            let all = self.attachments.iter();
            let connected = all.filter(|(_, attachment)| attachment.used == Use::Connected);
            let mut all: Vec<_> = connected.map(|(id, a)| (id, a.endpoint.clone())).collect();
            all.sort_by_key(|(id, _)| *id);
            all
        };
        let (mut missing, mut stuck) = (0, 0);
        for (id, endpoint) in &outgoing {
            let place = self.links.of_connection(*id);
            let slot = place.and_then(|place| self.links.get_mut(place));
            let queued = slot.as_ref().map_or(0, |slot| slot.link.writer.pending());
            if slot.is_some_and(|slot| slot.link.standing().is_some()) {
                continue;
            }
            missing += 1;
            stuck += queued;
            if let Endpoint::Inproc(_) = endpoint {
                findings.push(Finding::InprocUnbound {
                    endpoint: endpoint.clone(),
                    queued,
                });
                continue;
            }
            let own = troubles.iter().filter(|trouble| {
                trouble.outgoing
                    && trouble.endpoint == *endpoint
                    && !matches!(trouble.what, What::Traffic(..))
            });
            findings.push(match own.min_by_key(|trouble| trouble.age) {
                Some(Trouble {
                    what: What::Handshake(address, reason),
                    times,
                    age,
                    ..
                }) => Finding::HandshakeFailed {
                    endpoint: endpoint.clone(),
                    outgoing: true,
                    address: address.clone(),
                    reason: reason.clone(),
                    times: *times,
                    age: *age,
                },
                other => Finding::NotConnected {
                    endpoint: endpoint.clone(),
                    error: other.and_then(|trouble| match &trouble.what {
                        What::Connect(error) => Some(error.clone()),
                        _ => None,
                    }),
                    attempts: other.map_or(0, |trouble| trouble.times),
                    queued,
                },
            });
        }
        let spreads = matches!(
            self.state.socket_type(),
            SocketType::Push | SocketType::Dealer | SocketType::Req
        );
        if spreads && missing > 0 && missing < outgoing.len() {
            findings.push(Finding::FewerPeers {
                connected: outgoing.len() - missing,
                endpoints: outgoing.len(),
                queued: stuck,
            });
        }
    }

    /// Endpoints that the socket has bound, and where nobody has come or whoever came could not be served.
    fn find_unvisited(&mut self, troubles: &[Trouble], findings: &mut Vec<Finding>) {
        for trouble in troubles {
            if let (false, What::Handshake(address, reason)) = (trouble.outgoing, &trouble.what)
                && trouble.age <= RECENT
            {
                findings.push(Finding::HandshakeFailed {
                    endpoint: trouble.endpoint.clone(),
                    outgoing: false,
                    address: address.clone(),
                    reason: reason.clone(),
                    times: trouble.times,
                    age: trouble.age,
                });
            }
        }
        let mut visited = Vec::new();
        for (_, slot) in self.links.iter_mut() {
            if connection_of(&slot.link).is_none() {
                visited.push(slot.link.endpoint.clone());
            }
        }
        let visited: std::collections::HashSet<Endpoint> = visited.into_iter().collect();
        for (_, attachment) in self.attachments.iter() {
            if attachment.used == Use::Bound && !visited.contains(&attachment.endpoint) {
                let endpoint = attachment.endpoint.clone();
                findings.push(Finding::NobodyCame { endpoint });
            }
        }
    }

    fn find_subscriptions(&mut self, findings: &mut Vec<Finding>) {
        let view = self.state.view();
        if view.subscriptions == Some(0) {
            findings.push(Finding::NoSubscription);
        }
        let Some(topics) = view.topics else { return };
        let stats = &self.stats;
        let messages = stats.dropped.no_subscriber;
        let Some((sent_before, lost_before)) = self.traces.first_subscribed else {
            if messages > 0 {
                findings.push(Finding::NobodySubscribed { messages });
            }
            return;
        };
        if lost_before > 0 {
            findings.push(Finding::SubscribedLate {
                messages: lost_before,
            });
        }
        let (sent, lost) = (stats.messages_sent - sent_before, messages - lost_before);
        if lost > 0 && topics == 0 {
            findings.push(Finding::NobodySubscribed { messages: lost });
        } else if lost > 0 && lost == sent {
            findings.push(Finding::NoTopicMatches {
                messages: lost,
                topics,
            });
        }
    }

    fn find_missteps(&mut self, findings: &mut Vec<Finding>) {
        let stats = &self.stats;
        if let Some((sending, sent, received)) = self.traces.misstep
            && (sent, received) == (stats.messages_sent, stats.messages_received)
        {
            findings.push(Finding::OutOfStep {
                socket_type: self.state.socket_type(),
                sending,
            });
        }
        if let Some(id) = &self.traces.unroutable {
            findings.push(Finding::Unroutable {
                messages: stats.dropped.no_peer,
                last: id.clone(),
            });
        }
    }

    /// Pipes at their marks.
    fn find_full(&mut self, findings: &mut Vec<Finding>) {
        let (mut live_drops, mut worst) = (0, None);
        for (_, slot) in self.links.iter_mut() {
            let Slot {
                link,
                muted,
                dropped,
                ..
            } = slot;
            let (peer, endpoint) = (PeerId(link.id), link.endpoint.clone());
            let (queued, mark) = (link.writer.pending(), link.writer.limits().messages);
            if !link.writer.is_closed() && mark > 0 && queued >= mark {
                findings.push(Finding::PeerFull {
                    peer,
                    endpoint: endpoint.clone(),
                    queued,
                    mark,
                    muted: muted.now(),
                });
            }
            let (queued, mark) = (link.reader.pending(), link.reader.limits().messages);
            if mark > 0 && queued >= mark {
                findings.push(Finding::ReceiverSlow {
                    peer,
                    endpoint: endpoint.clone(),
                    queued,
                    mark,
                });
            }
            if *dropped > live_drops {
                live_drops = *dropped;
                worst = Some((peer, endpoint));
            }
        }
        let messages = self.stats.dropped.hwm;
        if messages > 0 {
            findings.push(Finding::DroppedForFull { messages, worst });
        }
    }

    /// What was counted.
    fn find_losses(&mut self, findings: &mut Vec<Finding>) {
        let stats = self.stats();
        let (dropped, connections) = (stats.dropped, stats.connections);
        for (count, finding) in [
            (
                dropped.unexpected,
                Finding::NotOfThePattern {
                    messages: dropped.unexpected,
                },
            ),
            (
                dropped.refused,
                Finding::RefusedByPeer {
                    messages: dropped.refused,
                },
            ),
            (
                dropped.departed,
                Finding::DepartedLimit {
                    messages: dropped.departed,
                },
            ),
            (
                dropped.linger,
                Finding::LostToLinger {
                    messages: dropped.linger,
                },
            ),
            (
                dropped.peer_lost,
                Finding::LostWithPeer {
                    messages: dropped.peer_lost,
                },
            ),
            (
                connections.refused,
                Finding::PeersSentAway {
                    peers: connections.refused,
                },
            ),
            (
                connections.accept_paused,
                Finding::NoDescriptors {
                    times: connections.accept_paused,
                },
            ),
            (
                stats.monitor_lagged,
                Finding::MonitorLagged {
                    events: stats.monitor_lagged,
                },
            ),
            (
                stats.foreign_panics,
                Finding::ForeignPanics {
                    panics: stats.foreign_panics,
                },
            ),
        ] {
            if count > 0 {
                findings.push(finding);
            }
        }
    }
}
