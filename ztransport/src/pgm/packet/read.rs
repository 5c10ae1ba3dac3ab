//! Reads fields off the front of a packet, and never beyond its end.

use std::net::IpAddr;

use super::PacketError;

/// Address families as PGM numbers them.
pub(super) const AFI_IPV4: u16 = 1;
pub(super) const AFI_IPV6: u16 = 2;

pub(super) struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], PacketError> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or(PacketError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], PacketError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(PacketError::Truncated)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u16(&mut self) -> Result<u16, PacketError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, PacketError> {
        self.array().map(u32::from_be_bytes)
    }

    /// A network-layer address, with its family and two reserved bytes before it.
    pub(super) fn address(&mut self) -> Result<IpAddr, PacketError> {
        let family = self.u16()?;
        self.u16()?;
        match family {
            AFI_IPV4 => self.array::<4>().map(IpAddr::from),
            AFI_IPV6 => self.array::<16>().map(IpAddr::from),
            other => Err(PacketError::UnknownAddressFamily(other)),
        }
    }
}
