//! PUSH: each message to one peer in turn. RFC 30, "The PUSH Socket Type".

use zmtp::{Frame, SocketType};

use super::{At, Route, State};
use crate::error::Refusal;

/// A PUSH socket has no state beyond the turns of its links.
#[derive(Debug, Default)]
pub struct Push;

impl State for Push {
    fn socket_type(&self) -> SocketType {
        SocketType::Push
    }

    fn streams(&self) -> bool {
        true
    }

    fn receives(&self) -> bool {
        false
    }

    #[inline]
    fn route(&self, _: Option<&Frame>) -> Result<Route, Refusal> {
        Ok(Route::Balanced)
    }

    fn wants_rest(&self, _: At) -> bool {
        false
    }
}
