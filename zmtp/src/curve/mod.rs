//! CURVE: encryption, and keys that prove who both ends are.
//!
//! The server has a pair of keys that lasts, S and s, and clients know S beforehand. A client has
//! one too, C and c. For each connection both make a fresh pair, C', c' and S', s', so that what
//! was recorded stays secret when a lasting key is lost later. A handshake of four commands brings
//! them together, and then every frame travels in a box that only the other end can open. Nobody in
//! between can read, change, repeat, reorder or invent one; sizes and times can be seen.
//!
//! ```text
//!   client  knows S, c                                      server  knows s
//!     │ HELLO     C', 64 zeros in a box (c' to S)              │
//!     ├───────────────────────────────────────────────────────▶│  one key agreement, with C'
//!     │                                                        │
//!     │      WELCOME     S' and the cookie in a box (s to C')  │
//!     │◀───────────────────────────────────────────────────────┤  forgets s' and C'
//!     │                                                        │
//!     │ INITIATE  the cookie, then in a box (c' to S'):        │
//!     │           C, a vouch in a box (c to S'), metadata      │  s' and C' are in the cookie
//!     ├───────────────────────────────────────────────────────▶│      ┌─────┐
//!     │                                                        ├─────▶│ ZAP │ may C come in?
//!     │           READY       metadata in a box (s' to C')     │◀─────┤     │ 200
//!     │◀───────────────────────────────────────────────────────┤      └─────┘
//!     │ MESSAGE   flags and text in a box (c' to S')           │
//!     │◀══════════════════════════════════════════════════════▶│
//! ```
//!
//! The vouch says "C' is mine, and meant for S", in a box that only the owner of c can make. Both
//! halves are compared: C', and S too, which libzmq does not look at.
//!
//! # The cookie, and what strangers can cost
//!
//! The cookie holds C' and s', in a box whose key is made for this connection and is all that the
//! server keeps, 32 bytes within the state of the handshake. So nothing is stored for a client that
//! has not shown that it hears the server's answers, and an INITIATE that was recorded opens on no
//! other connection.
//!
//! Until its cookie has come back a stranger can make the server use less than 4 KiB of memory,
//! whatever it sends and announces: no more than 512 bytes of a command are stored before the
//! cookie at its beginning has been opened. It can make the server compute **one** key agreement, the one
//! that HELLO has to be opened with and WELCOME is sealed with. A stranger that does not know S
//! gets no further. To one that does the server answers with a fresh S', which costs a
//! multiplication of the fixed base point besides, with precomputed tables a fraction of an
//! agreement. That pair is made when HELLO has proved sound and not ahead of time: made for every
//! connection in advance it would be spent on strangers who only connect, and one pair shared by
//! several handshakes would be less fresh. Tests count both the bytes and the operations.
//!
//! # Nonces
//!
//! Each end numbers its commands, and each kind and direction has its own prefix in the nonce, so
//! none is used twice under one key. A receiver takes rising numbers only. Before the counter can
//! wrap sending fails, see [`Session::seal`].
//!
//! # Keys
//!
//! Keys are typed: a [`SecretKey`] does not go where a [`PublicKey`] belongs, is not printed by
//! `Debug`, is compared in constant time and overwritten when dropped. They are written as
//! [Z85](crate::z85), 40 characters, as everywhere in ØMQ.
//!
//! ```
//! use zmtp::curve::{ClientConfig, KeyPair, ServerConfig};
//! use zmtp::{Handshake, HandshakeConfig, MechanismConfig, Random, SocketType};
//!
//! let mut random = Random::system();
//! let server = KeyPair::generate(&mut random)?;
//! let client = ClientConfig::new(*server.public(), KeyPair::generate(&mut random)?);
//!
//! let mut pull = Handshake::new(
//!     HandshakeConfig::new(SocketType::Pull)
//!         .with_mechanism(MechanismConfig::CurveServer(ServerConfig::new(server).allow_any_client())),
//! );
//! let mut push = Handshake::new(
//!     HandshakeConfig::new(SocketType::Push).with_mechanism(MechanismConfig::CurveClient(client)),
//! );
//! while !(push.is_complete() && pull.is_complete()) {
//!     let used = pull.handle_input(push.transmit())?;
//!     push.advance_transmit(used);
//!     let used = push.handle_input(pull.transmit())?;
//!     pull.advance_transmit(used);
//! }
//!
//! let mut wire = Vec::new();
//! let mut encoder = push.finish().unwrap().encoder;
//! encoder.encode_message(&"nobody sees this".into(), &mut wire);
//! assert!(!wire.windows(6).any(|bytes| bytes == b"nobody"));
//!
//! let mut decoder = pull.finish().unwrap().decoder;
//! let (_, item) = decoder.decode(&wire)?;
//! assert_eq!(item, Some(zmtp::Item::Message("nobody sees this".into())));
//! # Ok::<(), zmtp::Error>(())
//! ```
//!
//! # What it is made of
//!
//! X25519 is that of `x25519-dalek`. XSalsa20 and Poly1305 are this crate's own: the pure Rust
//! implementations at hand have no vectors for Salsa20, and take a microsecond to begin with
//! Poly1305, which for a message of 64 bytes is several times the rest. Both are written portably
//! and once more for AVX2 and AVX-512, which are looked for at run time, and are tested against published
//! answers and against those implementations. `cargo bench -p zinterop --bench curve` measures them
//! beside libsodium.
//!
//! Sections followed: RFC 25 and RFC 26; where libzmq differs from them, what both accept is sent
//! and the stricter reading is checked: the zeros of HELLO, the whole vouch.

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
pub(crate) use session::{NAME as MESSAGE, Opener, Sealer};
pub use session::{Role, Session};

pub use crate::mechanism::curve::Command;
