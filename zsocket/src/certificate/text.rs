//! What is in the files.

use zmtp::{
    curve::{KeyPair, PublicKey, SecretKey},
    z85,
    zpl::{self, Property},
};

use super::{Certificate, CertificateError, CertificateProblem, Keys};

pub(super) const METADATA: &str = "metadata";
pub(super) const CURVE: &str = "curve";
pub(super) const PUBLIC_KEY: &str = "public-key";
pub(super) const SECRET_KEY: &str = "secret-key";

pub(super) const PUBLIC_HEAD: &str = "\
#   ZeroMQ CURVE public certificate
#   It is for those who shall recognise its owner. Hand it over in a way that nobody
#   can tamper with, or compare the key afterwards.

";

pub(super) const SECRET_HEAD: &str = "\
#   ZeroMQ CURVE **secret** certificate
#   Do not give it to anybody, and do not let others read it.

";

/// A property's key, and the line that it stands in.
struct Found<K> {
    key: K,
    line: usize,
}

pub(super) fn parse(text: &str) -> Result<Certificate, CertificateError> {
    let mut section = "";
    let mut public = None;
    let mut secret = None;
    let mut metadata: Vec<(String, String)> = Vec::new();
    for property in zpl::parse(text) {
        let property = property.map_err(|error| {
            CertificateError::from(CertificateProblem::Syntax(error.problem())).at(error.line())
        })?;
        match (property.depth(), section, property.name()) {
            (0, _, name) => section = name,
            (1, CURVE, PUBLIC_KEY) => {
                read_key(&mut public, &property, PUBLIC_KEY, PublicKey::from_z85)?;
            }
            (1, CURVE, SECRET_KEY) => {
                read_key(&mut secret, &property, SECRET_KEY, SecretKey::from_z85)?;
            }
            (1, METADATA, name) => {
                if metadata.iter().any(|(other, _)| other == name) {
                    return Err(twice(&property));
                }
                let value = property.value().unwrap_or_default();
                // What was read without quotes may have both kinds, and could not be written.
                Property::new(1, name, Some(value)).map_err(|problem| {
                    CertificateError::from(CertificateProblem::Syntax(problem)).at(property.line())
                })?;
                metadata.push((name.to_owned(), value.to_owned()));
            }
            // Sections and properties that others may have added.
            _ => {}
        }
    }
    let Some(Found { key: public, .. }) = public else {
        return Err(CertificateProblem::NoPublicKey.into());
    };
    // czmq writes zeros for a secret key that it does not have.
    let secret = secret.filter(|found| found.key.as_bytes() != &[0; 32]);
    let keys = match secret {
        None => Keys::Public(public),
        Some(Found { key, line }) => {
            let pair = KeyPair::from_secret(key);
            if *pair.public() != public {
                return Err(CertificateError::from(CertificateProblem::KeysDiffer).at(line));
            }
            Keys::Pair(pair)
        }
    };
    Ok(Certificate { keys, metadata })
}

fn read_key<K>(
    found: &mut Option<Found<K>>,
    property: &Property<'_>,
    name: &'static str,
    read: impl FnOnce(&str) -> Result<K, z85::Error>,
) -> Result<(), CertificateError> {
    if found.is_some() {
        return Err(twice(property));
    }
    let line = property.line();
    let key = read(property.value().unwrap_or_default()).map_err(|source| {
        CertificateError::from(CertificateProblem::Key { name, source }).at(line)
    })?;
    *found = Some(Found { key, line });
    Ok(())
}

