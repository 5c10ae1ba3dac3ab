//! Sockets that send to multicast groups and receive from them, in UDP datagrams or as a protocol of their own.
//!
//! They are there on Linux; elsewhere an endpoint of pgm or epgm is refused with an error that says so.

#[cfg_attr(target_os = "linux", path = "multicast/linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "multicast/none.rs")]
mod system;

use std::{net::IpAddr, time::Duration};

pub(crate) use self::system::MulticastSockets;
use crate::{endpoint::MulticastEndpoint, pgm::Settings};

/// Options of pgm and epgm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MulticastTuning {
    /// How fast a publisher sends new data, in kilobits per second with all headers, and with `recovery` how much is kept to be
    /// sent again. Default 100.
    pub rate: u32,
    /// For how long data that was sent at that rate can be repaired. Default 10 s.
    pub recovery: Duration,
    /// How many routers packets may pass, with the first network counted: 1 is the local network alone. Default 1.
    pub hops: u8,
    /// Whether sockets on the same machine receive what is sent, over an interface that leads out of it. Default false: libzmq
    /// cannot do it either.
    pub loopback: bool,
    /// The largest packet, in bytes with all headers: at most 65,535. Default 1500.
    pub max_tpdu: u32,
}

impl Default for MulticastTuning {
    fn default() -> Self {
        Self {
            rate: 100,
            recovery: Duration::from_secs(10),
            hops: 1,
            loopback: false,
            max_tpdu: 1500,
        }
    }
}

impl MulticastTuning {
    /// What packets to this endpoint are like.
    pub(crate) fn settings(&self, at: &MulticastEndpoint) -> Settings {
        Settings {
            rate: self.rate,
            recovery: self.recovery,
            max_tpdu: self.max_tpdu as usize,
            in_udp: at.is_encapsulated(),
            ipv6: at.is_ipv6(),
        }
    }

    /// The largest message, in bytes, that all of can be sent again if it is lost. Of a larger one the beginning is forgotten before the
    /// end is sent.
    #[must_use]
    pub fn largest_message(&self, at: &MulticastEndpoint) -> u64 {
        let settings = self.settings(at);
        let data = settings.max_tsdu().unwrap_or_default().saturating_sub(2);
        u64::from(settings.window()) * data as u64
    }
}

/// A packet that has come.
pub(crate) struct Received {
    /// Where it is in the buffer.
    pub(crate) bytes: std::ops::Range<usize>,
    pub(crate) from: IpAddr,
    /// The group, or this end's address.
    pub(crate) to: IpAddr,
}
