//! The values of options, whatever their type, and how they are written.

use std::{fmt, time::Duration};

use zmtp::Version;
use ztransport::ReconnectStop;

use crate::Bytes;

/// The value of an option that is named at run time.
///
/// [`Socket::set_option`](crate::Socket::set_option) takes whatever has a `From` here: booleans, integers, durations,
/// bytes, text, and an [`Option`] of these, whose `None` is [`Value::None`]. Text stands for a value of any kind, so
/// that options can be read from a file or a command line:
///
/// | kind | text |
/// |---|---|
/// | boolean | `true`, `yes`, `on` and `1`; `false`, `no`, `off` and `0` |
/// | integer | decimal, or with `0x` or `0o` in front |
/// | duration | an integer and a unit: `ns`, `us`, `ms`, `s`, `m`, `h` or `d` |
/// | bytes | themselves, or `0x` and pairs of hexadecimal digits |
/// | none | `none`, where an option may have no value |
///
/// An integer is what libzmq takes for the option: milliseconds for a duration, 0 or 1 for a boolean, and for some
/// options -1 or 0 for no value.
///
/// What `Display` writes reads back as the same value.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use zsocket::{Context, Pull, Value};
///
/// let pull = Context::new().socket::<Pull>()?;
/// pull.set_option("linger", "250ms")?;
/// assert_eq!(pull.option("ZMQ_LINGER")?, Value::Duration(Duration::from_millis(250)));
/// pull.set_option("linger", Duration::from_secs(90))?;
/// assert_eq!(pull.option("linger")?.to_string(), "90s");
/// pull.set_option(17, -1)?;
/// assert_eq!(pull.linger(), None);
/// # Ok::<(), zsocket::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value {
    /// No value: no limit, for ever, off, as the option says.
    None,
    /// Yes or no.
    Bool(bool),
    /// A number.
    Integer(i128),
    /// A time.
    Duration(Duration),
    /// Bytes of any kind.
    Bytes(Bytes),
    /// Text, or a value of another kind as text.
    Text(String),
}

/// What kind of value an option has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// [`Value::Bool`].
    Bool,
    /// [`Value::Integer`].
    Integer,
    /// [`Value::Duration`].
    Duration,
    /// [`Value::Bytes`].
    Bytes,
    /// [`Value::Text`].
    Text,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "boolean",
            Self::Integer => "integer",
            Self::Duration => "duration",
            Self::Bytes => "bytes",
            Self::Text => "text",
        })
    }
}

impl Kind {
    /// An example of each, for errors.
    pub(crate) const fn written(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::Integer => "an integer",
            Self::Duration => "a duration such as 250ms or 10s",
            Self::Bytes => "bytes, as they are or as 0x and hexadecimal digits",
            Self::Text => "text",
        }
    }

    /// The value that a text stands for. `None` if it stands for none.
    fn parse(self, text: &str) -> Option<Value> {
        Some(match self {
            Self::Bool => match text {
                "true" | "yes" | "on" | "1" => Value::Bool(true),
                "false" | "no" | "off" | "0" => Value::Bool(false),
                _ => Value::Integer(parse_integer(text)?),
            },
            Self::Integer => Value::Integer(parse_integer(text)?),
            Self::Duration => match parse_integer(text) {
                Some(integer) => Value::Integer(integer),
                None => Value::Duration(parse_duration(text)?),
            },
            Self::Bytes => {
                let hex = text.strip_prefix("0x").and_then(parse_hex);
                Value::Bytes(hex.unwrap_or_else(|| Bytes::copy_from_slice(text.as_bytes())))
            }
            Self::Text => Value::Text(text.to_owned()),
        })
    }
}

fn parse_integer(text: &str) -> Option<i128> {
    let digits = |digits: &str, radix| {
        let has_sign = digits.starts_with(['+', '-']);
        i128::from_str_radix(digits, radix)
            .ok()
            .filter(|_| radix == 10 || !has_sign)
    };
    if let Some(hexadecimal) = text.strip_prefix("0x") {
        digits(hexadecimal, 16)
    } else if let Some(octal) = text.strip_prefix("0o") {
        digits(octal, 8)
    } else {
        digits(text, 10)
    }
}

/// Units of time with their nanoseconds, the longest first.
const UNITS: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

fn parse_duration(text: &str) -> Option<Duration> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_at);
    let (_, nanos) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let nanos = number
        .parse::<u128>()
        .ok()?
        .checked_mul(u128::from(*nanos))?;
    let seconds = u64::try_from(nanos / 1_000_000_000).ok()?;
    let rest = u32::try_from(nanos % 1_000_000_000).ok()?;
    Some(Duration::new(seconds, rest))
}

