//! A directory with the certificates of those who may come.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
};

use zmtp::curve::PublicKey;

use super::{Certificate, CertificateError, CertificateProblem, file::SECRET_SUFFIX};

/// The public certificates in a directory: those of the clients that a server lets in.
///
/// All files are read but hidden ones, those whose names end in `_secret`, and those in directories below. A file that
/// cannot be read, or is no certificate, lets nobody in and keeps nobody out: it is in [`skipped`](Self::skipped). The directory
/// is looked at by [`open`](Self::open) and by [`reload`](Self::reload), and at no other time.
///
/// # Examples
///
/// ```
/// use zsocket::{Certificate, CertificateStore};
///
/// let directory = tempfile::tempdir()?;
/// let ada = Certificate::generate()?;
/// ada.save_public(directory.path().join("ada.cert"))?;
///
/// let mut store = CertificateStore::open(directory.path())?;
/// assert!(store.contains(ada.public_key()));
/// assert_eq!(store.public_keys().count(), 1);
///
/// std::fs::remove_file(directory.path().join("ada.cert"))?;
/// assert!(store.reload()?);
/// assert!(!store.contains(ada.public_key()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct CertificateStore {
    directory: PathBuf,
    certificates: HashMap<PublicKey, Certificate>,
    skipped: Vec<CertificateError>,
}

impl CertificateStore {
    /// Reads a directory.
    ///
    /// # Errors
    ///
    /// [`CertificateProblem::Io`] if the directory cannot be read.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, CertificateError> {
        let mut store = Self {
            directory: directory.into(),
            certificates: HashMap::new(),
            skipped: Vec::new(),
        };
        store.reload()?;
        Ok(store)
    }

    /// Reads the directory again, and tells whether the certificates are others now.
    ///
    /// # Errors
    ///
    /// [`CertificateProblem::Io`] if the directory cannot be read; then nothing changes.
    pub fn reload(&mut self) -> Result<bool, CertificateError> {
        let paths = paths(&self.directory).map_err(|error| {
            CertificateError::from(CertificateProblem::Io(error)).of(&self.directory)
        })?;
        let mut certificates = HashMap::new();
        let mut skipped = Vec::new();
        for path in paths {
            match Certificate::load_public(&path) {
                // Of two with the same key the first by name counts.
                Ok(certificate) => {
                    let key = *certificate.public_key();
                    certificates.entry(key).or_insert(certificate);
                }
                Err(error) => skipped.push(error),
            }
        }
        let is_changed = certificates != self.certificates;
        self.certificates = certificates;
        self.skipped = skipped;
        Ok(is_changed)
    }

    /// The directory that it reads.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether a key is that of one of the certificates.
    #[must_use]
    pub fn contains(&self, key: &PublicKey) -> bool {
        self.certificates.contains_key(key)
    }

    /// The certificate with this key, for its metadata.
    #[must_use]
    pub fn certificate(&self, key: &PublicKey) -> Option<&Certificate> {
        self.certificates.get(key)
    }

    /// All keys, in no particular order.
    pub fn public_keys(&self) -> impl ExactSizeIterator<Item = &PublicKey> {
        self.certificates.keys()
    }

    /// How many certificates there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.certificates.len()
    }

    /// Whether there is none, so that nobody is let in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.certificates.is_empty()
    }

    /// The files that were passed over when the directory was read the last time, each with the reason.
    #[must_use]
    pub fn skipped(&self) -> &[CertificateError] {
        &self.skipped
    }
}

/// The files that should be certificates, by name.
fn paths(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        if name.starts_with(b".") || name.ends_with(SECRET_SUFFIX.as_bytes()) {
            continue;
        }
        // Links are followed. What is gone meanwhile, a broken link, and a pipe that nobody writes to are no files.
        let path = entry.path();
        if fs::metadata(&path).is_ok_and(|it| it.is_file()) {
            paths.push(path);
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_come_and_go() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let mut store = CertificateStore::open(directory.path()).unwrap();
        assert!(store.is_empty());
        assert!(!store.reload().unwrap());

        let [ada, bob, eve] = [(); 3].map(|()| Certificate::generate().unwrap());
        ada.save(at("ada")).unwrap();
        bob.save_public(at("bob")).unwrap();
        // None of these lets anybody in.
        eve.save_public(at(".eve")).unwrap();
        eve.save_public(at("eve_secret")).unwrap();
        fs::create_dir(at("more")).unwrap();
        eve.save_public(at("more/eve")).unwrap();
        assert!(store.reload().unwrap());
        assert_eq!(store.len(), 2);
        assert!(store.contains(ada.public_key()) && store.contains(bob.public_key()));
        assert!(!store.contains(eve.public_key()));
        assert!(
            store
                .certificate(ada.public_key())
                .unwrap()
                .key_pair()
                .is_none()
        );
        assert!(!store.reload().unwrap());

        // Metadata counts as a change, and so does who goes.
        let ada = ada.with_metadata("role", "admin").unwrap();
        ada.replace(at("ada")).unwrap();
        assert!(store.reload().unwrap());
        let found = store.certificate(ada.public_key()).unwrap();
        assert_eq!(found.metadata("role"), Some("admin"));
        fs::remove_file(at("bob")).unwrap();
        assert!(store.reload().unwrap());
        assert_eq!(store.public_keys().collect::<Vec<_>>(), [ada.public_key()]);
    }

    #[test]
    fn a_bad_file_is_told_and_keeps_nobody_out() {
        let directory = tempfile::tempdir().unwrap();
        let ada = Certificate::generate().unwrap();
        ada.save_public(directory.path().join("ada")).unwrap();
        fs::write(directory.path().join("a-note"), "  hello").unwrap();
        let mut store = CertificateStore::open(directory.path()).unwrap();
        assert_eq!(store.len(), 1);
        let [skipped] = store.skipped() else {
            panic!("{:?}", store.skipped());
        };
        assert_eq!(skipped.line(), Some(1));
        assert_eq!(skipped.path(), Some(&*directory.path().join("a-note")));

        // Without the directory it stays as it is.
        let path = directory.path().to_owned();
        directory.close().unwrap();
        let error = store.reload().unwrap_err();
        assert_eq!(error.path(), Some(&*path));
        assert!(store.contains(ada.public_key()));
        assert!(CertificateStore::open(path).is_err());
    }
}
