//! A poller of many sockets of which one has something.

use super::kit::{End, Kit};
use super::{Shape, say_result};
use crate::{Parent, Result};

const BUSY: &str = "inproc://busy";

/// The idle sockets have a peer each, so that they are polled as those of a program are.
pub(super) fn poll<K: Kit>(shape: Shape, parent: &Parent) -> Result<()> {
    let context = K::context_for(2 * shape.peers + 2)?;
    let busy = K::Pull::open(&context, shape.hwm)?;
    busy.bind(BUSY)?;
    let push = K::Push::open(&context, shape.hwm)?;
    push.connect(BUSY)?;
    let (mut idle, mut silent) = (Vec::new(), Vec::new());
    for number in 0..shape.peers {
        let endpoint = format!("inproc://idle-{number}");
        let pull = K::Pull::open(&context, shape.hwm)?;
        pull.bind(&endpoint)?;
        let push = K::Push::open(&context, shape.hwm)?;
        push.connect(&endpoint)?;
        idle.push(pull);
        silent.push(push);
    }
    let elapsed = K::poll_busy(&push, &busy, &idle, &shape.body(), shape.count)?;
    say_result(parent, elapsed)
}
