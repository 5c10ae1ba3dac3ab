//! Rates and sizes, and what follows from them.

use std::time::Duration;

/// Bytes of headers below PGM.
const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;
const UDP_HEADER: usize = 8;
/// Bytes that libzmq keeps free for an option that it never sends. Other packets would be larger than its own.
const FRAGMENT_OPTION: usize = 20;

/// What both ends of a session have to know, each for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Kilobits per second that new data may take, with all headers.
    pub(crate) rate: u32,
    /// For how long what was sent at full rate can be repaired.
    pub(crate) recovery: Duration,
    /// The largest packet, with all headers: at most 65,535 bytes.
    pub(crate) max_tpdu: usize,
    /// Whether packets travel in UDP datagrams.
    pub(crate) in_udp: bool,
    /// Whether they travel over IPv6.
    pub ipv6: bool,
}

impl Settings {
    /// The least data of a packet that is of any use.
    pub(crate) const MIN_TSDU: usize = 16;

    /// Packets that can be repaired: as many as are sent in [`recovery`](Self::recovery) if each is as large as possible. At least
    /// 1; at most 2²⁴, since numbers come again some day.
    #[must_use]
    pub(crate) fn window(&self) -> u32 {
        let per_millisecond = u128::from(self.rate / 8);
        let packets = per_millisecond * self.recovery.as_millis() / self.max_tpdu.max(1) as u128;
        u32::try_from(packets).unwrap_or(u32::MAX).clamp(1, 1 << 24)
    }

    /// Bytes of headers below PGM.
    #[must_use]
    pub(crate) fn below(&self) -> usize {
        let ip = if self.ipv6 { IPV6_HEADER } else { IPV4_HEADER };
        ip + if self.in_udp { UDP_HEADER } else { 0 }
    }

    /// The most data in a packet, with the two bytes that tell where a message begins. `None` if nothing worth sending fits
    /// into [`max_tpdu`](Self::max_tpdu).
    #[must_use]
    pub(crate) fn max_tsdu(&self) -> Option<usize> {
        let headers = self.below() + super::packet::DATA_HEADER + FRAGMENT_OPTION;
        let data = self.max_tpdu.checked_sub(headers)?;
        (data >= Self::MIN_TSDU && self.max_tpdu <= usize::from(u16::MAX)).then_some(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPGM: Settings = Settings {
        rate: 100,
        recovery: Duration::from_secs(10),
        max_tpdu: 1500,
        in_udp: true,
        ipv6: false,
    };

    #[test]
    fn windows_are_as_large_as_those_of_libzmq() {
        assert_eq!(EPGM.window(), 80);
        let fast = Settings {
            rate: 1_000_000,
            ..EPGM
        };
        assert_eq!(fast.window(), 833_333);
        let none = Settings {
            recovery: Duration::ZERO,
            ..EPGM
        };
        assert_eq!(none.window(), 1);
        let all = Settings {
            rate: u32::MAX,
            recovery: Duration::MAX,
            max_tpdu: 100,
            ..EPGM
        };
        assert_eq!(all.window(), 1 << 24);
    }

    #[test]
    fn packets_are_as_large_as_those_of_libzmq() {
        let data = |in_udp, ipv6| {
            let settings = Settings {
                in_udp,
                ipv6,
                ..EPGM
            };
            settings.max_tsdu().unwrap()
        };
        assert_eq!(data(true, false), 1428);
        assert_eq!(data(false, false), 1436);
        assert_eq!(data(true, true), 1408);
        assert_eq!(data(false, true), 1416);
        for (max_tpdu, expected) in [
            (87, None),
            (88, Some(16)),
            (65_535, Some(65_463)),
            (65_536, None),
        ] {
            let settings = Settings { max_tpdu, ..EPGM };
            assert_eq!(settings.max_tsdu(), expected);
        }
    }
}
