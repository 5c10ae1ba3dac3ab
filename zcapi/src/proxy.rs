//! Proxies.

use std::{
    ffi::{c_int, c_void},
    io,
};

use zproxy::{Ended, Proxy};

use crate::{
    entry::entries,
    errno::Errno,
    socket::slots::{Taken, take},
};

/// Forwards until the end, which only a command brings about without an error.
fn run(
    frontend: *mut c_void,
    backend: *mut c_void,
    capture: *mut c_void,
    control: *mut c_void,
) -> Result<c_int, Errno> {
    if frontend.is_null() || backend.is_null() {
        return Err(Errno::FAULT);
    }
    let mut frontend_taken = take(frontend)?;
    let is_echo = frontend == backend;
    let mut backend_taken = if is_echo { None } else { Some(take(backend)?) };
    let mut capture = other(capture)?;
    let mut control = other(control)?;
    // The proxy waits for them itself.
    let mut all: Vec<&mut Taken> = vec![&mut frontend_taken];
    all.extend(backend_taken.as_mut());
    all.extend(control.as_mut());
    all.extend(capture.as_mut());
    let was_waiting: Vec<bool> = all.iter_mut().map(|socket| socket.stop_waiting()).collect();
    let (frontend, backend) = (
        &frontend_taken,
        backend_taken.as_ref().unwrap_or(&frontend_taken),
    );
    let proxy = Proxy::new(&frontend.socket, &backend.socket).interruptible(true);
    let ended = match (&capture, &control) {
        (None, None) => proxy.run(),
        (Some(capture), None) => proxy.capture(&capture.socket).run(),
        (None, Some(control)) => proxy.control(&control.socket).run(),
        (Some(capture), Some(control)) => proxy
            .capture(&capture.socket)
            .control(&control.socket)
            .run(),
    };
    let mut all = vec![&frontend_taken];
    all.extend(backend_taken.as_ref());
    all.extend(control.as_ref());
    all.extend(capture.as_ref());
    for (socket, _) in all.into_iter().zip(was_waiting).filter(|(_, was)| *was) {
        socket.go_on_waiting();
    }
    match ended {
        Ok(Ended::ByControl | Ended::ByHandle) => Ok(0),
        Ok(_) => Err(Errno::TERM),
        Err(zproxy::Error::Wait(error)) if error.kind() == io::ErrorKind::Interrupted => {
            Err(Errno::INTR)
        }
        Err(zproxy::Error::Wait(error)) => Err(error.into()),
        Err(zproxy::Error::Socket { error, .. }) => Err(error.into()),
        Err(zproxy::Error::NothingToForward { .. }) => Err(Errno::NOTSUP),
        Err(_) => Err(Errno::INVAL),
    }
}

/// A socket that need not be there.
fn other(handle: *mut c_void) -> Result<Option<Taken>, Errno> {
    if handle.is_null() {
        return Ok(None);
    }
    take(handle).map(Some)
}

entries! {
    /// Forwards messages between two sockets, with copies for a third one.
    fn zmq_proxy(frontend: *mut c_void, backend: *mut c_void, capture: *mut c_void) -> c_int, or -1; {
        run(frontend, backend, capture, std::ptr::null_mut())
    }

    /// Likewise, and obeys commands that come in on a fourth one.
    fn zmq_proxy_steerable(
        frontend: *mut c_void,
        backend: *mut c_void,
        capture: *mut c_void,
        control: *mut c_void,
    ) -> c_int, or -1; {
        run(frontend, backend, capture, control)
    }

    /// `zmq_proxy` by an earlier name. The type never mattered.
    fn zmq_device(_type: c_int, frontend: *mut c_void, backend: *mut c_void) -> c_int, or -1; {
        run(frontend, backend, std::ptr::null_mut(), std::ptr::null_mut())
    }
}
