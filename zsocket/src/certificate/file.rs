//! The two files of a certificate.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::{Certificate, CertificateError, CertificateProblem};

/// Much more than any certificate takes, in bytes.
const LIMIT: usize = 64 << 10;

/// What the name of the file with both keys ends in.
pub(super) const SECRET_SUFFIX: &str = "_secret";

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Readers {
    Everybody,
    Owner,
}

impl Certificate {
    /// Reads a certificate: from the file beside `path` whose name ends in `_secret`, and, where there is none, from that at
    /// `path`, which has no secret key.
    ///
    /// # Errors
    ///
    /// [`CertificateProblem`] lists them. A file with a secret key that exists and cannot be read is an error, and is not passed
    /// over in silence: who is not meant to read it wants [`load_public`](Self::load_public).
    pub fn load(path: impl AsRef<Path>) -> Result<Self, CertificateError> {
        let path = path.as_ref();
        match read(&secret_path(path)?) {
            Err(error) if is(&error, ErrorKind::NotFound) => read(path),
            other => other,
        }
    }

    /// Reads the file at `path` alone. A secret key in it is checked, and forgotten.
    ///
    /// # Errors
    ///
    /// [`CertificateProblem`] lists them.
    pub fn load_public(path: impl AsRef<Path>) -> Result<Self, CertificateError> {
        read(path.as_ref()).map(|certificate| certificate.to_public())
    }

    /// Writes the public key to a new file at `path` and, if there is a secret one, both to a new file beside it, whose name ends
    /// in `_secret` and which only the owner may read (mode 0600 from the moment on when it is made; on systems without
    /// modes, as the directory has it).
    ///
    /// # Errors
    ///
    /// [`CertificateProblem::Exists`] if either is there already: a key that is written over is lost for ever. Nothing
    /// is left behind on an error.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), CertificateError> {
        let path = path.as_ref();
        let Some(text) = self.to_secret_text() else {
            return self.save_public(path);
        };
        let secret = secret_path(path)?;
        create(&secret, &text, Readers::Owner)?;
        self.save_public(path).inspect_err(|_| {
            // It is our own. That it stays, if it does, is less important than the error.
            let _ = fs::remove_file(&secret);
        })
    }

    /// Writes the public key to a new file at `path`.
    ///
    /// # Errors
    ///
    /// [`CertificateProblem::Exists`] if it is there already.
    pub fn save_public(&self, path: impl AsRef<Path>) -> Result<(), CertificateError> {
        create(path.as_ref(), &self.to_public_text(), Readers::Everybody)
    }

    /// Writes the files as [`save`](Self::save) does, in place of those that may be there. Each is replaced at
    /// once: who reads it meanwhile, and after a crash, finds the one or the other. Without a secret key, a file with one that
    /// is there stays.
    ///
    /// # Errors
    ///
    /// [`CertificateProblem::Io`].
    pub fn replace(&self, path: impl AsRef<Path>) -> Result<(), CertificateError> {
        let path = path.as_ref();
        if let Some(text) = self.to_secret_text() {
            replace(&secret_path(path)?, &text, Readers::Owner)?;
        }
        replace(path, &self.to_public_text(), Readers::Everybody)
    }
}

fn is(error: &CertificateError, kind: ErrorKind) -> bool {
    matches!(error.problem(), CertificateProblem::Io(error) if error.kind() == kind)
}

fn secret_path(path: &Path) -> Result<PathBuf, CertificateError> {
    let mut name = file_name(path)?;
    name.push(SECRET_SUFFIX);
    Ok(path.with_file_name(name))
}

fn file_name(path: &Path) -> Result<OsString, CertificateError> {
    let name = path.file_name().map(ToOwned::to_owned);
    name.ok_or_else(|| CertificateError::from(CertificateProblem::NoFileName).of(path))
}

fn read(path: &Path) -> Result<Certificate, CertificateError> {
    let fail = |problem: CertificateProblem| CertificateError::from(problem).of(path);
    // It does not grow, so that no part of a secret is left behind where it was before.
    let mut buffer = Zeroizing::new(vec![0; LIMIT + 1]);
    let len = File::open(path)
        .and_then(|file| fill(file, &mut buffer))
        .map_err(|error| fail(CertificateProblem::Io(error)))?;
    if len > LIMIT {
        return Err(fail(CertificateProblem::TooLarge { limit: LIMIT }));
    }
    let text = str::from_utf8(&buffer[..len]).map_err(|_| fail(CertificateProblem::NotText))?;
    text.parse()
        .map_err(|error: CertificateError| error.of(path))
}

