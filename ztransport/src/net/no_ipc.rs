//! ipc where the system has none: an endpoint of ipc is refused when it is parsed, so nothing here is ever asked.

use std::{convert::Infallible, io};

use socket2::Socket;

use super::{BindError, ConnectError, ConnectState, ProcessCredentials, SocketTuning};
use crate::endpoint::{Endpoint, IpcEndpoint};

/// There is none.
#[derive(Debug)]
pub(super) struct SocketFile(Infallible);

impl SocketFile {
    pub(super) fn remove(self) -> io::Result<()> {
        match self.0 {}
    }
}

pub(super) fn bind(
    endpoint: &Endpoint,
    _: &IpcEndpoint,
    _: &SocketTuning,
) -> Result<(Socket, Option<SocketFile>, Endpoint), BindError> {
    Err(BindError::Io(endpoint.clone(), unsupported()))
}

pub(super) fn connect(
    _: &IpcEndpoint,
    _: &SocketTuning,
) -> Result<(Socket, ConnectState), ConnectError> {
    Err(ConnectError::Io(unsupported()))
}

pub(super) fn peer_credentials(_: &Socket) -> Option<ProcessCredentials> {
    None
}

pub(super) fn peer_groups(_: &Socket) -> Vec<u32> {
    Vec::new()
}

fn unsupported() -> io::Error {
    io::ErrorKind::Unsupported.into()
}
