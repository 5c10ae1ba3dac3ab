//! The messaging patterns, as state machines without sockets, threads or clocks.
//!
//! PUSH and PULL have no state beyond the turns of [`Rotation`](crate::rotation::Rotation). REQ and REP
//! are in modules of their own.

pub(crate) mod rep;
pub(crate) mod req;

/// Where envelopes are written to: frames of a message whose last frame is still to come.
pub(crate) trait Frames {
    fn append_part(&mut self, body: &[u8]);
}

impl Frames for zpipe::Writer {
    fn append_part(&mut self, body: &[u8]) {
        self.append(zmtp::header::Flags::MORE, body);
    }
}

#[cfg(test)]
impl Frames for Vec<Vec<u8>> {
    fn append_part(&mut self, body: &[u8]) {
        self.push(body.to_vec());
    }
}
