//! A poller of many sockets of which one has something.

use super::kit::{End, Kit};
use super::{Shape, say_result};
use crate::{Parent, Result};

const BUSY: &str = "inproc://busy";

/// The idle sockets are bound and have no peer: libzmq needs a descriptor for each socket, and ends the process when there are
/// no more.
pub(super) fn poll<K: Kit>(shape: Shape, parent: &Parent) -> Result<()> {
    let context = K::context_for(shape.peers + 2)?;
    let busy = K::Pull::open(&context, shape.hwm)?;
    busy.bind(BUSY)?;
    let push = K::Push::open(&context, shape.hwm)?;
    push.connect(BUSY)?;
    let idle: Vec<K::Pull> = (0..shape.peers)
        .map(|number| {
            let pull = K::Pull::open(&context, shape.hwm)?;
            pull.bind(&format!("inproc://idle-{number}"))?;
            Ok(pull)
        })
        .collect::<Result<_>>()?;
    let elapsed = K::poll_busy(&push, &busy, &idle, &shape.body(), shape.count)?;
    say_result(parent, elapsed)
}
