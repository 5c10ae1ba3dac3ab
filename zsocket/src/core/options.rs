//! Setting and reading the options of a socket that is there.

use super::Core;
use crate::{
    Error,
    options::{Entry, Target, Then},
    pattern::State,
};

impl<S: State> Core<S> {
    /// Sets an option.
    pub(crate) fn set_option(
        &mut self,
        entry: &'static Entry,
        set: impl FnOnce(Target<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        entry.check_writable(self.state.socket_type(), !self.attachments.is_empty())?;
        if entry.then == Then::Look {
            self.process()?;
        }
        set(self.target())?;
        match entry.then {
            Then::Nothing => {}
            Then::Marks => self.apply_marks(),
            Then::Departed => self.apply_departed(),
            Then::Look => self.tell_changes(),
        }
        Ok(())
    }

    /// Reads an option.
    pub(crate) fn read_option<T>(
        &mut self,
        entry: &'static Entry,
        read: impl FnOnce(Target<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        entry.check_type(self.state.socket_type())?;
        if entry.then == Then::Look {
            self.process()?;
        }
        read(self.target())
    }

    fn target(&mut self) -> Target<'_> {
        Target {
            socket_type: self.state.socket_type(),
            options: &mut self.options,
            pattern: self.state.settings(),
            last_endpoint: self.last_endpoint.as_ref(),
        }
    }
}
