//! CURVE: keys and configuration.

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod avx2;
pub(crate) mod boxes;
mod config;
mod cpu;
#[allow(dead_code, reason = "key agreement is for the handshake")]
mod keys;
#[allow(dead_code, reason = "counted in tests of the handshake")]
mod ops;
mod poly1305;
mod salsa;
mod session;

pub use config::{ClientConfig, ServerConfig};
pub use session::{Role, Session};
pub use keys::{KEY_LEN, KeyPair, PublicKey, SecretKey};
