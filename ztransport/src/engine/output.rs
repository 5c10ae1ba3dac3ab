//! The way out: from the socket to the stream.

use std::io::IoSlice;

use zmtp::Encoder;
use zpipe::Readiness;

use super::{ASK_MAX, BUDGET, Engine, Phase, no_block};
use crate::{
    event::CloseReason,
    net::PeerAddress,
    parts::Parts,
    signals::{Due, Outcome},
};

/// Bytes for one `writev` over tcp. There each call costs the wake-up of a peer that has read all that
/// came before, and with more bytes it comes less often: bodies of 64 KiB go one and a half times as
/// fast as with a quarter of this.
const WRITE_SIZE_TCP: usize = 1 << 20;
/// Bytes for one `writev` elsewhere. More would have left the cache before the kernel copies them.
const WRITE_SIZE: usize = 256 * 1024;
/// Bytes of subscriptions that are encoded at a time, before the peer has taken them.
pub(super) const SUBSCRIPTIONS_SIZE: usize = 16 * 1024;
/// What a message that was fetched alone, because only the latest waits, takes of the budget, however small it is: each of them is
/// a call, and whoever sends without end would keep this thread.
pub(super) const FETCHED: usize = 8 * 1024;
/// Slices for one `writev`.
pub(super) const WRITE_SLICES: usize = 64;

impl Engine {
    pub(super) fn on_writable(&mut self, connection: &Parts) -> Result<(), CloseReason> {
        match self.phase {
            Phase::Handshake(_) => self.flush_handshake(),
            Phase::Traffic => {
                if self.flush(connection)? == Flushed::Closed {
                    self.on_all_written(connection);
                }
                Ok(())
            }
            Phase::Down | Phase::Draining => Ok(()),
        }
    }

    pub(super) fn flush_handshake(&mut self) -> Result<(), CloseReason> {
        let (Phase::Handshake(handshake), Some(stream)) = (&mut self.phase, &self.stream) else {
            return Ok(());
        };
        while !handshake.transmit().is_empty() {
            let Some(written) = no_block(stream.write(handshake.transmit()))? else {
                return Ok(());
            };
            handshake.advance_transmit(written);
        }
        Ok(())
    }

    /// Writes until the pipe is empty or the stream takes no more. When the stream is broken that is
    /// noted, and reading goes on: what the peer sent before may still be there.
    pub(super) fn flush(&mut self, connection: &Parts) -> Result<Flushed, CloseReason> {
        if self.broken.is_some() {
            return Ok(Flushed::Later);
        }
        let result = if self.raw.is_some() {
            self.flush_raw(connection)
        } else if self.translator.is_some() {
            self.flush_translated(connection)
        } else {
            self.flush_plain(connection)
        };
        let flushed = match result {
            Err(reason @ CloseReason::Io(_)) => {
                self.ignore_output(connection);
                self.broken = Some(reason);
                // Nothing announces what is there already.
                self.hung_up = true;
                return Ok(Flushed::Later);
            }
            result => result?,
        };
        match flushed {
            Flushed::Blocked => self.watch_output(connection),
            Flushed::Idle | Flushed::Closed => self.ignore_output(connection),
            Flushed::Later => {}
        }
        Ok(flushed)
    }

