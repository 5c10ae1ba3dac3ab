//! Errors of programs: to be told to a person, not to be matched on.

/// Anything that can be printed.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// A result whose error is for a person to read.
pub type Result<T, E = Error> = std::result::Result<T, E>;
