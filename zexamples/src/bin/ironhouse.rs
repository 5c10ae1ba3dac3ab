//! The fifth house of the security guide, the one to live in: everything is encrypted, clients know for sure who the server is, and the
//! server lets in only those whose keys it has.
//!
//! ```console
//! $ ironhouse
//! Received Hello
//! $ ironhouse server --keys keys & ironhouse client --keys keys
//! ```
//!
//! On two machines, `server.cert` is copied to the client's, and `client.cert` into the directory `clients` of the server's. Secret
//! keys stay where they were made.

use std::fs;
use std::process::ExitCode;

use zexamples::{House, Keys, Result};
use zsocket::{AccessList, CertificateStore, Context, Security};

fn main() -> ExitCode {
    House {
        name: "ironhouse",
        server,
        client,
    }
    .main()
}

fn server(context: &Context, keys: &Keys) -> Result<Security> {
    // What an administrator does once for each client.
    let admitted = keys.directory().join("clients");
    fs::create_dir_all(&admitted)?;
    let client = admitted.join("client.cert");
    if !client.exists() {
        keys.of("client")?.save_public(&client)?;
    }

    let store = CertificateStore::open(admitted)?;
    let access = AccessList::new();
    for key in store.public_keys() {
        let certificate = store.certificate(key);
        let name = certificate.and_then(|certificate| certificate.metadata("name"));
        access.allow_key(*key, name.unwrap_or_default());
    }
    context.set_authenticator(access);

    let own = keys.of("server")?;
    let own = own.key_pair().ok_or("server.cert_secret is missing")?;
    Ok(Security::curve_server(own.clone()))
}

fn client(keys: &Keys) -> Result<Security> {
    let server = keys.of("server")?;
    let own = keys.of("client")?;
    let own = own.key_pair().ok_or("client.cert_secret is missing")?;
    Ok(Security::curve_client(*server.public_key(), own.clone()))
}
