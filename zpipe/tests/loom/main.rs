//! Every interleaving of the hand-overs in this crate, as far as loom can tell two of them apart.
//!
//! Built and run with `RUSTFLAGS="--cfg loom"`, in release mode. Chunks and limits are tiny then. A
//! lost wake-up shows as a deadlock, a slice that overlaps a write as a violated cell, a forgotten
//! node as a leaked `Arc`.

#![cfg(loom)]

mod channel;
mod ends;
mod foreign;
mod input;
mod latest;
mod pipe;
mod ready;
mod shared;

/// Runs `f` in every order, with at most `LOOM_MAX_PREEMPTIONS` (3) preemptions.
fn model(f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    builder.check(f);
}
