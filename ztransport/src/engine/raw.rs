//! Streams that are taken as they are, without handshake and frames.
//!
//! The ropes hold frames also for these. What one read brings becomes a frame, read straight into the rope behind a
//! header that is put there with it; of the frames to be sent the bodies are picked out where they lie, and written.
//!
//! ```text
//!   stream ──▶ 02 00..0005 hello ──▶ rope of inbound ──▶ socket
//!   stream ◀── hello ◀── 00 05 hello ◀── rope of outbound ◀── socket
//! ```

use std::{io::IoSlice, slice};

use zmtp::{
    Peer, Version,
    header::{self, Flags},
};

use super::{
    BUDGET, Engine, Phase, no_block,
    output::{Flushed, WRITE_SLICES, recycle},
};
use crate::{
    event::CloseReason,
    parts::{Host, Parts},
    poll::TELLS_END,
    signals::{Caller, Outcome},
};

/// Bytes of one message received, at most: as many as with libzmq.
const CHUNK: usize = 8 * 1024;
/// Bytes of the rope for one `writev`.
const WRITE_SIZE: usize = 256 * 1024;
/// Bodies for one `writev`.
const WRITE_BODIES: usize = 512;

/// How far writing has come on the present stream.
#[derive(Default)]
pub(super) struct Raw {
    /// Bytes of the frame that has begun to go out and are still to come.
    left: usize,
    /// Kept for its allocation, always empty.
    bodies: Vec<IoSlice<'static>>,
}

impl Raw {
    /// The stream is gone. On the next one what has not gone out whole begins again.
    pub(super) fn reset(&mut self) {
        self.left = 0;
    }
}

/// A part of a frame's body, as it lies in the rope.
struct Piece<'a> {
    /// Bytes of the frame's header, if it is here.
    header: usize,
    body: &'a [u8],
    /// Bytes of the body that come after it.
    left: usize,
}

/// What lies in the rope, piece by piece.
struct Pieces<'a> {
    rope: &'a [u8],
    slices: slice::Iter<'a, IoSlice<'a>>,
    left: usize,
}

impl<'a> Pieces<'a> {
    fn new(slices: &'a [IoSlice<'a>], left: usize) -> Self {
        Self {
            rope: &[],
            slices: slices.iter(),
            left,
        }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        while self.rope.is_empty() {
            self.rope = self.slices.next()?;
        }
        let mut header = 0;
        if self.left == 0 {
            // A header that is cut off is the last thing here. There is no other, since these are our own.
            let (frame, len) = header::decode(self.rope).ok()??;
            header = len;
            self.left = usize::try_from(frame.size).ok()?;
            self.rope = &self.rope[len..];
        }
        let (body, rest) = self.rope.split_at(self.left.min(self.rope.len()));
        self.rope = rest;
        self.left -= body.len();
        Some(Piece {
            header,
            body,
            left: self.left,
        })
    }
}

/// How many bytes of the rope are done with when `written` bytes of bodies have gone out, and how many of the last
/// frame are left. A header is done with together with the first byte behind it.
fn done(pieces: Pieces<'_>, mut written: usize) -> (usize, usize) {
    let (mut rope, mut left) = (0, pieces.left);
    for Piece {
        header,
        body,
        left: after,
    } in pieces
    {
        let is_empty = body.is_empty() && after == 0;
        // An empty frame is done with as well, but not before all that stands before it.
        if written == 0 && (!is_empty || left > 0) {
            break;
        }
        let taken = body.len().min(written);
        rope += header + taken;
        written -= taken;
        left = after + body.len() - taken;
    }
    (rope, left)
}

impl Engine {
    /// There is a stream, and traffic begins at once.
    pub(super) fn establish_raw(
        &mut self,
        connection: &Parts,
        host: &dyn Host,
    ) -> Result<(), CloseReason> {
        self.phase = Phase::Traffic;
        self.raw.get_or_insert_default().reset();
        self.watch_traffic(connection);
        connection.handle.counters().established.add(1);
        connection.handle.counters().open.add(1);
        let (endpoint, outgoing) = (&connection.endpoint, connection.outgoing);
        connection.handle.connected(endpoint, outgoing);
        // It says nothing about itself.
        let peer = Peer::new(Version::V1_0, None, bytes::Bytes::new());
        let established = self.stands(connection, &peer);
        connection.handle.note(established);
        let announced = self.announce(connection, host, peer);
        connection.report(Outcome::Established);
        if !announced {
            return Err(CloseReason::Local);
        }
        self.notify_established(connection);
        self.scan(connection)?;
        Ok(())
    }

