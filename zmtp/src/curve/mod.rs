//! CURVE: keys and configuration.

mod config;
#[allow(dead_code, reason = "key agreement is for the handshake")]
mod keys;
#[allow(dead_code, reason = "counted in tests of the handshake")]
mod ops;

pub use config::{ClientConfig, ServerConfig};
pub use keys::{KEY_LEN, KeyPair, PublicKey, SecretKey};
