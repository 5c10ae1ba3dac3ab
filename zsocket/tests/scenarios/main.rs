//! What a user, a stranger and a broken network do to sockets, seen through the public API.
//!
//! Each module is one subject. Where bytes have to be crafted, the other end is a plain stream of
//! the standard library, see [`support::Raw`].

mod admission;
mod async_cancel;
mod async_fair;
mod async_halves;
mod async_sockets;
mod automatic;
mod bad_input;
mod churn;
mod close;
mod conflate;
mod cork;
mod deadlines;
mod departed;
mod diagnose;
mod endpoints;
mod executors;
mod foreign;
mod forward;
mod futures;
mod heartbeat;
mod high_water;
mod inproc;
mod leader;
mod lease;
mod linger;
mod monitor;
mod monitor_snapshot;
mod monitor_tasks;
mod notices;
mod old;
mod old_peers;
mod options;
mod pair;
mod peer_info;
mod peers;
mod pub_sub;
mod reconnect;
mod refusals;
mod req_rep;
mod requester;
mod requester_futures;
mod responder;
mod router;
mod scheduling;
mod security;
mod shutdown;
mod socks;
mod statistics;
mod stops;
mod stream;
mod support;
mod system_options;
mod xpub_xsub;
