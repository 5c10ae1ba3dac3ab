//! Setting up a requester.

use std::time::Duration;

use super::{Requester, exchange::Retries};
use crate::{Context, Dealer, Error, InvalidOption, Socket};

/// Sets up a [`Requester`]; made by [`Requester::builder`].
///
/// # Examples
///
/// Options of the socket inside are set on a socket that the requester then takes over:
///
/// ```
/// use std::time::Duration;
/// use zsocket::{Context, Dealer, Requester};
///
/// let context = Context::new();
/// let socket = context.build_socket::<Dealer>().immediate(true).send_hwm(10).build()?;
/// let requester = Requester::builder()
///     .max_in_flight(50)
///     .retries(2, Duration::from_millis(300))
///     .over(socket)?;
/// # Ok::<(), zsocket::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct RequesterBuilder {
    max_in_flight: usize,
    retries: (u32, Duration),
}

impl RequesterBuilder {
    pub(crate) const fn new() -> Self {
        Self {
            max_in_flight: 1000,
            retries: (0, Duration::ZERO),
        }
    }

    /// How many requests may be in flight at a time: begun, and neither taken nor forgotten. At least 1. Default
    /// 1000, as many as a pipe of the default high-water mark has room for, so that the replies to all of them find
    /// room at the server.
    pub const fn max_in_flight(mut self, requests: usize) -> Self {
        self.max_in_flight = requests;
        self
    }

    /// How often a request is sent again, each time when no reply has come for `after` since it was sent last, until
    /// its deadline. Default: never. With several servers the next one gets it.
    ///
    /// A request that is sent again may be served twice, for the first may have been served and only the reply be lost,
    /// or late. That this does no harm is up to the caller: retry what only asks, or what comes to the same when it is
    /// done twice. Of several replies the first counts.
    pub const fn retries(mut self, times: u32, after: Duration) -> Self {
        self.retries = (times, after);
        self
    }

    /// Makes the requester, with a socket that sends to established connections only.
    ///
    /// # Errors
    ///
    /// [`InvalidOption::Value`](crate::InvalidOption::Value) for a setting that is not allowed; otherwise as for [`Context::socket`].
    pub fn build(self, context: &Context) -> Result<Requester, Error> {
        self.over(context.build_socket::<Dealer>().immediate(true).build()?)
    }

    /// Makes the requester of a socket. What the socket has received before is no reply, and counted so.
    ///
    /// # Errors
    ///
    /// [`InvalidOption::Value`](crate::InvalidOption::Value) for a setting that is not allowed.
    pub fn over(self, socket: Socket<Dealer>) -> Result<Requester, Error> {
        let (times, after) = self.retries;
        let retries = check_retries(times, after)?;
        if self.max_in_flight == 0 {
            return Err(Error::from(InvalidOption::Value {
                option: "max_in_flight",
                expected: "at least 1",
            }));
        }
        Ok(Requester::from_parts(socket, self.max_in_flight, retries))
    }
}

pub(super) fn check_retries(times: u32, after: Duration) -> Result<Retries, Error> {
    if times > 0 && after.is_zero() {
        return Err(Error::from(InvalidOption::Value {
            option: "retries",
            expected: "more than zero time between them",
        }));
    }
    Ok(Retries { times, after })
}