    fn flush_plain(&mut self, connection: &Parts) -> Result<Flushed, CloseReason> {
        let (Some(pipes), Some(stream)) = (&mut self.pipes, &self.stream) else {
            return Ok(Flushed::Idle);
        };
        let write_size = match self.address {
            PeerAddress::Tcp(_) => WRITE_SIZE_TCP,
            _ => WRITE_SIZE,
        };
        let mut budget = BUDGET;
        loop {
            let outbound = &mut pipes.outbound;
            if self.control.is_empty()
                && let Some(follower) = &mut self.follower
            {
                let mut encoder = Encoder::new(self.version);
                let control = &mut self.control;
                follower.next(SUBSCRIPTIONS_SIZE, |subscribe, topic| {
                    encoder.encode_subscription(subscribe, topic, control);
                });
            }
            // Control frames go between messages, and one that has begun goes on.
            if !self.control.is_empty() && (self.control_sent > 0 || !outbound.is_mid_message()) {
                let Some(written) = no_block(stream.write(&self.control[self.control_sent..]))?
                else {
                    return Ok(Flushed::Blocked);
                };
                self.control_sent += written;
                if self.control_sent == self.control.len() {
                    self.control.clear();
                    self.control.shrink_to(SUBSCRIPTIONS_SIZE);
                    self.control_sent = 0;
                }
                budget = budget.saturating_sub(written);
                if budget == 0 {
                    return Ok(self.flush_later(connection));
                }
                continue;
            }
            let mut slices = std::mem::take(&mut self.slices);
            let total = outbound.gather(&mut slices, WRITE_SLICES, write_size);
            if total == 0 {
                self.slices = recycle(slices);
                if pipes.fetch() {
                    budget = budget.saturating_sub(FETCHED);
                    if budget == 0 {
                        return Ok(self.flush_later(connection));
                    }
                    continue;
                }
                if pipes.outbound.is_closed() {
                    return Ok(Flushed::Closed);
                }
                if self.attention.output || pipes.set_idle() {
                    return Ok(Flushed::Idle);
                }
                continue;
            }
            let written = match &slices[..] {
                [one] => stream.write(one),
                many => stream.write_vectored(many),
            };
            self.slices = recycle(slices);
            let Some(written) = no_block(written)? else {
                return Ok(Flushed::Blocked);
            };
            outbound.advance(written);
            if written < total {
                return Ok(Flushed::Blocked);
            }
            budget = budget.saturating_sub(written);
            if budget == 0 {
                return Ok(self.flush_later(connection));
            }
        }
    }

    /// Others first; the I/O thread comes back to this one.
    pub(super) fn flush_later(&self, connection: &Parts) -> Flushed {
        connection.io.notify(Readiness::READABLE);
        Flushed::Later
    }

    /// Our system has everything, and the socket has let go of the link. Until the peer's system has it
    /// too, the connection goes on as before: a peer that reads slowly may send PING meanwhile, and would
    /// give the connection up if nobody answered; and if it were closed then, the peer's PING would make
    /// our system reset it.
    fn on_all_written(&mut self, connection: &Parts) {
        let stream = self.stream.as_ref();
        if stream.is_none_or(|stream| stream.unacknowledged() == 0) {
            return self.shut_down(connection);
        }
        if !std::mem::replace(&mut self.asking, true) {
            connection.report(Outcome::Timer(self.ask_after, Due::Acknowledged));
            self.ask_after = (self.ask_after * 2).min(ASK_MAX);
        }
    }

    /// Everything has arrived and nothing will come.
    pub(super) fn shut_down(&mut self, connection: &Parts) {
        self.phase = Phase::Draining;
        if let Some(pipes) = &self.pipes {
            pipes.losses.set_acknowledged();
        }
        if let Some(stream) = &self.stream {
            // Fails only if the peer is gone already, which reading will tell.
            let _ = stream.shutdown_write();
        }
        connection.handle.counters().open.sub(1);
        connection.handle.counters().closed(&CloseReason::Local);
        let info = self.info(connection);
        self.emit_end(connection, true, CloseReason::Local, info);
        connection.report(Outcome::Flushed);
        if let Err(reason) = self.discard(connection) {
            self.fail(connection, reason);
        }
    }
}

#[derive(PartialEq, Eq)]
pub(super) enum Flushed {
    /// Nothing is left; the pipe will say when there is.
    Idle,
    /// The stream is full.
    Blocked,
    /// Others have their turn; the I/O thread comes back.
    Later,
    /// Nothing is left and nothing will come.
    Closed,
}

/// Empties a vector of slices for use with another lifetime; collecting in place keeps the memory.
pub(super) fn recycle<'a>(mut slices: Vec<IoSlice<'_>>) -> Vec<IoSlice<'a>> {
    slices.clear();
    slices.into_iter().map(|_| IoSlice::new(&[])).collect()
}
