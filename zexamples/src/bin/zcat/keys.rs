//! Keys for CURVE.

use zexamples::{Result, say};
use zmtp::Random;
use zmtp::curve::KeyPair;

/// Prints a fresh pair in Z85. The secret key goes to standard output and nowhere else.
pub(crate) fn generate() -> Result<bool> {
    let keys = KeyPair::generate(&mut Random::system())?;
    say(format_args!("public {}", keys.public().to_z85()));
    say(format_args!("secret {}", *keys.secret().to_z85()));
    Ok(true)
}
