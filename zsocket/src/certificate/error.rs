//! Why a certificate cannot be read or written.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use zmtp::{z85, zpl};

/// Why a certificate cannot be read or written: what is wrong, in which file and line.
#[derive(Debug)]
pub struct CertificateError {
    path: Option<PathBuf>,
    line: Option<usize>,
    problem: CertificateProblem,
}

/// What is wrong with a certificate or its file.
#[derive(Debug)]
#[non_exhaustive]
pub enum CertificateProblem {
    /// The file, or the directory, cannot be read or written.
    Io(io::Error),
    /// The file is there already. Choose another name, or write over it with
    /// [`Certificate::replace`](crate::Certificate::replace).
    Exists,
    /// The path has no file name.
    NoFileName,
    /// The file is larger than certificates are.
    TooLarge {
        /// How large it may be, in bytes.
        limit: usize,
    },
    /// The file is not text in UTF-8.
    NotText,
    /// The text is no ZPL, or what was to be written is none.
    Syntax(zpl::Problem),
    /// There is no `public-key` in a section `curve`.
    NoPublicKey,
    /// Something stands there twice, so that nobody knows which one counts.
    Twice {
        /// Its name.
        name: String,
    },
    /// A key is not what 40 characters of Z85 are.
    Key {
        /// Which one: `public-key` or `secret-key`.
        name: &'static str,
        /// What is wrong with it.
        source: z85::Error,
    },
    /// The public key is not that of the secret key.
    KeysDiffer,
    /// The operating system has no randomness.
    Random(zmtp::Error),
}

impl CertificateError {
    /// What is wrong.
    #[must_use]
    pub const fn problem(&self) -> &CertificateProblem {
        &self.problem
    }

    /// The file, if it is about one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The number of the line, from 1 on, if it is about one.
    #[must_use]
    pub const fn line(&self) -> Option<usize> {
        self.line
    }

    pub(super) const fn at(mut self, line: usize) -> Self {
        self.line = Some(line);
        self
    }

    pub(super) fn of(mut self, path: &Path) -> Self {
        self.path = Some(path.to_owned());
        self
    }
}

impl From<CertificateProblem> for CertificateError {
    fn from(problem: CertificateProblem) -> Self {
        Self {
            path: None,
            line: None,
            problem,
        }
    }
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.path, self.line) {
            (Some(path), Some(line)) => write!(f, "{}, line {line}: ", path.display())?,
            (Some(path), None) => write!(f, "{}: ", path.display())?,
            (None, Some(line)) => write!(f, "line {line}: ")?,
            (None, None) => {}
        }
        self.problem.fmt(f)
    }
}

impl fmt::Display for CertificateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Exists => {
                f.write_str("it exists already, and is not written over unless that is asked for")
            }
            Self::NoFileName => f.write_str("it names no file"),
            Self::TooLarge { limit } => write!(
                f,
                "it is larger than {limit} bytes, so it is no certificate"
            ),
            Self::NotText => f.write_str("it is no text in UTF-8"),
            Self::Syntax(problem) => problem.fmt(f),
            Self::NoPublicKey => f.write_str("it has no curve section with a public-key"),
            Self::Twice { name } => write!(f, "{name} is there twice"),
            Self::Key { name, source } => write!(f, "the {name} is no key: {source}"),
            Self::KeysDiffer => {
                f.write_str("the secret-key and the public-key do not belong together")
            }
            Self::Random(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CertificateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.problem {
            CertificateProblem::Io(error) => Some(error),
            CertificateProblem::Syntax(problem) => Some(problem),
            CertificateProblem::Key { source, .. } => Some(source),
            CertificateProblem::Random(error) => Some(error),
            _ => None,
        }
    }
}
