//! The authenticator that most need: addresses, passwords and keys in memory.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    net::IpAddr,
    sync::Arc,
};

use bytes::Bytes;
use zmtp::{
    curve::PublicKey,
    zap::{Credentials, Password},
};
use zpipe::Guarded;

use super::{Authentication, Authenticator};

/// Who may come in, by address, password and key: an [`Authenticator`] that is ready made.
///
/// Clones are the same list, so it can be changed while it is in use; changes are for peers that come from then on. A peer
/// comes in if
///
/// 1. its address is not denied; and if any addresses are allowed, it is one of those. (Over ipc there are none: the
///    permissions of the file decide.)
/// 2. with PLAIN, it knows the password of a user,
/// 3. with CURVE, its public key is on the list, or [any key](Self::allow_any_key) will do.
///
/// Everybody else is refused with 400. An empty list lets in only what uses NULL. The user id of a peer is its user name, or
/// what was said with its key.
///
/// Passwords of the same length are compared in a time that does not depend on where they differ.
///
/// # Examples
///
/// ```
/// use zsocket::{AccessList, Context, curve_keypair};
///
/// let access = AccessList::new();
/// access.deny_address([192, 0, 2, 1]);
/// access.set_password("admin", "secret");
/// access.allow_key(*curve_keypair()?.public(), "alice");
///
/// let context = Context::new();
/// context.set_authenticator(access.clone());
/// access.remove_user("admin");
/// # Ok::<(), zsocket::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct AccessList {
    /// Locked to change it and for each peer that is judged.
    rules: Arc<Guarded<Rules>>,
}

#[derive(Default)]
struct Rules {
    allowed: HashSet<IpAddr>,
    denied: HashSet<IpAddr>,
    passwords: HashMap<Bytes, Password>,
    keys: HashMap<PublicKey, Bytes>,
    any_key: bool,
}

impl AccessList {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets in peers from this address. As soon as there is one, all others are shut out.
    pub fn allow_address(&self, address: impl Into<IpAddr>) {
        let address = address.into().to_canonical();
        self.rules.lock().allowed.insert(address);
    }

    /// Shuts out peers from this address, also if it is allowed.
    pub fn deny_address(&self, address: impl Into<IpAddr>) {
        let address = address.into().to_canonical();
        self.rules.lock().denied.insert(address);
    }

    /// Forgets what was said about an address.
    pub fn forget_address(&self, address: impl Into<IpAddr>) {
        let address = address.into().to_canonical();
        let mut rules = self.rules.lock();
        rules.allowed.remove(&address);
        rules.denied.remove(&address);
    }

    /// Adds a user, or changes the password of one.
    pub fn set_password(&self, username: impl AsRef<[u8]>, password: impl Into<Password>) {
        let username = Bytes::copy_from_slice(username.as_ref());
        // Whatever code of the caller's that is runs before the lock is taken.
        let password = password.into();
        let old = self.rules.lock().passwords.insert(username, password);
        drop(old);
    }

    /// Removes a user. Whoever is connected stays.
    pub fn remove_user(&self, username: impl AsRef<[u8]>) {
        let username = username.as_ref();
        let old = self.rules.lock().passwords.remove(username);
        drop(old);
    }

    /// Lets in the peer that holds the secret half of this key, as this user.
    pub fn allow_key(&self, key: PublicKey, user_id: impl AsRef<[u8]>) {
        let user_id = Bytes::copy_from_slice(user_id.as_ref());
        self.rules.lock().keys.insert(key, user_id);
    }

    /// Removes a key. Whoever is connected with it stays.
    pub fn remove_key(&self, key: &PublicKey) {
        self.rules.lock().keys.remove(key);
    }

    /// Puts other keys, with their users, in the place of all there are, at once.
    pub fn replace_keys<U: AsRef<[u8]>>(&self, keys: impl IntoIterator<Item = (PublicKey, U)>) {
        let keys = keys
            .into_iter()
            .map(|(key, user_id)| (key, Bytes::copy_from_slice(user_id.as_ref())));
        // What the iterator does happens before the lock is taken.
        let keys = keys.collect();
        // The old ones may be many: they are dropped when nobody waits for the lock.
        let old = std::mem::replace(&mut self.rules.lock().keys, keys);
        drop(old);
    }

    /// Sets whether every key will do. The user id of one that is not on the list is the key, as 40 characters. Default
    /// false.
    pub fn allow_any_key(&self, any: bool) {
        self.rules.lock().any_key = any;
    }
}

impl Authenticator for AccessList {
    fn authenticate(&self, peer: Authentication) {
        let user = self.rules.lock().judge(peer.address(), peer.credentials());
        match user {
            Some(user) => peer.accept(user),
            None => peer.deny(),
        }
    }
}