fn fill(mut file: File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while len < buffer.len() {
        match file.read(&mut buffer[len..]) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}

fn create(path: &Path, text: &str, readers: Readers) -> Result<(), CertificateError> {
    let fail = |error: io::Error| {
        let problem = match error.kind() {
            ErrorKind::AlreadyExists => CertificateProblem::Exists,
            _ => CertificateProblem::Io(error),
        };
        CertificateError::from(problem).of(path)
    };
    let mut file = open_new(path, readers).map_err(fail)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|error| {
            // It is our own, and of no use.
            let _ = fs::remove_file(path);
            fail(error)
        })
}

fn replace(path: &Path, text: &str, readers: Readers) -> Result<(), CertificateError> {
    // Hidden, so that a store that reads the directory meanwhile passes it over.
    let mut name = OsString::from(".");
    name.push(file_name(path)?);
    name.push(format!(".{:016x}", fastrand::u64(..)));
    let new = path.with_file_name(name);
    create(&new, text, readers)?;
    fs::rename(&new, path).map_err(|error| {
        let _ = fs::remove_file(&new);
        CertificateError::from(CertificateProblem::Io(error)).of(path)
    })
}

/// Opens a file that was not there, and follows no link.
fn open_new(path: &Path, readers: Readers) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if readers == Readers::Owner {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    let _ = readers;
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_a_secret_key() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ada.cert");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let certificate = Certificate::generate().unwrap();
        certificate.save(&path).unwrap();
        let secret = directory.path().join("ada.cert_secret");
        assert_eq!(mode(&secret), 0o600);
        // What was there before does not matter.
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o666)).unwrap();
        certificate.replace(&path).unwrap();
        assert_eq!(mode(&secret), 0o600);
        assert_eq!(Certificate::load(&path).unwrap(), certificate);
    }

    #[test]
    fn nothing_is_written_over_unless_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ada.cert");
        let secret = directory.path().join("ada.cert_secret");
        let first = Certificate::generate().unwrap();
        let second = Certificate::generate().unwrap();
        let exists = |result: Result<(), CertificateError>, at: &Path| {
            let error = result.unwrap_err();
            assert!(
                matches!(error.problem(), CertificateProblem::Exists),
                "{error}"
            );
            assert_eq!(error.path(), Some(at));
        };
        first.save(&path).unwrap();
        exists(second.save(&path), &secret);
        assert_eq!(Certificate::load(&path).unwrap(), first);
        // The one is there, the other not.
        fs::remove_file(&secret).unwrap();
        exists(second.save(&path), &path);
        assert!(!secret.exists(), "it is taken back");
        exists(second.save_public(&path), &path);
        assert_eq!(Certificate::load(&path).unwrap(), first.to_public());
        second.replace(&path).unwrap();
        assert_eq!(Certificate::load(&path).unwrap(), second);
        // Nothing else is left.
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }

    #[test]
    fn both_keys_are_read_where_they_are_and_the_public_one_alone_on_demand() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ada");
        let certificate = Certificate::generate().unwrap();
        certificate.save(&path).unwrap();
        assert_eq!(Certificate::load(&path).unwrap(), certificate);
        let public = certificate.to_public();
        assert_eq!(Certificate::load_public(&path).unwrap(), public);
        let secret = directory.path().join("ada_secret");
        assert_eq!(Certificate::load_public(&secret).unwrap(), public);
        fs::remove_file(&secret).unwrap();
        assert_eq!(Certificate::load(&path).unwrap(), public);
        // One that is there and is nothing is not passed over.
        fs::create_dir(&secret).unwrap();
        let error = Certificate::load(&path).unwrap_err();
        assert_eq!(error.path(), Some(&*secret));
    }

    #[test]
    fn files_that_are_no_certificates() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bad");
        for (content, is_it) in [
            (vec![b'#'; LIMIT + 1], "larger than 65536 bytes"),
            (vec![b'#'; LIMIT], "it has no curve section"),
            (vec![0xFF], "no text in UTF-8"),
            (b"\n  a".to_vec(), "bad, line 2: it begins with 2 spaces"),
        ] {
            fs::write(&path, content).unwrap();
            let error = Certificate::load(&path).unwrap_err().to_string();
            assert!(error.contains(is_it), "{error}");
        }
        let error = Certificate::load(directory.path().join("none")).unwrap_err();
        assert!(is(&error, ErrorKind::NotFound), "{error}");
        let error = Certificate::load("/").unwrap_err();
        assert!(matches!(error.problem(), CertificateProblem::NoFileName));
    }
}
