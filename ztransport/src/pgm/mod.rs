//! PGM (RFC 3208), "Pragmatic General Multicast", as libzmq speaks it: one sender, any number of receivers, and packets that
//! receivers miss are sent again to all.
//!
//! All of this is without sockets, clocks and threads: the time is an argument, packets are bytes. What moves them lies in the
//! engine and in `net::multicast`.
//!
//! ```text
//!   frames ──▶ Packer ──▶ Source ══ ODATA, SPM, NCF, RDATA ══▶ Receiver ──▶ Unpacker ──▶ messages
//!             (framing)     ▲                                     │
//!                           └──────────── NAK, SPMR ◀─────────────┘
//! ```
//!
//! - [`packet`] reads and writes packets.
//! - `source` numbers packets, keeps the latest of them in its transmit `window`, and sends them again when they are asked for. It
//!   tells how far it has come with SPMs, at intervals that grow with the silence (`heartbeat`), and keeps to a rate (`rate`).
//! - `receiver` knows its sources by their [`Tsi`], puts their packets in order, asks for what is missing (`repair`) unless others
//!   have done so just before, and says what is lost for good.
//! - `framing` makes packets of a stream of ZMTP 1.0 frames and a stream of packets. A field of two bytes in each packet tells where
//!   the next message begins, so a receiver that comes late, or has lost something, begins there.
//!
//! What comes from the network is never trusted: each walk is bounded by the packet, each list and window by the options, and
//! what does not fit is dropped and counted.

mod framing;
mod heartbeat;
pub mod packet;
mod rate;
mod receiver;
mod sequence;
mod settings;
#[cfg(test)]
mod simulation;
mod source;
mod window;

pub(crate) use self::{
    framing::{Packer, Unpacker},
    receiver::{Delivery, Receiver, ReceiverCounts, To},
    settings::Settings,
    source::{Identity, Source, SourceCounts},
};
pub use self::{
    packet::{Packet, PacketError, Tsi},
    sequence::Sequence,
};
