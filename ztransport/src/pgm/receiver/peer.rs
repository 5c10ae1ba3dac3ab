//! What a receiver knows of one source.

use std::{collections::VecDeque, net::IpAddr, time::Instant};

use super::{Event, window::ReceiveWindow};
use crate::pgm::Sequence;

#[derive(Debug)]
pub(super) struct Peer {
    /// Where its first packet came from, and where to.
    pub(super) address: IpAddr,
    pub(super) group: IpAddr,
    /// Where NAKs go, once an SPM has told.
    pub(super) nla: Option<IpAddr>,
    /// The number of its last SPM.
    pub(super) spm: Option<Sequence>,
    /// SPMs that were asked for, and when the next one is.
    pub(super) spm_tries: u32,
    pub(super) asks_at: Option<Instant>,
    /// When it is forgotten if it stays silent.
    pub(super) expires: Instant,
    /// When that is looked at.
    pub(super) looks_at: Instant,
    /// It has said that it ends.
    pub(super) ends: bool,
    /// `None` until it is known where to begin.
    pub(super) window: Option<ReceiveWindow>,
    /// In order, and not taken.
    pub(super) ready: VecDeque<Event>,
    /// It is in the list of those with something to take.
    pub(super) listed: bool,
}

impl Peer {
    pub(super) fn new(address: IpAddr, group: IpAddr, expires: Instant) -> Self {
        Self {
            address,
            group,
            nla: None,
            spm: None,
            spm_tries: 0,
            asks_at: None,
            expires,
            looks_at: expires,
            ends: false,
            window: None,
            ready: VecDeque::new(),
            listed: false,
        }
    }

    /// Whether nothing is under way that would be lost with it.
    pub(super) fn is_settled(&self) -> bool {
        self.ready.is_empty() && self.window.as_ref().is_none_or(ReceiveWindow::is_whole)
    }
}