fn parse_hex(digits: &str) -> Option<Bytes> {
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair: &[u8]| match pair {
        [high, low] => {
            let digit = |digit: u8| char::from(digit).to_digit(16);
            u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()
        }
        _ => None,
    };
    pairs
        .map(byte)
        .collect::<Option<Vec<u8>>>()
        .map(Bytes::from)
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Bool(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::Duration(value) if value.is_zero() => f.write_str("0s"),
            Self::Duration(value) => {
                let nanos = value.as_nanos();
                // Seconds are what people write, up to a few minutes.
                let fits = |(name, unit): &&(&str, u64)| {
                    let unit = u128::from(*unit);
                    nanos.is_multiple_of(unit)
                        && (nanos >= 10 * unit || !matches!(*name, "d" | "h" | "m"))
                };
                let (name, unit) = UNITS.iter().find(fits).unwrap_or(&("ns", 1));
                write!(f, "{}{name}", nanos / u128::from(*unit))
            }
            Self::Bytes(value) => match std::str::from_utf8(value) {
                Ok(text) if is_plain(text) => f.write_str(text),
                _ => {
                    f.write_str("0x")?;
                    value.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
                }
            },
            Self::Text(value) => value.fmt(f),
        }
    }
}

/// Whether bytes can be written as this text and read again.
fn is_plain(text: &str) -> bool {
    let is_else = text == "none" || text.starts_with("0x") || text.is_empty();
    !is_else && text.chars().all(|c| c.is_ascii_graphic() || c == ' ')
}

/// Why a value is none for an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It is of another kind.
    Kind,
    /// It is out of range.
    Range,
}

/// What an option's value is in the program.
pub(super) trait Typed: Sized {
    const KIND: Kind;
    /// Whether there may be no value.
    const IS_OPTIONAL: bool = false;
    /// What the type allows.
    const RANGE: &'static str;

    /// `value` is no text, except where that is the kind, and `none` the integer that stands for no value.
    fn from_value(value: &Value, none: Option<i128>) -> Result<Self, Unfit>;

    fn into_value(self) -> Value;

    /// Takes any value, also as text.
    fn read(value: Value, none: Option<i128>) -> Result<Self, Unfit> {
        let value = match value {
            Value::Text(text) if Self::IS_OPTIONAL && text == "none" => Value::None,
            Value::Text(text) => Self::KIND.parse(&text).ok_or(Unfit::Kind)?,
            other => other,
        };
        Self::from_value(&value, none)
    }
}

impl<T: Typed> Typed for Option<T> {
    const KIND: Kind = T::KIND;
    const IS_OPTIONAL: bool = true;
    const RANGE: &'static str = T::RANGE;

    fn from_value(value: &Value, none: Option<i128>) -> Result<Self, Unfit> {
        match value {
            Value::None => Ok(None),
            Value::Integer(integer) if none == Some(*integer) => Ok(None),
            value => T::from_value(value, none).map(Some),
        }
    }

    fn into_value(self) -> Value {
        self.map_or(Value::None, T::into_value)
    }
}

impl Typed for bool {
    const KIND: Kind = Kind::Bool;
    const RANGE: &'static str = "true or false";

    fn from_value(value: &Value, _: Option<i128>) -> Result<Self, Unfit> {
        match value {
            Value::Bool(value) => Ok(*value),
            Value::Integer(0) => Ok(false),
            Value::Integer(1) => Ok(true),
            Value::Integer(_) => Err(Unfit::Range),
            _ => Err(Unfit::Kind),
        }
    }

    fn into_value(self) -> Value {
        Value::Bool(self)
    }
}

macro_rules! integers {
    ($($type:ty: $range:literal;)*) => {$(
        impl Typed for $type {
            const KIND: Kind = Kind::Integer;
            const RANGE: &'static str = $range;

            fn from_value(value: &Value, _: Option<i128>) -> Result<Self, Unfit> {
                match value {
                    Value::Integer(value) => Self::try_from(*value).map_err(|_| Unfit::Range),
                    _ => Err(Unfit::Kind),
                }
            }

            fn into_value(self) -> Value {
                self.into()
            }
        }
    )*};
}

integers! {
    u8: "0 to 255";
    u32: "0 to 4,294,967,295";
    u64: "0 to 2^64 - 1";
    usize: "0 to the size of memory";
}

