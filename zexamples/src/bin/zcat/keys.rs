//! Keys for CURVE.

use zexamples::{Result, say};
use zsocket::Certificate;

use crate::cli::Keygen;

/// Makes a fresh pair. Without a path it is printed in Z85, the secret key to standard output and nowhere else; with one it goes
/// into the two files of a certificate, and only the public key is printed.
pub(crate) fn generate(keygen: &Keygen) -> Result<bool> {
    let mut certificate = Certificate::generate()?;
    for (name, value) in &keygen.metadata {
        certificate = certificate.with_metadata(name, value)?;
    }
    let secret = certificate.key_pair().map(|keys| keys.secret().to_z85());
    say(format_args!("public {}", certificate.public_key()));
    match &keygen.path {
        None => {
            if let Some(secret) = secret {
                say(format_args!("secret {}", *secret));
            }
        }
        Some(path) if keygen.replace => certificate.replace(path)?,
        Some(path) => certificate.save(path)?,
    }
    Ok(true)
}