fn twice(property: &Property<'_>) -> CertificateError {
    let name = property.name().to_owned();
    CertificateError::from(CertificateProblem::Twice { name }).at(property.line())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zmtp::zpl::Problem;

    use super::*;

    const PUBLIC: &str = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
    const SECRET: &str = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";

    fn secret_certificate() -> Certificate {
        KeyPair::from_secret(SECRET.parse().unwrap()).into()
    }

    /// As czmq 4 writes it.
    #[test]
    fn files_of_others() {
        let text = format!(
            "#   ****  Generated on 2026-01-01 12:00:00 by CZMQ  ****\n\
             #   ZeroMQ CURVE **Secret** Certificate\n\
             #   DO NOT PROVIDE THIS FILE TO OTHER USERS nor change its permissions.\n\n\
             metadata\n    name = \"Ada\"\n    role = \"client\"\n\
             curve\n    public-key = \"{PUBLIC}\"\n    secret-key = \"{SECRET}\"\n"
        );
        let certificate: Certificate = text.parse().unwrap();
        assert_eq!(certificate.public_key().to_z85(), PUBLIC);
        let keys = certificate.key_pair().unwrap();
        assert_eq!(*keys.secret().to_z85(), SECRET);
        assert_eq!(certificate.metadata("role"), Some("client"));
        let all: Vec<_> = certificate.all_metadata().collect();
        assert_eq!(all, [("name", "Ada"), ("role", "client")]);
        // pyzmq does not quote metadata, Windows ends lines otherwise.
        let text = text.replace("\"Ada\"", "Ada").replace('\n', "\r\n");
        assert_eq!(text.parse::<Certificate>().unwrap(), certificate);
        // Sections of others, and a secret key that is none.
        let text = format!(
            "other\n    public-key = 1\ncurve\n    key = 1\n    public-key = {PUBLIC:?}\n        secret-key = 1\n    \
             secret-key = {:?}\n",
            "0".repeat(40)
        );
        let certificate: Certificate = text.parse().unwrap();
        assert_eq!(certificate, PublicKey::from_z85(PUBLIC).unwrap().into());
    }

    #[test]
    fn what_is_no_certificate_is_told_with_its_line() {
        let other = secret_of([7; 32]);
        for (text, line, is_it) in [
            ("", None, "it has no curve section with a public-key"),
            ("metadata\ncurve\n", None, "it has no curve section"),
            (
                "curve\npublic-key = \"\"\n",
                None,
                "it has no curve section",
            ),
            ("curve\n  public-key", Some(2), "it begins with 2 spaces"),
            (
                "curve\n    public-key = \"abc\"",
                Some(2),
                "the public-key is no key",
            ),
            (
                "metadata\n    a = 1\n    a = 2",
                Some(3),
                "a is there twice",
            ),
            ("metadata\n    a = b'\"", Some(2), "quotes of one kind"),
            (
                &format!("curve\n    public-key = \"{PUBLIC}\"\n    public-key = \"{PUBLIC}\""),
                Some(3),
                "public-key is there twice",
            ),
            (
                &format!("curve\n    secret-key = \"{other}\"\n    public-key = \"{PUBLIC}\""),
                Some(2),
                "do not belong together",
            ),
            (
                &format!("curve\n    secret-key = \"~~{}", &other[2..]),
                Some(2),
                "the quote",
            ),
            (
                &format!("curve\n    secret-key = \"~~{}\"", &other[2..]),
                Some(2),
                "the secret-key is no key",
            ),
        ] {
            let error = text.parse::<Certificate>().unwrap_err();
            assert_eq!(error.line(), line, "{text}: {error}");
            let message = format!("{error}");
            assert!(message.contains(is_it), "{text}: {message}");
            assert!(!message.contains(&other[2..]) && !format!("{error:?}").contains(&other[2..]));
            assert!(error.path().is_none());
        }
    }

    fn secret_of(bytes: [u8; 32]) -> String {
        SecretKey::from_bytes(bytes).to_z85().to_string()
    }

    #[test]
    fn secrets_are_in_one_of_the_texts_only() {
        let certificate = secret_certificate().with_metadata("name", "Ada").unwrap();
        let public = certificate.to_public_text();
        assert!(
            public.contains(PUBLIC) && !public.contains(SECRET),
            "{public}"
        );
        let secret = certificate.to_secret_text().unwrap();
        assert!(secret.contains(PUBLIC) && secret.contains(SECRET));
        assert_eq!(secret.parse::<Certificate>().unwrap(), certificate);
        assert_eq!(
            public.parse::<Certificate>().unwrap(),
            certificate.to_public()
        );
        assert!(certificate.to_public().to_secret_text().is_none());
        let shown = format!("{certificate:?} {certificate:#?}");
        assert!(shown.contains("Ada") && !shown.contains(SECRET), "{shown}");
        assert!(!shown.contains("123, 184, 100"), "{shown}");
    }

    #[test]
    fn metadata_is_what_the_file_can_hold() {
        let certificate = secret_certificate();
        for (name, value, problem) in [
            ("a b", "", Problem::Name),
            ("", "", Problem::Name),
            ("a", "b\nsecret-key = 1", Problem::Value),
        ] {
            let error = certificate.clone().with_metadata(name, value).unwrap_err();
            let CertificateProblem::Syntax(found) = error.problem() else {
                panic!("{error:?}");
            };
            assert_eq!(*found, problem);
        }
        let certificate = certificate.with_metadata("a", "1").unwrap();
        let certificate = certificate.with_metadata("a", "2").unwrap();
        assert_eq!(certificate.all_metadata().collect::<Vec<_>>(), [("a", "2")]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            secret in any::<[u8; 32]>(),
            metadata in prop::collection::vec(("[a-zA-Z0-9$_@.&+/-]{1,9}", "([^\\p{Cc}\"]|\t){0,90}|[^\\p{Cc}']{0,9}"), 0..20),
        ) {
            let mut certificate = Certificate::from(KeyPair::from_secret(SecretKey::from_bytes(secret)));
            for (name, value) in &metadata {
                certificate = certificate.with_metadata(name, value).unwrap();
            }
            let text = certificate.to_secret_text().unwrap();
            prop_assert_eq!(&text.parse::<Certificate>().unwrap(), &certificate);
            let public = certificate.to_public_text();
            prop_assert_eq!(public.parse::<Certificate>().unwrap(), certificate.to_public());
        }

        #[test]
        fn no_text_is_a_panic(text in "((metadata|curve|    public-key = |    secret-key = |Yne@\\$w-vo<fVvi\\]a<NY6T1ed:M\\$fCG\\*\\[IaLV\\{hID|    a|[=#'\" ]|\\PC)|\n){0,30}") {
            if let Ok(certificate) = text.parse::<Certificate>() {
                prop_assert_eq!(certificate.public_key().to_z85(), PUBLIC);
            }
        }
    }
}