impl Typed for Duration {
    const KIND: Kind = Kind::Duration;
    const RANGE: &'static str = "any duration";

    fn from_value(value: &Value, _: Option<i128>) -> Result<Self, Unfit> {
        match value {
            Value::Duration(value) => Ok(*value),
            Value::Integer(ms) => u64::try_from(*ms)
                .map(Self::from_millis)
                .map_err(|_| Unfit::Range),
            _ => Err(Unfit::Kind),
        }
    }

    fn into_value(self) -> Value {
        Value::Duration(self)
    }
}

impl Typed for Bytes {
    const KIND: Kind = Kind::Bytes;
    const RANGE: &'static str = "any bytes";

    fn from_value(value: &Value, _: Option<i128>) -> Result<Self, Unfit> {
        match value {
            Value::Bytes(value) => Ok(value.clone()),
            _ => Err(Unfit::Kind),
        }
    }

    fn into_value(self) -> Value {
        Value::Bytes(self)
    }
}

impl Typed for Version {
    const KIND: Kind = Kind::Text;
    const RANGE: &'static str = "1.0, 2.0, 3.0 or 3.1";

    fn from_value(value: &Value, _: Option<i128>) -> Result<Self, Unfit> {
        let Value::Text(text) = value else {
            return Err(Unfit::Kind);
        };
        let all = [Self::V1_0, Self::V2_0, Self::V3_0, Self::V3_1];
        let found = all.into_iter().find(|version| version.to_string() == *text);
        found.ok_or(Unfit::Range)
    }

    fn into_value(self) -> Value {
        Value::Text(self.to_string())
    }
}

impl Typed for String {
    const KIND: Kind = Kind::Text;
    const RANGE: &'static str = "any text";

    fn from_value(value: &Value, _: Option<i128>) -> Result<Self, Unfit> {
        match value {
            Value::Text(text) => Ok(text.clone()),
            _ => Err(Unfit::Kind),
        }
    }

    fn into_value(self) -> Value {
        Value::Text(self)
    }
}

/// Three switches, as the bits 1, 2 and 4.
impl Typed for ReconnectStop {
    const KIND: Kind = Kind::Integer;
    const RANGE: &'static str = "0 to 7";

    fn from_value(value: &Value, _: Option<i128>) -> Result<Self, Unfit> {
        match value {
            Value::Integer(bits @ 0..=7) => Ok(Self {
                refused: bits & 1 != 0,
                handshake_failed: bits & 2 != 0,
                after_disconnect: bits & 4 != 0,
            }),
            Value::Integer(_) => Err(Unfit::Range),
            _ => Err(Unfit::Kind),
        }
    }

    fn into_value(self) -> Value {
        let bits = [self.refused, self.handshake_failed, self.after_disconnect];
        let bits = bits.into_iter().enumerate();
        Value::Integer(bits.map(|(bit, is_set)| i128::from(is_set) << bit).sum())
    }
}

/// Two switches, as the bits 1 and 2.
impl Typed for (bool, bool) {
    const KIND: Kind = Kind::Integer;
    const RANGE: &'static str = "0 to 3";

    fn from_value(value: &Value, _: Option<i128>) -> Result<Self, Unfit> {
        match value {
            Value::Integer(bits @ 0..=3) => Ok((bits & 1 != 0, bits & 2 != 0)),
            Value::Integer(_) => Err(Unfit::Range),
            _ => Err(Unfit::Kind),
        }
    }

    fn into_value(self) -> Value {
        Value::Integer(i128::from(self.0) | i128::from(self.1) << 1)
    }
}

macro_rules! from {
    ($($type:ty => |$value:ident| $into:expr;)*) => {$(
        impl From<$type> for Value {
            fn from($value: $type) -> Self {
                $into
            }
        }
    )*};
}

