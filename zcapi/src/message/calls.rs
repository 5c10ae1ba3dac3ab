//! The functions that make, share and close messages, and tell about them.

use std::{
    ffi::{CStr, CString, c_char, c_int, c_void},
    ptr,
};

use super::{Keeper, zmq_free_fn, zmq_msg_t};
use crate::{entry::entries, errno::Errno};

const MORE: c_int = 1;
const SRCFD: c_int = 2;
const SHARED: c_int = 3;

/// The longest name of a group.
const GROUP_MAX: usize = 255;

/// A message that the program has initialised and not closed.
///
/// # Safety
///
/// The pointer is null, or to a `zmq_msg_t` that nobody else uses meanwhile.
pub(crate) unsafe fn message<'a>(message: *mut zmq_msg_t) -> Result<&'a mut zmq_msg_t, Errno> {
    // SAFETY: the caller has promised that.
    let message = unsafe { message.as_mut() }.ok_or(Errno::FAULT)?;
    if message.is_valid() {
        Ok(message)
    } else {
        Err(Errno::FAULT)
    }
}

/// Likewise, only to be read.
///
/// # Safety
///
/// As for [`message`].
unsafe fn seen<'a>(message: *const zmq_msg_t) -> Result<&'a zmq_msg_t, Errno> {
    // SAFETY: the caller has promised that.
    let message = unsafe { message.as_ref() }.ok_or(Errno::FAULT)?;
    if message.is_valid() {
        Ok(message)
    } else {
        Err(Errno::FAULT)
    }
}

/// Initialises a message, whatever was in its memory.
fn init(to: *mut zmq_msg_t, message: zmq_msg_t) -> Result<c_int, Errno> {
    if to.is_null() {
        return Err(Errno::FAULT);
    }
    // SAFETY: the program's memory for a message, as the caller's caller has promised.
    unsafe { to.write(message) };
    Ok(0)
}

