//! Z85: whatever can be written can be read back, and whatever can be read is written the same way.

use zmtp::curve::{PublicKey, SecretKey};
use zmtp::z85::{self, Error};

/// The bytes are data to write, and text to read if they are any.
///
/// # Panics
///
/// If a property does not hold.
pub fn check(bytes: &[u8]) {
    match z85::encode(bytes) {
        Ok(text) => {
            assert_eq!(text.len(), bytes.len() / 4 * 5);
            assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
            assert_eq!(z85::decode(&text).as_deref(), Ok(bytes));
        }
        Err(error) => {
            let len = bytes.len();
            assert!(!len.is_multiple_of(4));
            assert_eq!(error, Error::DataLength { len });
        }
    }
    if let Some(key) = bytes.first_chunk() {
        let key = PublicKey::from_bytes(*key);
        assert_eq!(PublicKey::from_z85(&key.to_z85()), Ok(key));
    }
    if let Ok(text) = str::from_utf8(bytes) {
        check_text(text);
    }
}

fn check_text(text: &str) {
    let decoded = z85::decode(text);
    match &decoded {
        Ok(data) => {
            assert_eq!(data.len(), text.len() / 5 * 4);
            assert_eq!(z85::encode(data).as_deref(), Ok(text));
        }
        Err(Error::TextLength { len }) => {
            assert!(*len == text.len() && !len.is_multiple_of(5));
        }
        Err(Error::Character { position }) => {
            let character = text.as_bytes()[*position];
            assert!(!character.is_ascii_alphanumeric());
        }
        Err(Error::Overflow { position }) => {
            let group = &text[*position..position + 5];
            assert!(group > "%nSc0" || z85::decode(group).is_err());
        }
        Err(other) => panic!("unexpected {other:?}"),
    }

    let public = PublicKey::from_z85(text);
    let secret = SecretKey::from_z85(text);
    assert_eq!(public.is_ok(), secret.is_ok());
    assert_eq!(public.is_ok(), text.len() == 40 && decoded.is_ok());
    if let (Ok(public), Ok(secret)) = (public, secret) {
        assert_eq!(public.as_bytes(), secret.as_bytes());
        assert_eq!(public.to_z85(), text);
        assert_eq!(*secret.to_z85(), text);
        assert!(!format!("{secret:?}").contains(text));
    }
}
