//! Bodies that have left the rope and are not dropped yet.
//!
//! The `Drop` of a body may look at the very pipe that the body comes from. So whoever takes bodies out
//! of a rope puts them here, brings all of its own state up to date, and drops them last.

use bytes::Bytes;

use crate::{deferred, sync::or_mutant};

/// More room than this is not kept, in bodies.
const KEEP: usize = 64;

/// See the module documentation. What is left is dropped with it.
#[derive(Default)]
pub(crate) struct Spent(Vec<Bytes>);

impl Spent {
    pub(crate) fn push(&mut self, body: Bytes) {
        self.0.push(body);
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Drops every body as [`deferred`] says, which never panics.
    #[inline(never)]
    pub(crate) fn drop_all(&mut self) {
        self.0
            .drain(..)
            .for_each(or_mutant!(deferred::drop_body, drop));
        if self.0.capacity() > KEEP {
            self.0 = Vec::new();
        }
    }
}

impl Drop for Spent {
    fn drop(&mut self) {
        self.drop_all();
    }
}
