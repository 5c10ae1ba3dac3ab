//! Which mechanism protects connections.
//!
//! In the program it is one value, [`Security`]. By name and number there are the options of libzmq, each of which changes
//! a part of it and chooses the mechanism that it belongs to.

use std::sync::Arc;

use zeroize::Zeroizing;
use zmtp::curve::{KEY_LEN, KeyPair, PublicKey, SecretKey};
use zmtp::zap::{Password, Policy};

use super::{
    ALL_TYPES,
    registry::{Access, Effect, Entry, Target, Then, Zmq},
    value::{Kind, Typed, Value},
};
use crate::{Bytes, Error, OptionId, Security, security::Mechanism};

pub(super) static SECURITY: &[&Entry] = &[
    &MECHANISM,
    &PLAIN_SERVER,
    &PLAIN_USERNAME,
    &PLAIN_PASSWORD,
    &CURVE_SERVER,
    &CURVE_PUBLIC_KEY,
    &CURVE_SECRET_KEY,
    &CURVE_SERVER_KEY,
    &ZAP_DOMAIN,
    &ZAP_ENFORCE_DOMAIN,
];

/// What the entries have in common.
const fn entry(
    name: &'static str,
    (zmq, number): (&'static str, i32),
    (kind, is_optional): (Kind, bool),
    range: &'static str,
    documentation: &'static str,
    read: fn(Target<'_>) -> Result<Value, Error>,
    write: fn(Target<'_>, Value) -> Result<(), Error>,
) -> Entry {
    Entry {
        name,
        zmq: Some(Zmq {
            name: zmq,
            number,
            none: None,
        }),
        kind,
        is_optional,
        range,
        types: &ALL_TYPES,
        effect: Effect::LaterEndpoints,
        access: Access::ReadWrite,
        then: Then::Nothing,
        documentation,
        read,
        write,
    }
}

pub(super) static MECHANISM: Entry = Entry {
    access: Access::ReadOnly,
    ..entry(
        "mechanism",
        ("ZMQ_MECHANISM", 43),
        (Kind::Text, false),
        "NULL, PLAIN or CURVE",
        "The security mechanism for later endpoints: the one that the last option of security belongs to.",
        |from| Ok(from.options.security.mechanism_name().into()),
        |_, _| Err(MECHANISM.no_access()),
    )
};

pub(super) static PLAIN_SERVER: Entry = entry(
    "plain_server",
    ("ZMQ_PLAIN_SERVER", 44),
    (Kind::Bool, false),
    <bool as Typed>::RANGE,
    "Whether the socket is a PLAIN server; false chooses NULL.",
    |from| {
        let security = &from.options.security;
        let is_server = security.mechanism == Mechanism::Plain && security.is_server;
        Ok(is_server.into())
    },
    |to, value| {
        let on = PLAIN_SERVER.typed(value)?;
        serve(&mut to.options.security, Mechanism::Plain, on);
        Ok(())
    },
);

pub(super) static PLAIN_USERNAME: Entry = entry(
    "plain_username",
    ("ZMQ_PLAIN_USERNAME", 45),
    (Kind::Bytes, true),
    "1 to 255 bytes",
    "The user name of a PLAIN client, which this makes the socket; none chooses NULL.",
    |from| {
        let name = &from.options.security.username;
        Ok((!name.is_empty()).then(|| name.clone()).into())
    },
    |to, value| {
        let security = &mut to.options.security;
        match credential(&PLAIN_USERNAME, value)? {
            None => {
                security.username = Bytes::new();
                security.mechanism = Mechanism::Null;
            }
            Some(name) => {
                security.username = Bytes::copy_from_slice(&name);
                be_plain_client(security);
            }
        }
        Ok(())
    },
);

pub(super) static PLAIN_PASSWORD: Entry = Entry {
    access: Access::WriteOnly,
    ..entry(
        "plain_password",
        ("ZMQ_PLAIN_PASSWORD", 46),
        (Kind::Bytes, true),
        "1 to 255 bytes",
        "The password of a PLAIN client, which this makes the socket; none chooses NULL. It cannot be read back.",
        |_| Err(PLAIN_PASSWORD.no_access()),
        |to, value| {
            let security = &mut to.options.security;
            match credential(&PLAIN_PASSWORD, value)? {
                None => {
                    security.password = Password::default();
                    security.mechanism = Mechanism::Null;
                }
                Some(password) => {
                    security.password = Password::from(&password[..]);
                    be_plain_client(security);
                }
            }
            Ok(())
        },
    )
};

pub(super) static CURVE_SERVER: Entry = entry(
    "curve_server",
    ("ZMQ_CURVE_SERVER", 47),
    (Kind::Bool, false),
    <bool as Typed>::RANGE,
    "Whether the socket is a CURVE server, which needs a secret key; false chooses NULL.",
    |from| {
        let security = &from.options.security;
        let is_server = security.mechanism == Mechanism::Curve && security.is_server;
        Ok(is_server.into())
    },
    |to, value| {
        let on = CURVE_SERVER.typed(value)?;
        serve(&mut to.options.security, Mechanism::Curve, on);
        Ok(())
    },
);

const KEY: &str = "32 bytes, or 40 characters of Z85";

pub(super) static CURVE_PUBLIC_KEY: Entry = entry(
    "curve_public_key",
    ("ZMQ_CURVE_PUBLICKEY", 48),
    (Kind::Bytes, true),
    KEY,
    "The public key of this end, which follows from the secret one and need not be given; chooses CURVE.",
    |from| Ok(shown(from.options.security.public_key.as_ref())),
    |to, value| {
        let key = key(
            &CURVE_PUBLIC_KEY,
            value,
            PublicKey::from_z85,
            PublicKey::from_bytes,
        )?;
        let security = &mut to.options.security;
        security.public_key = key;
        security.mechanism = Mechanism::Curve;
        Ok(())
    },
);

pub(super) static CURVE_SECRET_KEY: Entry = Entry {
    access: Access::WriteOnly,
    ..entry(
        "curve_secret_key",
        ("ZMQ_CURVE_SECRETKEY", 49),
        (Kind::Bytes, true),
        KEY,
        "The secret key of this end; chooses CURVE. It cannot be read back.",
        |_| Err(CURVE_SECRET_KEY.no_access()),
        |to, value| {
            let key = key(
                &CURVE_SECRET_KEY,
                value,
                SecretKey::from_z85,
                SecretKey::from_bytes,
            )?;
            let security = &mut to.options.security;
            security.keys = key.map(|key| Arc::new(KeyPair::from_secret(key)));
            security.mechanism = Mechanism::Curve;
            Ok(())
        },
    )
};

pub(super) static CURVE_SERVER_KEY: Entry = entry(
    "curve_server_key",
    ("ZMQ_CURVE_SERVERKEY", 50),
    (Kind::Bytes, true),
    KEY,
    "The public key of the only server that a CURVE client, which this makes the socket, talks to.",
    |from| Ok(shown(from.options.security.server_key.as_ref())),
    |to, value| {
        let key = key(
            &CURVE_SERVER_KEY,
            value,
            PublicKey::from_z85,
            PublicKey::from_bytes,
        )?;
        let security = &mut to.options.security;
        security.server_key = key;
        security.mechanism = Mechanism::Curve;
        security.is_server = false;
        Ok(())
    },
);

pub(super) static ZAP_DOMAIN: Entry = entry(
    "zap_domain",
    ("ZMQ_ZAP_DOMAIN", 55),
    (Kind::Bytes, false),
    "at most 255 bytes",
    "The domain that whoever judges peers is told; empty for none. With NULL nobody is asked without one.",
    |from| Ok(from.options.security.domain.clone().into()),
    |to, value| {
        let domain: Bytes = ZAP_DOMAIN.typed(value)?;
        to.options.security.domain = Bytes::copy_from_slice(checked_domain(&domain)?);
        Ok(())
    },
);

pub(super) static ZAP_ENFORCE_DOMAIN: Entry = entry(
    "zap_enforce_domain",
    ("ZMQ_ZAP_ENFORCE_DOMAIN", 93),
    (Kind::Bool, false),
    <bool as Typed>::RANGE,
    "Whether peers are refused when there is a domain and nobody to ask about them.",
    |from| Ok(from.options.security.enforces_domain.into()),
    |to, value| {
        to.options.security.enforces_domain = ZAP_ENFORCE_DOMAIN.typed(value)?;
        Ok(())
    },
);

/// As libzmq does: "no server" is no client either.
fn serve(security: &mut Security, mechanism: Mechanism, on: bool) {
    security.is_server = on;
    security.mechanism = if on { mechanism } else { Mechanism::Null };
}

fn be_plain_client(security: &mut Security) {
    security.is_server = false;
    security.mechanism = Mechanism::Plain;
}

fn credential(entry: &'static Entry, value: Value) -> Result<Option<Bytes>, Error> {
    let value: Option<Bytes> = entry.typed(value)?;
    match value {
        Some(value) if value.is_empty() || value.len() > 255 => Err(entry.out_of_range()),
        value => Ok(value),
    }
}

/// A key as bytes or as text, which may end with the zero byte of C.
fn key<K, E>(
    entry: &'static Entry,
    value: Value,
    from_text: fn(&str) -> Result<K, E>,
    from_bytes: fn([u8; KEY_LEN]) -> K,
) -> Result<Option<K>, Error> {
    let value: Option<Bytes> = entry.typed(value)?;
    let Some(value) = value else { return Ok(None) };
    if let Ok(bytes) = <&[u8; KEY_LEN]>::try_from(&value[..]) {
        let bytes = Zeroizing::new(*bytes);
        return Ok(Some(from_bytes(*bytes)));
    }
    let text = value.strip_suffix(b"\0").unwrap_or(&value);
    let text = std::str::from_utf8(text).ok();
    let key = text.and_then(|text| from_text(text).ok());
    key.map(Some).ok_or_else(|| entry.out_of_range())
}

fn shown(key: Option<&PublicKey>) -> Value {
    key.map(|key| Bytes::copy_from_slice(key.as_bytes())).into()
}

fn checked_domain(domain: &[u8]) -> Result<&[u8], Error> {
    if domain.len() > Policy::MAX_DOMAIN_LEN {
        return Err(ZAP_DOMAIN.out_of_range());
    }
    Ok(domain)
}

/// Sets all of it.
fn write(to: Target<'_>, security: Security) -> Result<(), Error> {
    checked_domain(&security.domain)?;
    to.options.security = security;
    Ok(())
}

impl OptionId {
    /// [`Security::mechanism_name`](crate::Security::mechanism_name).
    pub const MECHANISM: Self = Self(&MECHANISM);
    /// [`Security::plain_server`](crate::Security::plain_server).
    pub const PLAIN_SERVER: Self = Self(&PLAIN_SERVER);
    /// [`Security::plain_client`](crate::Security::plain_client).
    pub const PLAIN_USERNAME: Self = Self(&PLAIN_USERNAME);
    /// [`Security::plain_client`](crate::Security::plain_client).
    pub const PLAIN_PASSWORD: Self = Self(&PLAIN_PASSWORD);
    /// [`Security::curve_server`](crate::Security::curve_server).
    pub const CURVE_SERVER: Self = Self(&CURVE_SERVER);
    /// [`Security::curve_client`](crate::Security::curve_client).
    pub const CURVE_PUBLIC_KEY: Self = Self(&CURVE_PUBLIC_KEY);
    /// [`Security::curve_client`](crate::Security::curve_client) and
    /// [`Security::curve_server`](crate::Security::curve_server).
    pub const CURVE_SECRET_KEY: Self = Self(&CURVE_SECRET_KEY);
    /// [`Security::curve_client`](crate::Security::curve_client).
    pub const CURVE_SERVER_KEY: Self = Self(&CURVE_SERVER_KEY);
    /// [`Security::with_zap_domain`](crate::Security::with_zap_domain).
    pub const ZAP_DOMAIN: Self = Self(&ZAP_DOMAIN);
    /// [`Security::with_enforced_domain`](crate::Security::with_enforced_domain).
    pub const ZAP_ENFORCE_DOMAIN: Self = Self(&ZAP_ENFORCE_DOMAIN);
}

impl<P: crate::Pattern> crate::Socket<P> {
    /// Sets the security mechanism with all that belongs to it, and the ZAP domain: see [`Security`]. It takes the place of
    /// all that was set before. For later endpoints.
    ///
    /// # Errors
    ///
    /// [`InvalidOption::Value`](crate::InvalidOption::Value) if the domain is longer than 255 bytes, and nothing has changed then.
    pub fn set_security(&self, security: Security) -> Result<(), Error> {
        self.with_core(|core| core.set_option(&ZAP_DOMAIN, |to| write(to, security)))
    }

    /// The value that [`set_security`](Self::set_security) sets.
    #[must_use]
    pub fn security(&self) -> Security {
        self.with_core(|core| core.options.security.clone())
    }
}

impl<P: crate::Pattern> crate::SocketBuilder<P> {
    /// Sets the security mechanism with all that belongs to it, and the ZAP domain: see [`Security`].
    ///
    /// The value is checked by [`build`](Self::build).
    #[must_use]
    pub fn security(self, security: Security) -> Self {
        self.with_option(&ZAP_DOMAIN, |to| write(to, security))
    }
}
