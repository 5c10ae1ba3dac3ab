//! PULL: one message of each peer in turn. RFC 30, "The PULL Socket Type".

use zmtp::SocketType;

use super::{At, Source, State};
use crate::error::Refusal;

/// A PULL socket has no state beyond the turns of its links.
#[derive(Debug, Default)]
pub struct Pull;

impl State for Pull {
    fn socket_type(&self) -> SocketType {
        SocketType::Pull
    }

    fn streams(&self) -> bool {
        true
    }

    fn takes_all(&self) -> bool {
        true
    }

    #[inline]
    fn source(&self) -> Result<Source, Refusal> {
        Ok(Source::Fair)
    }

    fn wants_rest(&self, _: At) -> bool {
        true
    }
}