entries! {
    /// Makes an empty message.
    fn zmq_msg_init(msg: *mut zmq_msg_t) -> c_int, or -1; {
        init(msg, zmq_msg_t::empty())
    }

    /// Makes a message of so many bytes, which are zero.
    fn zmq_msg_init_size(msg: *mut zmq_msg_t, size: usize) -> c_int, or -1; {
        init(msg, zmq_msg_t::zeroed(size)?)
    }

    /// Makes a message that is a copy of a buffer.
    fn zmq_msg_init_buffer(msg: *mut zmq_msg_t, buf: *const c_void, size: usize) -> c_int, or -1; {
        // SAFETY: the program's buffer of this size.
        let body = unsafe { crate::slice(buf, size) }?;
        init(msg, zmq_msg_t::copy_of(body)?)
    }

    /// Makes a message of the program's memory, which the function gives back, once, on whatever thread; without one the memory
    /// stays for ever.
    fn zmq_msg_init_data(
        msg: *mut zmq_msg_t,
        data: *mut c_void,
        size: usize,
        ffn: Option<zmq_free_fn>,
        hint: *mut c_void,
    ) -> c_int, or -1; {
        if data.is_null() && size > 0 {
            return Err(Errno::INVAL);
        }
        let mut message = zmq_msg_t::empty();
        match ffn {
            // SAFETY: that is what the program has promised.
            Some(free) => message.set_kept(unsafe { Keeper::lent(data.cast(), size, free, hint) }),
            // SAFETY: likewise.
            None => unsafe { message.set_constant(data.cast(), size) },
        }
        init(msg, message)
    }

    /// Lets go of a message's content.
    fn zmq_msg_close(msg: *mut zmq_msg_t) -> c_int, or -1; {
        // SAFETY: the program's message.
        unsafe { message(msg) }?.close();
        Ok(0)
    }

    /// Moves the content of one message to another.
    fn zmq_msg_move(dest: *mut zmq_msg_t, src: *mut zmq_msg_t) -> c_int, or -1; {
        if ptr::eq(dest, src) {
            // SAFETY: the program's message.
            return unsafe { seen(src) }.map(|_| 0);
        }
        // SAFETY: two messages of the program.
        let (dest, src) = unsafe { (message(dest)?, message(src)?) };
        dest.replace(std::mem::replace(src, zmq_msg_t::empty()));
        Ok(0)
    }

    /// Has one message share the content of another, or copies it if it is short.
    fn zmq_msg_copy(dest: *mut zmq_msg_t, src: *mut zmq_msg_t) -> c_int, or -1; {
        if ptr::eq(dest, src) {
            // SAFETY: the program's message.
            return unsafe { seen(src) }.map(|_| 0);
        }
        // SAFETY: two messages of the program.
        let (dest, src) = unsafe { (message(dest)?, message(src)?) };
        dest.replace(src.share());
        Ok(0)
    }

    /// Where the body is; null for a message that was closed.
    fn zmq_msg_data(msg: *mut zmq_msg_t) -> *mut c_void, or ptr::null_mut(); {
        // SAFETY: the program's message.
        Ok(unsafe { message(msg) }?.data().cast())
    }

    /// How long the body is; 0 for a message that was closed.
    fn zmq_msg_size(msg: *const zmq_msg_t) -> usize, or 0; {
        // SAFETY: the program's message.
        Ok(unsafe { seen(msg) }?.size())
    }

    /// 1 if more frames of the same message follow.
    fn zmq_msg_more(msg: *const zmq_msg_t) -> c_int, or 0; {
        // SAFETY: the program's message.
        Ok(unsafe { seen(msg) }?.is_more().into())
    }

    /// A property that is a number.
    fn zmq_msg_get(msg: *const zmq_msg_t, property: c_int) -> c_int, or -1; {
        // SAFETY: the program's message.
        let message = unsafe { seen(msg) }?;
        match property {
            MORE => Ok(message.is_more().into()),
            SHARED => Ok(message.is_shared().into()),
            // Deprecated: the descriptor may be another connection's by now.
            SRCFD => Err(Errno::INVAL),
            _ => Err(Errno::INVAL),
        }
    }

    /// No property can be set.
    fn zmq_msg_set(_msg: *mut zmq_msg_t, _property: c_int, _optval: c_int) -> c_int, or -1; {
        Err(Errno::INVAL)
    }

    /// A property that is text: it lives as long as the message.
    fn zmq_msg_gets(msg: *const zmq_msg_t, property: *const c_char) -> *const c_char, or ptr::null(); {
        if property.is_null() {
            return Err(Errno::INVAL);
        }
        // SAFETY: the program's message and text.
        let (message, name) = unsafe { (seen(msg)?, CStr::from_ptr(property)) };
        let value = message.meta().and_then(|meta| meta.get(name.to_bytes()));
        value.map(CStr::as_ptr).ok_or(Errno::INVAL)
    }

    /// Says which peer of a SERVER a message is for. 0 is none.
    fn zmq_msg_set_routing_id(msg: *mut zmq_msg_t, routing_id: u32) -> c_int, or -1; {
        if routing_id == 0 {
            return Err(Errno::INVAL);
        }
        // SAFETY: the program's message.
        unsafe { message(msg) }?.set_routing_id(routing_id);
        Ok(0)
    }

    /// Which peer of a SERVER a message is from; 0 for others.
    fn zmq_msg_routing_id(msg: *mut zmq_msg_t) -> u32, or 0; {
        // SAFETY: the program's message.
        Ok(unsafe { seen(msg) }?.routing_id())
    }

    /// Says which group of a RADIO a message is for: at most 255 bytes.
    fn zmq_msg_set_group(msg: *mut zmq_msg_t, group: *const c_char) -> c_int, or -1; {
        if group.is_null() {
            return Err(Errno::INVAL);
        }
        // SAFETY: the program's message and text.
        let (message, group) = unsafe { (message(msg)?, CStr::from_ptr(group)) };
        if group.to_bytes().len() > GROUP_MAX {
            return Err(Errno::INVAL);
        }
        message.set_group(CString::from(group));
        Ok(0)
    }

    /// The group; empty for none. It lives as long as the message.
    fn zmq_msg_group(msg: *mut zmq_msg_t) -> *const c_char, or c"".as_ptr(); {
        // SAFETY: the program's message.
        Ok(unsafe { seen(msg) }?.group_text().unwrap_or_default().as_ptr())
    }
}
