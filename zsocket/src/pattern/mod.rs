//! The messaging patterns, as state machines without sockets, threads or clocks.
//!
//! PUSH and PULL have no state beyond the turns of [`Rotation`](crate::rotation::Rotation). REQ and REP
//! are in modules of their own.

pub(crate) mod rep;
pub(crate) mod req;
