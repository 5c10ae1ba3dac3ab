//! ØMQ sockets in pure Rust.
