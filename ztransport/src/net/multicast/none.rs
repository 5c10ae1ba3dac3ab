//! Where nobody has looked yet what the system's multicast is like: every endpoint is refused when it is opened.

use std::{
    convert::Infallible,
    io::{self, ErrorKind},
    net::IpAddr,
};

use super::Received;
use crate::{
    endpoint::{Endpoint, MulticastEndpoint},
    net::{BindError, SocketTuning},
    poll::Watched,
};

/// There are none.
#[derive(Debug)]
pub(crate) struct MulticastSockets(Infallible);

impl MulticastSockets {
    pub(crate) fn open(
        at: &MulticastEndpoint,
        _: bool,
        _: &SocketTuning,
    ) -> Result<Self, BindError> {
        let text = "pgm and epgm are there on Linux only";
        let error = io::Error::new(ErrorKind::Unsupported, text);
        Err(BindError::Io(Endpoint::Multicast(at.clone()), error))
    }

    pub(crate) fn nla(&self) -> IpAddr {
        match self.0 {}
    }

    pub(crate) fn send_group(&self) -> IpAddr {
        match self.0 {}
    }

    pub(crate) fn inputs(&self) -> impl Iterator<Item = &Watched> {
        [].into_iter()
    }

    pub(crate) fn output(&self) -> &Watched {
        match self.0 {}
    }

    pub(crate) fn send(&self, _: &[u8]) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn ask(&mut self, _: IpAddr, _: u32, _: &[u8]) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn send_to_groups(&self, _: &[u8]) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn receive(&mut self, _: &mut [u8]) -> Option<Received> {
        match self.0 {}
    }
}
