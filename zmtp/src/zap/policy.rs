//! Whether a handler is asked, and what its answer, or the lack of one, causes.

use bytes::Bytes;

use super::{Reply, ReplyError, Status};
use crate::Error;
use crate::greeting::MechanismName;

/// What a server tells the handler it belongs to, and what it does when there is no handler.
///
/// The [module](crate::zap) has the rules for each mechanism.
///
/// # Examples
///
/// ```
/// use zmtp::greeting::MechanismName;
/// use zmtp::zap::Policy;
///
/// let policy = Policy::new("intranet").with_enforced_domain(true)?;
/// assert!(policy.consults(MechanismName::NULL));
/// assert!(!policy.accepts_without_handler(MechanismName::NULL));
/// # Ok::<(), zmtp::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    domain: Bytes,
    enforce_domain: bool,
}

impl Policy {
    /// The longest domain that libzmq takes, in bytes.
    pub const MAX_DOMAIN_LEN: usize = 255;

    /// Makes a policy for a domain, the name under which a handler keeps the rules for this server.
    ///
    /// The domain may be empty: NULL does not ask then, as in libzmq, though PLAIN and CURVE do.
    #[must_use]
    pub fn new(domain: impl Into<Bytes>) -> Self {
        Self {
            domain: domain.into(),
            enforce_domain: false,
        }
    }

    /// Sets whether a peer is refused when there is a domain and no handler. Default: no.
    ///
    /// This is `ZMQ_ZAP_ENFORCE_DOMAIN` of libzmq.
    ///
    /// # Errors
    ///
    /// [`Error::EmptyZapDomain`] when an empty domain is to be enforced. libzmq then asks nobody, and a
    /// CURVE server lets everybody in, which is the opposite of what the name says.
    pub fn with_enforced_domain(mut self, enforce: bool) -> Result<Self, Error> {
        if enforce && self.domain.is_empty() {
            return Err(Error::EmptyZapDomain);
        }
        self.enforce_domain = enforce;
        Ok(self)
    }

    /// The domain; empty if there is none.
    #[must_use]
    pub const fn domain(&self) -> &Bytes {
        &self.domain
    }

    /// Whether the lack of a handler matters when there is a domain.
    #[must_use]
    pub const fn enforces_domain(&self) -> bool {
        self.enforce_domain
    }

    /// Whether a server with this policy asks about peers that use a mechanism.
    #[must_use]
    pub fn consults(&self, mechanism: MechanismName) -> bool {
        match mechanism {
            MechanismName::NULL => !self.domain.is_empty(),
            _ => true,
        }
    }

    /// Whether a peer that uses a mechanism comes in when there is nobody to ask.
    #[must_use]
    pub fn accepts_without_handler(&self, mechanism: MechanismName) -> bool {
        mechanism != MechanismName::PLAIN && !self.enforce_domain
    }
}

/// What came of a [`Request`](super::Request).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// The handler replied.
    Reply(Reply),
    /// The handler sent something that is no reply, or no reply to the request.
    Invalid(ReplyError),
    /// There is no handler.
    NoHandler,
}

/// What a mechanism does about an [`Answer`] that lets the connection live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Go on.
    Accept,
    /// Send ERROR with this status, and wait for the peer to close.
    Refuse(Status),
}

impl Answer {
    /// What the answer means to a server that uses `mechanism`.
    ///
    /// # Errors
    ///
    /// Why the connection has to be closed without a word.
    pub(crate) fn verdict(
        &self,
        policy: &Policy,
        mechanism: MechanismName,
    ) -> Result<Verdict, Error> {
        match self {
            Self::Reply(reply) => match reply.status {
                Status::Success => Ok(Verdict::Accept),
                // An ERROR would keep a libzmq peer from ever coming back.
                status @ Status::TemporaryError => Err(Error::AuthenticationFailed { status }),
                status => Ok(Verdict::Refuse(status)),
            },
            Self::Invalid(cause) => Err(Error::InvalidZapReply { cause: *cause }),
            Self::NoHandler if policy.accepts_without_handler(mechanism) => Ok(Verdict::Accept),
            Self::NoHandler => Err(Error::NoZapHandler),
        }
    }
}

impl From<Result<Reply, ReplyError>> for Answer {
    fn from(decoded: Result<Reply, ReplyError>) -> Self {
        decoded.map_or_else(Self::Invalid, Self::Reply)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zap::{Credentials, Request};

    const MECHANISMS: [MechanismName; 3] = [
        MechanismName::NULL,
        MechanismName::PLAIN,
        MechanismName::CURVE,
    ];

    // spec: RFC27/domain: NULL asks only in a domain, PLAIN and CURVE always; an empty domain cannot be enforced
    // spec: WIRE-5/no-handler: without a handler NULL and CURVE accept unless a domain is enforced, PLAIN refuses
    #[test]
    fn asks_and_does_without_as_libzmq_does() {
        let table = [
            // domain, enforced, asks for each mechanism, accepts without a handler
            ("", false, [false, true, true], [true, false, true]),
            ("d", false, [true, true, true], [true, false, true]),
            ("d", true, [true, true, true], [false, false, false]),
        ];
        for (domain, enforce, asks, accepts) in table {
            let policy = Policy::new(domain).with_enforced_domain(enforce).unwrap();
            assert_eq!(MECHANISMS.map(|name| policy.consults(name)), asks);
            assert_eq!(
                MECHANISMS.map(|name| policy.accepts_without_handler(name)),
                accepts
            );
        }
        // In libzmq this asks nobody, and a CURVE server lets everybody in.
        let error = Policy::new("").with_enforced_domain(true).unwrap_err();
        assert_eq!(error, Error::EmptyZapDomain);
        assert_eq!(error.blame(), crate::Blame::Local);
    }

    // spec: RFC27/status-codes: 200 accepts, 300 closes silently, 400 and 500 send ERROR
    #[test]
    fn each_status_has_its_effect() {
        let request = Request::new(Credentials::Null);
        let judge = |status| {
            Answer::Reply(Reply::decision(&request, status, ""))
                .verdict(&Policy::new("d"), MechanismName::NULL)
        };
        assert_eq!(judge(Status::Success), Ok(Verdict::Accept));
        let failed = Error::AuthenticationFailed {
            status: Status::TemporaryError,
        };
        assert_eq!(failed.auth_event_code(), Some(300));
        assert_eq!(judge(Status::TemporaryError), Err(failed));
        for status in [Status::AuthenticationFailure, Status::InternalError] {
            assert_eq!(judge(status), Ok(Verdict::Refuse(status)));
        }
    }

    #[test]
    fn an_invalid_reply_closes_with_its_cause() {
        let answer = Answer::from(Err(ReplyError::Version));
        let error = answer
            .verdict(&Policy::default(), MechanismName::PLAIN)
            .unwrap_err();
        assert_eq!(error.protocol_event_code(), Some(0x2000_0003));
        let error = Answer::NoHandler
            .verdict(&Policy::default(), MechanismName::PLAIN)
            .unwrap_err();
        assert_eq!(error, Error::NoZapHandler);
    }
}
