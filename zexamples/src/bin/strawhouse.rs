//! The second house of the security guide: the server looks at the address of whoever knocks. That keeps accidents out, and nobody
//! who can pretend to be somebody else, or read along.
//!
//! ```console
//! $ strawhouse
//! Received Hello
//! ```

use std::net::Ipv4Addr;
use std::process::ExitCode;

use zexamples::{House, Keys, Result};
use zsocket::{AccessList, Context, Security};

fn main() -> ExitCode {
    House {
        name: "strawhouse",
        server,
        client: |_| Ok(Security::null()),
    }
    .main()
}

fn server(context: &Context, _: &Keys) -> Result<Security> {
    let access = AccessList::new();
    access.allow_address(Ipv4Addr::LOCALHOST);
    context.set_authenticator(access);
    // Without a domain a server with NULL asks nobody.
    Ok(Security::null().with_zap_domain("global"))
}
