//! The form in which a C program gives and takes the value of an option.

use std::{ffi::c_int, time::Duration};

use zeroize::Zeroizing;
use zmtp::z85;
use zsocket::{Bytes, Value};

use crate::errno::Errno;

/// How the value of an option looks in C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// An `int`, 0 or 1.
    Strict,
    /// An `int`, not negative, where all but 0 is true.
    Truth,
    /// An `int`, where all but 0 is true.
    Relaxed,
    /// An `int` that is no less than this.
    Int(c_int),
    /// `uint64_t`.
    U64,
    /// `int64_t`.
    I64,
    /// Text, with its zero when it is read; from one byte on, or from none if that clears it.
    Text { clears: bool },
    /// Bytes.
    Bytes { least: usize },
    /// A key of CURVE: 32 bytes, or 40 of Z85 with or without a zero.
    Key,
    /// An `int`, which no bytes clear.
    Id,
}

/// A value that was read from a program's memory.
pub(super) struct Given {
    pub(super) value: Value,
    /// The number as it was given, if another one stands for it.
    pub(super) said: Option<c_int>,
}

impl From<Value> for Given {
    fn from(value: Value) -> Self {
        Self { value, said: None }
    }
}

/// Numbers of options that need a second look.
mod number {
    use std::ffi::c_int;

    pub(super) const ROUTING_ID: c_int = 5;
    pub(super) const RATE: c_int = 8;
    pub(super) const RECOVERY_IVL: c_int = 9;
    pub(super) const SNDBUF: c_int = 11;
    pub(super) const RCVBUF: c_int = 12;
    pub(super) const RECONNECT_IVL: c_int = 18;
    pub(super) const MULTICAST_HOPS: c_int = 25;
    pub(super) const TCP_KEEPALIVE: c_int = 34;
    pub(super) const TCP_ACCEPT_FILTER: c_int = 38;
    pub(super) const PLAIN_USERNAME: c_int = 45;
    pub(super) const PLAIN_PASSWORD: c_int = 46;
    pub(super) const CONFLATE: c_int = 54;
    pub(super) const ZAP_DOMAIN: c_int = 55;
    pub(super) const SOCKS_PROXY: c_int = 68;
    pub(super) const STREAM_NOTIFY: c_int = 73;
    pub(super) const INVERT_MATCHING: c_int = 74;
    pub(super) const HEARTBEAT_TTL: c_int = 76;
    pub(super) const MULTICAST_MAXTPDU: c_int = 84;
    pub(super) const ROUTER_NOTIFY: c_int = 97;
    pub(super) const METADATA: c_int = 95;
}

impl Form {
    /// That of an option which `zsocket` has.
    pub(super) const fn of(option: c_int) -> Option<Self> {
        Some(match option {
            4 => Self::U64,
            22 => Self::I64,
            // Sizes of buffers, times and counts, of which -1 is "none".
            11 | 12 | 17 | 18 | 27 | 28 | 34..=37 => Self::Int(-1),
            // Those of which that is 0, or nothing.
            19 | 21 | 23 | 24 | 57 | 66 | 75 | 77 | 79 | 80 | 97 | 112 => Self::Int(0),
            number::RECOVERY_IVL => Self::Int(0),
            number::RATE | number::MULTICAST_HOPS | number::MULTICAST_MAXTPDU => Self::Int(1),
            76 | 109 | 113 => Self::Int(c_int::MIN),
            39 | 42 | 44 | 47 | 54 | 73 => Self::Strict,
            33 | 40 | 41 | 51 | 52 | 53 | 56 | 69 | 71 | 78 | 98 | 108 | 115 => Self::Truth,
            74 | 93 => Self::Relaxed,
            5 | 61 => Self::Bytes { least: 1 },
            6 | 7 | 72 | 95 | 110 | 111 | 114 => Self::Bytes { least: 0 },
            45 | 46 | 38 => Self::Text { clears: true },
            68 | 92 | 99 | 100 => Self::Text { clears: true },
            55 => Self::Text { clears: false },
            48..=50 => Self::Key,
            58..=60 => Self::Id,
            _ => return None,
        })
    }

    /// Whether a program may read an option of this form: those of one type of socket cannot be read, and actions neither.
    pub(super) const fn is_readable(self, option: c_int) -> bool {
        match self {
            Self::Truth | Self::Id => false,
            Self::Bytes { .. } => option == number::ROUTING_ID,
            Self::Text { .. } => option != number::TCP_ACCEPT_FILTER,
            Self::Strict => option != number::STREAM_NOTIFY,
            _ => true,
        }
    }

