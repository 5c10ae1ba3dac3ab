//! What is wrong with an option.

use std::fmt;

use zmtp::SocketType;

use crate::options::{Access, Kind};

/// Why an option cannot be set or read as it was asked for: in [`Error::Option`](crate::Error::Option). libzmq says `EINVAL`
/// to all of it.
///
/// # Examples
///
/// ```
/// use zsocket::{Context, InvalidOption, Push};
///
/// let push = Context::new().socket::<Push>()?;
/// let refused = push.set_option("router_mandatory", true).unwrap_err();
/// assert!(matches!(refused.option(), Some(InvalidOption::NotOfType { .. })));
/// # Ok::<(), zsocket::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidOption {
    /// The value is not one that the option takes.
    Value {
        /// The option's name.
        option: &'static str,
        /// What it takes.
        expected: &'static str,
    },
    /// The option takes another kind of value.
    Kind {
        /// The option's name.
        option: &'static str,
        /// What it takes.
        expected: Kind,
        /// Whether it takes [`Value::None`](crate::Value::None) as well.
        or_none: bool,
    },
    /// There is no option of this name, or with this number.
    Unknown {
        /// What was asked for.
        option: String,
        /// The name of one that may be meant.
        similar: Option<&'static str>,
        /// Why there is no such option, if libzmq has it.
        reason: Option<&'static str>,
    },
    /// Sockets of this type do not have the option.
    NotOfType {
        /// The option's name.
        option: &'static str,
        /// The type of the socket.
        socket_type: SocketType,
        /// The types that have it.
        types: &'static [SocketType],
    },
    /// The option is settled since the socket was bound or connected for the first time: set it before.
    TooLate {
        /// The option's name.
        option: &'static str,
    },
    /// The option can only be read, or only be set.
    Access {
        /// The option's name.
        option: &'static str,
        /// What can be done with it.
        access: Access,
    },
}

impl fmt::Display for InvalidOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value { option, expected } => {
                write!(f, "invalid value for {option}: expected {expected}")
            }
            Self::Kind {
                option,
                expected,
                or_none,
            } => {
                let or_none = if *or_none { ", or none" } else { "" };
                write!(f, "{option} takes {}{or_none}", expected.written())
            }
            Self::Unknown {
                option,
                similar,
                reason,
            } => {
                write!(f, "there is no option {option:?}")?;
                if let Some(reason) = reason {
                    write!(f, ": {reason}")?;
                }
                if let Some(similar) = similar {
                    write!(f, ": did you mean {similar}?")?;
                }
                Ok(())
            }
            Self::NotOfType {
                option,
                socket_type,
                types,
            } => {
                let types: Vec<_> = types.iter().map(|socket_type| socket_type.name()).collect();
                let (name, types) = (socket_type.name(), types.join(", "));
                write!(f, "{option} is no option of {name}: it is one of {types}")
            }
            Self::TooLate { option } => write!(
                f,
                "{option} cannot be changed any more: set it before the socket binds or connects"
            ),
            Self::Access { option, access } => match access {
                Access::ReadOnly => write!(f, "{option} can only be read"),
                _ => write!(f, "{option} can only be set"),
            },
        }
    }
}

impl std::error::Error for InvalidOption {}

impl From<InvalidOption> for crate::Error {
    fn from(error: InvalidOption) -> Self {
        Self::Option(Box::new(error))
    }
}
