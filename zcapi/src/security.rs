//! Keys of CURVE, and Z85.

use std::{
    ffi::{CStr, c_char, c_int},
    ptr,
};

use zeroize::Zeroizing;
use zmtp::z85;
use zsocket::SecretKey;

use crate::{entry::entries, errno::Errno};

/// Writes text and its zero.
///
/// # Safety
///
/// There is room for both.
unsafe fn put_text(text: &str, to: *mut c_char) {
    // SAFETY: the caller has promised the room.
    unsafe {
        ptr::copy_nonoverlapping(text.as_ptr().cast(), to, text.len());
        *to.add(text.len()) = 0;
    }
}

entries! {
    /// Makes a pair of keys, as text of 40 characters each and a zero.
    fn zmq_curve_keypair(public: *mut c_char, secret: *mut c_char) -> c_int, or -1; {
        if public.is_null() || secret.is_null() {
            return Err(Errno::FAULT);
        }
        let keys = zsocket::curve_keypair()?;
        // SAFETY: the program's buffers, of 41 bytes each.
        unsafe {
            put_text(&keys.public().to_z85(), public);
            put_text(&keys.secret().to_z85(), secret);
        }
        Ok(0)
    }

    /// The public key that belongs to a secret one.
    fn zmq_curve_public(public: *mut c_char, secret: *const c_char) -> c_int, or -1; {
        if public.is_null() || secret.is_null() {
            return Err(Errno::FAULT);
        }
        // SAFETY: the program's text.
        let secret = unsafe { CStr::from_ptr(secret) }.to_str().map_err(|_| Errno::INVAL)?;
        let secret = SecretKey::from_z85(secret).map_err(|_| Errno::INVAL)?;
        // SAFETY: the program's buffer of 41 bytes.
        unsafe { put_text(&secret.public().to_z85(), public) };
        Ok(0)
    }

    /// Encodes bytes, in fours, as text.
    fn zmq_z85_encode(dest: *mut c_char, data: *const u8, size: usize) -> *mut c_char, or ptr::null_mut(); {
        if dest.is_null() {
            return Err(Errno::INVAL);
        }
        // SAFETY: the program's buffer of this size.
        let data = unsafe { crate::slice(data.cast(), size) }?;
        let text = Zeroizing::new(z85::encode(data).map_err(|_| Errno::INVAL)?);
        // SAFETY: the program's buffer, a quarter longer and a byte for the zero.
        unsafe { put_text(&text, dest) };
        Ok(dest)
    }

    /// Decodes text, five characters to four bytes.
    fn zmq_z85_decode(dest: *mut u8, string: *const c_char) -> *mut u8, or ptr::null_mut(); {
        if dest.is_null() || string.is_null() {
            return Err(Errno::INVAL);
        }
        // SAFETY: the program's text.
        let text = unsafe { CStr::from_ptr(string) }.to_str().map_err(|_| Errno::INVAL)?;
        if text.is_empty() {
            return Err(Errno::INVAL);
        }
        let data = Zeroizing::new(z85::decode(text).map_err(|_| Errno::INVAL)?);
        // SAFETY: the program's buffer, of four fifths of the text's length.
        unsafe { ptr::copy_nonoverlapping(data.as_ptr(), dest, data.len()) };
        Ok(dest)
    }
}
