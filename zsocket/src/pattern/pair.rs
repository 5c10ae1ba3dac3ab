//! PAIR: one peer, and messages both ways. RFC 31, "The PAIR Socket Type".

use bytes::Bytes;
use zmtp::{Frame, SocketType};

use super::{Admission, At, Route, Source, State};
use crate::error::Refusal;

/// Whom a PAIR socket has for its peer.
#[derive(Debug, Default)]
pub struct Pair {
    /// Until it is gone and all that it has sent is received: what comes from the next one comes after that.
    peer: Option<At>,
}

impl State for Pair {
    fn socket_type(&self) -> SocketType {
        SocketType::Pair
    }

    fn streams(&self) -> bool {
        true
    }

    /// There is one link at most.
    #[inline]
    fn route(&self, _: Option<&Frame>) -> Result<Route, Refusal> {
        Ok(Route::Balanced)
    }

    fn takes_all(&self) -> bool {
        true
    }

    #[inline]
    fn source(&self) -> Result<Source, Refusal> {
        Ok(Source::Fair)
    }

    fn may_connect(&self, _: Option<&Bytes>) -> bool {
        self.peer.is_none()
    }

    fn admit(&mut self, at: At, _: Option<&Bytes>) -> Admission {
        match *self.peer.get_or_insert(at) {
            peer if peer == at => Admission::Join,
            peer => Admission::Refuse(peer),
        }
    }

    fn on_detached(&mut self, at: At) {
        self.peer.take_if(|peer| *peer == at);
    }

    fn wants_rest(&self, _: At) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pattern::testing::at;

    proptest! {
        /// However links come and go: the first that comes while there is none is the peer, until it goes.
        #[test]
        fn there_is_one_peer_at_a_time(steps in proptest::collection::vec((0..4usize, any::<bool>()), 0..40)) {
            let mut pair = Pair::default();
            let mut peer = None;
            for (link, comes) in steps {
                if comes {
                    let first = *peer.get_or_insert(link);
                    let expected = if first == link { Admission::Join } else { Admission::Refuse(at(first)) };
                    prop_assert_eq!(pair.admit(at(link), None), expected);
                } else {
                    pair.on_detached(at(link));
                    peer.take_if(|peer| *peer == link);
                }
                prop_assert_eq!(pair.may_connect(None), peer.is_none());
                // It sends and receives without regard to turns.
                prop_assert_eq!(pair.route(None), Ok(Route::Balanced));
                prop_assert_eq!(pair.source(), Ok(Source::Fair));
            }
        }
    }
}