    /// Whether libzmq has the option for all types, though it is of use to some only.
    pub(super) const fn is_general(self, option: c_int) -> bool {
        matches!(
            option,
            number::CONFLATE
                | number::INVERT_MATCHING
                | number::ROUTER_NOTIFY
                | number::RATE
                | number::RECOVERY_IVL
                | number::MULTICAST_HOPS
                | number::MULTICAST_MAXTPDU
        )
    }

    /// Reads a value.
    pub(super) fn read(self, option: c_int, value: Option<&[u8]>) -> Result<Given, Errno> {
        match self {
            Self::Strict => match int(value)? {
                switch @ (0 | 1) => Ok(Value::Bool(switch == 1).into()),
                _ => Err(Errno::INVAL),
            },
            Self::Truth => match int(value)? {
                0.. => Ok(Value::Bool(int(value)? != 0).into()),
                _ => Err(Errno::INVAL),
            },
            Self::Relaxed => Ok(Value::Bool(int(value)? != 0).into()),
            Self::Int(least) => match int(value)? {
                number if number >= least => translate(option, number),
                _ => Err(Errno::INVAL),
            },
            Self::Id => match value {
                None | Some([]) => Ok(Value::None.into()),
                _ => Ok(Value::Integer(int(value)?.into()).into()),
            },
            Self::U64 => Ok(Value::Integer(u64::from_ne_bytes(exact(value)?).into()).into()),
            Self::I64 => {
                let number = i64::from_ne_bytes(exact(value)?);
                // Whatever is negative is no limit.
                Ok(Value::Integer(number.max(-1).into()).into())
            }
            Self::Text { clears } => match value {
                None | Some([]) if clears => Ok(Value::None.into()),
                Some(text @ [_, ..]) if text.len() <= 255 || option == number::SOCKS_PROXY => {
                    text_value(option, text)
                }
                _ => Err(Errno::INVAL),
            },
            Self::Bytes { least } => match value.unwrap_or_default() {
                bytes if bytes.len() < least => Err(Errno::INVAL),
                [] if matches!(option, 72 | 110 | 111 | 114) => Ok(Value::None.into()),
                bytes if option == number::METADATA => {
                    // As text it may end with its zero.
                    let text = bytes.strip_suffix(b"\0").unwrap_or(bytes);
                    Ok(Value::Bytes(Bytes::copy_from_slice(text)).into())
                }
                bytes => Ok(Value::Bytes(Bytes::copy_from_slice(bytes)).into()),
            },
            Self::Key => match value {
                Some(key) if matches!(key.len(), 32 | 40 | 41) => {
                    Ok(Value::Bytes(Bytes::copy_from_slice(key)).into())
                }
                _ => Err(Errno::INVAL),
            },
        }
    }

    /// What has to be kept here because it is not given back there.
    pub(super) fn secret(self, given: &Given) -> Option<Zeroizing<Vec<u8>>> {
        let Value::Bytes(bytes) = &given.value else {
            return None;
        };
        match self {
            Self::Key => Some(Zeroizing::new(bytes.to_vec())),
            _ => None,
        }
    }

    /// Whether two values stand for the same.
    pub(super) fn is_same(self, value: &Value, given: &Given) -> bool {
        let number = |value: &Value| match value {
            Value::Bool(value) => Some(i128::from(*value)),
            Value::Integer(value) => Some(*value),
            Value::Duration(value) => Some(millis(*value)),
            _ => None,
        };
        value == &given.value || number(value).is_some() && number(value) == number(&given.value)
    }

    /// Writes a value, and says how many bytes it has.
    pub(super) fn write(
        self,
        value: &Value,
        none: Option<i128>,
        to: &mut [u8],
    ) -> Result<usize, Errno> {
        match self {
            Self::U64 | Self::I64 => {
                let number = number_of(value, none)?;
                let bytes = if self == Self::U64 {
                    u64::try_from(number)
                        .map_err(|_| Errno::INVAL)?
                        .to_ne_bytes()
                } else {
                    i64::try_from(number).unwrap_or(i64::MAX).to_ne_bytes()
                };
                put_exact(&bytes, to)
            }
            Self::Strict | Self::Truth | Self::Relaxed | Self::Int(_) | Self::Id => {
                let number = number_of(value, none)?;
                put_int(c_int::try_from(number).unwrap_or(c_int::MAX), to)
            }
            Self::Text { .. } => put_text(text_of(value), to),
            Self::Bytes { .. } => match value {
                Value::Bytes(bytes) => put(bytes, to),
                _ => put(&[], to),
            },
            Self::Key => match value {
                Value::Bytes(key) => self.write_secret(key, to),
                // None has been set.
                _ => self.write_secret(&[0; 32], to),
            },
        }
    }