impl Rules {
    /// The user id of a peer that may come in.
    fn judge(&self, address: &str, credentials: &Credentials) -> Option<Bytes> {
        if let Ok(address) = address.parse::<IpAddr>() {
            let address = address.to_canonical();
            let is_allowed = self.allowed.is_empty() || self.allowed.contains(&address);
            if !is_allowed || self.denied.contains(&address) {
                return None;
            }
        } else if address.is_empty() && !self.allowed.is_empty() {
            // Nobody knows where that is.
            return None;
        }
        match credentials {
            Credentials::Null => Some(Bytes::new()),
            Credentials::Plain { username, password } => {
                // Something is compared also if there is no such user.
                let expected = self.passwords.get(username);
                let same = *expected.unwrap_or(password) == *password;
                (same && expected.is_some()).then(|| username.clone())
            }
            Credentials::Curve { public_key } => {
                let key = PublicKey::from_bytes(*public_key);
                match self.keys.get(&key) {
                    Some(user) => Some(user.clone()),
                    None => self.any_key.then(|| key.to_z85().into()),
                }
            }
            _ => None,
        }
    }
}

impl fmt::Debug for AccessList {
    /// Numbers only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = self.rules.lock();
        f.debug_struct("AccessList")
            .field("allowed", &rules.allowed.len())
            .field("denied", &rules.denied.len())
            .field("users", &rules.passwords.len())
            .field("keys", &rules.keys.len())
            .field("any_key", &rules.any_key)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(username: &str, password: &str) -> Credentials {
        Credentials::Plain {
            username: username.to_owned().into(),
            password: password.into(),
        }
    }

    fn judge(list: &AccessList, address: &str, credentials: &Credentials) -> Option<Bytes> {
        list.rules.lock().judge(address, credentials)
    }

    #[test]
    fn an_empty_list_lets_in_only_what_shows_nothing() {
        let list = AccessList::new();
        assert_eq!(
            judge(&list, "10.0.0.1", &Credentials::Null),
            Some("".into())
        );
        assert_eq!(judge(&list, "10.0.0.1", &plain("", "")), None);
        let key = Credentials::Curve {
            public_key: [7; 32],
        };
        assert_eq!(judge(&list, "10.0.0.1", &key), None);
        let other = Credentials::Other {
            mechanism: "GSSAPI".into(),
            frames: Vec::new(),
        };
        assert_eq!(judge(&list, "10.0.0.1", &other), None);
    }

    #[test]
    fn addresses_are_looked_at_first() {
        let list = AccessList::new();
        let comes_in = |address| judge(&list, address, &Credentials::Null).is_some();
        list.deny_address([10, 0, 0, 1]);
        assert!(!comes_in("10.0.0.1") && !comes_in("::ffff:10.0.0.1") && comes_in("10.0.0.2"));
        list.allow_address([10, 0, 0, 1]);
        assert!(!comes_in("10.0.0.1") && !comes_in("10.0.0.2"));
        list.forget_address([10, 0, 0, 1]);
        assert!(comes_in("10.0.0.1"));
        list.allow_address([0, 0, 0, 0, 0, 0, 0, 1]);
        assert!(comes_in("::1") && !comes_in("10.0.0.1"));
        assert!(comes_in("localhost:::17"), "ipc");
    }

    #[test]
    fn a_user_needs_the_password() {
        let list = AccessList::new();
        list.set_password("admin", "secret");
        let admin = Some(Bytes::from("admin"));
        assert_eq!(judge(&list, "", &plain("admin", "secret")), admin);
        for (username, password) in [
            ("admin", "Secret"),
            ("admin", ""),
            ("root", "secret"),
            ("", ""),
        ] {
            assert_eq!(judge(&list, "", &plain(username, password)), None);
        }
        list.set_password("admin", "other");
        assert_eq!(judge(&list, "", &plain("admin", "secret")), None);
        list.remove_user("admin");
        assert_eq!(judge(&list, "", &plain("admin", "other")), None);
    }

    #[test]
    fn keys_have_users_and_can_be_replaced() {
        let list = AccessList::new();
        let key = |byte| PublicKey::from_bytes([byte; 32]);
        let user = |byte| {
            let public_key = [byte; 32];
            judge(&list, "", &Credentials::Curve { public_key })
        };
        list.allow_key(key(1), "alice");
        assert_eq!((user(1), user(2)), (Some("alice".into()), None));
        list.replace_keys([(key(2), "bob")]);
        assert_eq!((user(1), user(2)), (None, Some("bob".into())));
        list.allow_any_key(true);
        assert_eq!(user(1), Some(key(1).to_z85().into()));
        list.allow_any_key(false);
        list.remove_key(&key(2));
        assert_eq!(user(2), None);
    }

    #[test]
    fn secrets_do_not_show() {
        let list = AccessList::new();
        list.set_password("admin", "hunter2");
        assert!(!format!("{list:?}").contains("hunter2"));
    }
}
