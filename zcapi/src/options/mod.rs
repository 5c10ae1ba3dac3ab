//! Options of sockets by number, with libzmq's types, sizes and errors.
//!
//! What an option *does* is the business of `zsocket`, which knows all of them by libzmq's numbers. What is here is the form in
//! which a C program gives and takes a value ([`form`]), and the options that only C has: `ZMQ_FD`, `ZMQ_EVENTS`, `ZMQ_RCVMORE`
//! and the like ([`own`]). What there is not yet answers `EINVAL` ([`absent`]); nothing is accepted and ignored.

mod absent;
pub(crate) mod calls;
mod form;
mod own;

use std::{collections::BTreeMap, ffi::c_int, os::fd::RawFd};

use zeroize::Zeroizing;
use zsocket::{InvalidOption, OptionId, Value};

use self::form::Form;
use crate::{errno::Errno, socket::State};

/// Values that are not kept as they were given, so that they can be read back so.
#[derive(Default)]
pub(crate) struct Said {
    numbers: BTreeMap<c_int, c_int>,
    /// Those that `zsocket` does not give back.
    secrets: BTreeMap<c_int, Zeroizing<Vec<u8>>>,
    use_fd: Option<RawFd>,
}

impl Said {
    pub(crate) fn use_fd(&self) -> Option<RawFd> {
        self.use_fd
    }

    pub(crate) fn set_use_fd(&mut self, descriptor: Option<RawFd>) {
        self.use_fd = descriptor;
    }
}

/// Sets an option.
fn set(state: &mut State, option: c_int, value: Option<&[u8]>) -> Result<(), Errno> {
    if state.context.is_terminated() {
        return Err(Errno::TERM);
    }
    if let Some(set) = own::set(state, option, value) {
        return set;
    }
    let Some(form) = Form::of(option) else {
        return absent::set(option, value);
    };
    let (number, given) = (option, form.read(option, value)?);
    let secret = form.secret(&given);
    let id = OptionId::from_zmq_number(number).ok_or(Errno::INVAL)?;
    if !id.socket_types().contains(&state.kind) {
        // libzmq has some of these for all types, where they do nothing. Only that is allowed.
        let is_default = id
            .default_value()
            .as_ref()
            .is_some_and(|value| form.is_same(value, &given));
        let is_idle = form.is_general(number) && is_default;
        return if is_idle { Ok(()) } else { Err(Errno::INVAL) };
    }
    match state.socket.set_option(id, given.value) {
        Ok(()) => {}
        Err(zsocket::Error::Terminated) => return Err(Errno::TERM),
        // Whatever is wrong with it: that is libzmq's answer.
        Err(_) => return Err(Errno::INVAL),
    }
    if let Some(secret) = secret {
        state.said.secrets.insert(number, secret);
    }
    match given.said {
        Some(said) => state.said.numbers.insert(number, said),
        None => state.said.numbers.remove(&number),
    };
    Ok(())
}

/// Reads an option into `to`, and says how many bytes it has.
fn get(state: &mut State, option: c_int, to: &mut [u8]) -> Result<usize, Errno> {
    if state.context.is_terminated() {
        return Err(Errno::TERM);
    }
    if let Some(got) = own::get(state, option, to) {
        return got;
    }
    let Some(form) = Form::of(option).filter(|form| form.is_readable(option)) else {
        return absent::get(option, to);
    };
    if let Some(said) = state.said.numbers.get(&option) {
        return form::put_int(*said, to);
    }
    if let Some(secret) = state.said.secrets.get(&option) {
        return form.write_secret(secret, to);
    }
    let id = OptionId::from_zmq_number(option).ok_or(Errno::INVAL)?;
    let value = if id.socket_types().contains(&state.kind) {
        match state.socket.option(id) {
            Ok(value) => value,
            Err(error) if matches!(error.option(), Some(InvalidOption::Access { .. })) => {
                Value::None
            }
            Err(error) => return Err(error.into()),
        }
    } else if form.is_general(option) {
        id.default_value().ok_or(Errno::INVAL)?
    } else {
        return Err(Errno::INVAL);
    };
    form.write(&value, id.zmq_none(), to)
}
