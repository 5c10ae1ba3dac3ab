//! The functions on sockets.

use std::{
    ffi::{c_char, c_int, c_void},
    ptr,
    sync::Arc,
};

use zsocket::{Frame, SocketType};

use super::{
    State,
    endpoints::text,
    send::{Part, told},
    slots::{self, take},
};
use crate::{
    context,
    entry::entries,
    errno::Errno,
    message::{Constant, HANDED_OVER, calls::message, zmq_msg_t},
};

/// Types by their numbers. Those of the draft API are not there yet.
fn socket_type(number: c_int) -> Result<SocketType, Errno> {
    Ok(match number {
        0 => SocketType::Pair,
        1 => SocketType::Pub,
        2 => SocketType::Sub,
        3 => SocketType::Req,
        4 => SocketType::Rep,
        5 => SocketType::Dealer,
        6 => SocketType::Router,
        7 => SocketType::Pull,
        8 => SocketType::Push,
        9 => SocketType::XPub,
        10 => SocketType::XSub,
        11 => SocketType::Stream,
        _ => return Err(Errno::INVAL),
    })
}

/// The number of a type.
pub(crate) fn type_number(socket_type: SocketType) -> c_int {
    (0..=11)
        .find(|number| self::socket_type(*number) == Ok(socket_type))
        .unwrap_or(-1)
}

