//! What only a STREAM can be asked.

use bytes::Bytes;

use super::Socket;
use crate::{CanStream, Error, pattern::State};

/// What a STREAM knows. On a [`Dynamic`](crate::Dynamic) socket of another type it is [`Error::NotSupported`].
impl<P: CanStream> Socket<P> {
    /// The routing id of the peer that this socket has connected to last, with which messages can be sent there at
    /// once; `None` before that. `ZMQ_ROUTING_ID` of libzmq's STREAM.
    ///
    /// # Errors
    ///
    /// [`Error::NotSupported`].
    pub fn connected_id(&self) -> Result<Option<Bytes>, Error> {
        self.with_core(|core| {
            let stream = core.state.settings().stream();
            stream.map(|stream| stream.last_name.clone())
        })
        .ok_or(Error::NotSupported)
    }
}