    /// Writes what was kept as it was given: a key as 32 bytes or as text, as the room says.
    pub(super) fn write_secret(self, secret: &[u8], to: &mut [u8]) -> Result<usize, Errno> {
        if self != Self::Key {
            return put_text(secret, to);
        }
        let text = secret.strip_suffix(b"\0").unwrap_or(secret);
        let raw = match <[u8; 32]>::try_from(secret) {
            Ok(raw) => Zeroizing::new(raw.to_vec()),
            Err(_) => {
                let text = std::str::from_utf8(text).map_err(|_| Errno::INVAL)?;
                Zeroizing::new(z85::decode(text).map_err(|_| Errno::INVAL)?)
            }
        };
        match to.len() {
            32 => put(&raw, to),
            41 => {
                let text = Zeroizing::new(z85::encode(&raw).map_err(|_| Errno::INVAL)?);
                put_text(text.as_bytes(), to)
            }
            _ => Err(Errno::INVAL),
        }
    }
}

/// A number, and what stands for it where it has no meaning of its own.
fn translate(option: c_int, number: c_int) -> Result<Given, Errno> {
    let (meant, said) = match (option, number) {
        // Both switch reconnecting off.
        (number::RECONNECT_IVL, 0) => (-1, Some(0)),
        // The system has a least size, which it takes for both.
        (number::SNDBUF | number::RCVBUF, 0) => (1, Some(0)),
        (number::TCP_KEEPALIVE, 2..) => return Err(Errno::INVAL),
        // In tenths of a second.
        (number::HEARTBEAT_TTL, ttl) => match ttl / 100 {
            tenths @ 0..=65_535 => (tenths * 100, None),
            _ => return Err(Errno::INVAL),
        },
        (_, number) => (number, None),
    };
    let value = Value::Integer(meant.into());
    Ok(Given { value, said })
}

fn text_value(option: c_int, text: &[u8]) -> Result<Given, Errno> {
    // In C a zero may be counted along.
    let shown = text.strip_suffix(b"\0").unwrap_or(text);
    Ok(match option {
        // Names and passwords are bytes, whatever they are.
        number::PLAIN_USERNAME | number::PLAIN_PASSWORD | number::ZAP_DOMAIN => {
            Value::Bytes(Bytes::copy_from_slice(text)).into()
        }
        _ => {
            let text = std::str::from_utf8(shown).map_err(|_| Errno::INVAL)?;
            // What would be taken for no value.
            if text == "none" {
                return Err(Errno::INVAL);
            }
            Value::Text(text.to_owned()).into()
        }
    })
}

fn exact<const N: usize>(value: Option<&[u8]>) -> Result<[u8; N], Errno> {
    value
        .and_then(|value| value.try_into().ok())
        .ok_or(Errno::INVAL)
}

pub(super) fn int(value: Option<&[u8]>) -> Result<c_int, Errno> {
    exact(value).map(c_int::from_ne_bytes)
}

fn number_of(value: &Value, none: Option<i128>) -> Result<i128, Errno> {
    match value {
        Value::Bool(value) => Ok(i128::from(*value)),
        Value::Integer(value) => Ok(*value),
        Value::Duration(value) => Ok(millis(*value)),
        Value::None => none.ok_or(Errno::INVAL),
        _ => Err(Errno::INVAL),
    }
}

fn millis(duration: Duration) -> i128 {
    i128::try_from(duration.as_millis()).unwrap_or(i128::MAX)
}

fn text_of(value: &Value) -> &[u8] {
    match value {
        Value::Text(text) => text.as_bytes(),
        Value::Bytes(bytes) => bytes,
        _ => &[],
    }
}

/// Writes a value of a size that the program has to know.
fn put_exact(value: &[u8], to: &mut [u8]) -> Result<usize, Errno> {
    if value.len() != to.len() {
        return Err(Errno::INVAL);
    }
    put(value, to)
}

pub(super) fn put_int(value: c_int, to: &mut [u8]) -> Result<usize, Errno> {
    put_exact(&value.to_ne_bytes(), to)
}

/// Writes bytes for which there may be more room than they take, and zeros behind them.
pub(super) fn put(value: &[u8], to: &mut [u8]) -> Result<usize, Errno> {
    let room = to.get_mut(..value.len()).ok_or(Errno::INVAL)?;
    room.copy_from_slice(value);
    to[value.len()..].fill(0);
    Ok(value.len())
}

/// Writes text, with its zero.
pub(super) fn put_text(text: &[u8], to: &mut [u8]) -> Result<usize, Errno> {
    if text.len() >= to.len() {
        return Err(Errno::INVAL);
    }
    put(text, to)?;
    Ok(text.len() + 1)
}
