//! Binding and connecting as libzmq does.

use std::{
    ffi::{CStr, c_char},
    os::fd::{FromRawFd, OwnedFd},
};

use zsocket::{Error, OptionId};

use super::State;
use crate::errno::Errno;

/// An endpoint as a program gives it.
///
/// # Safety
///
/// The pointer is null, or to text that ends with a zero.
pub(super) unsafe fn text<'a>(endpoint: *const c_char) -> Result<&'a str, Errno> {
    if endpoint.is_null() {
        return Err(Errno::INVAL);
    }
    // SAFETY: the caller has promised that.
    unsafe { CStr::from_ptr(endpoint) }
        .to_str()
        .map_err(|_| Errno::INVAL)
}

impl State {
    fn check(&self, endpoint: &str) -> Result<(), Errno> {
        if self.context.is_terminated() {
            return Err(Errno::TERM);
        }
        // Transports of libzmq that only some types of sockets have, none of those that there are here.
        if endpoint.starts_with("udp://") {
            return Err(Errno::NOCOMPATPROTO);
        }
        Ok(())
    }

    pub(super) fn bind(&mut self, endpoint: &str) -> Result<(), Errno> {
        self.check(endpoint)?;
        if let Some(descriptor) = self.said.use_fd() {
            // SAFETY: the program gives it to the library, by `ZMQ_USE_FD`.
            let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
            self.said.set_use_fd(None);
            self.socket.bind_descriptor(descriptor)?;
            return Ok(());
        }
        if endpoint.starts_with("ipc://") {
            self.set_ipc_mode()?;
        }
        self.socket.bind(endpoint)?;
        Ok(())
    }

    /// Files of endpoints have the permissions that the process gives to all its files, as with libzmq.
    fn set_ipc_mode(&self) -> Result<(), Errno> {
        let mode = 0o777 & !umask().unwrap_or(0o077);
        Ok(self.socket.set_option(OptionId::IPC_MODE, mode)?)
    }

    pub(super) fn connect(&mut self, endpoint: &str) -> Result<(), Errno> {
        self.check(endpoint)?;
        self.socket.connect(endpoint)?;
        Ok(())
    }

    /// Lets go of an endpoint, whichever way it is used.
    pub(super) fn detach(&mut self, endpoint: &str, bound_first: bool) -> Result<(), Errno> {
        self.check(endpoint)?;
        let detach = |bound: bool| {
            if bound {
                self.socket.unbind(endpoint)
            } else {
                self.socket.disconnect(endpoint)
            }
        };
        match detach(bound_first) {
            Err(Error::NoSuchEndpoint(_) | Error::InvalidEndpoint(_)) => {}
            done => return Ok(done?),
        }
        Ok(detach(!bound_first)?)
    }
}

/// The process's mask for the permissions of new files. The call that reads it sets it as well, which other threads would notice.
fn umask() -> Option<u32> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("Umask:"))?;
    u32::from_str_radix(line.trim(), 8).ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_mask_for_files_is_that_of_the_process() {
        let mask = super::umask().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o666 & !mask);
    }
}
