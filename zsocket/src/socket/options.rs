//! Options that are named at run time.

use super::Socket;
use crate::{Error, IntoOptionId, Pattern, Value};

/// Options by name. Each has a setter and a getter of its own as well.
impl<P: Pattern> Socket<P> {
    /// Sets an option that is named at run time, by its [`OptionId`](crate::OptionId), by its name, or by its name or
    /// number in libzmq; what these are, and what each option takes, is in `docs/OPTIONS.md` and in
    /// [`OptionId`](crate::OptionId). The value may be text: see [`Value`]. Besides options there are `subscribe` and
    /// `unsubscribe`.
    ///
    /// # Errors
    ///
    /// [`InvalidOption::Unknown`](crate::InvalidOption::Unknown), with a name that may be meant, or why an option of libzmq is none here;
    /// [`InvalidOption::NotOfType`](crate::InvalidOption::NotOfType), with the types that have it; [`InvalidOption::Kind`](crate::InvalidOption::Kind) and [`InvalidOption::Value`](crate::InvalidOption::Value),
    /// with what it takes; [`InvalidOption::TooLate`](crate::InvalidOption::TooLate); [`InvalidOption::Access`](crate::InvalidOption::Access); and as for its own setter. Nothing has
    /// changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use zsocket::{Context, Error, OptionId, Sub, Value};
    ///
    /// let socket = Context::new().socket::<Sub>()?;
    /// for line in ["recv_hwm = 10", "linger = 1s", "ZMQ_MAXMSGSIZE = 1048576", "subscribe = weather."] {
    ///     let (name, value) = line.split_once(" = ").unwrap();
    ///     socket.set_option(name, value)?;
    /// }
    /// assert_eq!(socket.recv_hwm(), 10);
    /// assert_eq!(socket.max_frame_size(), Some(1 << 20));
    /// assert_eq!(socket.option(OptionId::LINGER)?, Value::Duration(Duration::from_secs(1)));
    /// assert_eq!(socket.option("topics_count")?.to_string(), "1");
    ///
    /// let error = socket.set_option("mandatory", true).unwrap_err();
    /// assert_eq!(error.to_string(), "mandatory is no option of SUB: it is one of ROUTER, REP");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn set_option(
        &self,
        option: impl IntoOptionId,
        value: impl Into<Value>,
    ) -> Result<(), Error> {
        let (entry, value) = (option.into_option_id()?.entry(), value.into());
        self.with_core(|core| core.set_option(entry, |to| (entry.write)(to, value)))
    }

    /// The value of an option that is named at run time: see [`set_option`](Self::set_option).
    ///
    /// # Errors
    ///
    /// [`InvalidOption::Unknown`](crate::InvalidOption::Unknown), [`InvalidOption::NotOfType`](crate::InvalidOption::NotOfType); [`InvalidOption::Access`](crate::InvalidOption::Access) for what can only be set.
    pub fn option(&self, option: impl IntoOptionId) -> Result<Value, Error> {
        let entry = option.into_option_id()?.entry();
        self.with_core(|core| core.read_option(entry, entry.read))
    }
}
