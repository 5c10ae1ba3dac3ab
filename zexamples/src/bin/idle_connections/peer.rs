//! The child process: connects as it is told, line by line.

use std::process;
use std::time::Duration;

use zexamples::{Footprint, Parent, Result};

use crate::end::End;

/// Connections that are begun before the first of them must be complete.
const BATCH: u64 = 256;
/// How long the sockets may be left alone between orders.
const IDLE: Duration = Duration::from_millis(10);

/// Follows the parent's orders until it lets go.
pub(crate) fn follow(end: &mut dyn End, endpoint: &str) -> Result<()> {
    let parent = Parent::listen(|| process::exit(0))?;
    parent.say("ready", "")?;
    let mut established = 0;
    loop {
        let order = loop {
            end.attend()?;
            if let Some(order) = parent.hear_timeout(IDLE)? {
                break order;
            }
        };
        let (verb, count) = order.split_once(' ').unwrap_or((&order, "0"));
        let count: u64 = count.parse()?;
        match verb {
            "footprint" => parent.say("footprint", &Footprint::now()?.to_words())?,
            "open" => {
                let goal = established + count;
                while established < goal {
                    let batch = BATCH.min(goal - established);
                    for _ in 0..batch {
                        end.connect(endpoint)?;
                    }
                    established += batch;
                    end.wait_established(established)?;
                }
                parent.say("opened", "")?;
            }
            "send" => end.send_many(count)?,
            "disconnect" => {
                end.disconnect(endpoint)?;
                parent.say("disconnected", "")?;
            }
            "cycle" => {
                for _ in 0..count {
                    end.connect(endpoint)?;
                    established += 1;
                    end.wait_established(established)?;
                    end.disconnect(endpoint)?;
                }
                parent.say("cycled", "")?;
            }
            "message" => {
                end.connect(endpoint)?;
                end.send()?;
            }
            _ => return Err(format!("no such order: {order:?}").into()),
        }
    }
}
