//! Where the real libzmq lies, for tests that compile C programs against it.

use std::path::PathBuf;

/// The directory of its `zmq.h`.
#[must_use]
pub fn include() -> PathBuf {
    PathBuf::from(env!("OUT_DIR")).join("source/include")
}

/// The library, with its draft functions and without the libraries that it needs itself: [`sodium`] and C++'s.
#[must_use]
pub fn archive() -> PathBuf {
    PathBuf::from(env!("OUT_DIR")).join("lib/libzmq.a")
}

/// The directory of the libsodium that it was built with.
#[must_use]
pub fn sodium() -> PathBuf {
    option_env!("ZINTEROP_SODIUM_LIB").map_or_else(PathBuf::new, PathBuf::from)
}