    pub(super) fn read_raw(&mut self, connection: &Parts, by: Caller) -> Result<(), CloseReason> {
        if self.is_unwanted(connection) {
            return self.read_away(connection, |_, _| Ok(()));
        }
        if self.paused && !self.scan(connection)? {
            return Ok(());
        }
        if self.is_left_to_application(connection, by) {
            return Ok(());
        }
        let mut budget = BUDGET;
        while budget > 0 {
            let (Some(pipes), Some(stream)) = (&mut self.pipes, &self.stream) else {
                return Ok(());
            };
            if !pipes.inbound.has_room() && pipes.inbound.block() {
                self.paused = true;
                return Ok(());
            }
            let filled = pipes.inbound.fill_rope(header::MAX_LEN + CHUNK, |room| {
                let (head, body) = room.split_at_mut(header::MAX_LEN);
                let read = stream.read(body)?;
                if read == 0 {
                    return Ok(0);
                }
                head[0] = Flags::LONG.bits();
                head[1..].copy_from_slice(&(read as u64).to_be_bytes());
                Ok(header::MAX_LEN + read)
            });
            let Some(filled) = no_block(filled)? else {
                return self.on_input_empty();
            };
            if filled.bytes == 0 {
                return Err(CloseReason::PeerClosed);
            }
            self.progress = true;
            if !self.scan(connection)? {
                // The mark was lowered just now.
                return Ok(());
            }
            if !filled.was_full && !self.hung_up && TELLS_END {
                // A short read emptied the socket; the next arrival is a new edge.
                return Ok(());
            }
            budget = budget.saturating_sub(filled.bytes);
        }
        self.read_later(connection);
        Ok(())
    }

    /// What [`Engine::flush`] does where only bodies go out.
    pub(super) fn flush_raw(&mut self, connection: &Parts) -> Result<Flushed, CloseReason> {
        let (Some(raw), Some(pipes), Some(stream)) = (&mut self.raw, &mut self.pipes, &self.stream)
        else {
            return Ok(Flushed::Idle);
        };
        let outbound = &mut pipes.outbound;
        let mut budget = BUDGET;
        loop {
            let mut slices = std::mem::take(&mut self.slices);
            let total = outbound.gather(&mut slices, WRITE_SLICES, WRITE_SIZE);
            if total == 0 {
                self.slices = recycle(slices);
                if outbound.is_closed() {
                    return Ok(Flushed::Closed);
                }
                if self.attention.output || outbound.set_idle() {
                    return Ok(Flushed::Idle);
                }
                continue;
            }
            let mut bodies: Vec<IoSlice<'_>> = std::mem::take(&mut raw.bodies);
            let mut size = 0;
            for piece in Pieces::new(&slices, raw.left) {
                if bodies.len() == WRITE_BODIES {
                    break;
                }
                if !piece.body.is_empty() {
                    size += piece.body.len();
                    bodies.push(IoSlice::new(piece.body));
                }
            }
            let written = match &bodies[..] {
                // Empty frames only.
                [] => Ok(0),
                [one] => stream.write(one),
                many => stream.write_vectored(many),
            };
            raw.bodies = recycle(bodies);
            let written = no_block(written);
            let (rope, left) = match written {
                Ok(Some(written)) => done(Pieces::new(&slices, raw.left), written),
                _ => (0, raw.left),
            };
            self.slices = recycle(slices);
            let Some(written) = written? else {
                return Ok(Flushed::Blocked);
            };
            raw.left = left;
            outbound.advance(rope);
            if written < size {
                return Ok(Flushed::Blocked);
            }
            budget = budget.saturating_sub(rope);
            if budget == 0 {
                return Ok(self.flush_later(connection));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
        match u8::try_from(body.len()) {
            Ok(len) => [&[flags, len], body].concat(),
            Err(_) => [&[flags | 2][..], &(body.len() as u64).to_be_bytes(), body].concat(),
        }
    }

    proptest! {
        /// However little goes out at a time, and however the rope is cut, exactly the bodies go out.
        #[test]
        fn exactly_the_bodies_go_out(
            bodies in proptest::collection::vec((any::<bool>(), 0..400usize), 0..20),
            cut in 11..300usize,
            takes in proptest::collection::vec(1..500usize, 1..8),
        ) {
            let bodies: Vec<(bool, Vec<u8>)> = (0..).zip(bodies)
                .map(|(at, (more, len))| (more, vec![at; len]))
                .collect();
            let rope: Vec<u8> = bodies.iter().flat_map(|(more, body)| frame(u8::from(*more), body)).collect();
            let expected: Vec<u8> = bodies.iter().flat_map(|(_, body)| body.clone()).collect();
            let (mut at, mut left, mut out) = (0, 0, Vec::<u8>::new());
            for take in takes.iter().cycle() {
                if at == rope.len() {
                    break;
                }
                // As `gather` does it: the end may be anywhere, in a header as well.
                let gathered = &rope[at..rope.len().min(at + cut)];
                let (one, two) = gathered.split_at(if left > 0 { left.min(gathered.len()) } else { 0 });
                let slices = [IoSlice::new(one), IoSlice::new(two)];
                let all: Vec<u8> = Pieces::new(&slices, left).flat_map(|piece| piece.body.to_vec()).collect();
                let written = all.len().min(*take);
                out.extend(&all[..written]);
                let (done, rest) = done(Pieces::new(&slices, left), written);
                prop_assert!(done > 0);
                at += done;
                left = rest;
            }
            prop_assert_eq!((at, left), (rope.len(), 0));
            prop_assert_eq!(out, expected);
        }
    }
}
