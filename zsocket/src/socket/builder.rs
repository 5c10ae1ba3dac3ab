//! Setting up a socket.

use std::fmt;

use zmtp::SocketType;

use super::Socket;
use crate::{
    Context, Error, IntoOptionId, Pattern, Value,
    options::{Entry, SocketOptions, Target},
    pattern::State,
};

/// Sets up a socket; made by [`Context::build_socket`] and [`Context::build_dynamic`].
pub struct SocketBuilder<P: Pattern> {
    context: Context,
    socket_type: SocketType,
    options: SocketOptions,
    /// What the pattern begins with, or why there will be no socket.
    state: Result<P::State, Error>,
}

impl<P: Pattern> SocketBuilder<P> {
    pub(crate) fn new(context: Context, socket_type: SocketType) -> Self {
        Self {
            context,
            socket_type,
            options: SocketOptions::new(socket_type),
            state: P::state(socket_type).ok_or(Error::NotSupported),
        }
    }

    /// Sets an option. The first error stays.
    pub(crate) fn with_option(
        mut self,
        entry: &'static Entry,
        set: impl FnOnce(Target<'_>) -> Result<(), Error>,
    ) -> Self {
        if let Ok(state) = &mut self.state {
            let target = Target {
                socket_type: self.socket_type,
                options: &mut self.options,
                pattern: state.settings(),
                last_endpoint: None,
            };
            let checked = entry.check_writable(self.socket_type, false);
            if let Err(error) = checked.and_then(|()| set(target)) {
                self.state = Err(error);
            }
        }
        self
    }

    /// Sets an option that is named at run time: see [`Socket::set_option`].
    ///
    /// The name and the value are checked by [`build`](Self::build).
    ///
    /// # Examples
    ///
    /// ```
    /// use zsocket::{Context, Error, Router};
    ///
    /// let context = Context::new();
    /// let router = context
    ///     .build_socket::<Router>()
    ///     .option("linger", "1s")
    ///     .option("mandatory", "yes")
    ///     .build()?;
    /// assert!(router.mandatory()?);
    ///
    /// let slip = context.build_socket::<Router>().option("lingre", "1s").build();
    /// assert_eq!(slip.unwrap_err().to_string(), "there is no option \"lingre\": did you mean linger?");
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn option(mut self, option: impl IntoOptionId, value: impl Into<Value>) -> Self {
        match option.into_option_id() {
            Ok(option) => {
                let entry = option.entry();
                self.with_option(entry, |to| (entry.write)(to, value.into()))
            }
            Err(error) => {
                self.state = self.state.and(Err(error));
                self
            }
        }
    }

    /// Makes the socket.
    ///
    /// # Errors
    ///
    /// What is wrong with the first option that cannot be set so: [`InvalidOption::Value`](crate::InvalidOption::Value), [`InvalidOption::NotOfType`](crate::InvalidOption::NotOfType),
    /// [`InvalidOption::Kind`](crate::InvalidOption::Kind), [`InvalidOption::Unknown`](crate::InvalidOption::Unknown), [`InvalidOption::Access`](crate::InvalidOption::Access). As for [`Context::socket`] otherwise.
    pub fn build(self) -> Result<Socket<P>, Error> {
        self.context
            .open(self.socket_type, self.state?, self.options)
    }
}

impl<P: Pattern> fmt::Debug for SocketBuilder<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketBuilder")
            .field("type", &self.socket_type.name())
            .field("options", &self.options)
            .field("error", &self.state.as_ref().err())
            .finish_non_exhaustive()
    }
}