entries! {
    /// Makes a socket.
    fn zmq_socket(context: *mut c_void, kind: c_int) -> *mut c_void, or ptr::null_mut(); {
        let context = context::find(context)?;
        let kind = socket_type(kind)?;
        let socket = context.socket(kind)?;
        let state = Box::new(State::new(socket, kind, Arc::clone(&context)));
        slots::insert(state).ok_or(Errno::MFILE)
    }

    /// Closes a socket. What it has queued is sent in the background.
    fn zmq_close(s: *mut c_void) -> c_int, or -1; {
        if let Some(state) = take(s)?.close() {
            state.close();
        }
        Ok(0)
    }

    /// Accepts connections at an endpoint.
    fn zmq_bind(s: *mut c_void, addr: *const c_char) -> c_int, or -1; {
        let mut socket = take(s)?;
        // SAFETY: the program's text.
        socket.bind(unsafe { text(addr) }?)?;
        Ok(0)
    }

    /// Connects to an endpoint.
    fn zmq_connect(s: *mut c_void, addr: *const c_char) -> c_int, or -1; {
        let mut socket = take(s)?;
        // SAFETY: the program's text.
        socket.connect(unsafe { text(addr) }?)?;
        Ok(0)
    }

    /// Takes back what `zmq_bind`, or `zmq_connect`, has done.
    fn zmq_unbind(s: *mut c_void, addr: *const c_char) -> c_int, or -1; {
        let mut socket = take(s)?;
        // SAFETY: the program's text.
        socket.detach(unsafe { text(addr) }?, true)?;
        Ok(0)
    }

    /// Takes back what `zmq_connect`, or `zmq_bind`, has done.
    fn zmq_disconnect(s: *mut c_void, addr: *const c_char) -> c_int, or -1; {
        let mut socket = take(s)?;
        // SAFETY: the program's text.
        socket.detach(unsafe { text(addr) }?, false)?;
        Ok(0)
    }

    /// Sends a copy of a buffer as one frame.
    fn zmq_send(s: *mut c_void, buf: *const c_void, len: usize, flags: c_int) -> c_int, or -1; {
        let mut socket = take(s)?;
        // SAFETY: the program's buffer of this size.
        let body = unsafe { crate::slice(buf, len) }?;
        socket.send_part(Part::Lent(body), flags)?;
        Ok(told(len))
    }

    /// Sends a buffer that stays as it is for ever, without a copy if it is large.
    fn zmq_send_const(s: *mut c_void, buf: *const c_void, len: usize, flags: c_int) -> c_int, or -1; {
        let mut socket = take(s)?;
        // SAFETY: the program's buffer of this size.
        let body = unsafe { crate::slice(buf, len) }?;
        let part = if len < HANDED_OVER {
            Part::Lent(body)
        } else {
            // SAFETY: the program has promised that.
            let constant = unsafe { Constant::new(body.as_ptr(), len) };
            Part::Shared(bytes::Bytes::from_owner(constant))
        };
        socket.send_part(part, flags)?;
        Ok(told(len))
    }

    /// Receives one frame into a buffer, which may be too short for all of it, and says how long it is.
    fn zmq_recv(s: *mut c_void, buf: *mut c_void, len: usize, flags: c_int) -> c_int, or -1; {
        let mut socket = take(s)?;
        if buf.is_null() && len > 0 {
            return Err(Errno::FAULT);
        }
        socket.recv_part(flags, |body| {
            if len > 0 {
                // SAFETY: the program's buffer of this size, which it does not send meanwhile.
                unsafe { ptr::copy_nonoverlapping(body.as_ptr(), buf.cast(), body.len().min(len)) };
            }
            told(body.len())
        })
    }

    /// Sends a message as one frame.
    fn zmq_msg_send(msg: *mut zmq_msg_t, s: *mut c_void, flags: c_int) -> c_int, or -1; {
        let mut socket = take(s)?;
        // SAFETY: the program's message.
        socket.send_message(unsafe { message(msg) }?, flags)
    }

    /// Receives one frame as a message.
    fn zmq_msg_recv(msg: *mut zmq_msg_t, s: *mut c_void, flags: c_int) -> c_int, or -1; {
        let mut socket = take(s)?;
        // SAFETY: the program's message.
        socket.recv_message(unsafe { message(msg) }?, flags)
    }

    /// `zmq_msg_send` by an earlier name.
    fn zmq_sendmsg(s: *mut c_void, msg: *mut zmq_msg_t, flags: c_int) -> c_int, or -1; {
        let mut socket = take(s)?;
        // SAFETY: the program's message.
        socket.send_message(unsafe { message(msg) }?, flags)
    }

    /// `zmq_msg_recv` by an earlier name.
    fn zmq_recvmsg(s: *mut c_void, msg: *mut zmq_msg_t, flags: c_int) -> c_int, or -1; {
        let mut socket = take(s)?;
        // SAFETY: the program's message.
        socket.recv_message(unsafe { message(msg) }?, flags)
    }

    /// Sends each of several buffers as a frame.
    fn zmq_sendiov(s: *mut c_void, iov: *mut libc::iovec, count: usize, flags: c_int) -> c_int, or -1; {
        let mut socket = take(s)?;
        if iov.is_null() || count == 0 {
            return Err(Errno::INVAL);
        }
        // SAFETY: the program's list of this length, and its buffers.
        unsafe { socket.send_all(std::slice::from_raw_parts(iov, count), flags) }
    }

    /// Receives frames of a message into buffers that the program frees.
    fn zmq_recviov(s: *mut c_void, iov: *mut libc::iovec, count: *mut usize, flags: c_int) -> c_int, or -1; {
        let mut socket = take(s)?;
        // SAFETY: the program's number.
        let count = unsafe { count.as_mut() }.ok_or(Errno::INVAL)?;
        if iov.is_null() || *count == 0 {
            return Err(Errno::INVAL);
        }
        // SAFETY: the program's list of this length.
        let buffers = unsafe { std::slice::from_raw_parts_mut(iov, *count) };
        socket.recv_all(buffers, count, flags)
    }

    /// Membership in groups is for DISH, which is not there yet.
    fn zmq_join(s: *mut c_void, _group: *const c_char) -> c_int, or -1; {
        take(s)?;
        Err(Errno::NOTSUP)
    }

    /// Likewise.
    fn zmq_leave(s: *mut c_void, _group: *const c_char) -> c_int, or -1; {
        take(s)?;
        Err(Errno::NOTSUP)
    }

    /// Peers with numbers are for PEER, which is not there yet.
    fn zmq_connect_peer(s: *mut c_void, _addr: *const c_char) -> u32, or 0; {
        take(s)?;
        Err(Errno::NOTSUP)
    }

    /// Whether a ROUTER can send to the peer of this routing id now: `ZMQ_POLLOUT` or 0.
    fn zmq_socket_get_peer_state(s: *mut c_void, routing_id: *const c_void, size: usize) -> c_int, or -1; {
        let socket = take(s)?;
        // SAFETY: the program's buffer of this size.
        let id = unsafe { crate::slice(routing_id, size) }?;
        socket.peer_state(&Frame::from(id))
    }
}

impl State {
    fn close(self: Box<Self>) {
        let Self {
            socket,
            outgoing,
            received,
            monitor,
            ..
        } = *self;
        // What was not sent or received may have owners, who call back.
        drop((outgoing, received));
        drop(socket);
        // The name of its endpoint is free when this returns.
        drop(monitor);
    }

    fn peer_state(&self, id: &Frame) -> Result<c_int, Errno> {
        if self.kind != SocketType::Router {
            return Err(Errno::NOTSUP);
        }
        let peers = self.socket.peer_list();
        let peer = peers.iter().find(|peer| peer.routing_id[..] == id[..]);
        let peer = peer.ok_or(Errno::HOSTUNREACH)?;
        let stats = self.socket.peer_stats(peer.id).ok_or(Errno::HOSTUNREACH)?;
        let has_room = stats.send_mark == 0 || stats.queued_out < stats.send_mark;
        Ok(if has_room {
            c_int::from(crate::poll::POLLOUT)
        } else {
            0
        })
    }
}
