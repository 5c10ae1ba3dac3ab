//! Setting up a socket.

use std::marker::PhantomData;

use zmtp::SocketType;

use super::Socket;
use crate::{Context, Error, Pattern, options::SocketOptions};

/// Sets up a socket; made by [`Context::build_socket`].
#[derive(Debug)]
pub struct SocketBuilder<P> {
    context: Context,
    pub(super) socket_type: SocketType,
    options: Result<SocketOptions, Error>,
    pattern: PhantomData<fn() -> P>,
}

impl<P: Pattern> SocketBuilder<P> {
    pub(crate) fn new(context: Context, socket_type: SocketType) -> Self {
        let options = Ok(SocketOptions::default());
        Self {
            context,
            socket_type,
            options,
            pattern: PhantomData,
        }
    }

    /// The first error stays.
    pub(crate) fn set(&mut self, set: impl FnOnce(&mut SocketOptions) -> Result<(), Error>) {
        if let Ok(options) = &mut self.options
            && let Err(error) = set(options)
        {
            self.options = Err(error);
        }
    }

    /// Makes the socket.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] for the first option with an invalid value; as for
    /// [`Context::socket`] otherwise.
    pub fn build(self) -> Result<Socket<P>, Error> {
        self.context.open(self.socket_type, self.options?)
    }
}
