//! CURVE: keys and configuration.

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod avx2;
pub(crate) mod boxes;
mod config;
mod cpu;
mod keys;
pub(crate) mod ops;
mod poly1305;
mod salsa;
mod session;

pub use config::{ClientConfig, ServerConfig};
pub use keys::{KEY_LEN, KeyPair, PublicKey, SecretKey};
pub(crate) use session::{Opener, Sealer};
pub use session::{Role, Session};