from! {
    bool => |value| Self::Bool(value);
    u8 => |value| Self::Integer(value.into());
    u32 => |value| Self::Integer(value.into());
    u64 => |value| Self::Integer(value.into());
    usize => |value| Self::Integer(value as i128);
    i32 => |value| Self::Integer(value.into());
    i64 => |value| Self::Integer(value.into());
    Duration => |value| Self::Duration(value);
    Bytes => |value| Self::Bytes(value);
    Vec<u8> => |value| Self::Bytes(value.into());
    &[u8] => |value| Self::Bytes(Bytes::copy_from_slice(value));
    &str => |value| Self::Text(value.to_owned());
    String => |value| Self::Text(value);
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::None, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn read<T: Typed>(value: impl Into<Value>) -> Result<T, Unfit> {
        T::read(value.into(), Some(-1))
    }

    #[test]
    fn text_stands_for_a_value_of_each_kind() {
        for (text, expected) in [
            ("true", true),
            ("on", true),
            ("1", true),
            ("no", false),
            ("0", false),
        ] {
            assert_eq!(read::<bool>(text), Ok(expected), "{text}");
        }
        assert_eq!(read::<u32>("1000"), Ok(1000));
        assert_eq!(read::<u32>("0x1f"), Ok(31));
        assert_eq!(read::<u32>("0o600"), Ok(0o600));
        assert_eq!(read::<Option<u64>>("none"), Ok(None));
        assert_eq!(read::<Option<u64>>("-1"), Ok(None));
        for (text, expected) in [
            ("250ms", ms(250)),
            ("1s", ms(1000)),
            ("2m", ms(120_000)),
            ("7", ms(7)),
            ("0", ms(0)),
        ] {
            assert_eq!(read::<Duration>(text), Ok(expected), "{text}");
        }
        assert_eq!(read::<Bytes>("me"), Ok("me".into()));
        assert_eq!(read::<Bytes>("0x6d65"), Ok("me".into()));
        assert_eq!(
            read::<Bytes>("0x6d6"),
            Ok("0x6d6".into()),
            "no pairs of digits"
        );
        assert_eq!(
            read::<Bytes>("none"),
            Ok("none".into()),
            "it cannot be none"
        );
        assert_eq!(read::<Option<Bytes>>("none"), Ok(None));
        assert_eq!(read::<Version>("3.0"), Ok(Version::V3_0));
    }

    #[test]
    fn a_value_of_another_kind_and_one_out_of_range_are_told_apart() {
        for text in ["", "maybe", "1 0"] {
            assert_eq!(read::<bool>(text), Err(Unfit::Kind), "{text}");
        }
        assert_eq!(read::<bool>("2"), Err(Unfit::Range));
        assert_eq!(read::<bool>(ms(1)), Err(Unfit::Kind));
        for text in ["", "none", "1.5", "0x", "0x-1", "0o8", "1s"] {
            assert_eq!(read::<u32>(text), Err(Unfit::Kind), "{text}");
        }
        for value in [-1, 1_i64 << 32] {
            assert_eq!(read::<u32>(value), Err(Unfit::Range), "{value}");
        }
        for text in ["s", "1 s", "1.5s", "1y", "-1s", "none"] {
            assert_eq!(read::<Duration>(text), Err(Unfit::Kind), "{text}");
        }
        assert_eq!(read::<Duration>(-1), Err(Unfit::Range));
        assert_eq!(read::<Option<Duration>>(-2), Err(Unfit::Range));
        assert_eq!(read::<Duration>(Value::None), Err(Unfit::Kind));
        assert_eq!(read::<Version>("2.5"), Err(Unfit::Range));
        assert_eq!(read::<(bool, bool)>(4), Err(Unfit::Range));
    }

    #[test]
    fn durations_are_written_in_the_unit_that_fits() {
        for (nanos, text) in [
            (0, "0s"),
            (250_000_000, "250ms"),
            (1_500_000_000, "1500ms"),
            (90_000_000_000, "90s"),
            (600_000_000_000, "10m"),
            (1, "1ns"),
        ] {
            assert_eq!(
                Value::Duration(Duration::from_nanos(nanos)).to_string(),
                text
            );
        }
        assert_eq!(read("10m"), Ok(Duration::from_secs(600)));
    }

    fn reads_back<T: Typed + Clone + PartialEq + fmt::Debug>(value: &T) {
        let written = value.clone().into_value().to_string();
        assert_eq!(T::read(Value::Text(written), None).as_ref(), Ok(value));
        assert_eq!(
            T::read(value.clone().into_value(), None).as_ref(),
            Ok(value)
        );
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            switch: bool,
            switches: (bool, bool),
            small: u32,
            tos: u8,
            large: Option<u64>,
            time: Option<Duration>,
            bytes: Vec<u8>,
            text in proptest::option::of("(0x)?[0-9a-f]{0,4}|none|[ -~]{0,6}"),
        ) {
            reads_back(&switch);
            reads_back(&switches);
            reads_back(&ReconnectStop { refused: switch, handshake_failed: switches.0, after_disconnect: switches.1 });
            reads_back(&tos);
            reads_back(&small);
            reads_back(&large);
            reads_back(&time);
            reads_back(&Bytes::from(bytes));
            reads_back(&text.map(Bytes::from));
        }
    }
}
