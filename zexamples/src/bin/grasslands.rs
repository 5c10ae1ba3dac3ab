//! The first house of the security guide, which has no walls: everybody may come in, and everybody on the way can read along.
//!
//! ```console
//! $ grasslands                # client and server in one process
//! Received Hello
//! $ grasslands server & grasslands client
//! ```

use std::process::ExitCode;

use zexamples::House;
use zsocket::Security;

fn main() -> ExitCode {
    House {
        name: "grasslands",
        // What a socket has anyhow.
        server: |_, _| Ok(Security::null()),
        client: |_| Ok(Security::null()),
    }
    .main()
}
