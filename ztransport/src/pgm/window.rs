//! What a source has sent last, and can send again.

use std::collections::VecDeque;

use super::Sequence;

#[derive(Debug)]
pub(super) struct TransmitWindow {
    packets: VecDeque<Sent>,
    /// The number of the next packet.
    next: Sequence,
    capacity: usize,
}

#[derive(Debug)]
struct Sent {
    packet: Vec<u8>,
    /// It waits to be sent again.
    queued: bool,
}

impl TransmitWindow {
    pub(super) fn new(first: Sequence, capacity: u32) -> Self {
        Self {
            packets: VecDeque::new(),
            next: first,
            capacity: capacity.max(1) as usize,
        }
    }

    /// The number of the next packet.
    pub(super) fn next(&self) -> Sequence {
        self.next
    }

    /// The oldest packet that can be sent again.
    pub(super) fn trail(&self) -> Sequence {
        self.next.minus(self.packets.len() as u32)
    }

    /// A buffer for the next packet: that of the oldest, if it goes now.
    pub(super) fn buffer(&mut self) -> Vec<u8> {
        if self.packets.len() < self.capacity {
            return Vec::new();
        }
        self.packets
            .pop_front()
            .map(|sent| sent.packet)
            .unwrap_or_default()
    }

    pub(super) fn push(&mut self, packet: Vec<u8>) {
        debug_assert!(self.packets.len() < self.capacity);
        let queued = false;
        self.packets.push_back(Sent { packet, queued });
        self.next = self.next.next();
    }

    fn at(&self, sequence: Sequence) -> Option<usize> {
        let at = usize::try_from(sequence.since(self.trail())).ok()?;
        (at < self.packets.len()).then_some(at)
    }

    pub(super) fn packet_mut(&mut self, sequence: Sequence) -> Option<&mut Vec<u8>> {
        let at = self.at(sequence)?;
        Some(&mut self.packets[at].packet)
    }

    /// Notes that it waits to be sent again. `false` if it does already, or is not here any more.
    pub(super) fn queue(&mut self, sequence: Sequence) -> bool {
        let at = self.at(sequence);
        at.is_some_and(|at| !std::mem::replace(&mut self.packets[at].queued, true))
    }

    /// It is sent again now.
    pub(super) fn unqueue(&mut self, sequence: Sequence) {
        if let Some(at) = self.at(sequence) {
            self.packets[at].queued = false;
        }
    }
}
