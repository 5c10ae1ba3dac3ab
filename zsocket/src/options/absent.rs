//! Options of libzmq that there are not, and why.

/// Why there is no such option.
pub(super) struct Absent {
    /// Its name in libzmq, without `ZMQ_`.
    pub(super) name: &'static str,
    pub(super) number: i32,
    pub(super) reason: &'static str,
}

macro_rules! absent {
    ($($reason:literal: $($name:ident $number:literal)+;)*) => {
        pub(super) static ABSENT: &[Absent] = &[
            $($(Absent { name: stringify!($name), number: $number, reason: $reason },)+)*
        ];
    };
}

absent! {
    "replaced: a message is received whole, with all its frames": RCVMORE 13;
    "replaced by `Socket::readiness`, and by zpoll, whose `Poller` has a descriptor": FD 14 EVENTS 15;
    "deprecated: replaced by ZMQ_IPV6": IPV4ONLY 31;
    "not planned: the mechanism GSSAPI":
        GSSAPI_SERVER 62 GSSAPI_PRINCIPAL 63 GSSAPI_SERVICE_PRINCIPAL 64 GSSAPI_PLAINTEXT 65
        GSSAPI_PRINCIPAL_NAMETYPE 90 GSSAPI_SERVICE_PRINCIPAL_NAMETYPE 91;
    "replaced: a socket belongs to one thread at a time, which the compiler sees to": THREAD_SAFE 81;
    "not there yet: the transport vmci":
        VMCI_BUFFER_SIZE 85 VMCI_BUFFER_MIN_SIZE 86 VMCI_BUFFER_MAX_SIZE 87 VMCI_CONNECT_TIMEOUT 88;
    "replaced by `Socket::bind_descriptor`, which owns what it is given": USE_FD 89;
    "not planned: it is for Windows": LOOPBACK_FASTPATH 94;
    "draft, not needed: reads and writes are as large as what there is": IN_BATCH_SIZE 101 OUT_BATCH_SIZE 102;
    "not there yet: the transport wss":
        WSS_KEY_PEM 103 WSS_CERT_PEM 104 WSS_TRUST_PEM 105 WSS_HOSTNAME 106 WSS_TRUST_SYSTEM 107;
    "not there yet: the transport norm":
        NORM_MODE 117 NORM_UNICAST_NACK 118 NORM_BUFFER_SIZE 119 NORM_SEGMENT_SIZE 120 NORM_BLOCK_SIZE 121
        NORM_NUM_PARITY 122 NORM_NUM_AUTOPARITY 123 NORM_PUSH 124;
}

/// Earlier names of libzmq, and those that it has now.
pub(super) static RENAMED: [(&str, &str); 5] = [
    ("IDENTITY", "ROUTING_ID"),
    ("FAIL_UNROUTABLE", "ROUTER_MANDATORY"),
    ("ROUTER_BEHAVIOR", "ROUTER_MANDATORY"),
    ("DELAY_ATTACH_ON_CONNECT", "IMMEDIATE"),
    ("CONNECT_RID", "CONNECT_ROUTING_ID"),
];

/// A name of libzmq without `ZMQ_` in front.
pub(super) fn without_prefix(name: &str) -> &str {
    match name.split_at_checked(4) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("ZMQ_") => rest,
        _ => name,
    }
}

/// The name of today.
pub(super) fn modern_name(name: &str) -> &str {
    let renamed = RENAMED
        .iter()
        .find(|(old, _)| old.eq_ignore_ascii_case(name));
    renamed.map_or(name, |(_, new)| new)
}

pub(super) fn reason_by_name(name: &str) -> Option<&'static str> {
    let name = without_prefix(name);
    let absent = ABSENT
        .iter()
        .find(|absent| absent.name.eq_ignore_ascii_case(name));
    absent.map(|absent| absent.reason)
}

pub(super) fn reason_by_number(number: i32) -> Option<&'static str> {
    let absent = ABSENT.iter().find(|absent| absent.number == number);
    absent.map(|absent| absent.reason)
}
