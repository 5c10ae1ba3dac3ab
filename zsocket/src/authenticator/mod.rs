//! Who judges the peers of a context's sockets.

mod access_list;

use std::fmt;

use bytes::Bytes;
use zmtp::{
    Metadata,
    zap::{Answer, Credentials, Refusal, Reply, Request},
};
use ztransport::{Authority, Question};

pub use self::access_list::AccessList;

/// Judges peers: see [`Context::set_authenticator`](crate::Context::set_authenticator). Every function that takes an
/// [`Authentication`] is one; so is [`AccessList`].
///
/// # Examples
///
/// ```
/// use zsocket::{Authentication, Context, Credentials};
///
/// let context = Context::new();
/// context.set_authenticator(|peer: Authentication| match peer.credentials() {
///     Credentials::Curve { .. } if peer.address() == "127.0.0.1" => peer.accept("somebody here"),
///     _ => peer.deny(),
/// });
/// ```
pub trait Authenticator: Send + Sync + 'static {
    /// Judges a peer, by one of the methods of [`Authentication`] that answer.
    ///
    /// This is called on an I/O thread, which serves no connection meanwhile, so it must not wait for anything. What takes
    /// time, such as a look into a data base, belongs on another thread: `peer` can be sent there and be answered later.
    ///
    /// A panic in here refuses the peer, as 500, and is counted in
    /// [`SocketStats::foreign_panics`](crate::SocketStats::foreign_panics) of the socket that it came to.
    fn authenticate(&self, peer: Authentication);
}

impl<F: Fn(Authentication) + Send + Sync + 'static> Authenticator for F {
    fn authenticate(&self, peer: Authentication) {
        self(peer);
    }
}

/// An authenticator as the I/O threads know it.
pub(crate) struct Asked<A>(pub(crate) A);

impl<A: Authenticator> Authority for Asked<A> {
    fn ask(&self, question: Question) {
        self.0.authenticate(Authentication { question });
    }
}

/// A peer that wants to come in, and waits to hear whether it may.
///
/// The answer can be given at once or later, on any thread, within the time that the handshake has
/// ([`set_handshake_interval`](crate::Socket::set_handshake_interval), 30 s by default). Dropped without one, the peer is
/// refused, as by [`fail`](Self::fail): whatever goes wrong, nobody comes in by mistake.
///
/// # Examples
///
/// Asking somebody who takes a while:
///
/// ```
/// use std::{sync::mpsc, thread};
/// use zsocket::{Authentication, Context, Credentials};
///
/// let (ask, questions) = mpsc::channel::<Authentication>();
/// thread::spawn(move || {
///     for peer in questions {
///         let Credentials::Plain { username, password } = peer.credentials() else {
///             peer.deny();
///             continue;
///         };
///         let username = username.clone();
///         match look_up(&username) {
///             Ok(expected) if *password == expected.as_bytes() => peer.accept(username),
///             Ok(_) => peer.deny(),
///             Err(_) => peer.try_again(),
///         }
///     }
/// });
///
/// let context = Context::new();
/// context.set_authenticator(move |peer: Authentication| {
///     // If the thread has ended, the peer comes back in the error, and is refused.
///     let _ = ask.send(peer);
/// });
/// # fn look_up(_: &[u8]) -> Result<String, ()> { Err(()) }
/// ```
pub struct Authentication {
    question: Question,
}

impl Authentication {
    fn request(&self) -> &Request {
        self.question.request()
    }

    /// Where the peer is: its numeric IP address without a port; over ipc `localhost`, with `:`, the user id, the group id and
    /// the process id behind it, in this form, if the system tells.
    #[must_use]
    pub fn address(&self) -> &str {
        std::str::from_utf8(&self.request().address).unwrap_or_default()
    }

    /// The [domain](crate::Security::with_zap_domain) of the socket; empty if it has none.
    #[must_use]
    pub fn domain(&self) -> &[u8] {
        &self.request().domain
    }

    /// The routing id of this end's socket, as ZAP handlers of libzmq are told; that of the peer is not known yet.
    #[must_use]
    pub fn routing_id(&self) -> &[u8] {
        &self.request().identity
    }

    /// The mechanism as it is called on the wire: `NULL`, `PLAIN` or `CURVE`.
    #[must_use]
    pub fn mechanism(&self) -> &str {
        std::str::from_utf8(self.credentials().mechanism()).unwrap_or_default()
    }

    /// What the peer has shown. That it holds the secret half of a CURVE key is proved already.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.request().credentials
    }

    /// Lets the peer in, as this user: [`PeerInfo::user_id`](crate::PeerInfo::user_id). It may be empty.
    pub fn accept(self, user_id: impl Into<Bytes>) {
        self.accept_with(user_id, Metadata::new());
    }

    /// Lets the peer in, and says more about it: [`PeerInfo::trusted`](crate::PeerInfo::trusted).
    pub fn accept_with(self, user_id: impl Into<Bytes>, metadata: Metadata) {
        // A copy, since a caller's buffer may have an owner with a `Drop` of its own.
        let user_id = Bytes::copy_from_slice(&user_id.into());
        let reply = Reply::success(self.request(), user_id).with_metadata(metadata);
        self.question.answer(Answer::Reply(reply));
    }

    /// Refuses the peer: 400. It is told, and does not come again.
    pub fn deny(self) {
        self.refuse(Refusal::AuthenticationFailure);
    }

    /// Sends the peer away for now: 300. It connects again after its reconnect interval.
    pub fn try_again(self) {
        self.refuse(Refusal::TemporaryError);
    }

    /// Refuses the peer because it cannot be judged: 500. It is told, and does not come again.
    pub fn fail(self) {
        self.refuse(Refusal::InternalError);
    }

    fn refuse(self, status: Refusal) {
        let reply = Reply::refusal(self.request(), status, "");
        self.question.answer(Answer::Reply(reply));
    }
}

impl fmt::Debug for Authentication {
    /// Without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authentication")
            .field("address", &self.address())
            .field("domain", &self.request().domain)
            .field("credentials", self.credentials())
            .finish_non_exhaustive()
    }
}
