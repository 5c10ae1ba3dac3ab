//! Who may ask a server for the upgrade.

use core::fmt;

use super::{Rejection, Request, UpgradeError};

type Check = Box<dyn FnOnce(&Request) -> Result<(), Rejection> + Send + Sync>;

/// What a server looks at before it grants an upgrade: the origin of the request, and whatever else
/// the application wants to see.
///
/// A browser opens a WebSocket for any page that asks for one, to any address that it can reach, the
/// user's own machine included, and sends the user's cookies along. The page stands in the field
/// `Origin`, which programs other than browsers do not send. So a request with an origin is refused,
/// with status 403, unless that origin is allowed.
///
/// # Examples
///
/// ```
/// use std::time::Instant;
/// use zmtp::zws::{self, Gate, Rejection};
/// use zmtp::{HandshakeConfig, SocketType};
///
/// let gate = Gate::new()
///     .allow_origin("https://example.com")
///     .with_check(|request| match (&*request.path, request.field("Cookie")) {
///         ("/queue", Some(cookie)) if cookie.starts_with(b"session=") => Ok(()),
///         ("/queue", _) => Err(Rejection::Unauthorized),
///         _ => Err(Rejection::NotFound),
///     });
/// let config = HandshakeConfig::new(SocketType::Pull);
/// let server = zws::Connection::accept_through(gate, config, Instant::now());
/// # let _ = server;
/// ```
#[derive(Default)]
pub struct Gate {
    any_origin: bool,
    origins: Vec<String>,
    check: Option<Check>,
}

impl Gate {
    /// A gate for programs: it lets no web page through.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets pages of this origin through: scheme, host, and port unless it is the usual one, in the
    /// form in which browsers send them, such as `https://example.com`.
    #[must_use]
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// Lets pages of every origin through. Only a server that anybody may use, or whose clients prove
    /// who they are by other means than cookies and addresses, may want this.
    #[must_use]
    pub const fn allow_any_origin(mut self) -> Self {
        self.any_origin = true;
        self
    }

    /// Shows each request to the application before anything is answered. A rejection is sent with its
    /// status, and ends the connection.
    #[must_use]
    pub fn with_check(
        mut self,
        check: impl FnOnce(&Request) -> Result<(), Rejection> + Send + Sync + 'static,
    ) -> Self {
        self.check = Some(Box::new(check));
        self
    }

    /// Judges a request.
    ///
    /// # Errors
    ///
    /// [`UpgradeError::Origin`] when it comes from a page whose origin is not allowed,
    /// [`UpgradeError::Rejected`] when the application does not want it.
    pub fn pass(self, request: &Request) -> Result<(), UpgradeError> {
        if let Some(origin) = &request.origin
            && !self.any_origin
            && !self.origins.contains(origin)
        {
            return Err(UpgradeError::Origin);
        }
        match self.check {
            Some(check) => check(request).map_err(|rejection| UpgradeError::Rejected { rejection }),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("any_origin", &self.any_origin)
            .field("origins", &self.origins)
            .field("check", &self.check.is_some())
            .finish()
    }
}
