//! The third house of the security guide: who comes in knows a password. Everybody on the way can read it, so this is for networks that
//! are trusted.
//!
//! ```console
//! $ woodhouse
//! Received Hello
//! ```

use std::process::ExitCode;

use zexamples::{House, Keys, Result};
use zsocket::{AccessList, Context, Security};

fn main() -> ExitCode {
    House {
        name: "woodhouse",
        server,
        client: |_| Ok(Security::plain_client("admin", "secret")?),
    }
    .main()
}

fn server(context: &Context, _: &Keys) -> Result<Security> {
    let access = AccessList::new();
    access.set_password("admin", "secret");
    context.set_authenticator(access);
    Ok(Security::plain_server())
}
