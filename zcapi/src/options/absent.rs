//! Options of libzmq that there are not. Those that libzmq has in every build can be read, and set to what they are; everything else
//! would be accepted and ignored.

use std::ffi::c_int;

use super::form::{int, put_int};
use crate::errno::Errno;

/// The value that an option always has.
const fn constant(option: c_int) -> Option<c_int> {
    Some(match option {
        // ZMQ_LOOPBACK_FASTPATH: of Windows.
        94 => 0,
        // ZMQ_MULTICAST_LOOP: of udp. With pgm libzmq ignores it.
        96 => 1,
        // ZMQ_IN_BATCH_SIZE, ZMQ_OUT_BATCH_SIZE: reads and writes are as large as what there is.
        101 | 102 => 8_192,
        _ => return None,
    })
}

pub(super) fn set(option: c_int, value: Option<&[u8]>) -> Result<(), Errno> {
    let constant = constant(option).ok_or(Errno::INVAL)?;
    if int(value)? == constant {
        Ok(())
    } else {
        Err(Errno::INVAL)
    }
}

pub(super) fn get(option: c_int, to: &mut [u8]) -> Result<usize, Errno> {
    put_int(constant(option).ok_or(Errno::INVAL)?, to)
}
