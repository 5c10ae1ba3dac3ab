//! The fourth house of the security guide: everything is encrypted, and clients know for sure who the server is. The server knows
//! nothing about them, but that somebody has told them its public key.
//!
//! ```console
//! $ stonehouse
//! Received Hello
//! $ stonehouse server --keys keys & stonehouse client --keys keys
//! ```
//!
//! On two machines, only `server.cert` is copied to the client's.

use std::process::ExitCode;

use zexamples::{House, Keys, Result};
use zsocket::{AccessList, Certificate, Context, Security};

fn main() -> ExitCode {
    House {
        name: "stonehouse",
        server,
        client,
    }
    .main()
}

fn server(context: &Context, keys: &Keys) -> Result<Security> {
    let access = AccessList::new();
    access.allow_any_key(true);
    context.set_authenticator(access);
    let own = keys.of("server")?;
    let own = own.key_pair().ok_or("server.cert_secret is missing")?;
    Ok(Security::curve_server(own.clone()))
}

fn client(keys: &Keys) -> Result<Security> {
    let server = keys.of("server")?;
    // Nobody asks whose they are, so they need not last.
    let own = Certificate::generate()?;
    let own = own.key_pair().ok_or("no secret key")?;
    Ok(Security::curve_client(*server.public_key(), own.clone()))
}
