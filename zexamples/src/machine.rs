//! What a measurement ran on.

use std::fs;
use std::num::NonZero;
use std::thread;

/// The compiler that built this program, and whether it optimised.
#[must_use]
pub fn compiler() -> String {
    format!(
        "{} ({} build)",
        env!("ZEXAMPLES_RUSTC"),
        env!("ZEXAMPLES_PROFILE")
    )
}

/// The version of the libzmq to compare with, if there is one in this build.
#[must_use]
pub fn libzmq() -> Option<String> {
    #[cfg(feature = "libzmq")]
    {
        let (major, minor, patch) = zinterop::zmq::version();
        Some(format!("libzmq {major}.{minor}.{patch}"))
    }
    #[cfg(not(feature = "libzmq"))]
    None
}

/// The operating system and its version.
#[must_use]
pub fn kernel() -> String {
    let system = rustix::system::uname();
    format!(
        "{} {}",
        system.sysname().to_string_lossy(),
        system.release().to_string_lossy()
    )
}

/// The processor and how many threads it runs at once.
#[must_use]
pub fn processor() -> String {
    let model = fs::read_to_string("/proc/cpuinfo").ok().and_then(|info| {
        let line = info.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let model = model.unwrap_or_else(|| String::from(std::env::consts::ARCH));
    match thread::available_parallelism().map_or(1, NonZero::get) {
        1 => format!("{model}, 1 core"),
        cores => format!("{model}, {cores} cores"),
    }
}

/// All of it, a line each.
#[must_use]
pub fn describe() -> Vec<String> {
    let ours = format!("zlayers {}, {}", env!("CARGO_PKG_VERSION"), compiler());
    let parts = [Some(ours), libzmq(), Some(kernel()), Some(processor())];
    parts.into_iter().flatten().collect()
}
