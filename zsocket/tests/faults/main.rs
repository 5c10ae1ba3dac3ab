//! What breaks in the field: processes that are killed, descriptors and names that are not to be had, networks that go away,
//! strangers in crowds, and connections that only seem to be there. Whatever the documentation of zsocket promises in *What becomes of what is queued* is
//! there afterwards.
//!
//! Some tests run themselves again in a process of their own, since they kill it, or change what belongs to a process.

#[allow(dead_code, reason = "shared with the scenarios")]
#[path = "../scenarios/support.rs"]
mod support;

mod child;
mod crowds;
mod network;
mod processes;
mod queued;
mod restarts;
mod sessions;
