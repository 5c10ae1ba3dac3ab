//! `ipc://path`, `ipc://@name`, `ipc://*`.

use std::fmt;
use std::path::Path;

use super::spelling::Spelling;
use super::{EndpointError, EndpointErrorKind as Kind};

/// The longest ipc path or abstract name (with its `@`) in bytes: what fits into a socket address
/// together with the terminating NUL.
///
/// # Platform
///
/// 107 on Linux, 103 elsewhere.
pub const MAX_IPC_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// The address of an ipc endpoint: a file system path, an abstract name (Linux), or the wildcard
/// that makes a new path when it is bound.
///
/// A relative path is made absolute ([`Endpoint::absolute`](super::Endpoint::absolute)) when it is
/// bound or connected.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IpcEndpoint {
    form: IpcForm,
    pub(super) spelling: Spelling,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum IpcForm {
    Path(Box<str>),
    Abstract(Box<str>),
    Wildcard,
}

impl IpcEndpoint {
    /// The path, if the endpoint is a file system path.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.form {
            IpcForm::Path(path) => Some(Path::new(&**path)),
            _ => None,
        }
    }

    /// The name behind the `@`, if the endpoint is in the abstract namespace.
    #[must_use]
    pub fn abstract_name(&self) -> Option<&str> {
        match &self.form {
            IpcForm::Abstract(name) => Some(name),
            _ => None,
        }
    }

    /// Whether this is `ipc://*`.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.form == IpcForm::Wildcard
    }

    pub(super) fn absolute(&self) -> Result<Self, EndpointError> {
        let Some(relative) = self.path().filter(|path| path.is_relative()) else {
            return Ok(self.clone());
        };
        let written = format!("ipc://{self}");
        let fail = |kind| {
            let span = "ipc://".len()..written.len();
            Err(EndpointError::new(&written, kind, span))
        };
        let Ok(absolute) = std::path::absolute(relative) else {
            return fail(Kind::NoCurrentDirectory);
        };
        let Some(absolute) = absolute.to_str() else {
            return fail(Kind::NoCurrentDirectory);
        };
        if absolute.len() > MAX_IPC_PATH {
            return fail(Kind::AbsolutePathTooLong);
        }
        Ok(Self {
            form: IpcForm::Path(absolute.into()),
            spelling: Spelling::of(&written),
        })
    }

    pub(super) fn parse(text: &str, start: usize) -> Result<Self, EndpointError> {
        let address = &text[start..];
        let fail = |kind, span| Err(EndpointError::new(text, kind, span));
        if cfg!(windows) {
            return fail(Kind::IpcNotSupported, 0..start);
        }
        if let Some(at) = address.find('\0') {
            return fail(Kind::NulInPath, start + at..start + at + 1);
        }
        if address.len() > MAX_IPC_PATH {
            return fail(Kind::PathTooLong, start..text.len());
        }
        let form = match address.as_bytes()[0] {
            b'*' if address.len() > 1 => {
                return fail(Kind::AmbiguousWildcard, start..start + 1);
            }
            b'*' => IpcForm::Wildcard,
            b'@' if address.len() == 1 => {
                return fail(Kind::EmptyAbstractName, text.len()..text.len());
            }
            b'@' if cfg!(not(any(target_os = "linux", target_os = "android"))) => {
                return fail(Kind::AbstractNotSupported, start..text.len());
            }
            b'@' => IpcForm::Abstract(address[1..].into()),
            _ => IpcForm::Path(address.into()),
        };
        Ok(Self {
            form,
            spelling: Spelling::CANONICAL,
        })
    }
}

impl fmt::Display for IpcEndpoint {
    /// Prints the address without its scheme.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.form {
            IpcForm::Path(path) => f.write_str(path),
            IpcForm::Abstract(name) => write!(f, "@{name}"),
            IpcForm::Wildcard => f.write_str("*"),
        }
    }
}
